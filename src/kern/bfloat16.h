/* Tables in bfloat16: looked up as reals, and rounded when they are written. */
#ifndef REEL_KERN_BFLOAT16_H
#define REEL_KERN_BFLOAT16_H

#include "kern/gather.h"
#include "kern/philox.h"

void reel_kern_widen(int64_t n, const uint16_t *from, reel_real *to);

/* To the nearest one. Reals of 64 bits are rounded to 32 first, here and below. */
void reel_kern_narrow(int64_t n, const reel_real *from, uint16_t *to, int threads);

/* To one of the two that lie beside it, as likely as it is near: exactly right on the average. `up` is drawn for each
 * element, from 0..65535. */
void reel_kern_narrow_drawn(int64_t n, const reel_real *from, const uint16_t *up, uint16_t *to);

/* Numbers for that, `n` of them: of the sequence, those from block `first` on, of REEL_KERN_UPS each; up has room for
 * whole blocks. */
enum { REEL_KERN_UPS = 2 * REEL_PHILOX_GROUP };
void reel_kern_draw_ups(int64_t n, struct reel_philox_key key, uint64_t first, uint16_t *up);

/* out[i, :] = table[index[i], :] for rows of `columns` elements. */
void reel_kern_gather_narrow(int64_t columns, struct reel_kern_indices index, const uint16_t *table, reel_real *out,
                             int threads);

#endif
