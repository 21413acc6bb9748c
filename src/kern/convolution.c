/* Convolutions, as products of matrices over tiles of positions. */
#include "kern/convolution.h"

#include "base/clones.h"
#include "kern/copy.h"
#include "kern/gemm.h"
#include "kern/parallel.h"
#include "kern/unfold.h"

#include <string.h>

enum { LEAST_ROWS = 64, SHARES = 8, SMALL_WEIGHT = 1 << 16 };

/* ---- Room of a thread ---- */

/* A window, an unfolded matrix, and rows of y. */
struct room {
    reel_real *window, *unfolded, *rows_of_y;
};

static int64_t window_size(const struct tiling *t)
{
    return t->images * t->channels * t->window_rows * t->phases * t->run + LANES;
}

static int64_t unfolded_size(const struct reel_convolution *c, const struct tiling *t)
{
    return depth_of(c, t) * t->images * t->rows * t->columns + LANES;
}

static int64_t room_size(const struct reel_convolution *c, const struct tiling *t)
{
    return window_size(t) + unfolded_size(c, t) + c->out * t->images * t->rows * t->columns;
}

static struct room room_of(const struct reel_convolution *c, const struct tiling *t, reel_real *room, int thread)
{
    struct room r;
    r.window = room + thread * room_size(c, t);
    r.unfolded = r.window + window_size(t);
    r.rows_of_y = r.unfolded + unfolded_size(c, t);
    return r;
}

/* ---- Rows of y ---- */

/* A tile that is part of an image lies in y as it is: so many elements from the first channel of image 0. */
static int64_t place_in_y(const struct reel_convolution *c, const struct tile *s)
{
    return s->image * c->groups * c->out * area(c->y_size) + s->row * c->y_size[1] + s->column;
}

/* y of a tile as [out, positions]; of several images in `rows`. y is that of the first channel, in image 0. */
static struct reel_matrix gather_y(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                                   const reel_real *y, reel_real *rows)
{
    int64_t plane = area(c->y_size);
    if (t->images == 1)
        return (struct reel_matrix){y + place_in_y(c, s), plane, false};
    for (int64_t o = 0; o < c->out; o++)
        for (int64_t i = 0; i < s->images; i++)
            memcpy(rows + o * s->positions + i * plane, y + ((s->image + i) * c->groups * c->out + o) * plane,
                   (size_t)plane * sizeof *y);
    return (struct reel_matrix){rows, s->positions, false};
}

REEL_CLONES
static void add_value(int64_t n, const reel_real *restrict from, reel_real value, reel_real *restrict to)
{
    for (int64_t j = 0; j < n; j++)
        to[j] = from[j] + value;
}

/* `rows` [out, positions] to y, with bias, or added to it. */
static void scatter_y(const struct reel_convolution *c, const struct tile *s, const reel_real *rows,
                      const reel_real *bias, bool add, reel_real *y)
{
    int64_t plane = area(c->y_size);
    for (int64_t o = 0; o < c->out; o++)
        for (int64_t i = 0; i < s->images; i++) {
            const reel_real *from = rows + o * s->positions + i * plane;
            reel_real *to = y + ((s->image + i) * c->groups * c->out + o) * plane;
            if (add)
                reel_kern_add_to(plane, from, to, 1);
            else if (bias)
                add_value(plane, from, bias[o], to);
            else
                memcpy(to, from, (size_t)plane * sizeof *to);
        }
}

/* n elements in `rows` rows that are `stride` apart. */
static void fill(int64_t rows, int64_t n, int64_t stride, const reel_real *values, reel_real *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++)
            to[i * stride + j] = values ? values[i] : 0;
}

/* ---- One channel of y: loops ---- */

REEL_CLONES
static void multiply_runs(const struct runs *n, const reel_real *restrict from, reel_real factor,
                          reel_real *restrict to)
{
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, to += n->columns) {
            const reel_real *run = from + i * n->image_step + r * n->row_step;
            for (int64_t j = 0; j < n->columns; j++)
                to[j] += factor * run[j];
        }
}

