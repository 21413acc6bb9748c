/* Einstein's sums: an equation read, and a plan of products and sums for it. */
#include "ops/matmul.h"

#include "ops/family.h"

#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/matmul.h>
#include <reel/reduce.h>
#include <reel/view.h>

#include <string.h>

/* Labels: the letters, of which capitals come first, as PyTorch sorts them; then the axes that an ellipsis stands for,
 * numbered from the last one. */
enum { LETTERS = 52, LABELS = LETTERS + REEL_MAX_NDIM, MOST_OPERANDS = 16 };

/* The labels of an array's axes. */
struct subscripts {
    int n;
    signed char label[REEL_MAX_NDIM];
};

struct operand {
    reel_var v;
    struct subscripts at;
};

struct equation {
    reel_tape *tape;
    const char *text;
    int n;
    struct operand operands[MOST_OPERANDS];
    int uses[LABELS];     /* by operands that are still there, each axis counted */
    int64_t size[LABELS]; /* what axes with the label are broadcast to */
    bool in_result[LABELS];
    struct subscripts result;
};

static bool refuse(const struct equation *e, reel_status status, const char *why)
{
    reel_fail(reel_tape_context(e->tape), status, "einsum \"%.80s\": %s", e->text, why);
    return false;
}

/* ---- Reading ---- */

static int label_of(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    return letter >= 'a' && letter <= 'z' ? 26 + letter - 'a' : -1;
}

static bool append(const struct equation *e, struct subscripts *to, int label)
{
    if (to->n == REEL_MAX_NDIM)
        return refuse(e, REEL_ERROR_SHAPE, "more than 8 axes");
    to->label[to->n++] = (signed char)label;
    return true;
}

/* Reads up to a comma, an arrow or the end. An ellipsis has `covered` axes; -1: as many as the operand has left of
 * ndim. */
