/* PyTorch's CPU generator: MT19937 and what is drawn from it, into raw arrays. */
#include "kern/random.h"
#include "base/clones.h"

#include <math.h>
#include <string.h>

/* To get PyTorch's last bits, every operation below is rounded exactly where its AVX2 code rounds: an fma() stands
 * where its compiler or author fused, separate operations where not. This file must be compiled with -ffp-contract=off.
 */

enum {
    WORDS = 624,
    DISTANCE = 397,
    BLOCK = 16,  /* normal draws of at least this size are made in blocks of this size */
    STRIP = 1024 /* elements drawn and then transformed while they are in the first-level cache; whole blocks */
};

/* ---- MT19937 ---- */

static inline uint32_t twist(uint32_t word, uint32_t next, uint32_t distant)
{
    uint32_t y = (word & 0x80000000u) | (next & 0x7fffffffu);
    return distant ^ (y >> 1) ^ ((0u - (y & 1u)) & 0x9908b0dfu);
}

static inline uint32_t temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Two loops instead of indices modulo 624, so that both vectorize: the second reads what was written 227 words before.
 */
REEL_CLONES static void regenerate(uint32_t *mt)
{
    for (int i = 0; i < WORDS - DISTANCE; i++)
        mt[i] = twist(mt[i], mt[i + 1], mt[i + DISTANCE]);
    for (int i = WORDS - DISTANCE; i < WORDS - 1; i++)
        mt[i] = twist(mt[i], mt[i + 1], mt[i - (WORDS - DISTANCE)]);
    mt[WORDS - 1] = twist(mt[WORDS - 1], mt[0], mt[DISTANCE - 1]);
}

/* After this at least one word is left. */
static inline void renew(struct reel_generator *g)
{
    if (g->index == 0 || g->index == WORDS) {
        regenerate(g->mt);
        g->index = 0;
    }
}

void reel_generator_seed(struct reel_generator *g, uint64_t seed)
{
    g->mt[0] = (uint32_t)seed;
    for (uint32_t j = 1; j < WORDS; j++)
        g->mt[j] = 1812433253u * (g->mt[j - 1] ^ (g->mt[j - 1] >> 30)) + j;
    g->index = 0;
    g->has_normal = false;
    g->normal = 0;
    g->seed = seed;
}

uint32_t reel_generator_random32(struct reel_generator *g)
{
    renew(g);
    return temper(g->mt[g->index++]);
}

uint64_t reel_generator_random64(struct reel_generator *g)
{
    uint64_t upper = reel_generator_random32(g);
    return upper << 32 | reel_generator_random32(g);
}

/* ---- Uniform ---- */

