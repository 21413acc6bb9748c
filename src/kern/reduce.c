/* Sums, means, extremes and norms along axes. */
#include "kern/reduce.h"

#include "base/clones.h"
#include "kern/functions.h"
#include "kern/lookup.h"
#include "kern/parallel.h"

#include <string.h>

/* Every sum has the same structure: 32 terms are added in order (32 rows of a tile of columns; 32 terms in each of 64
 * lanes of a run), and such blocks are added pairwise. Long reductions with few results are cut into segments, so that
 * there is work for several threads. All of it depends on the shape alone. */
enum {
    LANES = REEL_KERN_LANES,
    RUN = REEL_KERN_MAP,
    ROWS = 32,
    COLUMNS = 64,
    SEGMENTS = 16,
    LEVELS = 60 /* of pairs: more blocks than 2^60 do not fit any memory */
};

/* ---- Blocks ---- */

typedef reel_real reduce_run(int64_t n, const reel_real *x);
typedef void reduce_rows(int64_t rows, int64_t columns, const reel_real *x, int64_t stride, reel_real *out);

/* Loops of a known length become vectors. */
#define FOLD(half, COMBINE)                                                                                            \
    for (int l = 0; l < half; l++)                                                                                     \
        lane[l] = COMBINE(lane[l], lane[l + half]);

/* The run of terms TERM(i). n is in 1..RUN. */
#define DEFINE_RUN(name, COMBINE, TERM, ...)                                                                           \
    REEL_CLONES                                                                                                        \
    static reel_real name##_run(int64_t n, __VA_ARGS__)                                                                \
    {                                                                                                                  \
        if (n <= 16) {                                                                                                 \
            reel_real result = TERM(0);                                                                                \
            for (int64_t i = 1; i < n; i++)                                                                            \
                result = COMBINE(result, TERM(i));                                                                     \
            return result;                                                                                             \
        }                                                                                                              \
        reel_real lane[LANES];                                                                                         \
        int lanes = LANES;                                                                                             \
        while (lanes > n)                                                                                              \
            lanes /= 2;                                                                                                \
        for (int l = 0; l < lanes; l++)                                                                                \
            lane[l] = TERM(l);                                                                                         \
        int64_t i = lanes;                                                                                             \
        for (; i + LANES <= n; i += LANES)                                                                             \
            REEL_UNROLL for (int l = 0; l < LANES; l++) lane[l] = COMBINE(lane[l], TERM(i + l));                       \
        for (int l = 0; l < n - i; l++)                                                                                \
            lane[l] = COMBINE(lane[l], TERM(i + l));                                                                   \
        if (lanes > 32)                                                                                                \
            FOLD(32, COMBINE)                                                                                          \
        if (lanes > 16)                                                                                                \
            FOLD(16, COMBINE)                                                                                          \
        FOLD(8, COMBINE)                                                                                               \
        FOLD(4, COMBINE)                                                                                               \
        FOLD(2, COMBINE)                                                                                               \
        FOLD(1, COMBINE)                                                                                               \
        return lane[0];                                                                                                \
    }

#define DEFINE_COMBINE(name, COMBINE)                                                                                  \
    DEFINE_RUN(name, COMBINE, ELEMENT, const reel_real *x)                                                             \
                                                                                                                       \
    REEL_CLONES                                                                                                        \
    static void name##_rows(int64_t rows, int64_t columns, const reel_real *x, int64_t stride,                         \
                            reel_real *restrict out)                                                                   \
    {                                                                                                                  \
        if (columns == COLUMNS) {                                                                                      \
            reel_real column[COLUMNS];                                                                                 \
            REEL_UNROLL for (int c = 0; c < COLUMNS; c++) column[c] = x[c];                                            \
            for (int64_t r = 1; r < rows; r++)                                                                         \
                REEL_UNROLL for (int c = 0; c < COLUMNS; c++) column[c] = COMBINE(column[c], x[r * stride + c]);       \
            REEL_UNROLL for (int c = 0; c < COLUMNS; c++) out[c] = column[c];                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t c = 0; c < columns; c++)                                                                          \
            out[c] = x[c];                                                                                             \
        for (int64_t r = 1; r < rows; r++)                                                                             \
            for (int64_t c = 0; c < columns; c++)                                                                      \
                out[c] = COMBINE(out[c], x[r * stride + c]);                                                           \
    }                                                                                                                  \
                                                                                                                       \
    static void name##_into(int64_t columns, const reel_real *restrict x, reel_real *restrict out)                     \
    {                                                                                                                  \
        for (int64_t c = 0; c < columns; c++)                                                                          \
            out[c] = COMBINE(out[c], x[c]);                                                                            \
    }

