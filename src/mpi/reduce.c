/* Reducing: partial sums of ranks are summed in the order of the tree, and every rank gets the result. */
#include "buffers.h"
#include "table.h"

#include <string.h>

/* ---- Halving and doubling ---- */

/* Ranks that take part: a power of two. Of others the first pairs go together before, as one. */
struct partners {
    int ranks;     /* taking part */
    int pairs;     /* of ranks 2 i and 2 i + 1 that count as one */
    int self;      /* among those taking part; -1: the second of a pair */
    int companion; /* the other of the pair; -1: none */
};

static struct partners partners_of(const reel_mpi *mpi)
{
    struct partners p = {.ranks = 1, .companion = -1};
    while (2 * p.ranks <= mpi->ranks)
        p.ranks *= 2;
    p.pairs = mpi->ranks - p.ranks;
    p.self = mpi->rank - p.pairs;
    if (mpi->rank < 2 * p.pairs) {
        p.companion = mpi->rank ^ 1;
        p.self = mpi->rank % 2 == 0 ? mpi->rank / 2 : -1;
    }
    return p;
}

static int rank_of(const struct partners *p, int number)
{
    return number < p->pairs ? 2 * number : number + p->pairs;
}

/* Where the halves of a range meet. */
static int64_t middle(int64_t first, int64_t end)
{
    return first + (end - first) / 2;
}

/* ---- Dense ---- */

static void add_arrived(void *user, size_t offset, const void *data, size_t size)
{
    reel_real *x = (reel_real *)((char *)user + offset);
    const reel_real *y = data;
    for (size_t i = 0; i < size / sizeof *x; i++)
        x[i] = x[i] + y[i];
}

/* Sends elements of x while others are received, which are written or added. */
static reel_status swap_elements(reel_mpi *mpi, int with, reel_real *x, int64_t send, int64_t send_end, int64_t receive,
                                 int64_t receive_end, bool add)
{
    const struct reel_mpi_transfer transfer = {.to = with,
                                               .from = with,
                                               .send = x + send,
                                               .send_size = (size_t)(send_end - send) * sizeof *x,
                                               .receive = x + receive,
                                               .receive_size = (size_t)(receive_end - receive) * sizeof *x,
                                               .element = sizeof *x,
                                               .arrived = add ? add_arrived : NULL,
                                               .user = x + receive};
    return reel_mpi_transfer(mpi, &transfer);
}

/* Neighbours sum halves, then pairs of them quarters, so that each element is summed as in the tree (recursive halving
 * and doubling: Thakur et al. 2005, "Optimization of collective communication operations in MPICH"). */
reel_status reel_mpi_reduce_elements(reel_mpi *mpi, reel_real *x, int64_t n, reel_real divisor)
{
    struct partners p = partners_of(mpi);
    int64_t ends[32][2], first = 0, end = n;
    int depth = 0;
    if (p.companion >= 0 && (p.self < 0 ? swap_elements(mpi, p.companion, x, 0, n, 0, 0, false)
                                        : swap_elements(mpi, p.companion, x, 0, 0, 0, n, true)) != REEL_OK)
        return reel_context_status(mpi->context);
    for (int distance = 1; distance < p.ranks && p.self >= 0; distance *= 2, depth++) {
        int with = rank_of(&p, p.self ^ distance);
        int64_t half = middle(first, end);
        ends[depth][0] = first;
        ends[depth][1] = end;
        bool keeps_first = !(p.self & distance);
        if ((keeps_first ? swap_elements(mpi, with, x, half, end, first, half, true)
                         : swap_elements(mpi, with, x, first, half, half, end, true)) != REEL_OK)
            return reel_context_status(mpi->context);
        *(keeps_first ? &end : &first) = half;
    }
    for (int64_t i = first; i < end && p.self >= 0; i++)
        x[i] = x[i] / divisor;
    for (int distance = p.ranks / 2; distance > 0 && p.self >= 0; distance /= 2) {
        int with = rank_of(&p, p.self ^ distance);
        depth--;
        if ((p.self & distance ? swap_elements(mpi, with, x, first, end, ends[depth][0], first, false)
                               : swap_elements(mpi, with, x, first, end, end, ends[depth][1], false)) != REEL_OK)
            return reel_context_status(mpi->context);
        first = ends[depth][0];
        end = ends[depth][1];
    }
    if (p.companion < 0)
        return REEL_OK;
    return p.self < 0 ? swap_elements(mpi, p.companion, x, 0, 0, 0, n, false)
                      : swap_elements(mpi, p.companion, x, 0, n, 0, 0, false);
}