REEL_CLONES
static void multiply_to_runs(const struct runs *n, const reel_real *restrict from, reel_real factor,
                             reel_real *restrict to)
{
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, from += n->columns) {
            reel_real *run = to + i * n->image_step + r * n->row_step;
            for (int64_t j = 0; j < n->columns; j++)
                run[j] += factor * from[j];
        }
}

REEL_CLONES
static reel_real sum_products(const struct runs *n, const reel_real *restrict from, const reel_real *restrict other)
{
    reel_real sums[LANES] = {0}, sum = 0;
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, other += n->columns) {
            const reel_real *run = from + i * n->image_step + r * n->row_step;
            int64_t j = 0;
            for (; j + LANES <= n->columns; j += LANES)
                REEL_UNROLL for (int lane = 0; lane < LANES; lane++) sums[lane] += run[j + lane] * other[j + lane];
            for (int lane = 0; j < n->columns; j++, lane++)
                sums[lane] += run[j] * other[j];
        }
    for (int lane = 0; lane < LANES; lane++)
        sum += sums[lane];
    return sum;
}

/* ---- y ---- */

struct work {
    const struct reel_convolution *c;
    struct tiling tiling;
    const reel_real *x, *y, *w, *bias;
    reel_real *result, *room;
    bool add;
    int64_t channel_blocks, parts; /* of a weight's gradient */
};

static void convolve_tile(void *user, int64_t i, int thread)
{
    const struct work *p = user;
    const struct reel_convolution *c = p->c;
    const struct tiling *t = &p->tiling;
    int64_t group = i / t->count, plane = area(c->y_size), depth = depth_of(c, t);
    struct tile s = tile_at(c, t, i % t->count);
    struct room room = room_of(c, t, p->room, thread);
    const reel_real *x = p->x + group * c->in * area(c->x_size), *w = p->w + group * c->out * depth;
    const reel_real *bias = p->bias ? p->bias + group * c->out : NULL;
    reel_real *y = p->result + group * c->out * plane;
    bool in_place = t->images == 1;
    reel_real *to = in_place ? y + place_in_y(c, &s) : room.rows_of_y;
    int64_t stride = in_place ? plane : s.positions;
    bool add = in_place && (p->add || bias);
    struct reel_matrix columns = {room.unfolded, s.positions, false};
    if (in_place && bias)
        fill(c->out, s.positions, stride, bias, to);
    if (t->plain) {
        columns = (struct reel_matrix){x + s.image * c->groups * c->in * plane + s.row * c->x_size[1] + s.column, plane,
                                       false};
    } else if (t->patches) {
        reel_kern_unfold_patches(c, t, &s, x, room.window, room.unfolded);
        columns = (struct reel_matrix){room.unfolded, depth, true};
    } else {
        reel_kern_fill_window(c, t, &s, x, p->x + c->images * c->groups * c->in * area(c->x_size), room.window);
        if (c->out > 1)
            reel_kern_unfold(c, t, &s, room.window, room.unfolded);
    }
    if (c->out > 1 || t->plain) {
        const struct reel_gemm product = {.m = c->out,
                                          .n = s.positions,
                                          .k = depth,
                                          .a = {w, depth, false},
                                          .b = columns,
                                          .c = to,
                                          .c_stride = stride,
                                          .add = add};
        reel_kern_gemm(&product, 1);
    } else {
        const struct runs n = runs_of(c, t, &s);
        if (!add)
            memset(to, 0, (size_t)s.positions * sizeof *to);
        EACH_ROW(c, t, &s, multiply_runs(&n, room.window + at, w[row], to));
    }
    if (!in_place)
        scatter_y(c, &s, room.rows_of_y, bias, p->add, y);
}

/* Without positions, channels or images there is nothing to cut. */
static bool has_terms(const struct reel_convolution *c)
{
    return c->images > 0 && c->groups > 0 && c->in > 0 && c->out > 0 && area(c->x_size) > 0 && area(c->y_size) > 0 &&
           area(c->kernel) > 0;
}