#define ELEMENT(i) x[i]
#define PRODUCT(i) (x[i] * y[i])
#define ADD(a, b) ((a) + (b))
#define LARGER(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define SMALLER(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
DEFINE_COMBINE(sum, ADD)
DEFINE_COMBINE(max, LARGER)
DEFINE_COMBINE(min, SMALLER)
DEFINE_RUN(product_sum, ADD, PRODUCT, const reel_real *x, const reel_real *y)

static const struct {
    reduce_run *run;
    reduce_rows *rows;
    void (*into)(int64_t columns, const reel_real *restrict x, reel_real *restrict out);
} combines[] = {[REEL_KERN_SUM] = {sum_run, sum_rows, sum_into},
                [REEL_KERN_MAX] = {max_run, max_rows, max_into},
                [REEL_KERN_MIN] = {min_run, min_rows, min_into}};

/* ---- The axes as few loops ---- */

struct loop {
    int n;
    int64_t size[REEL_MAX_NDIM], stride[REEL_MAX_NDIM];
    int64_t count; /* product of the sizes */
};

static int64_t offset_of(const struct loop *loop, int64_t index)
{
    int64_t offset = 0;
    for (int i = loop->n - 1; i > 0; i--) {
        offset += index % loop->size[i] * loop->stride[i];
        index /= loop->size[i];
    }
    return loop->n > 0 ? offset + index * loop->stride[0] : 0;
}

/* Neighbouring axes of one kind are joined, axes of size 1 dropped. What remains innermost decides: when it is kept,
 * rows of `width` columns are added up; when it is reduced, runs of `length` elements are. */
struct plan {
    struct loop kept, reduced; /* the loops outside */
    bool columns;
    int64_t width;          /* columns: results next to each other; runs: 1 */
    int64_t length, stride; /* columns: rows and their distance; runs: elements, distance 1 */
    int64_t tiles, blocks_per_length, blocks, units;
};

static void push(struct loop *loop, int64_t size, int64_t stride)
{
    loop->size[loop->n] = size;
    loop->stride[loop->n++] = stride;
}

/* The innermost loop; of size 1 when there is none. */
static int64_t pop(struct loop *loop, int64_t *stride)
{
    if (loop->n == 0)
        return 1;
    *stride = loop->stride[--loop->n];
    return loop->size[loop->n];
}

static void count_loop(struct loop *loop)
{
    loop->count = 1;
    for (int i = 0; i < loop->n; i++)
        loop->count *= loop->size[i];
}

/* All sizes must be above 0. */
static void make_plan(const reel_shape *shape, unsigned reduced, struct plan *plan)
{
    struct {
        int64_t size, stride;
        bool reduced;
    } groups[REEL_MAX_NDIM];
    int n = 0;
    int64_t stride = 1;
    for (int i = shape->ndim - 1; i >= 0; i--) {
        bool is_reduced = reduced >> i & 1;
        if (shape->dim[i] == 1)
            continue;
        if (n > 0 && groups[n - 1].reduced == is_reduced) {
            groups[n - 1].size *= shape->dim[i];
        } else {
            groups[n].size = shape->dim[i];
            groups[n].stride = stride;
            groups[n++].reduced = is_reduced;
        }
        stride *= shape->dim[i];
    }
    memset(plan, 0, sizeof *plan);
    for (int i = n - 1; i >= 0; i--)
        push(groups[i].reduced ? &plan->reduced : &plan->kept, groups[i].size, groups[i].stride);
    plan->columns = n > 0 && !groups[0].reduced;
    int64_t unused;
    plan->width = plan->columns ? pop(&plan->kept, &unused) : 1;
    plan->length = pop(&plan->reduced, &plan->stride);
    count_loop(&plan->kept);
    count_loop(&plan->reduced);
    int64_t block = plan->columns ? ROWS : RUN;
    plan->tiles = (plan->width + COLUMNS - 1) / COLUMNS;
    plan->blocks_per_length = (plan->length + block - 1) / block;
    plan->blocks = plan->reduced.count * plan->blocks_per_length;
    plan->units = plan->kept.count * plan->tiles;
}