/* ---- Rows ---- */

/* The first of the list that is not before `row`. */
static int64_t place_of(const struct reel_mpi_sorted *list, int64_t row)
{
    const int64_t *rows = list->rows.data;
    int64_t low = 0, high = list->count;
    while (low < high) {
        int64_t half = middle(low, high);
        if (rows[half] < row)
            low = half + 1;
        else
            high = half;
    }
    return low;
}

/* Sends rows send..send_end-1 of the list, by place, and receives the partner's to sparse->incoming; either side may
 * send nothing (with a count of -1 it does not even say so). There is room for what comes. */
static reel_status swap_rows(reel_mpi *mpi, struct reel_mpi_sparse *sparse, int with, int64_t send, int64_t count,
                             bool receives)
{
    const struct reel_mpi_sorted *list = &sparse->levels[0];
    struct reel_mpi_sorted *in = &sparse->incoming;
    size_t row_size = (size_t)sparse->columns * sizeof(reel_real), out = count > 0 ? (size_t)count : 0;
    int64_t theirs = 0;
    const struct reel_mpi_transfer counts = {.to = with,
                                             .from = with,
                                             .send = &count,
                                             .send_size = count >= 0 ? sizeof count : 0,
                                             .receive = &theirs,
                                             .receive_size = receives ? sizeof theirs : 0};
    if (reel_mpi_transfer(mpi, &counts) != REEL_OK)
        return reel_context_status(mpi->context);
    const struct reel_mpi_transfer rows = {.to = with,
                                           .from = with,
                                           .send = (const int64_t *)list->rows.data + send,
                                           .send_size = out * sizeof(int64_t),
                                           .receive = in->rows.data,
                                           .receive_size = (size_t)theirs * sizeof(int64_t)};
    const struct reel_mpi_transfer values = {.to = with,
                                             .from = with,
                                             .send = (const char *)list->values.data + (size_t)send * row_size,
                                             .send_size = out * row_size,
                                             .receive = in->values.data,
                                             .receive_size = (size_t)theirs * row_size};
    in->count = theirs;
    if (reel_mpi_transfer(mpi, &rows) != REEL_OK)
        return reel_context_status(mpi->context);
    return reel_mpi_transfer(mpi, &values);
}

/* The list becomes rows first..end-1 of itself by place, with what came in. */
static reel_status merge_incoming(reel_mpi *mpi, struct reel_mpi_sparse *sparse, int64_t first, int64_t end)
{
    struct reel_mpi_sorted *list = &sparse->levels[0], part = *list;
    part.count = end - first;
    part.rows.data = (int64_t *)list->rows.data + first;
    part.values.data = (reel_real *)list->values.data + first * sparse->columns;
    reel_status status =
        reel_mpi_sorted_merge(mpi->context, &part, &sparse->incoming, sparse->columns, &sparse->spare, &sparse->most);
    reel_mpi_sorted_swap(list, &sparse->spare);
    return status;
}

/* As elements, by halves of the table: rows of each are summed by whom they are sent to, and gathered. */
static reel_status reduce_rows(reel_mpi *mpi, struct reel_mpi_sparse *sparse, reel_real divisor)
{
    struct partners p = partners_of(mpi);
    struct reel_mpi_sorted *list = &sparse->levels[0];
    int64_t first = 0, end = sparse->rows;
    if (p.companion >= 0 && (p.self < 0 ? swap_rows(mpi, sparse, p.companion, 0, list->count, false)
                                        : swap_rows(mpi, sparse, p.companion, 0, -1, true)) != REEL_OK)
        return reel_context_status(mpi->context);
    if (p.companion >= 0 && p.self >= 0 && merge_incoming(mpi, sparse, 0, list->count) != REEL_OK)
        return reel_context_status(mpi->context);
    for (int distance = 1; distance < p.ranks && p.self >= 0; distance *= 2) {
        int with = rank_of(&p, p.self ^ distance);
        int64_t half = middle(first, end), cut = place_of(list, half), n = list->count;
        bool keeps_first = !(p.self & distance);
        if (swap_rows(mpi, sparse, with, keeps_first ? cut : 0, keeps_first ? n - cut : cut, true) != REEL_OK ||
            merge_incoming(mpi, sparse, keeps_first ? 0 : cut, keeps_first ? cut : n) != REEL_OK)
            return reel_context_status(mpi->context);
        *(keeps_first ? &end : &first) = half;
    }
    reel_real *x = list->values.data;
    for (int64_t i = 0; i < list->count * sparse->columns && p.self >= 0; i++)
        x[i] = x[i] / divisor;
    for (int distance = p.ranks / 2; distance > 0 && p.self >= 0; distance /= 2)
        if (swap_rows(mpi, sparse, rank_of(&p, p.self ^ distance), 0, list->count, true) != REEL_OK ||
            merge_incoming(mpi, sparse, 0, list->count) != REEL_OK)
            return reel_context_status(mpi->context);
    if (p.companion < 0)
        return REEL_OK;
    if (p.self >= 0)
        return swap_rows(mpi, sparse, p.companion, 0, list->count, false);
    reel_status status = swap_rows(mpi, sparse, p.companion, 0, -1, true);
    reel_mpi_sorted_swap(list, &sparse->incoming);
    return status;
}