static bool read_subscripts(const struct equation *e, const char **text, int ndim, int covered, struct subscripts *to)
{
    int letters = 0;
    bool seen = false;
    for (const char *at = *text; *at && *at != ',' && *at != '-'; at++)
        letters += label_of(*at) >= 0;
    if (covered < 0)
        covered = ndim - letters;
    to->n = 0;
    for (; **text && **text != ',' && **text != '-'; ++*text) {
        int label = label_of(**text);
        if (**text == ' ')
            continue;
        if (label >= 0) {
            if (!append(e, to, label))
                return false;
        } else if (strncmp(*text, "...", 3) == 0 && !seen) {
            seen = true;
            *text += 2;
            if (covered < 0)
                return refuse(e, REEL_ERROR_SHAPE, "an operand has fewer axes than letters");
            for (int i = covered - 1; i >= 0; i--)
                if (!append(e, to, LETTERS + i))
                    return false;
        } else {
            return refuse(e, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow");
        }
    }
    if (ndim >= 0 && to->n != ndim)
        return refuse(e, REEL_ERROR_SHAPE, "an operand has another number of axes than letters");
    return true;
}

/* Without an arrow: the ellipsis, then what is there once, sorted. */
static bool imply_result(struct equation *e, int covered)
{
    for (int i = covered - 1; i >= 0; i--)
        if (!append(e, &e->result, LETTERS + i))
            return false;
    for (int label = 0; label < LETTERS; label++)
        if (e->uses[label] == 1 && !append(e, &e->result, label))
            return false;
    return true;
}

static bool read_result(struct equation *e, const char *text)
{
    int covered = 0;
    while (covered < REEL_MAX_NDIM && e->uses[LETTERS + covered] > 0)
        covered++;
    if (*text == '\0') {
        if (!imply_result(e, covered))
            return false;
    } else {
        if (strncmp(text, "->", 2) != 0)
            return refuse(e, REEL_ERROR_ARGUMENT, "- is no arrow");
        text += 2;
        if (!read_subscripts(e, &text, -1, covered, &e->result))
            return false;
        if (*text)
            return refuse(e, REEL_ERROR_ARGUMENT, "something behind the result");
    }
    for (int i = 0; i < e->result.n; i++) {
        int label = e->result.label[i];
        if (e->uses[label] == 0 || e->in_result[label])
            return refuse(e, REEL_ERROR_ARGUMENT, "a letter of the result is there twice, or in no operand");
        e->in_result[label] = true;
    }
    return true;
}

/* Which axes there are, and how long. */
static bool note_axes(struct equation *e, const struct operand *o)
{
    reel_shape shape = reel_shape_of(e->tape, o->v);
    for (int i = 0; i < o->at.n; i++) {
        int label = o->at.label[i];
        int64_t size = shape.dim[i], other = e->size[label];
        for (int k = 0; k < i; k++)
            if (o->at.label[k] == label && shape.dim[k] != size)
                return refuse(e, REEL_ERROR_SHAPE, "a letter is repeated for axes of different sizes");
        if (e->uses[label]++ == 0 || other == 1)
            e->size[label] = size;
        else if (size != 1 && size != other)
            return refuse(e, REEL_ERROR_SHAPE, "axes with the same letter have different sizes");
    }
    return true;
}

static bool read(struct equation *e, const reel_var *operands)
{
    const char *text = e->text;
    for (int i = 0; i < e->n; i++) {
        struct operand *o = &e->operands[i];
        o->v = operands[i];
        reel_shape shape = reel_shape_of(e->tape, o->v);
        if (shape.ndim < 0 || !read_subscripts(e, &text, shape.ndim, -1, &o->at) || !note_axes(e, o))
            return false;
        if (i + 1 < e->n && *text++ != ',')
            return refuse(e, REEL_ERROR_ARGUMENT, "fewer operands in it than are given");
    }
    if (*text == ',')
        return refuse(e, REEL_ERROR_ARGUMENT, "more operands in it than are given");
    return read_result(e, text);
}

/* ---- One operand ---- */

static int place_of(const struct subscripts *s, int label)
{
    for (int i = 0; i < s->n; i++)
        if (s->label[i] == label)
            return i;
    return -1;
}

static void remove_axis(struct equation *e, struct subscripts *s, int axis)
{
    e->uses[s->label[axis]]--;
    s->n--;
    memmove(s->label + axis, s->label + axis + 1, (size_t)(s->n - axis));
}

/* The axes in this order, which names each of them once. */
static void reorder(const struct equation *e, struct operand *o, const struct subscripts *order)
{
    int axes[REEL_MAX_NDIM];
    if (memcmp(o->at.label, order->label, (size_t)order->n) == 0)
        return;
    for (int i = 0; i < order->n; i++)
        axes[i] = place_of(&o->at, order->label[i]);
    o->v = reel_permute(e->tape, o->v, axes, order->n);
    o->at = *order;
}

static bool find_repeated(const struct subscripts *s, int *first, int *second)
{
    for (*second = 1; *second < s->n; ++*second)
        if ((*first = place_of(s, s->label[*second])) < *second)
            return true;
    return false;
}

/* Of two axes with one letter the diagonal, as the last axis: each (size + 1)-th element of the matrix that they are.
 */
static void take_diagonal(struct equation *e, struct operand *o, int first, int second)
{
    int axes[REEL_MAX_NDIM], n = 0;
    struct subscripts order;
    int64_t size = reel_shape_of(e->tape, o->v).dim[first];
    for (int i = 0; i < o->at.n; i++)
        if (i != first && i != second) {
            order.label[n] = o->at.label[i];
            axes[n++] = i;
        }
    order.label[n] = o->at.label[first];
    order.n = n + 1;
    axes[n] = first;
    axes[n + 1] = second;
    reel_var matrices = reel_flatten(e->tape, reel_permute(e->tape, o->v, axes, n + 2), -2, -1);
    o->v = reel_slice(e->tape, matrices, -1, 0, INT64_MAX, size + 1);
    e->uses[order.label[n]]--;
    o->at = order;
}

/* What needs no other operand: axes of size 1 that stand for more go, repeated letters become diagonals, and what
 * neither another one nor the result has is summed. */
static void simplify(struct equation *e, struct operand *o)
{
    reel_shape shape = reel_shape_of(e->tape, o->v);
    int axes[REEL_MAX_NDIM], n = 0, first, second;
    if (shape.ndim < 0)
        return;
    for (int i = shape.ndim - 1; i >= 0; i--)
        if (shape.dim[i] != e->size[o->at.label[i]]) {
            o->v = reel_squeeze(e->tape, o->v, i);
            remove_axis(e, &o->at, i);
        }
    while (find_repeated(&o->at, &first, &second))
        take_diagonal(e, o, first, second);
    for (int i = o->at.n - 1; i >= 0; i--)
        if (e->uses[o->at.label[i]] == 1 && !e->in_result[o->at.label[i]]) {
            axes[n++] = i;
            remove_axis(e, &o->at, i);
        }
    if (n > 0)
        o->v = reel_sum(e->tape, o->v, axes, n, false);
}

/* ---- Two operands ---- */

/* The labels of two operands: both have those that stay (batch) and those that are summed; the others are of one. */
struct pair {
    struct subscripts batch, summed, left, right;
};

static void put(struct subscripts *to, int label)
{
    to->label[to->n++] = (signed char)label;
}

static void join(struct subscripts *to, const struct subscripts *more)
{
    memcpy(to->label + to->n, more->label, (size_t)more->n);
    to->n += more->n;
}

static struct subscripts joined(const struct subscripts *a, const struct subscripts *b, const struct subscripts *c)
{
    struct subscripts all = *a;
    join(&all, b);
    join(&all, c);
    return all;
}

static struct pair sort_labels(const struct equation *e, const struct subscripts *a, const struct subscripts *b)
{
    struct pair p = {.batch = {0}};
    for (int i = 0; i < a->n; i++) {
        int label = a->label[i];
        bool stays = e->in_result[label] || e->uses[label] > 2;
        put(place_of(b, label) < 0 ? &p.left : stays ? &p.batch : &p.summed, label);
    }
    for (int i = 0; i < b->n; i++)
        if (place_of(a, b->label[i]) < 0)
            put(&p.right, b->label[i]);
    return p;
}

static int64_t count(const struct equation *e, const struct subscripts *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->n; i++)
        n *= e->size[s->label[i]];
    return n;
}