/* ---- Reducing ---- */

/* One unit: a run, or up to COLUMNS columns next to each other. */
struct job {
    const struct plan *plan;
    const struct reel_kern_reduction *reduction;
    const reel_real *x;
};

struct unit {
    int64_t offset; /* of its first element in x */
    int64_t result; /* its first result */
    int64_t width;
};

static struct unit unit_at(const struct plan *plan, int64_t number)
{
    struct unit unit = {.width = 1};
    if (!plan->columns) {
        unit.offset = offset_of(&plan->kept, number);
        unit.result = number;
        return unit;
    }
    int64_t first = number % plan->tiles * COLUMNS, outer = number / plan->tiles;
    unit.offset = offset_of(&plan->kept, outer) + first;
    unit.result = outer * plan->width + first;
    unit.width = plan->width - first < COLUMNS ? plan->width - first : COLUMNS;
    return unit;
}

REEL_CLONES
static void scale_run(int64_t n, reel_real factor, reel_real *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= factor;
}

static void reduce_mapped(const struct job *job, const struct unit *unit, int64_t offset, int64_t count, reel_real *out)
{
    const struct reel_kern_reduction *r = job->reduction;
    reel_real mapped[RUN], fetched[RUN];
    const reel_real *center = r->center ? r->center + unit->result : NULL, *x = fetched;
    if (!r->source)
        x = job->x + offset;
    else
        reel_kern_fetch_elements(r->source, r->columns, offset, count, job->plan->length, fetched);
    if (!job->plan->columns && r->run && count % LANES == 0) {
        out[0] = r->run(count, x, r->other + offset, r->parameter, r->second_factor,
                        r->second ? r->second_out + offset : NULL);
        return;
    }
    if (!job->plan->columns) {
        r->map(count, x, r->other ? r->other + offset : NULL, center, 0, r->parameter, mapped);
        out[0] = combines[r->combine].run(count, mapped);
        if (r->second) {
            r->second(count, x, r->other ? r->other + offset : NULL, NULL, 0, r->parameter, r->second_out + offset);
            scale_run(count, r->second_factor, r->second_out + offset);
        }
        return;
    }
    for (int64_t row = 0; row < count; row++, offset += job->plan->stride)
        r->map(unit->width, job->x + offset, r->other ? r->other + offset : NULL, center, 1, r->parameter,
               mapped + row * unit->width);
    combines[r->combine].rows(count, unit->width, mapped, unit->width, out);
}

static void reduce_block(const struct job *job, const struct unit *unit, int64_t block, reel_real *out)
{
    const struct plan *plan = job->plan;
    int64_t count = plan->length, offset = unit->offset;
    if (plan->blocks > 1) {
        int64_t size = plan->columns ? ROWS : RUN, first = block % plan->blocks_per_length * size;
        count = plan->length - first < size ? plan->length - first : size;
        offset += offset_of(&plan->reduced, block / plan->blocks_per_length) + first * plan->stride;
    }
    if (job->reduction->map)
        reduce_mapped(job, unit, offset, count, out);
    else if (plan->columns)
        combines[job->reduction->combine].rows(count, unit->width, job->x + offset, plan->stride, out);
    else
        out[0] = combines[job->reduction->combine].run(count, job->x + offset);
}

