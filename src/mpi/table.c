/* Tables whose rows are spread over ranks: making one, looking up rows, and what a backward pass gives them. */
#include "table.h"

#include "table_rows.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/gather.h>
#include <reel/op.h>
#include <reel/tape.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Making ---- */

reel_mpi_table_options reel_mpi_table_defaults(void)
{
    return (reel_mpi_table_options){
        .mark = REEL_OPTIONS_MARK(reel_mpi_table_options), .max_norm = INFINITY, .norm_type = 2, .init = true};
}

/* The elements first..first + n - 1 of all: those of this rank's rows. */
static void take_elements(const reel_mpi_table *table, int64_t first, int64_t n, const reel_real *from, reel_real *to)
{
    int64_t columns = table->columns, ranks = table->mpi->ranks, row = first / columns;
    row += (table->mpi->rank - row % ranks + ranks) % ranks;
    /* The row in which the elements begin may be this rank's, too. */
    if (first % columns > 0 && first / columns % ranks == table->mpi->rank)
        row = first / columns;
    for (; row * columns < first + n; row += ranks) {
        int64_t begin = row * columns > first ? row * columns : first;
        int64_t end = (row + 1) * columns < first + n ? (row + 1) * columns : first + n;
        memcpy(to + row / ranks * columns + begin % columns, from + begin - first, (size_t)(end - begin) * sizeof *to);
    }
}

/* Draws what reel_embedding_new draws for the whole table, a piece at a time. Pieces are a multiple of the 16 numbers
 * that the generator makes at once, and the last is no less. */
static reel_status draw(const reel_mpi_table *table)
{
    enum { PIECE = 1 << 20, GROUP = 16 };
    reel_context *c = table->mpi->context;
    reel_tape *tape = reel_tape_new(c);
    reel_real *to = reel_param_write(table->param);
    int64_t left = table->rows * table->columns;
    for (int64_t first = 0, n; left > 0 && reel_context_status(c) == REEL_OK; first += n, left -= n) {
        n = left < PIECE + GROUP ? left : PIECE;
        const reel_real *drawn = reel_data_real(tape, reel_randn(tape, REEL_SHAPE(n)));
        if (drawn)
            take_elements(table, first, n, drawn, to);
        if (reel_context_status(c) == REEL_OK)
            reel_tape_reset(tape);
    }
    reel_tape_free(tape);
    return reel_context_status(c);
}

/* The module and its param, which gets its values here and not from the module: those that it draws would depend on the
 * number of ranks. */
static reel_status make(reel_mpi_table *table, reel_params *params, const char *name, const reel_mpi_table_options *o)
{
    reel_mpi *mpi = table->mpi;
    reel_context *c = mpi->context;
    int before = reel_params_count(params);
    reel_embedding_options of_part = reel_embedding_defaults();
    of_part.sparse = of_part.fast_init = true;
    of_part.max_norm = o->max_norm;
    of_part.norm_type = o->norm_type;
    uint64_t draws = reel_philox_draws(c);
    table->module = reel_embedding_new(params, name, reel_mpi_rows_of_rank(table->rows, mpi->ranks, mpi->rank),
                                       table->columns, &of_part);
    reel_set_philox_draws(c, draws);
    if (!table->module)
        return reel_context_status(c);
    table->param = reel_params_at(params, before);
    const reel_shape *shape = reel_param_shape(table->param);
    memset(reel_param_write(table->param), 0, (size_t)reel_shape_numel(shape) * sizeof(reel_real));
    size_t ranks = (size_t)mpi->ranks;
    if (reel_mpi_reserve(c, &table->counts, 2 * ranks * sizeof(int64_t)) == REEL_OK &&
        reel_mpi_reserve(c, &table->layout, 4 * ranks * sizeof(size_t)) == REEL_OK && o->init)
        draw(table);
    if (!mpi->serving && reel_context_status(c) == REEL_OK)
        mpi->serving = reel_tape_new(c);
    return reel_context_status(c);
}

