/* CRC-32, eight bytes at a time. */
#include "files/crc32.h"

#include <string.h>

void reel_crc32_make(struct reel_crc32 *crc)
{
    const uint32_t polynomial = 0xedb88320;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? polynomial : 0);
        crc->table[0][byte] = sum;
    }
    /* table[k] is for a byte with k more behind it. */
    for (int k = 1; k < 8; k++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = crc->table[k - 1][byte];
            crc->table[k][byte] = before >> 8 ^ crc->table[0][before & 0xff];
        }
}

uint32_t reel_crc32_add(const struct reel_crc32 *crc, uint32_t sum, const void *bytes, int64_t size)
{
    const unsigned char *b = bytes;
    const uint32_t(*t)[256] = crc->table;
    sum = ~sum;
    for (; size >= 8; size -= 8, b += 8) {
        uint32_t low, high;
        memcpy(&low, b, sizeof low);
        memcpy(&high, b + 4, sizeof high);
        low ^= sum;
        sum = t[7][low & 0xff] ^ t[6][low >> 8 & 0xff] ^ t[5][low >> 16 & 0xff] ^ t[4][low >> 24] ^ t[3][high & 0xff] ^
              t[2][high >> 8 & 0xff] ^ t[1][high >> 16 & 0xff] ^ t[0][high >> 24];
    }
    for (; size > 0; size--, b++)
        sum = sum >> 8 ^ t[0][(sum ^ *b) & 0xff];
    return ~sum;
}
