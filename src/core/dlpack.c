/* DLPack: params and vars for other libraries, and their tensors as vars. */
#include "core/dlpack.h"

#include "base/checked.h"
#include "base/shape.h"
#include "core/params.h"

#include <reel/create.h>

#include <string.h>

static const struct reel_dl_type types[] = {
    [REEL_REAL] = {REEL_DL_FLOAT, 8 * sizeof(reel_real), 1},
    [REEL_INT64] = {REEL_DL_INT, 64, 1},
    [REEL_INT32] = {REEL_DL_INT, 32, 1},
    [REEL_BOOL] = {REEL_DL_BOOL, 8, 1},
    [REEL_BFLOAT16] = {REEL_DL_BFLOAT, 16, 1},
};

/* ---- Going out ---- */

/* A tensor and what it is of. */
struct export
{
    struct DLManagedTensorVersioned tensor;
    reel_context *context;
    reel_params *set; /* whose memory it shows; NULL: the elements stand behind this */
    int64_t shape[REEL_MAX_NDIM], strides[REEL_MAX_NDIM];
};

/* Where the elements of a copy begin. */
enum { ELEMENTS = (sizeof(struct export) + REEL_ALIGNMENT - 1) / REEL_ALIGNMENT * REEL_ALIGNMENT };

static void delete_export(struct DLManagedTensorVersioned *self)
{
    struct export *e = self->manager;
    reel_params *set = e->set;
    reel_free(&e->context->memory, e);
    if (set)
        reel_params_let_go(set);
}

/* The tensor of an array, with `extra` bytes behind it. */
static struct export *new_export(reel_context *c, reel_dtype dtype, const reel_shape *shape, size_t extra)
{
    size_t bytes = ELEMENTS + extra;
    struct export *e = bytes >= extra ? reel_allocate(&c->memory, bytes) : NULL;
    if (!e) {
        reel_fail_memory(c, "to_dlpack", bytes);
        return NULL;
    }
    *e = (struct export){.tensor = {.major = 1,
                                    .manager = e,
                                    .deleter = delete_export,
                                    .tensor = {.device = {REEL_DL_CPU, 0}, .ndim = shape->ndim, .dtype = types[dtype]}},
                         .context = c};
    int64_t stride = 1;
    for (int i = shape->ndim; i-- > 0;) {
        e->shape[i] = shape->dim[i];
        e->strides[i] = stride;
        stride *= shape->dim[i] > 0 ? shape->dim[i] : 1;
    }
    e->tensor.tensor.shape = e->shape;
    e->tensor.tensor.strides = e->strides;
    return e;
}

static struct DLManagedTensorVersioned *show(reel_param *param, void *elements, struct export *e, uint64_t flags)
{
    reel_params_hold(param->set);
    e->set = param->set;
    e->tensor.tensor.data = elements;
    e->tensor.flags = flags;
    return &e->tensor;
}

struct DLManagedTensorVersioned *reel_param_to_dlpack(reel_param *param)
{
    if (!param || param->set->context->status != REEL_OK)
        return NULL;
    struct export *e = new_export(param->set->context, param->dtype, &param->shape, 0);
    if (!e)
        return NULL;
    reel_param_before_read_all(param);
    return show(param, param->data, e, REEL_DL_READ_ONLY);
}

struct DLManagedTensorVersioned *reel_param_begin_dlpack(reel_param *param)
{
    if (!param || param->set->context->status != REEL_OK)
        return NULL;
    reel_params *set = param->set;
    if (reel_params_expect_own(set, "param_begin_dlpack") != REEL_OK)
        return NULL;
    if (param->is_lent) {
        reel_fail(set->context, REEL_ERROR_STATE, "param_begin_dlpack: \"%s\" is being written already", param->name);
        return NULL;
    }
    if (set->swapped) {
        reel_params_expect_own_values(set, "param_begin_dlpack");
        return NULL;
    }
    struct export *e = new_export(set->context, param->dtype, &param->shape, 0);
    if (!e)
        return NULL;
    param->is_lent = true;
    set->lent++;
    return show(param, reel_param_write(param), e, 0);
}

reel_status reel_param_end_dlpack(reel_param *param)
{
    if (!param)
        return REEL_ERROR_ARGUMENT;
    if (!param->is_lent)
        return reel_fail(param->set->context, REEL_ERROR_STATE, "param_end_dlpack: nothing writes \"%s\"", param->name);
    param->is_lent = false;
    param->set->lent--;
    reel_param_count_change(param);
    return param->set->context->status;
}

struct DLManagedTensorVersioned *reel_to_dlpack(reel_tape *tape, reel_var v)
{
    const struct reel_node *node = reel_tape_node(tape, v, "to_dlpack");
    if (!node)
        return NULL;
    size_t bytes = (size_t)node->array.numel * reel_dtype_size(node->array.dtype);
    struct export *e = new_export(tape->context, node->array.dtype, &node->array.shape, bytes);
    if (!e)
        return NULL;
    e->tensor.flags = REEL_DL_IS_COPIED;
    e->tensor.tensor.data = (char *)e + ELEMENTS;
    if (bytes > 0)
        memcpy(e->tensor.tensor.data, reel_node_elements(node), bytes);
    return &e->tensor;
}