reel_mpi_table *reel_mpi_table_new(reel_mpi *mpi, reel_params *params, const char *name, int64_t rows, int64_t columns,
                                   const reel_mpi_table_options *options)
{
    if (!mpi)
        return NULL;
    reel_context *c = mpi->context;
    reel_mpi_table_options o = reel_mpi_table_defaults();
    struct reel_mpi_memory self = {0};
    if (reel_params_context(params) != c)
        reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_table: the set is %s", params ? "of another context" : "NULL");
    else if (rows < 0 || columns < 0 || (columns > 0 && rows > INT64_MAX / 16 / columns))
        reel_fail(c, REEL_ERROR_SHAPE, "mpi_table \"%s\": %lld rows of %lld columns", name ? name : "", (long long)rows,
                  (long long)columns);
    else if (reel_options_take(c, "mpi_table", options, &o) == REEL_OK &&
             reel_mpi_reserve(c, &self, sizeof(reel_mpi_table)) == REEL_OK) {
        *(reel_mpi_table *)self.data = (reel_mpi_table){
            .mpi = mpi, .rows = rows, .columns = columns, .height = reel_mpi_height(rows, mpi->ranks), .self = self};
        make(self.data, params, name, &o);
    }
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_TABLE);
    const double alike[] = {(double)rows, (double)columns, o.max_norm, o.norm_type, o.init};
    record.layout = reel_mpi_hash(reel_mpi_hash(1, alike, sizeof alike), name ? name : "", name ? strlen(name) : 0);
    reel_mpi_table *table = self.data;
    if (reel_mpi_agree(mpi, &record) != REEL_OK) {
        if (table)
            reel_mpi_table_release(table);
        return NULL;
    }
    table->next = mpi->tables;
    table->number = mpi->tables ? mpi->tables->number + 1 : 0;
    mpi->tables = table;
    return table;
}

void reel_mpi_table_release(reel_mpi_table *table)
{
    reel_mpi_row_list_release(&table->gradient);
    reel_mpi_row_list_release(&table->received);
    reel_mpi_release(&table->counts);
    reel_mpi_release(&table->layout);
    reel_mpi_release(&table->work);
    reel_mpi_release(&table->ordered);
    struct reel_mpi_memory self = table->self;
    reel_mpi_release(&self);
}

reel_param *reel_mpi_table_param(const reel_mpi_table *table)
{
    return table ? table->param : NULL;
}

reel_mpi_table *reel_mpi_table_of(const reel_mpi *mpi, const reel_param *param)
{
    reel_mpi_table *table = mpi->tables;
    while (table && table->param != param)
        table = table->next;
    return table;
}

/* ---- Looking up ---- */

/* One lookup: what its operations tell each other. */
struct lookup {
    reel_mpi_table *table;
    int64_t count;    /* different rows that this rank looks up */
    int64_t *to;      /* of which so many are of each rank */
    int64_t *from;    /* and how many of this rank's are looked up by each */
    int64_t requests; /* in all */
    bool entered;     /* the operation came to its agreement */
};

struct lookup_attributes {
    struct lookup *lookup; /* lives until reel_mpi_rows returns */
    reel_mpi_table *table;
    int64_t rows; /* of the output, where the inputs do not tell */
};

/* That it is this table that is looked up: `place` is REEL_MPI_AT_LOOKUP, or of those that only answer
 * REEL_MPI_AT_REDUCE. Gives the number of the table, -1 when nobody looks up anything. */
static reel_status agree_on_table(reel_mpi *mpi, enum reel_mpi_place place, int64_t *number)
{
    struct reel_mpi_record record = reel_mpi_record_of(mpi, place);
    record.number = *number;
    reel_status status = reel_mpi_agree(mpi, &record);
    *number = -1;
    for (int r = 0; r < mpi->ranks && status == REEL_OK; r++) {
        const struct reel_mpi_record *said = &reel_mpi_records(mpi)[r];
        if (said->place != REEL_MPI_AT_LOOKUP)
            continue;
        if (*number >= 0 && said->number != *number)
            status = reel_fail(mpi->context, REEL_ERROR_STATE, "mpi_embedding: rank %d looks up another table", r);
        *number = said->number;
    }
    return status;
}

/* Further on in a lookup, where all are. */
static reel_status agree(reel_mpi *mpi)
{
    const struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_LOOKUP);
    return reel_mpi_agree(mpi, &record);
}

/* Of the index [...]: which of the different rows each element is [...], and the keys of these [numel], of which the
 * first `count` count. */
static reel_status unique_shape(reel_call *call)
{
    const struct lookup_attributes *a = call->attributes;
    const reel_array *index = call->in[0];
    if (index->dtype != REEL_INT64)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "mpi_embedding \"%s\": the index is %s, it must be integers",
                         reel_param_name(a->table->param), reel_dtype_name(index->dtype));
    call->out[0]->shape = index->shape;
    call->out[1]->shape = REEL_SHAPE(index->numel);
    call->out[0]->dtype = call->out[1]->dtype = REEL_INT64;
    return REEL_OK;
}