/* Blocks first..last-1, pairwise: level[i] holds what waits for its neighbour. */
static void reduce_pairwise(const struct job *job, const struct unit *unit, int64_t first, int64_t last, reel_real *out)
{
    reel_real level[LEVELS][COLUMNS];
    int top = 0;
    for (int64_t block = first; block < last; block++) {
        reduce_block(job, unit, block, level[top++]);
        for (int64_t done = block - first + 1; done % 2 == 0; done /= 2, top--)
            combines[job->reduction->combine].into(unit->width, level[top - 1], level[top - 2]);
    }
    for (; top > 1; top--)
        combines[job->reduction->combine].into(unit->width, level[top - 1], level[top - 2]);
    memcpy(out, level[0], (size_t)unit->width * sizeof *out);
}

static void reduce_blocks(const struct job *job, const struct unit *unit, int64_t first, int64_t last, reel_real *out)
{
    if (last - first == 1)
        reduce_block(job, unit, first, out);
    else
        reduce_pairwise(job, unit, first, last, out);
}

static void put(const struct job *job, const struct unit *unit, const reel_real *values, reel_real *out)
{
    reel_real divisor = (reel_real)job->reduction->divisor;
    out += unit->result;
    if (job->reduction->add)
        for (int64_t i = 0; i < unit->width; i++)
            out[i] += values[i] / divisor;
    else
        for (int64_t i = 0; i < unit->width; i++)
            out[i] = values[i] / divisor;
}

static void reduce_units(const struct job *job, int64_t first, int64_t last, reel_real *out)
{
    for (int64_t number = first; number < last; number++) {
        struct unit unit = unit_at(job->plan, number);
        reel_real values[COLUMNS];
        reduce_blocks(job, &unit, 0, job->plan->blocks, values);
        put(job, &unit, values, out);
    }
}

static void reduce_segment(const struct job *job, int64_t piece, int64_t segments, reel_real *out)
{
    const struct plan *plan = job->plan;
    struct unit unit = unit_at(plan, piece / segments);
    int64_t segment = piece % segments;
    reduce_blocks(job, &unit, plan->blocks * segment / segments, plan->blocks * (segment + 1) / segments, out);
}

/* Few units of many blocks: each is cut into segments. */
static void reduce_segments(const struct job *job, int64_t segments, reel_real *out, int threads)
{
    const struct plan *plan = job->plan;
    int64_t pieces = plan->units * segments;
    reel_real values[SEGMENTS][COLUMNS];
    if (threads == 1)
        for (int64_t piece = 0; piece < pieces; piece++)
            reduce_segment(job, piece, segments, values[piece]);
    else
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (int64_t piece = 0; piece < pieces; piece++)
            reduce_segment(job, piece, segments, values[piece]);
    for (int64_t number = 0; number < plan->units; number++) {
        struct unit unit = unit_at(plan, number);
        reel_real(*first)[COLUMNS] = values + number * segments;
        for (int64_t step = 1; step < segments; step *= 2)
            for (int64_t i = 0; i + step < segments; i += 2 * step)
                combines[job->reduction->combine].into(unit.width, first[i + step], first[i]);
        put(job, &unit, first[0], out);
    }
}

static void reduce_nothing(const reel_shape *shape, unsigned reduced, const struct reel_kern_reduction *reduction,
                           reel_real *out)
{
    reel_shape kept = {.ndim = 0};
    for (int i = 0; i < shape->ndim; i++)
        if (!(reduced >> i & 1))
            kept.dim[kept.ndim++] = shape->dim[i];
    int64_t results = reel_shape_numel(&kept);
    for (int64_t i = 0; i < results && !reduction->add; i++)
        out[i] = 0 / (reel_real)reduction->divisor;
}

