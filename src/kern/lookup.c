/* What may live here: loops over rows of tables that are read where they lie. */
#include "kern/lookup.h"

#include "base/clones.h"
#include "kern/gather.h"
#include "kern/parallel.h"
#include "kern/reduce.h"

#include <string.h>

/* Columns of a row that are summed at once; terms that are, by themselves; terms of a row that are asked for. */
enum { TILE = 64, TERMS = 32, FIRST = 4 };

static inline void prefetch(const struct reel_row_source *source, int64_t columns, int64_t q)
{
    reel_kern_prefetch_row((const char *)reel_source_row(source, q), (size_t)columns * sizeof(reel_real));
}

/* ---- Gradient rows that are formed ---- */

static inline void prefetch_place(const struct reel_row_formula *f, int64_t place, int64_t columns)
{
    int64_t q = place * f->fan, end = q + (f->fan < FIRST ? f->fan : FIRST);
    for (; q < end; q++) {
        prefetch(&f->plus, columns, q);
        if (f->minus.rows)
            prefetch(&f->minus, columns, q);
    }
}

/* out[n] = the sum of `count` terms, in order, from column `offset` on: those of the occurrences' places, or without
 * occurrences from `first` on. `columns` of those that come are asked for. */
REEL_CLONES
static void sum_terms(const struct reel_row_formula *f, const struct reel_occurrence *occurrences, int64_t first,
                      int64_t count, int64_t known, int64_t columns, int64_t offset, int64_t n, reel_real *restrict out)
{
    const reel_real scale = f->scale;
    for (int64_t i = 0; i < count; i++) {
        const int64_t q = occurrences ? occurrences[i].place : first + i;
        const reel_real *restrict plus = reel_source_row(&f->plus, q) + offset;
        const reel_real factor = f->factor[q * f->factor_step];
        if (occurrences && i + REEL_KERN_AHEAD < known)
            prefetch_place(f, occurrences[i + REEL_KERN_AHEAD].place, columns);
        if (f->minus.rows) {
            const reel_real *restrict minus = reel_source_row(&f->minus, q) + offset;
            if (i == 0)
                for (int64_t j = 0; j < n; j++)
                    out[j] = (plus[j] - minus[j]) * factor * scale;
            else
                for (int64_t j = 0; j < n; j++)
                    out[j] += (plus[j] - minus[j]) * factor * scale;
        } else if (i == 0) {
            for (int64_t j = 0; j < n; j++)
                out[j] = plus[j] * factor * scale;
        } else {
            for (int64_t j = 0; j < n; j++)
                out[j] += plus[j] * factor * scale;
        }
    }
}

/* to = (add ? to : nothing) + from */
REEL_CLONES
static void put(int64_t n, const reel_real *restrict from, bool add, reel_real *restrict to)
{
    if (add)
        for (int64_t j = 0; j < n; j++)
            to[j] += from[j];
    else
        for (int64_t j = 0; j < n; j++)
            to[j] = from[j];
}

/* The row of a place, whatever its number of terms. */
static void form_row(const struct reel_row_formula *f, int64_t place, int64_t offset, int64_t n, reel_real *out)
{
    const int64_t q = place * f->fan;
    reel_real block[TILE];
    if (f->fan == 0)
        memset(out, 0, (size_t)n * sizeof *out);
    for (int64_t first = 0; first < f->fan; first += TERMS) {
        int64_t count = f->fan - first < TERMS ? f->fan - first : TERMS;
        sum_terms(f, NULL, q + first, count, 0, 0, offset, n, first == 0 ? out : block);
        if (first > 0)
            put(n, block, true, out);
    }
}

/* A block of occurrences, of which `known` are known. */
static void sum_block(const struct reel_row_formula *f, const struct reel_occurrence *occurrences, int64_t count,
                      int64_t known, int64_t columns, int64_t offset, int64_t n, reel_real *out)
{
    if (f->fan == 1) {
        sum_terms(f, occurrences, 0, count, known, columns, offset, n, out);
        return;
    }
    reel_real row[TILE];
    for (int64_t i = 0; i < count; i++) {
        if (i + REEL_KERN_AHEAD < known)
            prefetch_place(f, occurrences[i + REEL_KERN_AHEAD].place, columns);
        form_row(f, occurrences[i].place, offset, n, i == 0 ? out : row);
        if (i > 0)
            put(n, row, true, out);
    }
}