static reel_status unique_forward(reel_call *call)
{
    const struct lookup_attributes *a = call->attributes;
    struct lookup *l = a->lookup;
    const reel_mpi_table *table = a->table;
    const int ranks = table->mpi->ranks;
    const int64_t n = call->in[0]->numel, *index = call->in[0]->data;
    int64_t *work = reel_call_temporary(call, 3 * (size_t)n * sizeof *work);
    if (!work)
        return reel_context_status(call->context);
    int64_t *keys = work, *order = work + n, *scratch = order + n, *unique = call->out[1]->data;
    for (int64_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] >= table->rows)
            return reel_fail(call->context, REEL_ERROR_INDEX,
                             "mpi_embedding \"%s\": index %lld at flat position %lld is outside a table of %lld rows",
                             reel_param_name(table->param), (long long)index[i], (long long)i, (long long)table->rows);
        keys[i] = reel_mpi_row_key(index[i], table->height, ranks);
    }
    reel_mpi_order_keys(n, keys, table->height * ranks, order, scratch);
    l->count = reel_mpi_unique_keys(n, keys, order, unique, call->out[0]->data);
    memset(l->to, 0, (size_t)ranks * sizeof *l->to);
    for (int64_t k = 0; k < l->count; k++)
        l->to[unique[k] / table->height]++;
    memset(unique + l->count, 0, (size_t)(n - l->count) * sizeof *unique);
    return REEL_OK;
}

static const reel_op unique_op = {.name = "mpi_unique",
                                  .n_inputs = 1,
                                  .n_outputs = 2,
                                  .derivative = REEL_DERIVATIVE_NONE,
                                  .attributes_size = sizeof(struct lookup_attributes),
                                  .shape = unique_shape,
                                  .forward = unique_forward};

/* Of the keys that this rank asks for: this rank's own rows that others ask for [requests]. */
static reel_status requests_shape(reel_call *call)
{
    const struct lookup_attributes *a = call->attributes;
    call->out[0]->shape = REEL_SHAPE(a->rows);
    call->out[0]->dtype = REEL_INT64;
    return REEL_OK;
}

static reel_status requests_forward(reel_call *call)
{
    const struct lookup_attributes *a = call->attributes;
    struct lookup *l = a->lookup;
    reel_mpi_table *table = a->table;
    l->entered = true;
    if (agree(table->mpi) != REEL_OK)
        return reel_context_status(call->context);
    const struct reel_mpi_exchange exchange = {l->to, l->from, call->in[0]->data, call->out[0]->data, sizeof(int64_t)};
    reel_status status = reel_mpi_exchange_rows(table, &exchange);
    int64_t *rows = call->out[0]->data;
    for (int64_t i = 0; i < l->requests && status == REEL_OK; i++)
        rows[i] -= table->height * table->mpi->rank;
    return status;
}

static const reel_op requests_op = {.name = "mpi_requests",
                                    .n_inputs = 1,
                                    .n_outputs = 1,
                                    .derivative = REEL_DERIVATIVE_NONE,
                                    .attributes_size = sizeof(struct lookup_attributes),
                                    .shape = requests_shape,
                                    .forward = requests_forward};

/* Of this rank's param, the rows that others have asked for [requests, columns], and the keys that this rank asked for:
 * these rows [count, columns]. The gradient waits in the table for the end of the step. */
enum { IN_PARAM, IN_SERVED, IN_KEYS };

static reel_status rows_shape(reel_call *call)
{
    const struct lookup_attributes *a = call->attributes;
    call->out[0]->shape = REEL_SHAPE(a->rows, a->table->columns);
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status rows_forward(reel_call *call)
{
    const struct lookup_attributes *a = call->attributes;
    struct lookup *l = a->lookup;
    l->entered = true;
    if (agree(a->table->mpi) != REEL_OK)
        return reel_context_status(call->context);
    const struct reel_mpi_exchange exchange = {l->from, l->to, call->in[IN_SERVED]->data, call->out[0]->data,
                                               (size_t)a->table->columns * sizeof(reel_real)};
    return reel_mpi_exchange_rows(a->table, &exchange);
}

static reel_status rows_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    (void)sinks;
    const struct lookup_attributes *a = call->attributes;
    const int64_t count = call->out[0]->shape.dim[0];
    a->table->has_gradient = true;
    if (count == 0 || a->table->columns == 0 || !grad_outputs[0].data)
        return REEL_OK;
    const reel_real *values = reel_gradient_contiguous(call, &grad_outputs[0]);
    return values ? reel_mpi_row_list_append(call->context, &a->table->gradient, count, call->in[IN_KEYS]->data,
                                             a->table->columns, values)
                  : reel_context_status(call->context);
}