void reel_kern_reduce(const reel_shape *shape, unsigned reduced, const reel_real *x,
                      const struct reel_kern_reduction *reduction, reel_real *out, int threads)
{
    int64_t numel = reel_shape_numel(shape);
    if (numel == 0) {
        reduce_nothing(shape, reduced, reduction, out);
        return;
    }
    struct plan plan;
    make_plan(shape, reduced, &plan);
    const struct job job = {&plan, reduction, x};
    int64_t segments = plan.units < SEGMENTS ? SEGMENTS / plan.units : 1;
    if (segments > plan.blocks / 8)
        segments = plan.blocks / 8;
    if (segments > 1) {
        reduce_segments(&job, segments, out, numel > 2 * REEL_BLOCK ? threads : 1);
        return;
    }
    REEL_PARALLEL_FOR(first, last, plan.units, REEL_BLOCK / (numel / plan.units) + 1, threads,
                      reduce_units(&job, first, last, out));
}

static reel_real reduce_run_alone(int64_t n, const reel_real *x, enum reel_kern_combine combine)
{
    if (n <= RUN)
        return combines[combine].run(n, x);
    reel_real result;
    const struct reel_kern_reduction r = {.combine = combine, .divisor = 1};
    const reel_shape shape = {1, {n}};
    reel_kern_reduce(&shape, 1, x, &r, &result, 1);
    return result;
}

reel_real reel_kern_sum_run(int64_t n, const reel_real *x)
{
    return n > 0 ? reduce_run_alone(n, x, REEL_KERN_SUM) : 0;
}

reel_real reel_kern_product_sum_run(int64_t n, const reel_real *x, const reel_real *y)
{
    if (n <= RUN)
        return n > 0 ? product_sum_run(n, x, y) : 0;
    reel_real sum;
    const struct reel_kern_reduction r = {
        .combine = REEL_KERN_SUM, .map = reel_kern_map_product, .other = y, .divisor = 1};
    const reel_shape shape = {1, {n}};
    reel_kern_reduce(&shape, 1, x, &r, &sum, 1);
    return sum;
}

reel_real reel_kern_max_run(int64_t n, const reel_real *x)
{
    return n > 0 ? reduce_run_alone(n, x, REEL_KERN_MAX) : -INFINITY;
}

/* ---- Maps ---- */

#define DEFINE_MAP(name, EXPRESSION)                                                                                   \
    REEL_CLONES                                                                                                        \
    static void name##_elements(int64_t n, const reel_real *restrict x, const reel_real *other,                        \
                                const reel_real *center, int64_t center_step, reel_real parameter,                     \
                                reel_real *restrict out)                                                               \
    {                                                                                                                  \
        (void)other, (void)center, (void)center_step, (void)parameter;                                                 \
        for (int64_t i = 0; i < n; i++)                                                                                \
            out[i] = EXPRESSION;                                                                                       \
    }                                                                                                                  \
    void reel_kern_map_##name(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,          \
                              int64_t center_step, reel_real parameter, reel_real *out)                                \
    {                                                                                                                  \
        name##_elements(n, x, other, center, center_step, parameter, out);                                             \
    }

DEFINE_MAP(abs, REEL_ABS(x[i]))
DEFINE_MAP(square, x[i] * x[i])
DEFINE_MAP(power, REEL_POW(REEL_ABS(x[i]), parameter))
DEFINE_MAP(nonzero, (reel_real)(x[i] != 0))
DEFINE_MAP(product, x[i] * other[i])
DEFINE_MAP(ratio, x[i] / center[i * center_step])
DEFINE_MAP(squared_ratio, (x[i] / center[i * center_step]) * (x[i] / center[i * center_step]))
DEFINE_MAP(power_ratio, REEL_POW(REEL_ABS(x[i] / center[i * center_step]), parameter))