static inline double unit_double(uint64_t bits)
{
    return (double)(int64_t)(bits & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

#ifdef REEL_F64

REEL_CLONES static void units_from_words(double *out, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = unit_double((uint64_t)temper(words[2 * i]) << 32 | temper(words[2 * i + 1]));
}

static void draw_units(struct reel_generator *g, double *out, int64_t n)
{
    while (n > 0) {
        renew(g);
        int64_t count = (WORDS - g->index) / 2;
        if (count == 0) { /* the halves of this one lie on both sides of a regeneration */
            *out = unit_double(reel_generator_random64(g));
            count = 1;
        } else {
            count = count < n ? count : n;
            units_from_words(out, g->mt + g->index, count);
            g->index += (int32_t)(2 * count);
        }
        out += count;
        n -= count;
    }
}

#else

REEL_CLONES static void units_from_words(float *out, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(int32_t)(temper(words[i]) & 0xffffffu) * 0x1p-24f;
}

static void draw_units(struct reel_generator *g, float *out, int64_t n)
{
    while (n > 0) {
        renew(g);
        int64_t count = WORDS - g->index;
        count = count < n ? count : n;
        units_from_words(out, g->mt + g->index, count);
        g->index += (int32_t)count;
        out += count;
        n -= count;
    }
}

#endif

static inline reel_real fused(reel_real a, reel_real b, reel_real c)
{
#ifdef REEL_F64
    return fma(a, b, c);
#else
    return fmaf(a, b, c);
#endif
}

/* Rounding may lift a value to the excluded bound; PyTorch then takes the other one. */
REEL_CLONES static void spread_units(reel_real *x, int64_t n, reel_real low, reel_real high)
{
    reel_real span = high - low;
    for (int64_t i = 0; i < n; i++) {
        reel_real value = fused(x[i], span, low);
        x[i] = value == high ? low : value;
    }
}

void reel_generator_uniform(struct reel_generator *g, reel_real *out, int64_t n, double low, double high)
{
    while (n > 0) {
        int64_t count = n < STRIP ? n : STRIP;
        draw_units(g, out, count);
        spread_units(out, count, (reel_real)low, (reel_real)high);
        out += count;
        n -= count;
    }
}

/* ---- Normal ---- */

static const double two_pi = 0x1.921fb54442d18p+2;

#ifdef REEL_F64

/* Box-Muller: element j of a block gives the radius, element j + 8 the angle. */
static void transform_blocks(double *x, int64_t n, double mean, double std)
{
    for (; n > 0; n -= BLOCK, x += BLOCK) {
        for (int j = 0; j < BLOCK / 2; j++) {
            double radius = sqrt(-2 * log(1 - x[j]));
            double angle = two_pi * x[j + BLOCK / 2];
            x[j] = fma(radius * cos(angle), std, mean);
            x[j + BLOCK / 2] = fma(radius * sin(angle), std, mean);
        }
    }
}

#else

/* The float transform uses the logarithm, sine and cosine of the Cephes library as vectorized in PyTorch's
 * avx_mathfun.h. They differ from libm's in the last bits, so they are restated here, and without branches: choices are
 * made with masks on the bits, because gcc does not vectorize a conditional that it takes for a guard against floating
 * point traps. */

static inline uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* log(x) for normal x > 0: x is split into 2^e * (1 + t) with 1 + t in [sqrt(1/2), sqrt(2)). */
static inline float cephes_log(float x)
{
    uint32_t bits = float_bits(x);
    uint32_t mantissa_bits = (bits & 0x007fffffu) | 0x3f000000u;
    float mantissa = bits_float(mantissa_bits);   /* in [1/2, 1) */
    uint32_t below = mantissa_bits < 0x3f3504f3u; /* mantissa < sqrt(1/2): positive floats are ordered as their bits */
    float e = (float)((int32_t)(bits >> 23) - 126 - (int32_t)below);
    float t = (mantissa - 1) + bits_float(mantissa_bits & (0u - below));

    float square = t * t;
    float y = 7.0376836292e-2f;
    y = fmaf(y, t, -1.1514610310e-1f);
    y = fmaf(y, t, 1.1676998740e-1f);
    y = fmaf(y, t, -1.2420140846e-1f);
    y = fmaf(y, t, 1.4249322787e-1f);
    y = fmaf(y, t, -1.6668057665e-1f);
    y = fmaf(y, t, 2.0000714765e-1f);
    y = fmaf(y, t, -2.4999993993e-1f);
    y = fmaf(y, t, 3.3333331174e-1f);
    y = y * t;
    /* log(2) in two parts: one short enough for exact products with e, and the small rest. */
    y = fmaf(y, square, e * -2.12194440e-4f);
    y = fmaf(-0.5f, square, y);
    return fmaf(e, 0.693359375f, t + y);
}

/* sin(x) and cos(x) for 0 <= x <= 2 pi. `octant` is x in units of pi/4, rounded to the even number that leaves a rest
 * within pi/4 of 0. */
static inline void cephes_sincos(float x, float *sine, float *cosine)
{
    int32_t octant = ((int32_t)(x * 1.27323954473516f) + 1) & ~1;
    float y = (float)octant;
    /* pi/4 in three parts, so that the subtraction loses nothing */
    float rest = fmaf(y, -0.78515625f, x);
    rest = fmaf(y, -2.4187564849853515625e-4f, rest);
    rest = fmaf(y, -3.77489497744594108e-8f, rest);
    float square = rest * rest;

    float even = 2.443315711809948e-5f;
    even = fmaf(even, square, -1.388731625493765e-3f);
    even = fmaf(even, square, 4.166664568298827e-2f);
    even = even * square;
    even = fmaf(even, square, square * -0.5f);
    even = even + 1;

    float odd = -1.9515295891e-4f;
    odd = fmaf(odd, square, 8.3321608736e-3f);
    odd = fmaf(odd, square, -1.6666654611e-1f);
    odd = odd * square;
    odd = fmaf(odd, rest, rest);

    /* Every quarter turn, the two series change places. */
    uint32_t swapped = 0u - ((uint32_t)octant >> 1 & 1u);
    uint32_t difference = (float_bits(odd) ^ float_bits(even)) & swapped;
    uint32_t sine_sign = ((uint32_t)octant & 4u) << 29;
    uint32_t cosine_sign = (~((uint32_t)octant - 2u) & 4u) << 29;
    *sine = bits_float(float_bits(odd) ^ difference ^ sine_sign);
    *cosine = bits_float(float_bits(even) ^ difference ^ cosine_sign);
}

/* Box-Muller: element j of a block gives the radius, element j + 8 the angle. */
REEL_CLONES static void transform_blocks(float *x, int64_t n, float mean, float std)
{
    for (; n > 0; n -= BLOCK, x += BLOCK) {
        for (int j = 0; j < BLOCK / 2; j++) {
            float sine, cosine;
            float radius = sqrtf(-2 * cephes_log(1 - x[j]));
            cephes_sincos((float)two_pi * x[j + BLOCK / 2], &sine, &cosine);
            x[j] = fmaf(radius * cosine, std, mean);
            x[j + BLOCK / 2] = fmaf(radius * sine, std, mean);
        }
    }
}

#endif

/* Box-Muller one pair at a time, in double for every element type. The second sample of a pair waits in the generator,
 * for a later call too. */
static double next_normal(struct reel_generator *g)
{
    if (g->has_normal) {
        double kept = g->normal;
        g->has_normal = false;
        g->normal = 0;
        return kept;
    }
    double angle = two_pi * unit_double(reel_generator_random64(g));
    double radius = sqrt(-2 * log1p(-unit_double(reel_generator_random64(g))));
    g->has_normal = true;
    g->normal = radius * sin(angle);
    return radius * cos(angle);
}

void reel_generator_normal(struct reel_generator *g, reel_real *out, int64_t n, double mean, double std)
{
    if (n < BLOCK) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (reel_real)fma(next_normal(g), std, mean);
        return;
    }

    reel_real m = (reel_real)mean, s = (reel_real)std;
    int64_t done = 0, rest = n % BLOCK;
    while (done < n - rest) {
        int64_t count = n - rest - done < STRIP ? n - rest - done : STRIP;
        draw_units(g, out + done, count);
        transform_blocks(out + done, count, m, s);
        done += count;
    }
    if (rest > 0) {
        /* PyTorch draws for the incomplete block, too, and then makes the last 16 elements anew. */
        draw_units(g, out + done, rest);
        draw_units(g, out + n - BLOCK, BLOCK);
        transform_blocks(out + n - BLOCK, BLOCK, m, s);
    }
}

/* ---- Exponential ---- */

void reel_generator_exponential(struct reel_generator *g, reel_real *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (reel_real)-log1p(-unit_double(reel_generator_random64(g)));
}

/* ---- Integers ---- */

void reel_generator_integers(struct reel_generator *g, int64_t *out, int64_t n, int64_t low, int64_t high)
{
    /* Unsigned, because the difference of two int64 need not fit one. */
    uint64_t range = (uint64_t)high - (uint64_t)low;
    if (range >= UINT64_C(1) << 28) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (int64_t)(reel_generator_random64(g) % range + (uint64_t)low);
    } else {
        uint32_t narrow = (uint32_t)range;
        for (int64_t i = 0; i < n; i++)
            out[i] = (int64_t)(reel_generator_random32(g) % narrow) + low;
    }
}