static const reel_op rows_op = {.name = "mpi_embedding",
                                .n_inputs = 3,
                                .n_outputs = 1,
                                .differentiable = 1 << IN_PARAM,
                                .reads_rows = 1 << IN_PARAM,
                                .derivative = REEL_DERIVATIVE_EXACT,
                                .attributes_size = sizeof(struct lookup_attributes),
                                .shape = rows_shape,
                                .forward = rows_forward,
                                .accumulate = rows_accumulate};

/* Applies an operation that all ranks apply, also when it fails here before it comes to that. */
static reel_var apply_with_others(reel_tape *tape, const reel_op *op, const reel_var *inputs, struct lookup *l,
                                  int64_t rows)
{
    const struct lookup_attributes a = {l, l->table, rows};
    l->entered = false;
    reel_var out = reel_apply1(tape, op, inputs, op->n_inputs, &a);
    if (!l->entered)
        agree(l->table->mpi);
    return out;
}

/* What is different in the index, once all agree that they look up the table: from the owners. */
static reel_var fetch(reel_tape *tape, struct lookup *l, reel_var keys)
{
    reel_mpi_table *table = l->table;
    if (reel_mpi_exchange_counts(table, l->to, l->from, &l->requests) != REEL_OK)
        return reel_null();
    reel_var requests = apply_with_others(tape, &requests_op, &keys, l, l->requests);
    if (reel_context_status(table->mpi->context) != REEL_OK)
        return reel_null();
    reel_no_grad_begin(tape);
    reel_var served = reel_forward(tape, table->module, requests);
    reel_no_grad_end(tape);
    const reel_var inputs[] = {reel_param_var(tape, table->param), served, keys};
    return apply_with_others(tape, &rows_op, inputs, l, l->count);
}

static struct lookup lookup_in(reel_mpi_table *table)
{
    int64_t *to = table->counts.data;
    return (struct lookup){.table = table, .to = to, .from = to + table->mpi->ranks};
}

reel_var reel_mpi_rows(reel_tape *tape, reel_mpi_table *table, reel_var index, reel_var *inverse)
{
    if (inverse)
        *inverse = reel_null();
    if (!table)
        return reel_null();
    reel_mpi *mpi = table->mpi;
    struct lookup l = lookup_in(table);
    const struct lookup_attributes a = {&l, table, 0};
    if (!inverse || reel_tape_context(tape) != mpi->context)
        reel_fail(mpi->context, REEL_ERROR_ARGUMENT, "mpi_embedding \"%s\": the %s", reel_param_name(table->param),
                  inverse ? "tape is NULL, or of another context" : "place of the inverse is NULL");
    else if (reel_dtype_of(tape, index) == REEL_INT32)
        index = reel_to_int64(tape, index);
    reel_var unique[2];
    reel_apply(tape, &unique_op, &index, 1, &a, unique);
    int64_t number = table->number;
    if (agree_on_table(mpi, REEL_MPI_AT_LOOKUP, &number) != REEL_OK)
        return reel_null();
    reel_var rows = fetch(tape, &l, unique[1]);
    if (!reel_is_null(rows))
        *inverse = unique[0];
    return rows;
}

/* Whether all ranks were at the end of a step when they agreed, or failed to. */
static bool all_reduce(const reel_mpi *mpi)
{
    for (int r = 0; r < mpi->ranks; r++)
        if (reel_mpi_records(mpi)[r].place != REEL_MPI_AT_REDUCE)
            return false;
    return true;
}

reel_status reel_mpi_tables_serve(reel_mpi *mpi)
{
    /* Also after an error: then lookups fail, and the others come here, too. */
    while (mpi->tables && !mpi->broken) {
        int64_t number = -1;
        if (reel_context_status(mpi->context) == REEL_OK)
            reel_tape_reset(mpi->serving);
        reel_status status = agree_on_table(mpi, REEL_MPI_AT_REDUCE, &number);
        if (mpi->broken || all_reduce(mpi))
            break;
        if (status != REEL_OK)
            continue;
        reel_mpi_table *table = mpi->tables;
        while (table->number != number)
            table = table->next;
        struct lookup l = lookup_in(table);
        memset(l.to, 0, (size_t)mpi->ranks * sizeof *l.to);
        fetch(mpi->serving, &l, reel_tensor_of(mpi->serving, REEL_INT64, NULL, REEL_SHAPE(0)));
    }
    return reel_context_status(mpi->context);
}

reel_var reel_mpi_embedding(reel_tape *tape, reel_mpi_table *table, reel_var index)
{
    reel_var inverse, rows = reel_mpi_rows(tape, table, index, &inverse);
    return reel_is_null(rows) ? rows : reel_embedding(tape, rows, inverse, NULL);
}
