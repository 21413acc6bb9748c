/* What every rank has of a set: giving rank 0's to all, and clipping by the norm of all gradients. */
#include "sets.h"
#include "table.h"

#include <reel/clip.h>

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Broadcast ---- */

static size_t size_of(const reel_param *param)
{
    return (size_t)reel_shape_numel(reel_param_shape(param)) * reel_dtype_size(reel_param_dtype(param));
}

/* From where it comes to where it goes: rank r has it of r without its lowest bit (a binomial tree). */
static reel_status pass_on(reel_mpi *mpi, reel_param *param)
{
    struct reel_mpi_transfer transfer = {.send = reel_param_data(param),
                                         .receive = mpi->rank ? reel_param_write(param) : NULL};
    int bit = 1;
    while (bit < mpi->ranks && !(mpi->rank & bit))
        bit *= 2;
    if (mpi->rank != 0) {
        transfer.to = transfer.from = mpi->rank - bit;
        transfer.receive_size = size_of(param);
        if (reel_mpi_transfer(mpi, &transfer) != REEL_OK)
            return reel_context_status(mpi->context);
    }
    transfer.receive_size = 0;
    transfer.send_size = size_of(param);
    for (bit /= 2; bit > 0; bit /= 2) {
        transfer.to = transfer.from = mpi->rank + bit;
        if (transfer.to < mpi->ranks && reel_mpi_transfer(mpi, &transfer) != REEL_OK)
            return reel_context_status(mpi->context);
    }
    return REEL_OK;
}

static bool is_replica(const reel_mpi *mpi, const reel_param *param)
{
    return !reel_mpi_table_of(mpi, param);
}

reel_status reel_mpi_broadcast(reel_mpi *mpi, reel_params *params)
{
    if (!mpi)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = mpi->context;
    bool is_ours = params && reel_params_context(params) == c;
    if (!is_ours)
        reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_broadcast: params is NULL or of another context");
    /* What cannot be written (a shared set) is found here. */
    for (int i = 0; is_ours && mpi->rank > 0 && i < reel_params_count(params); i++)
        if (is_replica(mpi, reel_params_at(params, i)))
            reel_param_write(reel_params_at(params, i));
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_BROADCAST);
    record.layout = is_ours ? reel_mpi_layout_of(mpi, params) : 0;
    reel_status status = reel_mpi_agree(mpi, &record);
    for (int i = 0; status == REEL_OK && i < reel_params_count(params); i++)
        if (is_replica(mpi, reel_params_at(params, i)))
            status = pass_on(mpi, reel_params_at(params, i));
    return status;
}

/* ---- Clipping ---- */

/* A sum of numbers that are not negative, in integers, so that their order does not matter: multiples of a power of two
 * and of a smaller one, such that what is lost of a number is below 2^-52 of the largest. */
struct sum {
    double unit; /* of `high`; that of `low` is 2^-26 of it */
    int64_t high, low;
};

static const double part = 0x1p26;

static struct sum sum_up_to(double largest)
{
    int exponent;
    frexp(largest, &exponent);
    return (struct sum){.unit = ldexp(1, exponent) / part};
}

static void add(struct sum *sum, double x)
{
    double high = floor(x / sum->unit);
    sum->high += (int64_t)high;
    sum->low += (int64_t)((x - high * sum->unit) / sum->unit * part);
}

static double square_of(const reel_row_grad *grad, int64_t row)
{
    double sum = 0;
    for (int64_t k = 0; k < grad->columns; k++)
        sum += (double)grad->values[row * grad->columns + k] * (double)grad->values[row * grad->columns + k];
    return sum;
}

/* NaN as soon as one is. */
static double larger_of(double x, double y)
{
    return x > y || x != x ? x : y;
}

/* Squares of spread rows: the largest of a row, or with `sum` all of them. */
static double walk_rows(const reel_mpi *mpi, reel_params *params, struct sum *sum)
{
    double largest = 0;
    for (int i = 0; i < reel_params_count(params); i++) {
        reel_row_grad grad;
        reel_param *param = reel_params_at(params, i);
        if (is_replica(mpi, param) || reel_param_row_grad(param, &grad) != REEL_OK)
            continue;
        for (int64_t row = 0; row < grad.count; row++) {
            double square = square_of(&grad, row);
            largest = larger_of(square, largest);
            if (sum)
                add(sum, square);
        }
    }
    return largest;
}