void reel_kern_sum_formed(const struct reel_row_formula *f, const struct reel_occurrence *occurrences, int64_t count,
                          int64_t known, int64_t columns, bool add, reel_real *out)
{
    for (int64_t offset = 0; offset < columns; offset += TILE) {
        const int64_t n = columns - offset < TILE ? columns - offset : TILE;
        reel_real total[TILE], block[TILE];
        for (int64_t first = 0; first < count; first += REEL_KERN_OCCURRENCES) {
            int64_t here = count - first < REEL_KERN_OCCURRENCES ? count - first : REEL_KERN_OCCURRENCES;
            /* Whole rows are asked for, while their first columns are summed. */
            const int64_t to_prefetch = offset == 0 ? known - first : 0;
            sum_block(f, occurrences + first, here, to_prefetch, columns, offset, n, first == 0 ? total : block);
            if (first > 0)
                put(n, block, true, total);
        }
        put(n, total, add, out + offset);
    }
}

static void form_between(const struct reel_row_formula *f, int64_t first, int64_t last, int64_t columns, bool add,
                         reel_real *out)
{
    for (int64_t p = first; p < last; p++) {
        const struct reel_occurrence occurrence = {.row = p, .place = p};
        if (p + REEL_KERN_AHEAD < last)
            prefetch_place(f, p + REEL_KERN_AHEAD, columns);
        reel_kern_sum_formed(f, &occurrence, 1, 1, columns, add, out + p * columns);
    }
}

void reel_kern_form_rows(const struct reel_row_formula *formula, int64_t count, int64_t columns, bool add,
                         reel_real *out, int threads)
{
    if (columns > 0)
        REEL_PARALLEL_FOR(first, last, count, columns < REEL_BLOCK ? REEL_BLOCK / columns : 1, threads,
                          form_between(formula, first, last, columns, add, out));
}

reel_real reel_kern_formed_element(const struct reel_row_formula *formula, int64_t place, int64_t column)
{
    reel_real element;
    form_row(formula, place, column, 1, &element);
    return element;
}

/* ---- Rows that are read ---- */

static void copy_elements(int64_t n, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i];
}

void reel_kern_fetch_elements(const struct reel_row_source *source, int64_t columns, int64_t first, int64_t count,
                              int64_t total, reel_real *out)
{
    int64_t row = first / columns, column = first % columns, rows = total / columns;
    while (count > 0) {
        int64_t n = columns - column < count ? columns - column : count;
        if (row + REEL_KERN_AHEAD < rows)
            prefetch(source, columns, row + REEL_KERN_AHEAD);
        copy_elements(n, reel_source_row(source, row) + column, out);
        out += n;
        count -= n;
        column = 0;
        row++;
    }
}

static void products(int64_t first, int64_t last, int64_t count, int64_t columns, const struct reel_row_source *a,
                     const struct reel_row_source *b, reel_real *out)
{
    for (int64_t q = first; q < last; q++) {
        if (q + REEL_KERN_AHEAD < count) {
            prefetch(a, columns, q + REEL_KERN_AHEAD);
            prefetch(b, columns, q + REEL_KERN_AHEAD);
        }
        out[q] = reel_kern_product_sum_run(columns, reel_source_row(a, q), reel_source_row(b, q));
    }
}

void reel_kern_row_products(int64_t count, int64_t columns, const struct reel_row_source *a,
                            const struct reel_row_source *b, reel_real *out, int threads)
{
    REEL_PARALLEL_FOR(first, last, count, columns < REEL_BLOCK ? REEL_BLOCK / (columns + 1) + 1 : 1, threads,
                      products(first, last, count, columns, a, b, out));
}
