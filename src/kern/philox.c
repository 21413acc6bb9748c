/* Random numbers by counter (Philox 4x32-10). */
#include "kern/philox.h"

#include "base/clones.h"

#include <Random123/philox.h>

/* Ten rounds on {counter, draw} with the seed as key: the arithmetic of r123::Philox4x32, one lane a 64-bit number,
 * because the library's own handles one counter at a time. tests/kern/dropout.c compares the two. */
REEL_CLONES
void reel_kern_philox(uint64_t first, struct reel_philox_key key, uint32_t draws[REEL_PHILOX_GROUP])
{
    const uint64_t low = UINT32_MAX;
    for (int i = 0; i < REEL_PHILOX_LANES; i++) {
        uint64_t key0 = key.seed & low, key1 = key.seed >> 32;
        uint64_t a = (first + (uint64_t)i) & low, b = (first + (uint64_t)i) >> 32, c = key.draw & low,
                 d = key.draw >> 32;
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            uint64_t product0 = PHILOX_M4x32_0 * a, product1 = PHILOX_M4x32_1 * c;
            a = product1 >> 32 ^ b ^ key0;
            b = product1 & low;
            c = product0 >> 32 ^ d ^ key1;
            d = product0 & low;
            key0 = (key0 + PHILOX_W32_0) & low;
            key1 = (key1 + PHILOX_W32_1) & low;
        }
        draws[i] = (uint32_t)a;
        draws[REEL_PHILOX_LANES + i] = (uint32_t)b;
        draws[2 * REEL_PHILOX_LANES + i] = (uint32_t)c;
        draws[3 * REEL_PHILOX_LANES + i] = (uint32_t)d;
    }
}