/* A result that no term reaches: [images, channels, n]. */
static void fill_images(int64_t images, int64_t channels, int64_t n, const reel_real *bias, bool add, reel_real *to)
{
    for (int64_t i = 0; !add && i < images; i++)
        fill(channels, n, n, bias, to + i * channels * n);
}

/* The weights in the order of patches, behind the threads' room. */
static const reel_real *order_all(const struct work *p, const reel_real *w, int threads)
{
    const struct reel_convolution *c = p->c;
    reel_real *ordered = p->room + threads * room_size(c, &p->tiling);
    const int64_t kernel = area(c->kernel), row = c->in * kernel;
    REEL_PARALLEL_FOR(first, last, c->groups * c->out, REEL_BLOCK / row + 1, threads,
                      reel_kern_order_weight(last - first, c->in, kernel, w + first * row, ordered + first * row));
    return ordered;
}

void reel_kern_convolution(const struct reel_convolution *c, const reel_real *x, const reel_real *w,
                           const reel_real *bias, bool add, reel_real *y, reel_real *room, int threads)
{
    if (!has_terms(c)) {
        fill_images(c->images, c->groups * c->out, area(c->y_size), bias, add, y);
        return;
    }
    struct work p = {
        .c = c, .tiling = reel_kern_cut(c, c->in), .x = x, .w = w, .bias = bias, .result = y, .room = room, .add = add};
    if (p.tiling.patches)
        p.w = order_all(&p, w, threads);
    reel_kern_for_each(c->groups * p.tiling.count, threads, convolve_tile, &p);
}

/* ---- x ---- */

/* The images of a tile, one tile of each after the other. */
static void convolve_input_images(void *user, int64_t i, int thread)
{
    const struct work *p = user;
    const struct reel_convolution *c = p->c;
    const struct tiling *t = &p->tiling;
    int64_t tiles = tiles_of_image(t), chunks = t->count / tiles, group = i / chunks, depth = depth_of(c, t);
    int64_t plane = area(c->x_size);
    struct room room = room_of(c, t, p->room, thread);
    const reel_real *y = p->y + group * c->out * area(c->y_size), *w = p->w + group * c->out * depth;
    reel_real *x = p->result + group * c->in * plane;
    for (int64_t j = 0; j < tiles; j++) {
        struct tile s = tile_at(c, t, i % chunks * tiles + j);
        for (int64_t k = 0; j == 0 && !p->add && k < s.images; k++)
            fill(c->in, plane, plane, p->bias ? p->bias + group * c->in : NULL,
                 x + (s.image + k) * c->groups * c->in * plane);
        struct reel_matrix rows = gather_y(c, t, &s, y, room.rows_of_y);
        struct reel_gemm product = {.m = depth,
                                    .n = s.positions,
                                    .k = c->out,
                                    .a = {w, depth, true},
                                    .b = rows,
                                    .c = room.unfolded,
                                    .c_stride = s.positions};
        if (t->plain) {
            product.c = x + s.image * c->groups * c->in * plane + s.row * c->x_size[1] + s.column;
            product.c_stride = plane;
            product.add = true;
            reel_kern_gemm(&product, 1);
            continue;
        }
        if (t->patches) {
            product = (struct reel_gemm){.m = s.positions,
                                         .n = depth,
                                         .k = c->out,
                                         .a = {rows.data, rows.stride, true},
                                         .b = {w, depth, false},
                                         .c = room.unfolded,
                                         .c_stride = depth};
            reel_kern_gemm(&product, 1);
            reel_kern_fold_patches(c, t, &s, room.unfolded, room.window, x);
            continue;
        }
        memset(room.window, 0, (size_t)window_size(t) * sizeof *room.window);
        if (c->out > 1) {
            reel_kern_gemm(&product, 1);
            reel_kern_fold(c, t, &s, room.unfolded, room.window);
        } else {
            const struct runs n = runs_of(c, t, &s);
            EACH_ROW(c, t, &s, multiply_to_runs(&n, rows.data, w[row], room.window + at));
        }
        reel_kern_add_window(c, t, &s, room.window, x);
    }
}