void reel_generator_choose(struct reel_generator *g, int64_t *out, int64_t count, const double *cumulative, int64_t n)
{
    for (int64_t i = 0; i < count; i++) {
        double uniform = unit_double(reel_generator_random64(g));
        int64_t low = 0, high = n - 1;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            /* A draw of exactly 0 would find what has no weight in front (in PyTorch it does). */
            if (cumulative[middle] < uniform || cumulative[middle] == 0)
                low = middle + 1;
            else
                high = middle;
        }
        out[i] = low;
    }
}

void reel_generator_permutation(struct reel_generator *g, int64_t *out, int64_t n)
{
    if (n >= UINT32_MAX / 20) {
        /* A remainder of 32 bits would be visibly uneven. PyTorch also changes the shuffle here, to "inside-out". */
        for (int64_t i = 0; i < n; i++) {
            uint64_t z = reel_generator_random64(g) % (uint64_t)(i + 1);
            out[i] = i;
            out[i] = out[z];
            out[z] = i;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = i;
    for (int64_t i = 0; i < n - 1; i++) {
        int64_t z = i + reel_generator_random32(g) % (uint32_t)(n - i);
        int64_t moved = out[i];
        out[i] = out[z];
        out[z] = moved;
    }
}

/* ---- State ---- */

/* PyTorch keeps the layout of its first, Lua-era generator and appends a cache for float normals, which nothing on the
 * CPU fills. */
struct state_layout {
    uint64_t seed;
    int32_t left; /* draws until regeneration happens, counting the draw that causes it */
    int32_t seeded;
    uint64_t next;
    uint64_t mt[WORDS];
    double unused_normal;
    double normal;
    double unused_rho;
    int32_t has_normal;
    int32_t padding;
    float float_normal;
    uint32_t has_float_normal;
};
_Static_assert(sizeof(struct state_layout) == REEL_GENERATOR_STATE_SIZE, "the layout of torch.get_rng_state()");

static int32_t draws_left(int32_t index)
{
    return index == 0 ? 1 : WORDS + 1 - index;
}

void reel_generator_get_state(const struct reel_generator *g, unsigned char state[REEL_GENERATOR_STATE_SIZE])
{
    struct state_layout s = {
        .seed = g->seed,
        .left = draws_left(g->index),
        .seeded = 1,
        .next = (uint64_t)g->index,
        .normal = g->normal,
        .has_normal = g->has_normal,
    };
    for (int i = 0; i < WORDS; i++)
        s.mt[i] = g->mt[i];
    memcpy(state, &s, sizeof s);
}

bool reel_generator_set_state(struct reel_generator *g, const unsigned char *state, size_t size)
{
    struct state_layout s;
    if (size != sizeof s)
        return false;
    memcpy(&s, state, sizeof s);
    if (s.seeded != 1 || s.next > WORDS || s.left != draws_left((int32_t)s.next))
        return false;

    for (int i = 0; i < WORDS; i++)
        g->mt[i] = (uint32_t)s.mt[i];
    g->index = (int32_t)s.next;
    g->has_normal = s.has_normal != 0;
    g->normal = g->has_normal ? s.normal : 0;
    g->seed = s.seed;
    return true;
}
