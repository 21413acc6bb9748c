/* Copies of single samples: bytes that become numbers, pictures that move. */
#include "kern/picture.h"

#include "base/clones.h"

#include <string.h>

/* Dividing takes three times as long. In float, 1 / 255 has two parts, of which the first is so short that its product
 * with a byte is exact, and the sum of both products rounds as the quotient does (tests/train/loader.c tries each
 * byte).
 */
static inline reel_real part_of_255(unsigned char byte)
{
    reel_real x = (reel_real)(int32_t)byte;
#ifdef REEL_F64
    return x / 255;
#else
    const float first = 0x1.0100p-8f, second = (float)(1.0 / 255 - 0x1.0100p-8);
    return x * first + x * second;
#endif
}

REEL_CLONES
void reel_kern_scale_bytes(int64_t n, const unsigned char *bytes, struct reel_byte_scale scale, reel_real *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = part_of_255(bytes[i]) * scale.span + scale.low;
}

REEL_CLONES
void reel_kern_widen_bytes(int64_t n, const unsigned char *bytes, int64_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = bytes[i];
}

static void fill(int64_t n, reel_real value, reel_real *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = value;
}

static void mirror(int64_t n, reel_real *line)
{
    for (int64_t left = 0, right = n - 1; left < right; left++, right--) {
        reel_real moved = line[left];
        line[left] = line[right];
        line[right] = moved;
    }
}

static void move_line(const struct reel_picture_move *m, int64_t first, const void *pixels,
                      const struct reel_byte_scale *scale, reel_real *out)
{
    int64_t skipped = m->right < 0 ? -m->right : 0, entering = m->right > 0 ? m->right : 0;
    int64_t kept = m->width - skipped - entering;
    fill(entering, m->fill, out);
    if (scale)
        reel_kern_scale_bytes(kept, (const unsigned char *)pixels + first + skipped, *scale, out + entering);
    else
        memcpy(out + entering, (const reel_real *)pixels + first + skipped, (size_t)kept * sizeof *out);
    fill(skipped, m->fill, out + entering + kept);
    if (m->flip_horizontal)
        mirror(m->width, out);
}

void reel_kern_move_picture(const struct reel_picture_move *move, const void *pixels,
                            const struct reel_byte_scale *scale, reel_real *out)
{
    for (int64_t plane = 0; plane < move->planes; plane++)
        for (int64_t line = 0; line < move->height; line++, out += move->width) {
            int64_t moved = move->flip_vertical ? move->height - 1 - line : line;
            int64_t from = moved - move->down;
            if (from < 0 || from >= move->height)
                fill(move->width, move->fill, out);
            else
                move_line(move, (plane * move->height + from) * move->width, pixels, scale, out);
        }
}