void reel_kern_convolution_input(const struct reel_convolution *c, const reel_real *y, const reel_real *w,
                                 const reel_real *bias, bool add, reel_real *x, reel_real *room, int threads)
{
    if (!has_terms(c)) {
        fill_images(c->images, c->groups * c->in, area(c->x_size), bias, add, x);
        return;
    }
    struct work p = {
        .c = c, .tiling = reel_kern_cut(c, c->in), .y = y, .w = w, .bias = bias, .result = x, .room = room, .add = add};
    if (p.tiling.patches)
        p.w = order_all(&p, w, threads);
    reel_kern_for_each(c->groups * (p.tiling.count / tiles_of_image(&p.tiling)), threads, convolve_input_images, &p);
}

/* ---- w ---- */

/* Every element of w is a sum over all tiles, so that it is not tiles which are shared out, but channels of x; of a
 * small weight the tiles in a few parts, each summed by itself. */
static void share_weight(struct work *p)
{
    const struct reel_convolution *c = p->c;
    int64_t weight = c->groups * c->out * c->in * area(c->kernel);
    p->channel_blocks = p->parts = 1;
    if (weight > SMALL_WEIGHT) {
        int64_t least = pieces(LEAST_ROWS, area(c->kernel));
        p->channel_blocks = larger(1, smaller(c->in / least, pieces(SHARES, c->groups)));
        p->channel_blocks = pieces(c->in, pieces(c->in, p->channel_blocks));
    }
    p->tiling = reel_kern_cut(c, pieces(c->in, p->channel_blocks));
    if (weight <= SMALL_WEIGHT) {
        int64_t parts = smaller(p->tiling.count, pieces(SHARES, c->groups));
        p->parts = pieces(p->tiling.count, pieces(p->tiling.count, parts));
    }
}

static void convolve_weight_share(void *user, int64_t i, int thread)
{
    const struct work *p = user;
    const struct reel_convolution *c = p->c;
    struct tiling t = p->tiling;
    int64_t kernel = area(c->kernel), depth = c->in * kernel;
    int64_t part = i % p->parts, block = i / p->parts % p->channel_blocks, group = i / p->parts / p->channel_blocks;
    int64_t first_channel = block * t.channels, per_part = pieces(t.count, p->parts);
    struct room room = room_of(c, &p->tiling, p->room, thread);
    t.channels = smaller(t.channels, c->in - first_channel);
    const reel_real *x = p->x + (group * c->in + first_channel) * area(c->x_size);
    const reel_real *y = p->y + group * c->out * area(c->y_size);
    reel_real *w = p->result + part * c->groups * c->out * depth + group * c->out * depth + first_channel * kernel;
    int64_t stride = depth;
    if (t.patches) { /* rows of all channels of a block are next to each other: restore_weight puts them apart */
        w += first_channel * kernel * (c->out - 1);
        stride = t.channels * kernel;
    }
    for (int64_t j = part * per_part; j < smaller((part + 1) * per_part, t.count); j++) {
        bool add = j > part * per_part || (p->add && p->parts == 1 && !t.patches);
        struct tile s = tile_at(c, &t, j);
        struct reel_matrix rows = gather_y(c, &t, &s, y, room.rows_of_y);
        struct reel_matrix columns = {room.unfolded, s.positions, true};
        if (t.plain) {
            columns = (struct reel_matrix){x + s.image * c->groups * c->in * area(c->x_size) + s.row * c->x_size[1] +
                                               s.column,
                                           area(c->x_size), true};
        } else if (t.patches) {
            reel_kern_unfold_patches(c, &t, &s, x, room.window, room.unfolded);
            columns = (struct reel_matrix){room.unfolded, stride, false};
        } else {
            reel_kern_fill_window(c, &t, &s, x, p->x + c->images * c->groups * c->in * area(c->x_size), room.window);
            if (c->out > 1)
                reel_kern_unfold(c, &t, &s, room.window, room.unfolded);
        }
        if (c->out > 1 || t.plain) {
            const struct reel_gemm product = {.m = c->out,
                                              .n = depth_of(c, &t),
                                              .k = s.positions,
                                              .a = rows,
                                              .b = columns,
                                              .c = w,
                                              .c_stride = stride,
                                              .add = add};
            reel_kern_gemm(&product, 1);
        } else {
            const struct runs n = runs_of(c, &t, &s);
            EACH_ROW(c, &t, &s, w[row] = (add ? w[row] : 0) + sum_products(&n, room.window + at, rows.data));
        }
    }
}