/* With a center that is the same for all, or one for each. */
#define SQUARED(d) ((d) * (d))
#define DEFINE_CENTERED_MAP(name, FUNCTION)                                                                            \
    REEL_CLONES                                                                                                        \
    static void name##_elements(int64_t n, const reel_real *restrict x, const reel_real *restrict center,              \
                                int64_t center_step, reel_real *restrict out)                                          \
    {                                                                                                                  \
        reel_real same = center[0];                                                                                    \
        if (center_step == 0)                                                                                          \
            for (int64_t i = 0; i < n; i++)                                                                            \
                out[i] = FUNCTION(x[i] - same);                                                                        \
        else                                                                                                           \
            for (int64_t i = 0; i < n; i++)                                                                            \
                out[i] = FUNCTION(x[i] - center[i]);                                                                   \
    }                                                                                                                  \
    void reel_kern_map_##name(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,          \
                              int64_t center_step, reel_real parameter, reel_real *out)                                \
    {                                                                                                                  \
        (void)other, (void)parameter;                                                                                  \
        name##_elements(n, x, center, center_step, out);                                                               \
    }

DEFINE_CENTERED_MAP(squared_deviation, SQUARED)
DEFINE_CENTERED_MAP(exp, reel_math_exp)

/* ---- argmax ---- */

static void argmax_columns(int64_t n, int64_t inner, bool smallest, const reel_real *x, int64_t *out)
{
    for (int64_t j = 0; j < inner; j++)
        out[j] = 0;
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = 0; j < inner; j++) {
            reel_real value = x[i * inner + j], best = x[out[j] * inner + j];
            if ((smallest ? value < best : value > best) || (value != value && best == best))
                out[j] = i;
        }
}

static void argmax_outer(int64_t first, int64_t last, int64_t n, int64_t inner, bool smallest, const reel_real *x,
                         int64_t *out)
{
    for (int64_t o = first; o < last; o++)
        argmax_columns(n, inner, smallest, x + o * n * inner, out + o * inner);
}

void reel_kern_argmax(int64_t outer, int64_t n, int64_t inner, bool smallest, const reel_real *x, int64_t *out,
                      int threads)
{
    if (inner == 0)
        return;
    REEL_PARALLEL_FOR(first, last, outer, REEL_BLOCK / (n * inner) + 1, threads,
                      argmax_outer(first, last, n, inner, smallest, x, out));
}

/* ---- Spreading ---- */

REEL_CLONES
static void fill(int64_t n, reel_real value, bool add, reel_real *out)
{
    if (add)
        for (int64_t i = 0; i < n; i++)
            out[i] += value;
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = value;
}

REEL_CLONES
static void fill_rows(int64_t rows, int64_t columns, const reel_real *restrict values, bool add,
                      reel_real *restrict out, int64_t stride)
{
    for (int64_t r = 0; r < rows; r++, out += stride) {
        if (add)
            for (int64_t c = 0; c < columns; c++)
                out[c] += values[c];
        else
            for (int64_t c = 0; c < columns; c++)
                out[c] = values[c];
    }
}

static void spread_unit(const struct plan *plan, int64_t number, const reel_real *values, reel_real divisor,
                        reel_real *out, bool add)
{
    struct unit unit = unit_at(plan, number);
    reel_real divided[COLUMNS];
    for (int64_t i = 0; i < unit.width; i++)
        divided[i] = values[unit.result + i] / divisor;
    for (int64_t i = 0; i < plan->reduced.count; i++) {
        reel_real *to = out + unit.offset + offset_of(&plan->reduced, i);
        if (plan->columns)
            fill_rows(plan->length, unit.width, divided, add, to, plan->stride);
        else
            fill(plan->length, divided[0], add, to);
    }
}

static void spread_units(const struct plan *plan, int64_t first, int64_t last, const reel_real *values,
                         reel_real divisor, reel_real *out, bool add)
{
    for (int64_t number = first; number < last; number++)
        spread_unit(plan, number, values, divisor, out, add);
}

void reel_kern_spread(const reel_shape *shape, unsigned reduced, const reel_real *values, double divisor,
                      reel_real *out, bool add, int threads)
{
    int64_t numel = reel_shape_numel(shape);
    if (numel == 0)
        return;
    struct plan plan;
    make_plan(shape, reduced, &plan);
    REEL_PARALLEL_FOR(first, last, plan.units, REEL_BLOCK / (numel / plan.units) + 1, threads,
                      spread_units(&plan, first, last, values, (reel_real)divisor, out, add));
}
