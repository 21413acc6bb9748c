/* DLPack: the layout that other libraries see, who owns what until when, and what is refused. */
#include "helpers.h"

#include "core/dlpack.h"

#include <stddef.h>

TestSuite(dlpack, .init = set_up, .fini = tear_down);

static void delete (struct DLManagedTensorVersioned *tensor)
{
    tensor->deleter(tensor);
}

/* ---- Layout ---- */

/* As https://dmlc.github.io/dlpack/latest/c_api.html has it for 64 bits. */
Test(dlpack, layout)
{
    cr_expect_eq(sizeof(struct reel_dl_device), 8);
    cr_expect_eq(sizeof(struct reel_dl_type), 4);
    cr_expect_eq(sizeof(struct reel_dl_tensor), 48);
    cr_expect_eq(offsetof(struct reel_dl_tensor, device), 8);
    cr_expect_eq(offsetof(struct reel_dl_tensor, ndim), 16);
    cr_expect_eq(offsetof(struct reel_dl_tensor, dtype), 20);
    cr_expect_eq(offsetof(struct reel_dl_tensor, shape), 24);
    cr_expect_eq(offsetof(struct reel_dl_tensor, strides), 32);
    cr_expect_eq(offsetof(struct reel_dl_tensor, byte_offset), 40);
    cr_expect_eq(sizeof(struct DLManagedTensorVersioned), 80);
    cr_expect_eq(offsetof(struct DLManagedTensorVersioned, minor), 4);
    cr_expect_eq(offsetof(struct DLManagedTensorVersioned, manager), 8);
    cr_expect_eq(offsetof(struct DLManagedTensorVersioned, deleter), 16);
    cr_expect_eq(offsetof(struct DLManagedTensorVersioned, flags), 24);
    cr_expect_eq(offsetof(struct DLManagedTensorVersioned, tensor), 32);
}

static void expect_tensor(const struct DLManagedTensorVersioned *m, uint64_t flags, reel_dtype dtype, reel_shape shape)
{
    cr_assert_not_null(m, "%s", reel_error(c));
    const struct reel_dl_tensor *d = &m->tensor;
    const int codes[] = {2, 0, 0, 6}, bits[] = {8 * sizeof(reel_real), 64, 32, 8};
    cr_expect(m->major == 1 && m->minor == 0 && m->flags == flags && m->deleter);
    cr_expect(d->device.type == 1 && d->device.id == 0 && d->byte_offset == 0 && d->ndim == shape.ndim);
    cr_expect(d->dtype.code == codes[dtype] && d->dtype.bits == bits[dtype] && d->dtype.lanes == 1);
    int64_t stride = 1;
    for (int i = shape.ndim; i-- > 0; stride *= shape.dim[i]) {
        cr_expect_eq(d->shape[i], shape.dim[i]);
        cr_expect(d->strides[i] == stride || reel_shape_numel(&shape) == 0);
    }
}

Test(dlpack, params_of_every_type_are_shown_without_a_copy)
{
    const reel_shape shapes[] = {{0, {0}}, {1, {5}}, {3, {2, 3, 4}}, {2, {0, 3}}, {8, {1, 2, 1, 2, 1, 2, 1, 2}}};
    for (int i = 0; i < 20; i++) {
        reel_dtype dtype = (reel_dtype)(i % 4);
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        reel_param *p = reel_param_new(params, name, REEL_PARAM_BUFFER, dtype, shapes[i / 4]);
        struct DLManagedTensorVersioned *m = reel_param_to_dlpack(p);
        expect_tensor(m, REEL_DL_READ_ONLY, dtype, shapes[i / 4]);
        cr_expect_eq(m->tensor.data, reel_param_data(p));
        delete (m);
    }
}

/* ---- Lives ---- */

Test(dlpack, a_freed_set_lives_until_its_last_export_goes)
{
    reel_params *set = reel_params_new(c);
    reel_param *p = param_of(set, "p", 3);
    struct DLManagedTensorVersioned *one = reel_param_to_dlpack(p), *two = reel_param_to_dlpack(p);
    int64_t live = counted.live;
    reel_params_free(set);
    cr_expect_eq(counted.live, live);
    cr_expect_eq(((reel_real *)one->tensor.data)[1], (reel_real)0.8);
    delete (one);
    cr_expect_eq(((reel_real *)two->tensor.data)[1], (reel_real)0.8);
    delete (two);
    cr_expect_lt(counted.live, live - 2);
}