/* ---- Tables that travel as a whole ---- */

/* The list to the array of tables. What is not there is -0. */
static void spread_rows(const struct reel_mpi_sparse *sparse, reel_real *tables)
{
    const struct reel_mpi_sorted *list = &sparse->levels[0];
    const int64_t *rows = list->rows.data;
    const reel_real *values = list->values.data;
    reel_real *table = tables + sparse->offset, *is_there = table + sparse->rows * sparse->columns;
    for (int64_t i = 0; i < sparse->rows * (sparse->columns + 1); i++)
        table[i] = (reel_real)-0.0;
    for (int64_t i = 0; i < list->count; i++) {
        memcpy(table + rows[i] * sparse->columns, values + i * sparse->columns,
               (size_t)sparse->columns * sizeof *values);
        is_there[rows[i]] = 1;
    }
}

static void pick_rows(struct reel_mpi_sparse *sparse, const reel_real *tables)
{
    struct reel_mpi_sorted *list = &sparse->levels[0];
    int64_t *rows = list->rows.data, n = 0;
    reel_real *values = list->values.data;
    const reel_real *table = tables + sparse->offset, *is_there = table + sparse->rows * sparse->columns;
    for (int64_t r = 0; r < sparse->rows; r++)
        if (is_there[r] > 0) {
            rows[n] = r;
            memcpy(values + n++ * sparse->columns, table + r * sparse->columns,
                   (size_t)sparse->columns * sizeof *values);
        }
    list->count = n;
}

/* Room for what the list, what comes in, and their sum can become, since nothing may fail on the way. */
static reel_status make_room(reel_mpi *mpi, struct reel_mpi_sparse *sparse, int64_t count)
{
    struct reel_mpi_sorted *list = &sparse->levels[0], *spare = &sparse->spare;
    if ((int64_t)(list->rows.size / sizeof(int64_t)) < count &&
        reel_mpi_sorted_reserve(mpi->context, spare, count, sparse->columns, &sparse->most) == REEL_OK) {
        if (list->count > 0) {
            memcpy(spare->rows.data, list->rows.data, (size_t)list->count * sizeof(int64_t));
            memcpy(spare->values.data, list->values.data, (size_t)(list->count * sparse->columns) * sizeof(reel_real));
        }
        spare->count = list->count;
        spare->is_present = list->is_present;
        reel_mpi_sorted_swap(list, spare);
    }
    reel_mpi_sorted_reserve(mpi->context, spare, count, sparse->columns, &sparse->most);
    return reel_mpi_sorted_reserve(mpi->context, &sparse->incoming, count, sparse->columns, &sparse->most);
}

/* ---- What is done with it ---- */

/* Of all ranks, in the order of the tree. */
static double sum_weights(reel_mpi *mpi)
{
    struct reel_mpi_record *records = mpi->records.data;
    struct partners p = partners_of(mpi);
    for (int i = 0; i < p.pairs; i++)
        records[2 * i].weight += records[2 * i + 1].weight;
    for (int distance = 1; distance < p.ranks; distance *= 2)
        for (int i = 0; i < p.ranks; i += 2 * distance)
            records[rank_of(&p, i)].weight += records[rank_of(&p, i + distance)].weight;
    return records[0].weight;
}

/* The sums of this rank's shards, empty or not, to levels[0]. Params without a gradient here make room for one while
 * there is a way back. */