/* Squares of what every rank has, in the order of the set. */
static double square_of_replicas(const reel_mpi *mpi, reel_params *params)
{
    double square = 0;
    for (int i = 0; i < reel_params_count(params); i++) {
        reel_param *param = reel_params_at(params, i);
        reel_row_grad grad = {0};
        if (!is_replica(mpi, param) || reel_param_kind_of(param) != REEL_PARAM_TRAINED)
            continue;
        if (reel_param_sparse(param)) {
            if (reel_param_row_grad(param, &grad) != REEL_OK)
                return NAN;
        } else if ((grad.values = reel_param_grad(param)) != NULL) {
            grad.columns = 1;
            grad.count = reel_shape_numel(reel_param_shape(param));
        }
        double sum = 0;
        for (int64_t row = 0; row < grad.count; row++)
            sum += square_of(&grad, row);
        square += sum;
    }
    return square;
}

/* Every gradient times factor, through memory that was set aside. */
static reel_status scale(reel_mpi *mpi, reel_params *params, reel_real factor)
{
    for (int i = 0; i < reel_params_count(params); i++) {
        reel_param *param = reel_params_at(params, i);
        reel_row_grad grad = {0};
        if (reel_param_kind_of(param) != REEL_PARAM_TRAINED)
            continue;
        bool is_sparse = reel_param_sparse(param);
        if (is_sparse && reel_param_row_grad(param, &grad) != REEL_OK)
            return reel_context_status(mpi->context);
        const reel_real *values = is_sparse ? grad.values : reel_param_grad(param);
        int64_t n = is_sparse ? grad.count * grad.columns : reel_shape_numel(reel_param_shape(param));
        if (!values || n == 0)
            continue;
        if (reel_mpi_reserve(mpi->context, &mpi->scaled, (size_t)n * sizeof *values) != REEL_OK)
            return reel_context_status(mpi->context);
        reel_real *scaled = mpi->scaled.data;
        for (int64_t k = 0; k < n; k++)
            scaled[k] = values[k] * factor;
        if (is_sparse)
            reel_param_set_row_grad(param, grad.count, grad.rows, scaled);
        else
            reel_param_set_grad(param, scaled);
    }
    return reel_context_status(mpi->context);
}

/* The square of the norm over all ranks; NaN on failure. */
static double square_of_all(reel_mpi *mpi, reel_params *params)
{
    double *all = mpi->texts.data, mine = walk_rows(mpi, params, NULL), largest = 0;
    if (reel_mpi_gather(mpi, &mine, sizeof mine, all) != REEL_OK)
        return NAN;
    for (int r = 0; r < mpi->ranks; r++)
        largest = larger_of(all[r], largest);
    double replicas = square_of_replicas(mpi, params);
    if (largest == 0)
        return replicas;
    if (!isfinite(largest))
        return largest;
    struct sum sum = sum_up_to(largest), *sums = mpi->texts.data;
    walk_rows(mpi, params, &sum);
    if (reel_mpi_gather(mpi, &sum, sizeof sum, sums) != REEL_OK)
        return NAN;
    int64_t high = 0, low = 0;
    for (int r = 0; r < mpi->ranks; r++) {
        high += sums[r].high;
        low += sums[r].low;
    }
    return replicas + ((double)high + (double)low / part) * sum.unit;
}

static bool has_tables(const reel_mpi *mpi, reel_params *params)
{
    for (int i = 0; i < reel_params_count(params); i++)
        if (!is_replica(mpi, reel_params_at(params, i)))
            return true;
    return false;
}

reel_status reel_mpi_clip_grad_norm(reel_mpi *mpi, reel_params *params, double max_norm, double *total_norm)
{
    if (total_norm)
        *total_norm = NAN;
    if (!mpi)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = mpi->context;
    bool is_ours = params && reel_params_context(params) == c;
    if (!is_ours || !(max_norm >= 0))
        reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_clip_grad_norm: %s",
                  is_ours ? "max_norm must be at least 0" : "params is NULL or of another context");
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_CLIP);
    record.layout = is_ours ? reel_mpi_layout_of(mpi, params) : 0;
    if (reel_mpi_agree(mpi, &record) != REEL_OK)
        return reel_context_status(c);
    /* Gradients are alike, and so is what becomes of them. */
    if (!has_tables(mpi, params))
        return reel_clip_grad_norm(params, max_norm, 2, total_norm);
    double norm = sqrt(square_of_all(mpi, params)), factor = max_norm / (norm + 1e-6);
    if (total_norm)
        *total_norm = norm;
    if (reel_context_status(c) != REEL_OK || max_norm == INFINITY || factor >= 1)
        return reel_context_status(c);
    return scale(mpi, params, (reel_real)factor);
}