static reel_shape shape_of(const struct equation *e, const struct subscripts *s)
{
    reel_shape shape = {.ndim = s->n};
    for (int i = 0; i < s->n; i++)
        shape.dim[i] = e->size[s->label[i]];
    return shape;
}

/* As a stack of matrices [batch, rows, columns], or, where it lies so already, of their transposes. */
static reel_var as_matrices(const struct equation *e, struct operand *o, const struct subscripts *batch,
                            const struct subscripts *rows, const struct subscripts *columns, bool *transposed)
{
    struct subscripts order = joined(batch, rows, columns), other = joined(batch, columns, rows);
    *transposed = memcmp(o->at.label, other.label, (size_t)other.n) == 0;
    reorder(e, o, *transposed ? &other : &order);
    int64_t r = count(e, *transposed ? columns : rows), c = count(e, *transposed ? rows : columns);
    return reel_reshape(e->tape, o->v, batch->n > 0 ? REEL_SHAPE(count(e, batch), r, c) : REEL_SHAPE(r, c));
}

/* With axes of size 1 for the labels of `all` that it does not have. */
static reel_var as_factor(const struct equation *e, struct operand *o, const struct subscripts *all)
{
    struct subscripts order = {.n = 0};
    reel_shape shape = {.ndim = all->n};
    for (int i = 0; i < all->n; i++) {
        bool has = place_of(&o->at, all->label[i]) >= 0;
        shape.dim[i] = has ? e->size[all->label[i]] : 1;
        if (has)
            put(&order, all->label[i]);
    }
    reorder(e, o, &order);
    return reel_reshape(e->tape, o->v, shape);
}

/* a becomes the product of both. */
static bool multiply(struct equation *e, struct operand *a, struct operand *b)
{
    struct pair p = sort_labels(e, &a->at, &b->at);
    bool is_matrix = p.summed.n > 0 && (p.left.n > 0 || p.right.n > 0 || p.batch.n == 0);
    int axes = p.batch.n + p.left.n + p.right.n + (is_matrix ? 0 : p.summed.n);
    if (axes > REEL_MAX_NDIM)
        return refuse(e, REEL_ERROR_SHAPE, "a product on the way has more than 8 axes");
    struct subscripts all = joined(&p.batch, &p.left, &p.right);
    for (int i = 0; i < p.batch.n; i++)
        e->uses[p.batch.label[i]]--;
    for (int i = 0; i < p.summed.n; i++)
        e->uses[p.summed.label[i]] -= is_matrix ? 2 : 1;
    if (is_matrix) {
        bool transpose_a, transpose_b;
        reel_var left = as_matrices(e, a, &p.batch, &p.left, &p.summed, &transpose_a),
                 right = as_matrices(e, b, &p.batch, &p.summed, &p.right, &transpose_b);
        a->v =
            reel_reshape(e->tape, reel_matmul_with(e->tape, left, right, transpose_a, transpose_b), shape_of(e, &all));
    } else {
        join(&all, &p.summed); /* simplify sums them */
        reel_var factor = as_factor(e, b, &all);
        a->v = reel_mul(e->tape, as_factor(e, a, &all), factor);
    }
    a->at = all;
    return true;
}

reel_var reel_einsum(reel_tape *tape, const char *equation, const reel_var *operands, int n)
{
    reel_context *c = reel_tape_context(tape);
    if (!c || reel_context_status(c) != REEL_OK)
        return reel_null();
    if (!equation || !operands || n < 1 || n > MOST_OPERANDS) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "einsum: %d operands, it takes 1 to %d, and an equation", n, MOST_OPERANDS);
        return reel_null();
    }
    struct equation e = {.tape = tape, .text = equation, .n = n};
    if (!read(&e, operands))
        return reel_null();
    struct operand *all = &e.operands[0];
    simplify(&e, all);
    for (int i = 1; i < n; i++) {
        simplify(&e, &e.operands[i]);
        if (!multiply(&e, all, &e.operands[i]))
            return reel_null();
        simplify(&e, all);
    }
    reorder(&e, all, &e.result);
    return all->v;
}