/* to = the sum of the parts, in order. */
REEL_CLONES
static void sum_parts(int64_t parts, int64_t n, int64_t size, const reel_real *restrict from, bool add,
                      reel_real *restrict to)
{
    for (int64_t j = 0; j < n; j++)
        to[j] = add ? to[j] + from[j] : from[j];
    for (int64_t part = 1; part < parts; part++)
        for (int64_t j = 0; j < n; j++)
            to[j] += from[part * size + j];
}

/* Rows [kernel, channels] of all parts, summed in order, to rows [channels, kernel] of w. */
static void restore_weight(const struct work *p, int64_t group, int64_t block, bool add, reel_real *w)
{
    const struct reel_convolution *c = p->c;
    const int64_t kernel = area(c->kernel), depth = c->in * kernel, first = block * p->tiling.channels;
    const int64_t channels = smaller(p->tiling.channels, c->in - first), size = c->groups * c->out * depth;
    const reel_real *from = p->result + group * c->out * depth + first * kernel * c->out;
    w += group * c->out * depth + first * kernel;
    for (int64_t o = 0; o < c->out; o++, w += depth)
        for (int64_t k = 0; k < kernel; k++, from += channels)
            for (int64_t channel = 0; channel < channels; channel++) {
                reel_real sum = from[channel];
                for (int64_t part = 1; part < p->parts; part++)
                    sum += from[part * size + channel];
                w[channel * kernel + k] = add ? w[channel * kernel + k] + sum : sum;
            }
}

void reel_kern_convolution_weight(const struct reel_convolution *c, const reel_real *x, const reel_real *y, bool add,
                                  reel_real *w, reel_real *room, int threads)
{
    int64_t size = c->groups * c->out * c->in * area(c->kernel);
    if (!has_terms(c)) {
        fill_images(1, 1, size, NULL, add, w);
        return;
    }
    struct work p = {.c = c, .x = x, .y = y, .result = w, .room = room, .add = add};
    share_weight(&p);
    if (p.parts > 1 || p.tiling.patches)
        p.result = room + threads * room_size(c, &p.tiling);
    reel_kern_for_each(c->groups * p.channel_blocks * p.parts, threads, convolve_weight_share, &p);
    for (int64_t group = 0; p.tiling.patches && group < c->groups; group++)
        for (int64_t block = 0; block < p.channel_blocks; block++)
            restore_weight(&p, group, block, add, w);
    if (p.parts > 1 && !p.tiling.patches)
        REEL_PARALLEL_FOR(first, last, size, REEL_BLOCK, threads,
                          sum_parts(p.parts, last - first, size, p.result + first, add, w + first));
}

int64_t reel_kern_convolution_room(const struct reel_convolution *c, int threads)
{
    if (!has_terms(c))
        return 0;
    struct work p = {.c = c};
    struct tiling t = reel_kern_cut(c, c->in);
    share_weight(&p);
    int64_t size = c->groups * c->out * c->in * area(c->kernel);
    int64_t weight = threads * room_size(c, &p.tiling) + (p.parts > 1 || p.tiling.patches ? p.parts * size : 0);
    return larger(threads * room_size(c, &t) + (t.patches ? size : 0), weight);
}