Test(dlpack, a_var_is_copied)
{
    reel_var x = reel_arange(t, 0, 6, 1), flags = reel_gt_scalar(t, x, 3), none = reel_zeros(t, REEL_SHAPE(2, 0));
    struct DLManagedTensorVersioned *m = reel_to_dlpack(t, reel_reshape(t, x, REEL_SHAPE(2, 3)));
    struct DLManagedTensorVersioned *b = reel_to_dlpack(t, flags), *e = reel_to_dlpack(t, none);
    reel_tape_reset(t);
    reel_full(t, REEL_SHAPE(100), 9);
    expect_tensor(m, REEL_DL_IS_COPIED, REEL_REAL, REEL_SHAPE(2, 3));
    expect_tensor(b, REEL_DL_IS_COPIED, REEL_BOOL, REEL_SHAPE(6));
    expect_tensor(e, REEL_DL_IS_COPIED, REEL_REAL, REEL_SHAPE(2, 0));
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(((reel_real *)m->tensor.data)[i], (reel_real)i);
        cr_expect_eq(((unsigned char *)b->tensor.data)[i], i > 3);
    }
    delete (m);
    delete (b);
    delete (e);
}

/* ---- Writing ---- */

Test(dlpack, writing_counts_as_a_change)
{
    reel_param *p = param_of(params, "p", 2), *q = param_of(params, "q", 2);
    reel_optim *sgd = reel_sgd_new(params, NULL);
    reel_ema *ema = reel_ema_new(params, 0.5);
    reel_var old = reel_sum_all(t, reel_mul(t, pv(p), pv(q)));
    struct DLManagedTensorVersioned *m = reel_param_begin_dlpack(p), *n = reel_param_begin_dlpack(q);
    expect_tensor(m, 0, REEL_REAL, REEL_SHAPE(2));
    cr_expect_eq(reel_backward(t, old, params), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "changed since the forward pass");
    reel_zero_grad(params);
    cr_expect_null(reel_param_begin_dlpack(p));
    expect_error(REEL_ERROR_STATE, "param_begin_dlpack: \"p\" is being written already");
    reel_var between = reel_sum_all(t, reel_mul(t, pv(p), pv(q)));
    ((reel_real *)m->tensor.data)[0] = 7;
    cr_expect_eq(reel_param_end_dlpack(p), REEL_OK);
    reel_param_set_grad(p, (const reel_real[]){1, 1});
    cr_expect_eq(reel_optim_step(sgd), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "a param is being written to; reel_param_end_dlpack comes first");
    cr_expect_eq(reel_ema_update(ema), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "a param is being written to");
    cr_expect_eq(reel_param_end_dlpack(q), REEL_OK);
    cr_expect_eq(reel_param_end_dlpack(q), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "nothing writes \"q\"");
    cr_expect_eq(reel_backward(t, between, params), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "changed since the forward pass");
    delete (m);
    delete (n);
    reel_zero_grad(params);
    cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_mul(t, pv(p), pv(q))), params), REEL_OK, "%s", reel_error(c));
    expect_near(grad_at(q, 0), 7);
    cr_expect_eq(reel_optim_step(sgd), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_ema_update(ema), REEL_OK, "%s", reel_error(c));
    reel_ema_swap(ema);
    cr_expect_null(reel_param_begin_dlpack(p));
    expect_error(REEL_ERROR_STATE, "swapped");
    reel_ema_swap(ema);
    reel_ema_free(ema);
    reel_optim_free(sgd);
}

/* Rows of which an exact optimizer owes steps have made them before anybody sees the table, and none is owed for what
 * is written. The same steps without the table being shown give the same bits. */
static void train_rows(bool shown, reel_real *to)
{
    enum { ROWS = 8, COLUMNS = 2 };
    reel_manual_seed(c, 3);
    reel_params *set = reel_params_new(c);
    REEL_OPTIONS(embedding, e, e.sparse = true);
    REEL_OPTIONS(adam, o, o.sparse_update = REEL_EXACT);
    reel_module *table = reel_embedding_new(set, "table", ROWS, COLUMNS, &e);
    reel_param *p = reel_params_find(set, "table.weight");
    reel_optim *adam = reel_adam_new(set, &o);
    for (int step = 0; step < 6; step++) {
        reel_var y = reel_forward(t, table, reel_full_int64(t, REEL_SHAPE(1), step));
        reel_zero_grad(set);
        cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_square(t, y)), set), REEL_OK);
        cr_assert_eq(reel_optim_step(adam), REEL_OK);
        if (step != 2) {
            reel_tape_reset(t);
            continue;
        }
        reel_real written[ROWS * COLUMNS];
        memcpy(written, reel_param_data(p), sizeof written);
        for (int i = 0; i < ROWS * COLUMNS; i++)
            written[i] *= 2;
        if (shown) {
            struct DLManagedTensorVersioned *m = reel_param_begin_dlpack(p);
            for (int i = 0; i < ROWS * COLUMNS; i++)
                ((reel_real *)m->tensor.data)[i] *= 2;
            delete (m);
            cr_assert_eq(reel_param_end_dlpack(p), REEL_OK);
        } else {
            cr_assert_eq(reel_param_set(p, written), REEL_OK);
        }
        reel_tape_reset(t);
    }
    memcpy(to, reel_param_data(p), ROWS * COLUMNS * sizeof *to);
    reel_optim_free(adam);
    reel_params_free(set);
}