static reel_status settle(reel_mpi *mpi, struct reel_mpi_set *set)
{
    int top = reel_mpi_finish_levels(mpi, set);
    struct reel_mpi_level *sum = &set->levels[0];
    if (reel_context_status(mpi->context) != REEL_OK)
        return reel_context_status(mpi->context);
    reel_mpi_swap_levels(set, top, 0);
    bool is_held = sum->state == REEL_MPI_HELD;
    if (!is_held && reel_mpi_reserve(mpi->context, &sum->values, (size_t)set->numel * sizeof(reel_real)) != REEL_OK)
        return reel_context_status(mpi->context);
    reel_real *sums = sum->values.data;
    for (int64_t i = 0; i < set->numel && !is_held; i++)
        sums[i] = (reel_real)-0.0;
    for (int j = 0; j < set->n_dense; j++) {
        const struct reel_mpi_dense *dense = &reel_mpi_dense_of(set)[j];
        bool is_there = is_held && sums[set->numel - set->n_dense + j] > 0, is_kept = reel_param_grad(dense->param);
        if (dense->is_in_place && is_there && !is_kept)
            return reel_fail(mpi->context, REEL_ERROR_STATE,
                             "mpi_reduce: the gradient of \"%s\" was forgotten after it was collected",
                             reel_param_name(dense->param));
        if (!is_kept && reel_param_set_grad(dense->param, reel_param_data(dense->param)) != REEL_OK)
            return reel_context_status(mpi->context);
        reel_real *grad = dense->is_in_place && !is_there ? reel_param_write_grad(dense->param) : NULL;
        for (int64_t i = 0; grad && i < dense->numel; i++)
            grad[i] = (reel_real)-0.0;
    }
    for (int i = 0; i < set->n_sparse && !is_held; i++) {
        reel_mpi_sparse_of(set)[i].levels[0].count = 0;
        reel_mpi_sparse_of(set)[i].levels[0].is_present = false;
    }
    return REEL_OK;
}

/* Which tables travel as a whole, from the rows that every rank has: those whose rows could be more bytes. Then there
 * is room for all that comes, or an error on all ranks. */
static reel_status choose_ways(reel_mpi *mpi, struct reel_mpi_set *set)
{
    int64_t *mine = set->counts.data, *all = mine + set->n_sparse, numel = 0;
    for (int i = 0; i < set->n_sparse; i++) {
        const struct reel_mpi_sorted *list = &reel_mpi_sparse_of(set)[i].levels[0];
        mine[i] = list->is_present ? list->count : -1;
    }
    if (reel_mpi_gather(mpi, mine, (size_t)set->n_sparse * sizeof *mine, all) != REEL_OK)
        return reel_context_status(mpi->context);
    for (int i = 0; i < set->n_sparse; i++) {
        struct reel_mpi_sparse *sparse = &reel_mpi_sparse_of(set)[i];
        int64_t sum = 0, most = 0;
        sparse->is_somewhere = false;
        for (int r = 0; r < mpi->ranks; r++) {
            int64_t count = all[r * set->n_sparse + i];
            sparse->is_somewhere |= count >= 0;
            sum += count > 0 ? count : 0;
            most = count > most ? count : most;
        }
        int64_t different = sum < sparse->rows ? sum : sparse->rows;
        double size = (double)sparse->columns * sizeof(reel_real);
        sparse->is_dense = sparse->is_somewhere && 2 * (double)sparse->rows * (size + sizeof(reel_real)) <=
                                                       (double)(most + different) * (size + sizeof(int64_t));
        sparse->offset = numel;
        numel += sparse->is_dense ? sparse->rows * (sparse->columns + 1) : 0;
        int64_t twice = 2 * sparse->rows;
        make_room(mpi, sparse, sparse->is_dense ? different : sum < twice ? sum : twice);
    }
    set->tables_numel = numel;
    reel_mpi_reserve(mpi->context, &set->tables, (size_t)numel * sizeof(reel_real));
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_REDUCE);
    return reel_mpi_agree(mpi, &record);
}

static reel_status exchange(reel_mpi *mpi, struct reel_mpi_set *set, reel_real divisor)
{
    struct reel_mpi_sparse *sparse = reel_mpi_sparse_of(set);
    reel_real *tables = set->tables.data;
    for (int i = 0; i < set->n_sparse; i++)
        if (sparse[i].is_dense)
            spread_rows(&sparse[i], tables);
    for (int j = 0; j < set->n_dense; j++) {
        const struct reel_mpi_dense *dense = &reel_mpi_dense_of(set)[j];
        if (dense->is_in_place &&
            reel_mpi_reduce_elements(mpi, reel_param_write_grad(dense->param), dense->numel, divisor) != REEL_OK)
            return reel_context_status(mpi->context);
    }
    if (reel_mpi_reduce_elements(mpi, set->levels[0].values.data, set->numel, divisor) != REEL_OK ||
        (set->tables_numel > 0 && reel_mpi_reduce_elements(mpi, tables, set->tables_numel, divisor) != REEL_OK))
        return reel_context_status(mpi->context);
    for (int i = 0; i < set->n_sparse; i++) {
        if (sparse[i].is_dense)
            pick_rows(&sparse[i], tables);
        else if (sparse[i].is_somewhere && reduce_rows(mpi, &sparse[i], divisor) != REEL_OK)
            return reel_context_status(mpi->context);
    }
    return REEL_OK;
}

