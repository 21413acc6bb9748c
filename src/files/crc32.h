/* The checksum of zip archives. */
#ifndef REEL_FILES_CRC32_H
#define REEL_FILES_CRC32_H

#include <stdint.h>

/* What eight bytes at once are looked up in; made where it is used, since it is larger than the code that makes it. */
struct reel_crc32 {
    uint32_t table[8][256];
};
void reel_crc32_make(struct reel_crc32 *crc);

/* The checksum of what `sum` is that of, 0 for nothing, followed by these bytes. */
uint32_t reel_crc32_add(const struct reel_crc32 *crc, uint32_t sum, const void *bytes, int64_t size);

#endif
