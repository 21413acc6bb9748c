/* What may live here: what keeps gradient rows that are described true to the values that they are made of. */
#include "core/formed.h"

#include "base/checked.h"
#include "core/params.h"
#include "kern/copy.h"
#include "kern/gather.h"
#include "kern/lookup.h"

/* Takes the reader out of its param's list. */
static void leave(struct reel_row_reader *reader)
{
    if (!reader->param)
        return;
    *reader->link = reader->next;
    if (reader->next)
        reader->next->link = reader->link;
    reader->param = NULL;
}

static void enter(struct reel_row_reader *reader, reel_param *param)
{
    reader->param = param;
    reader->next = param->readers;
    reader->link = &param->readers;
    if (reader->next)
        reader->next->link = &reader->next;
    param->readers = reader;
}

/* Has the reader follow the changes of the param that the node's elements lie in, if they do. Nothing of a shared set
 * changes, and its readers may be in other threads. */
static reel_status follow(reel_context *context, struct reel_row_reader *reader, const struct reel_node *node)
{
    if (!node || !reel_node_is_in_param(node) || node->param->set->shared)
        return REEL_OK;
    int64_t elements;
    size_t bytes = SIZE_MAX;
    if (reel_multiply_int64(reader->count, reader->columns, &elements) &&
        reel_multiply_size(elements, sizeof(reel_real), &bytes))
        reader->room = reel_scratch_allocate(&context->scratch, bytes);
    if (!reader->room)
        return reel_fail_memory(context, "a row gradient", bytes);
    enter(reader, node->param);
    return REEL_OK;
}

static int64_t rows_of(const struct reel_row_source *source, int64_t terms)
{
    return source->repeat > 0 ? terms / source->repeat : 0;
}

struct reel_formed_rows *reel_formed_rows_new(reel_tape *tape, const struct reel_row_formula *formula, int64_t places,
                                              int64_t columns, const struct reel_node *plus,
                                              const struct reel_node *minus, const struct reel_node *to,
                                              const int64_t *of)
{
    reel_context *c = tape->context;
    struct reel_formed_rows *formed = reel_arena_allocate(&tape->arena, sizeof *formed);
    if (!formed) {
        reel_fail_memory(c, "a row gradient", sizeof *formed);
        return NULL;
    }
    const int64_t terms = places * formula->fan;
    *formed = (struct reel_formed_rows){.formula = *formula, .columns = columns};
    const struct reel_node *nodes[] = {plus, minus};
    struct reel_row_source *sources[] = {&formed->formula.plus, &formed->formula.minus};
    for (int k = 0; k < 2; k++) {
        struct reel_row_reader *reader = &formed->readers[k];
        *reader =
            (struct reel_row_reader){.source = sources[k], .count = rows_of(sources[k], terms), .columns = columns};
        reader->own =
            nodes[k] == to && to->is_param && sources[k]->index == of && sources[k]->repeat == 1 && formula->fan == 1;
        if (follow(c, reader, nodes[k]) != REEL_OK) {
            reel_formed_rows_release(c, formed);
            return NULL;
        }
    }
    return formed;
}

void reel_formed_rows_release(reel_context *context, struct reel_formed_rows *formed)
{
    for (int k = 0; formed && k < 2; k++) {
        leave(&formed->readers[k]);
        reel_scratch_release(&context->scratch, formed->readers[k].room);
        formed->readers[k].room = NULL;
    }
}

reel_status reel_formed_rows_write_out(reel_context *context, struct reel_rows *rows)
{
    const int64_t columns = rows->formed->columns;
    int64_t elements;
    size_t bytes = SIZE_MAX;
    reel_real *written = NULL;
    if (reel_multiply_int64(rows->count, columns, &elements) && reel_multiply_size(elements, sizeof *written, &bytes))
        written = reel_scratch_allocate(&context->scratch, bytes);
    if (!written)
        return reel_fail_memory(context, "a row gradient", bytes);
    reel_kern_form_rows(&rows->formed->formula, rows->count, columns, false, written, context->num_threads);
    reel_formed_rows_release(context, rows->formed);
    reel_scratch_release(&context->scratch, rows->block);
    rows->formed = NULL;
    rows->block = written;
    rows->data = written;
    rows->stride = columns;
    return REEL_OK;
}

void reel_formed_rows_move_own(struct reel_formed_rows *formed)
{
    for (int k = 0; k < 2; k++)
        if (formed->readers[k].own)
            leave(&formed->readers[k]);
}

static void copy_rows(struct reel_row_reader *reader, int threads)
{
    struct reel_row_source *source = reader->source;
    const struct reel_kern_indices index = {source->index, true, reader->count};
    if (source->index)
        reel_kern_gather_reals(reader->columns, index, source->rows, source->stride, false, reader->room, threads);
    else
        reel_kern_copy_rows(reader->count, reader->columns, source->rows, source->stride, reader->room,
                            reader->columns);
    source->rows = reader->room;
    source->index = NULL;
    source->stride = reader->columns;
}

void reel_formed_rows_before_change(reel_param *param)
{
    while (param->readers) {
        struct reel_row_reader *reader = param->readers;
        copy_rows(reader, param->set->context->num_threads);
        leave(reader);
    }
}