/* To the params. */
static reel_status hand_out(reel_mpi *mpi, const struct reel_mpi_set *set)
{
    const reel_real *sums = set->levels[0].values.data, *is_there = sums + set->numel - set->n_dense;
    for (int j = 0; j < set->n_dense; j++) {
        const struct reel_mpi_dense *dense = &reel_mpi_dense_of(set)[j];
        if (!dense->is_in_place || !(is_there[j] > 0))
            reel_param_set_grad(dense->param, is_there[j] > 0 ? sums + dense->offset : NULL);
    }
    for (int i = 0; i < set->n_sparse; i++) {
        const struct reel_mpi_sparse *sparse = &reel_mpi_sparse_of(set)[i];
        const struct reel_mpi_sorted *list = &sparse->levels[0];
        if (sparse->is_somewhere)
            reel_param_set_row_grad(sparse->param, list->count, list->rows.data, list->values.data);
        else
            reel_param_set_grad(sparse->param, NULL);
    }
    return reel_context_status(mpi->context);
}

/* Of what must be alike: dense params, and what random numbers go on with. */
static uint64_t hash_of_replicas(reel_mpi *mpi, const struct reel_mpi_set *set)
{
    uint64_t draws = reel_philox_draws(mpi->context);
    if (reel_get_rng_state(mpi->context, mpi->common) != REEL_OK)
        return 0;
    uint64_t hash = reel_mpi_hash(reel_mpi_hash(1, mpi->common, sizeof mpi->common), &draws, sizeof draws);
    for (int j = 0; j < set->n_dense; j++) {
        const struct reel_mpi_dense *dense = &reel_mpi_dense_of(set)[j];
        hash = reel_mpi_hash(hash, reel_param_data(dense->param), (size_t)dense->numel * sizeof(reel_real));
    }
    return hash;
}

static reel_status reduce(reel_mpi *mpi, struct reel_mpi_set *set)
{
    reel_mpi_tables_serve(mpi);
    bool is_settled =
        set && mpi->failure == REEL_OK && reel_context_status(mpi->context) == REEL_OK &&
        (reel_mpi_is_alone(mpi) || (settle(mpi, set) == REEL_OK && reel_mpi_buffers_settle(mpi) == REEL_OK));
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_REDUCE);
    if (is_settled) {
        record.layout = set->layout;
        record.weight = set->levels[0].weight;
        if (mpi->check_every > 0 && mpi->steps % (uint64_t)mpi->check_every == 0)
            record.replicas = hash_of_replicas(mpi, set);
    }
    if (reel_mpi_agree(mpi, &record) != REEL_OK)
        return reel_context_status(mpi->context);
    double weight = sum_weights(mpi);
    if (reel_mpi_is_alone(mpi)) {
        if (weight == 0)
            reel_zero_grad(set->params);
    } else if ((set->n_sparse > 0 && choose_ways(mpi, set) != REEL_OK) ||
               exchange(mpi, set, (reel_real)weight) != REEL_OK || hand_out(mpi, set) != REEL_OK ||
               reel_mpi_buffers_reduce(mpi) != REEL_OK) {
        return reel_context_status(mpi->context);
    }
    return reel_mpi_tables_reduce(mpi, set->params, weight);
}

reel_status reel_mpi_reduce(reel_mpi *mpi, reel_params *params)
{
    if (!mpi)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = mpi->context;
    if (mpi->loop == REEL_MPI_LOOP_RUNS) {
        reel_mpi_leave_loop(mpi);
        reel_fail(c, REEL_ERROR_STATE, "mpi_reduce: the loop over shards is not over");
    }
    if (!params || reel_params_context(params) != c)
        reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_reduce: params is NULL or of another context");
    reel_mpi_tables_serve(mpi);
    struct reel_mpi_set *set = reel_context_status(c) == REEL_OK ? reel_mpi_set_of(mpi, params) : NULL;
    reel_status status = reduce(mpi, set);
    if (status == REEL_OK) {
        reel_mpi_empty_levels(set);
        reel_mpi_allow_loop(mpi);
    } else {
        reel_mpi_empty_sets(mpi);
    }
    return status;
}