/* ---- Coming in ---- */

static void delete_tensor(struct DLManagedTensorVersioned *tensor)
{
    if (tensor->deleter)
        tensor->deleter(tensor);
}

void reel_tape_delete_imports(reel_tape *tape)
{
    struct reel_import *import = tape->imports;
    tape->imports = NULL;
    while (import) {
        struct reel_import *next = import->next;
        delete_tensor(import->tensor);
        reel_scratch_release(&tape->context->scratch, import);
        import = next;
    }
}

static reel_status take_type(reel_context *c, struct reel_dl_type type, reel_dtype *dtype)
{
    static const char *const kinds[] = {"int", "uint", "float", "opaque", "bfloat", "complex", "bool"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (i != REEL_BFLOAT16 && memcmp(&types[i], &type, sizeof type) == 0) {
            *dtype = (reel_dtype)i;
            return REEL_OK;
        }
    if (type.lanes != 1)
        return reel_fail(c, REEL_ERROR_DTYPE, "from_dlpack: elements of %u lanes, one is possible", type.lanes);
    return reel_fail(c, REEL_ERROR_DTYPE,
                     "from_dlpack: the elements are %s%u; float%d, int64, int32 and bool are possible",
                     type.code < sizeof kinds / sizeof *kinds ? kinds[type.code] : "of an unknown kind, bits ",
                     type.bits, 8 * (int)sizeof(reel_real));
}

/* Shape and number of bytes of a tensor that is contiguous. */
static reel_status take_shape(reel_context *c, const struct reel_dl_tensor *from, size_t size, reel_shape *shape)
{
    if (from->ndim < 0 || from->ndim > REEL_MAX_NDIM || (from->ndim > 0 && !from->shape))
        return reel_fail(c, REEL_ERROR_SHAPE, "from_dlpack: %d axes, or no shape; %d are possible", (int)from->ndim,
                         REEL_MAX_NDIM);
    shape->ndim = from->ndim;
    for (int i = 0; i < from->ndim; i++)
        shape->dim[i] = from->shape[i];
    char text[REEL_SHAPE_TEXT];
    int64_t numel = reel_shape_numel(shape), stride = 1;
    size_t bytes;
    if (numel < 0 || !reel_multiply_size(numel, size, &bytes))
        return reel_fail(c, REEL_ERROR_SHAPE, "from_dlpack: %s is no shape, or too large",
                         reel_shape_text(shape, text));
    for (int i = shape->ndim; from->strides && numel > 0 && i-- > 0; stride *= shape->dim[i])
        if (shape->dim[i] != 1 && from->strides[i] != stride)
            return reel_fail(c, REEL_ERROR_SHAPE,
                             "from_dlpack: the tensor, %s, is not contiguous: its stride on axis %d is %lld, not %lld",
                             reel_shape_text(shape, text), i, (long long)from->strides[i], (long long)stride);
    if (numel > 0 && (!from->data || ((uintptr_t)from->data + from->byte_offset) % size != 0))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "from_dlpack: the elements are NULL, or not aligned to %zu bytes",
                         size);
    return REEL_OK;
}

/* The var of a tensor that can be borrowed. */
static reel_var borrow(reel_tape *tape, const struct DLManagedTensorVersioned *tensor)
{
    reel_context *c = tape->context;
    const struct reel_dl_tensor *from = &tensor->tensor;
    reel_dtype dtype = REEL_REAL;
    reel_shape shape;
    if (tensor->major != 1) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "from_dlpack: the tensor is of DLPack %u.%u, 1 is possible",
                  (unsigned)tensor->major, (unsigned)tensor->minor);
        return reel_null();
    }
    if (from->device.type != REEL_DL_CPU) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "from_dlpack: the tensor is on a device of type %d, not on the CPU (%d)",
                  (int)from->device.type, REEL_DL_CPU);
        return reel_null();
    }
    if (take_type(c, from->dtype, &dtype) != REEL_OK || take_shape(c, from, reel_dtype_size(dtype), &shape) != REEL_OK)
        return reel_null();
    bool empty = reel_shape_numel(&shape) == 0;
    return reel_borrow_of(tape, dtype, empty ? NULL : (const char *)from->data + from->byte_offset, shape);
}

reel_var reel_from_dlpack(reel_tape *tape, struct DLManagedTensorVersioned *tensor)
{
    if (!tensor) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "from_dlpack: the tensor is NULL");
        return reel_null();
    }
    struct reel_import *import = NULL;
    if (tape && tape->context->status == REEL_OK && reel_tape_is_open(tape, "from_dlpack") &&
        !(import = reel_scratch_allocate(&tape->context->scratch, sizeof *import)))
        reel_fail_memory(tape->context, "from_dlpack", sizeof *import);
    reel_var v = import ? borrow(tape, tensor) : reel_null();
    if (reel_is_null(v)) {
        if (import)
            reel_scratch_release(&tape->context->scratch, import);
        delete_tensor(tensor);
        return v;
    }
    *import = (struct reel_import){tensor, tape->imports};
    tape->imports = import;
    return v;
}
