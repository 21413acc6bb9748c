/* What may live here: the list of what a checkpoint consists of, which is the same on every rank. */
#include "save.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A list that is measured first and then made. */
struct maker {
    struct reel_mpi_contents *contents;
    char *names;     /* NULL: measured */
    size_t size;     /* of the names so far */
    int count;       /* of tensors */
    double *numbers; /* of groups */
    int64_t *groups; /* of params */
    int n_numbers, n_groups;
};

static struct reel_mpi_tensor *add(struct maker *m, const char *format, ...) REEL_PRINTF(2, 3);

/* The next tensor, with its name; NULL while measuring. */
static struct reel_mpi_tensor *add(struct maker *m, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *name = m->names ? m->names + m->size : NULL;
    int length = vsnprintf(name, name ? m->contents->names.size - m->size : 0, format, arguments);
    va_end(arguments);
    m->size += (size_t)length + 1;
    int i = m->count++;
    if (!name)
        return NULL;
    struct reel_mpi_tensor *tensor = &m->contents->tensors[i];
    *tensor = (struct reel_mpi_tensor){.name = name, .is_held = true};
    return tensor;
}

/* A state's whole shape: of a table, with all of its rows. */
static void add_state(struct maker *m, reel_param *param, const char *name)
{
    struct reel_mpi_contents *contents = m->contents;
    struct reel_mpi_tensor *tensor = add(m, "optim/state/%s/%s", reel_param_name(param), name);
    reel_optim_state state;
    if (!tensor || reel_optim_get_state(contents->optim, param, name, &state) != REEL_OK)
        return;
    tensor->dtype = state.dtype;
    tensor->shape = state.shape;
    tensor->data = state.data;
    tensor->param = param;
    tensor->state = state.name;
    if (state.shape.ndim > 0 && (tensor->table = reel_mpi_table_of(contents->mpi, param)))
        tensor->shape.dim[0] = tensor->table->rows;
    tensor->is_held = state.data != NULL;
}

static void add_param(struct maker *m, reel_param *param)
{
    struct reel_mpi_tensor *tensor = add(m, "%s", reel_param_name(param));
    if (!tensor)
        return;
    tensor->dtype = reel_param_dtype(param);
    tensor->shape = *reel_param_shape(param);
    tensor->data = reel_param_data(param);
    tensor->param = param;
    if ((tensor->table = reel_mpi_table_of(m->contents->mpi, param)))
        tensor->shape.dim[0] = tensor->table->rows;
}

static void add_states(struct maker *m, reel_param *param)
{
    const reel_optim_algorithm *algorithm = reel_optim_algorithm_of(m->contents->optim);
    add_state(m, param, "step");
    for (int k = 0; k < algorithm->n_states; k++)
        add_state(m, param, algorithm->states[k].name);
    if (algorithm->first_differs) {
        add_state(m, param, "all_seen");
        add_state(m, param, "seen");
    }
    struct reel_mpi_tensor *tensor = add(m, "optim/group/%s", reel_param_name(param));
    int64_t *group = m->groups ? m->groups + m->n_groups : NULL;
    m->n_groups++;
    if (!tensor)
        return;
    *group = reel_optim_group_of(m->contents->optim, param);
    tensor->dtype = REEL_INT64;
    tensor->shape = REEL_SCALAR;
    tensor->data = group;
}

static void add_option(struct maker *m, int group, const char *option)
{
    struct reel_mpi_tensor *tensor = add(m, "optim/groups/%d/%s", group, option);
    double *number = m->numbers ? m->numbers + m->n_numbers : NULL;
    m->n_numbers++;
    if (!tensor)
        return;
    *number = reel_optim_get_option(m->contents->optim, group, option);
    tensor->is_double = true;
    tensor->shape = REEL_SCALAR;
    tensor->data = number;
    tensor->option = option;
    tensor->group = group;
}

static void list(struct maker *m)
{
    struct reel_mpi_contents *contents = m->contents;
    const int n = reel_params_count(contents->params);
    for (int i = 0; i < n; i++)
        add_param(m, reel_params_at(contents->params, i));
    contents->model = m->count;
    for (int i = 0; i < n && contents->optim; i++)
        if (reel_param_kind_of(reel_params_at(contents->params, i)) != REEL_PARAM_BUFFER)
            add_states(m, reel_params_at(contents->params, i));
    const reel_optim_algorithm *algorithm = reel_optim_algorithm_of(contents->optim);
    for (int group = 0; group < reel_optim_groups(contents->optim); group++) {
        for (int k = 0; k < algorithm->n_options; k++)
            add_option(m, group, algorithm->options[k].name);
        add_option(m, group, "initial_lr");
    }
    contents->count = m->count;
}