Test(dlpack, rows_that_are_put_off_come_first)
{
    reel_real want[16], got[16];
    train_rows(false, want);
    train_rows(true, got);
    cr_expect_arr_eq(want, got, sizeof want);
}

Test(dlpack, shared_sets_are_for_reading)
{
    reel_param *p = param_of(params, "p", 2);
    cr_assert_eq(reel_params_share(params), REEL_OK);
    struct DLManagedTensorVersioned *m = reel_param_to_dlpack(p);
    cr_assert_not_null(m);
    delete (m);
    cr_expect_null(reel_param_begin_dlpack(p));
    expect_error(REEL_ERROR_STATE, "shared for reading");
}

/* ---- Coming in ---- */

static int deleted;

static void count_deletion(struct DLManagedTensorVersioned *self)
{
    (void)self;
    deleted++;
}

static reel_real elements[24];
static int64_t dims[9] = {2, 3}, strides[9] = {3, 1};

static struct DLManagedTensorVersioned tensor_of_others(void)
{
    deleted = 0;
    for (int i = 0; i < 24; i++)
        elements[i] = (reel_real)i;
    return (struct DLManagedTensorVersioned){.major = 1,
                                             .minor = 3,
                                             .deleter = count_deletion,
                                             .tensor = {.data = elements,
                                                        .device = {1, 0},
                                                        .ndim = 2,
                                                        .dtype = {2, 8 * sizeof(reel_real), 1},
                                                        .shape = dims,
                                                        .strides = strides}};
}

Test(dlpack, tensors_are_borrowed_until_the_reset)
{
    struct DLManagedTensorVersioned m = tensor_of_others(), again = m, silent = m;
    m.tensor.byte_offset = 2 * sizeof(reel_real);
    again.tensor.strides = NULL;
    silent.deleter = NULL;
    reel_var x = reel_from_dlpack(t, &m), y = reel_from_dlpack(t, &again);
    cr_assert_not(reel_is_null(reel_from_dlpack(t, &silent)));
    cr_assert_eq(reel_data(t, x), elements + 2, "%s", reel_error(c));
    cr_expect_eq(reel_item(t, reel_sum_all(t, reel_add(t, x, y))), 42);
    cr_expect_eq(deleted, 0);
    reel_tape_reset(t);
    cr_expect_eq(deleted, 2);
    reel_tape *other = reel_tape_new(c);
    cr_assert_eq(reel_scope_begin(other), REEL_OK);
    x = reel_from_dlpack(other, &m);
    cr_assert_eq(reel_scope_end(other, &x, 1), REEL_OK);
    cr_expect_eq(reel_data(other, x), elements + 2);
    cr_expect_eq(deleted, 2, "a scope may keep the var, so that the tensor stays");
    reel_tape_free(other);
    cr_expect_eq(deleted, 3);
}

Test(dlpack, steps_with_tensors_allocate_nothing_once_they_are_steady)
{
    int64_t calls = 0;
    for (int step = 0; step < 6; step++) {
        struct DLManagedTensorVersioned m = tensor_of_others();
        calls = step == 3 ? counted.calls : calls;
        reel_from_dlpack(t, &m);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
        cr_expect_eq(deleted, 1);
    }
    cr_expect_eq(counted.calls, calls);
}