reel_status reel_mpi_contents_make(struct reel_mpi_contents *contents, reel_mpi *mpi, reel_params *params,
                                   reel_optim *optim)
{
    *contents = (struct reel_mpi_contents){.mpi = mpi, .params = params, .optim = optim};
    reel_context *c = mpi->context;
    if (reel_params_context(params) != c)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "mpi: the set to be saved or loaded is %s",
                         params ? "of another context" : "NULL");
    struct maker measure = {.contents = contents};
    list(&measure);
    size_t numbers = (size_t)measure.n_numbers * sizeof(double);
    if (reel_mpi_reserve(c, &contents->memory, (size_t)measure.count * sizeof *contents->tensors) != REEL_OK ||
        reel_mpi_reserve(c, &contents->names, measure.size) != REEL_OK ||
        reel_mpi_reserve(c, &contents->held, (size_t)measure.count * (1 + (size_t)mpi->ranks)) != REEL_OK ||
        reel_mpi_reserve(c, &contents->numbers, numbers + (size_t)measure.n_groups * sizeof(int64_t)) != REEL_OK) {
        contents->count = contents->model = 0;
        return reel_context_status(c);
    }
    contents->tensors = contents->memory.data;
    struct maker fill = {.contents = contents,
                         .names = contents->names.data,
                         .numbers = contents->numbers.data,
                         .groups = (int64_t *)(void *)((char *)contents->numbers.data + numbers)};
    list(&fill);
    if (reel_context_status(c) != REEL_OK)
        contents->count = contents->model = 0;
    return reel_context_status(c);
}

void reel_mpi_contents_release(struct reel_mpi_contents *contents)
{
    reel_mpi_release(&contents->memory);
    reel_mpi_release(&contents->names);
    reel_mpi_release(&contents->numbers);
    reel_mpi_release(&contents->held);
}

uint64_t reel_mpi_contents_hash(const struct reel_mpi_contents *contents)
{
    uint64_t hash = 1;
    for (int i = 0; i < contents->count; i++) {
        const struct reel_mpi_tensor *tensor = &contents->tensors[i];
        const int64_t facts[] = {tensor->dtype, tensor->table != NULL, tensor->shape.ndim};
        hash = reel_mpi_hash(hash, tensor->name, strlen(tensor->name));
        hash = reel_mpi_hash(hash, facts, sizeof facts);
        hash = reel_mpi_hash(hash, tensor->shape.dim, (size_t)tensor->shape.ndim * sizeof *tensor->shape.dim);
    }
    return hash;
}

const char *reel_mpi_tensor_type(const struct reel_mpi_tensor *tensor)
{
    static const char *const names[] = {[REEL_REAL] = sizeof(reel_real) == sizeof(float) ? "F32" : "F64",
                                        [REEL_INT64] = "I64",
                                        [REEL_INT32] = "I32",
                                        [REEL_BOOL] = "BOOL",
                                        [REEL_BFLOAT16] = "BF16"};
    return tensor->is_double ? "F64" : names[tensor->dtype];
}

size_t reel_mpi_tensor_element(const struct reel_mpi_tensor *tensor)
{
    return tensor->is_double ? sizeof(double) : reel_dtype_size(tensor->dtype);
}

size_t reel_mpi_tensor_row(const struct reel_mpi_tensor *tensor)
{
    size_t size = reel_mpi_tensor_element(tensor);
    for (int i = 1; i < tensor->shape.ndim; i++)
        size *= (size_t)tensor->shape.dim[i];
    return size;
}

reel_status reel_mpi_agree_at(reel_mpi *mpi, enum reel_mpi_place place, uint64_t layout, int64_t number)
{
    struct reel_mpi_record record = reel_mpi_record_of(mpi, place);
    record.layout = layout;
    record.number = number;
    return reel_mpi_agree(mpi, &record);
}

reel_status reel_mpi_join_path(reel_context *context, char text[PATH_MAX], const char *path, const char *name)
{
    if ((size_t)snprintf(text, PATH_MAX, "%s/%s", path, name) < PATH_MAX)
        return REEL_OK;
    return reel_fail(context, REEL_ERROR_IO, "\"%.100s...\": the path is too long", path);
}