Test(dlpack, shapes_without_order)
{
    struct DLManagedTensorVersioned m = tensor_of_others();
    int64_t odd[] = {1, 77, 1}, shape[] = {3, 1, 1};
    m.tensor.ndim = 3; /* strides of axes with one element say nothing */
    m.tensor.shape = shape;
    m.tensor.strides = odd;
    cr_expect_eq(reel_numel(t, reel_from_dlpack(t, &m)), 3);
    shape[0] = 0; /* nor do any without elements, which may be nowhere */
    m.tensor.data = NULL;
    cr_expect_eq(reel_numel(t, reel_from_dlpack(t, &m)), 0);
    m.tensor.ndim = 0;
    m.tensor.data = elements + 5;
    m.tensor.shape = m.tensor.strides = NULL;
    cr_expect_eq(reel_item(t, reel_from_dlpack(t, &m)), 5);
    const struct {
        uint8_t code, bits;
        reel_dtype dtype;
    } others[] = {{0, 64, REEL_INT64}, {0, 32, REEL_INT32}, {6, 8, REEL_BOOL}};
    for (int i = 0; i < 3; i++) {
        m.tensor.dtype = (struct reel_dl_type){others[i].code, others[i].bits, 1};
        m.tensor.data = elements;
        cr_expect_eq(reel_dtype_of(t, reel_from_dlpack(t, &m)), others[i].dtype);
    }
    reel_tape_reset(t);
    cr_expect_eq(deleted, 6);
}

Test(dlpack, what_cannot_be_borrowed_is_refused_and_deleted)
{
    int64_t negative[] = {2, -3}, turned[] = {1, 2}, huge[] = {INT64_C(1) << 40, INT64_C(1) << 40};
    for (int k = 0; k < 14; k++) {
        struct DLManagedTensorVersioned m = tensor_of_others();
        const char *says = "from_dlpack";
        switch (k) {
        case 0:
            m.major = 2, says = "the tensor is of DLPack 2.3";
            break;
        case 1:
            m.tensor.device.type = 2, says = "on a device of type 2, not on the CPU (1)";
            break;
        case 2:
            m.tensor.dtype.bits = 16, says = "the elements are float16";
            break;
        case 3:
            m.tensor.dtype.bits = sizeof(reel_real) == 4 ? 64 : 32, says = "int64, int32 and bool are possible";
            break;
        case 4:
            m.tensor.dtype.lanes = 4, says = "4 lanes";
            break;
        case 5:
            m.tensor.dtype.code = 1, says = "the elements are uint";
            break;
        case 6:
            m.tensor.dtype.code = 200, says = "of an unknown kind";
            break;
        case 7:
            m.tensor.strides = turned, says = "not contiguous: its stride on axis 1 is 2, not 1";
            break;
        case 8:
            m.tensor.shape = negative, says = "no shape";
            break;
        case 9:
            m.tensor.shape = huge, m.tensor.strides = NULL, says = "too large";
            break;
        case 10:
            m.tensor.ndim = 9, says = "9 axes";
            break;
        case 11:
            m.tensor.ndim = -1, says = "-1 axes";
            break;
        case 12:
            m.tensor.byte_offset = 1, says = "not aligned";
            break;
        case 13:
            m.tensor.data = NULL, says = "NULL";
            break;
        }
        cr_expect(reel_is_null(reel_from_dlpack(t, &m)), "%d", k);
        expect_error(reel_context_status(c), says);
        cr_expect_eq(deleted, 1, "%d", k);
    }
    struct DLManagedTensorVersioned m = tensor_of_others();
    cr_expect(reel_is_null(reel_from_dlpack(NULL, &m)));
    cr_expect_eq(deleted, 1);
    cr_expect(reel_is_null(reel_from_dlpack(t, NULL)));
    expect_error(REEL_ERROR_ARGUMENT, "the tensor is NULL");
    reel_fail(c, REEL_ERROR_ARGUMENT, "an earlier failure");
    cr_expect(reel_is_null(reel_from_dlpack(t, &m)));
    cr_expect_eq(deleted, 2);
    cr_expect_null(reel_to_dlpack(t, reel_null()));
    reel_clear_error(c);
    cr_expect(!reel_param_to_dlpack(NULL) && !reel_param_begin_dlpack(NULL) && reel_param_end_dlpack(NULL) != REEL_OK);
    reel_param *p = param_of(params, "p", 3);
    counted.fail_at = counted.calls;
    cr_expect_null(reel_param_to_dlpack(p));
    expect_error(REEL_ERROR_OUT_OF_MEMORY, "to_dlpack");
    counted.fail_at = counted.calls;
    cr_expect_null(reel_param_begin_dlpack(p));
    expect_error(REEL_ERROR_OUT_OF_MEMORY, "to_dlpack");
    cr_expect_eq(reel_param_end_dlpack(p), REEL_ERROR_STATE, "it has not begun");
    reel_clear_error(c);
    counted.fail_at = counted.calls;
    cr_expect_null(reel_to_dlpack(t, reel_zeros(t, REEL_SHAPE())));
    counted.fail_at = -1;
    reel_clear_error(c);
}
