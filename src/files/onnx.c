/* A tape as an ONNX model: which of its vars go into it, the nodes that rows of operations write, how sizes depend on
 * the batch, and the file. */
#include "files/onnx.h"

#include "base/bfloat16.h"
#include "base/sort.h"
#include "base/text.h"
#include "core/params.h"
#include "core/tape.h"
#include "files/atomic_file.h"
#include "files/protobuf.h"

#include <stdio.h>
#include <string.h>

/* ---- What a model is made of ---- */

/* The fields' numbers of onnx.proto that are written. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_GRAPH = 7,
    MODEL_OPSET_IMPORT = 8,
    OPSET_DOMAIN = 1,
    OPSET_VERSION = 2,
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_S = 4,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_TYPE = 20,
    TENSOR_DIMS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_NAME = 8,
    TENSOR_RAW_DATA = 9,
    VALUE_INFO_NAME = 1,
    VALUE_INFO_TYPE = 2,
    TYPE_TENSOR = 1,
    TENSOR_TYPE_ELEMENT = 1,
    TENSOR_TYPE_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1,
    DIM_PARAM = 2
};
enum { IR_VERSION = 8, OPSET = 18, MOST_OUTPUTS = 16 };
enum attribute_type { IS_FLOAT = 1, IS_INT = 2, IS_STRING = 3, IS_INTS = 7 };

/* The least size that some readers of Protocol Buffers refuse, and the writers of all do. */
static const int64_t too_large = INT64_C(1) << 31;

/* TensorProto.DataType. */
static int type_code(reel_dtype dtype)
{
    switch (dtype) {
    case REEL_REAL:
        return sizeof(reel_real) == sizeof(float) ? 1 : 11;
    case REEL_INT64:
        return 7;
    case REEL_INT32:
        return 6;
    case REEL_BOOL:
        return 9;
    case REEL_BFLOAT16:
        return 16;
    }
    return 0;
}

/* A value: an input, an initializer, or the output of a node. */
struct value {
    const char *name; /* of an input, a param, or an output of the model; NULL: one is made */
    const char *kind; /* what a made name begins with */
    bool is_made;     /* by a node */
    bool is_used;     /* by a node */
    int64_t growth[REEL_MAX_NDIM];
};

struct initializer {
    reel_onnx_value value;
    reel_dtype dtype;
    reel_shape shape;
    const void *data; /* NULL: the bytes are among the numbers, from `at` on */
    int64_t at;
};

struct node {
    const char *type;
    int64_t first, n; /* inputs, among the operands */
    reel_onnx_value output;
    int place;                          /* of the output among those of the type */
    int64_t attributes, attributes_end; /* bytes among the attributes */
};

struct reel_onnx {
    reel_context *context;
    reel_tape *tape;
    const reel_named_var *inputs, *outputs;
    int n_inputs, n_outputs;
    int64_t batch; /* on the tape; -1 when it is fixed */

    unsigned char *needed;     /* by number of a var */
    reel_onnx_value *value_of; /* by number of a var; 0: none yet */

    struct value *values; /* the first is none */
    int64_t n_values, values_capacity;
    struct initializer *initializers;
    int64_t n_initializers, initializers_capacity;
    struct node *nodes;
    int64_t n_nodes, nodes_capacity;
    reel_onnx_value *operands; /* of the nodes, one after the other */
    int64_t n_operands, operands_capacity;
    struct reel_protobuf attributes; /* of the nodes, as they will be in the file */
    struct reel_protobuf numbers;    /* elements of small constants */
    int64_t next_attributes;         /* where those of the next node begin */
    int next_place;                  /* of its output */
    reel_onnx_value batch_value;     /* int64 [1]; 0: not asked for yet */

    const reel_call *call; /* whose nodes are being written */
    int64_t growth[REEL_MAX_OUTPUTS][REEL_MAX_NDIM];
    bool growth_is_known;
};

/* ---- Values, constants and nodes ---- */

static bool is_good(const reel_onnx *to)
{
    return to && to->context->status == REEL_OK;
}

static bool make_room(reel_onnx *to, void **array, int64_t count, int64_t *capacity, int64_t needed, size_t size)
{
    if (reel_grow(&to->context->memory, array, count, capacity, needed, size))
        return true;
    reel_fail_memory(to->context, "a model", (size_t)needed * size);
    return false;
}

static reel_onnx_value add_value(reel_onnx *to, const char *name, const char *kind)
{
    if (to->n_values >= INT32_MAX ||
        !make_room(to, (void **)&to->values, to->n_values, &to->values_capacity, to->n_values + 1, sizeof *to->values))
        return 0;
    to->values[to->n_values] = (struct value){.name = name, .kind = kind};
    return (reel_onnx_value)to->n_values++;
}

static bool is_value(const reel_onnx *to, reel_onnx_value v)
{
    return v > 0 && v < to->n_values;
}

static reel_onnx_value add_initializer(reel_onnx *to, const char *name, struct initializer initializer)
{
    if (!make_room(to, (void **)&to->initializers, to->n_initializers, &to->initializers_capacity,
                   to->n_initializers + 1, sizeof *to->initializers))
        return 0;
    initializer.value = add_value(to, name, "constant");
    to->initializers[to->n_initializers++] = initializer;
    return initializer.value;
}

/* A constant whose elements are copied. */
static reel_onnx_value add_constant(reel_onnx *to, reel_dtype dtype, reel_shape shape, const void *elements)
{
    int64_t at = to->numbers.size;
    reel_protobuf_bytes(&to->numbers, elements, reel_shape_numel(&shape) * (int64_t)reel_dtype_size(dtype));
    return is_good(to) ? add_initializer(to, NULL, (struct initializer){0, dtype, shape, NULL, at}) : 0;
}

reel_onnx_value reel_onnx_number(reel_onnx *to, reel_dtype dtype, double number)
{
    if (!is_good(to))
        return 0;
    reel_real real = (reel_real)number;
    int64_t wide = dtype == REEL_INT64 ? (int64_t)number : 0;
    int32_t narrow = dtype == REEL_INT32 ? (int32_t)number : 0;
    const uint16_t half = reel_bfloat16_nearest((float)number);
    bool truth = number != 0;
    const void *elements = dtype == REEL_REAL       ? (const void *)&real
                           : dtype == REEL_INT64    ? (const void *)&wide
                           : dtype == REEL_INT32    ? (const void *)&narrow
                           : dtype == REEL_BFLOAT16 ? (const void *)&half
                                                    : (const void *)&truth;
    return add_constant(to, dtype, reel_shape_make(0, NULL), elements);
}

reel_onnx_value reel_onnx_int64s(reel_onnx *to, const int64_t *values, int n)
{
    if (!is_good(to))
        return 0;
    if (n < 0 || (n > 0 && !values)) {
        reel_fail(to->context, REEL_ERROR_ARGUMENT, "onnx: %d integers, or at a NULL pointer", n);
        return 0;
    }
    return add_constant(to, REEL_INT64, reel_shape_make(1, (int64_t[]){n}), values);
}

/* An attribute of the next node begins, and ends. */
static int64_t begin_attribute(reel_onnx *to, const char *name)
{
    int64_t begin = reel_protobuf_begin(&to->attributes);
    reel_protobuf_string(&to->attributes, ATTRIBUTE_NAME, name);
    return begin;
}

static void end_attribute(reel_onnx *to, int64_t begin, enum attribute_type type)
{
    reel_protobuf_int(&to->attributes, ATTRIBUTE_TYPE, type);
    reel_protobuf_end(&to->attributes, NODE_ATTRIBUTE, begin);
}

void reel_onnx_set_int(reel_onnx *to, const char *name, int64_t value)
{
    if (!is_good(to) || !name)
        return;
    int64_t begin = begin_attribute(to, name);
    reel_protobuf_int(&to->attributes, ATTRIBUTE_I, value);
    end_attribute(to, begin, IS_INT);
}

void reel_onnx_set_float(reel_onnx *to, const char *name, double value)
{
    if (!is_good(to) || !name)
        return;
    int64_t begin = begin_attribute(to, name);
    reel_protobuf_float(&to->attributes, ATTRIBUTE_F, (float)value);
    end_attribute(to, begin, IS_FLOAT);
}

void reel_onnx_set_ints(reel_onnx *to, const char *name, const int64_t *values, int n)
{
    if (!is_good(to) || !name || (n > 0 && !values))
        return;
    int64_t begin = begin_attribute(to, name);
    for (int i = 0; i < n; i++)
        reel_protobuf_int(&to->attributes, ATTRIBUTE_INTS, values[i]);
    end_attribute(to, begin, IS_INTS);
}

void reel_onnx_set_string(reel_onnx *to, const char *name, const char *value)
{
    if (!is_good(to) || !name || !value)
        return;
    int64_t begin = begin_attribute(to, name);
    reel_protobuf_string(&to->attributes, ATTRIBUTE_S, value);
    end_attribute(to, begin, IS_STRING);
}

void reel_onnx_take_output(reel_onnx *to, int k)
{
    if (is_good(to) && (k < 0 || k >= MOST_OUTPUTS))
        reel_fail(to->context, REEL_ERROR_ARGUMENT, "onnx: output %d of a node, not 0..%d", k, MOST_OUTPUTS - 1);
    else if (is_good(to))
        to->next_place = k;
}

reel_onnx_value reel_onnx_node(reel_onnx *to, const char *type, const reel_onnx_value *inputs, int n)
{
    if (!is_good(to))
        return 0;
    bool fits = type && n >= 0 && (n == 0 || inputs);
    for (int i = 0; fits && i < n; i++)
        fits = inputs[i] == 0 || is_value(to, inputs[i]);
    if (!fits) {
        reel_fail(to->context, REEL_ERROR_ARGUMENT, "onnx: a node without type, or with inputs that are no values");
        return 0;
    }
    if (!make_room(to, (void **)&to->nodes, to->n_nodes, &to->nodes_capacity, to->n_nodes + 1, sizeof *to->nodes) ||
        !make_room(to, (void **)&to->operands, to->n_operands, &to->operands_capacity, to->n_operands + n,
                   sizeof *to->operands))
        return 0;
    struct node *node = &to->nodes[to->n_nodes];
    *node = (struct node){.type = type,
                          .first = to->n_operands,
                          .n = n,
                          .output = add_value(to, NULL, type),
                          .place = to->next_place,
                          .attributes = to->next_attributes,
                          .attributes_end = to->attributes.size};
    to->next_place = 0;
    if (!node->output)
        return 0;
    to->values[node->output].is_made = true;
    for (int i = 0; i < n; i++) {
        to->operands[to->n_operands++] = inputs[i];
        to->values[inputs[i]].is_used = true;
    }
    to->next_attributes = to->attributes.size;
    to->n_nodes++;
    return node->output;
}

reel_onnx_value reel_onnx_cast(reel_onnx *to, reel_onnx_value value, reel_dtype dtype)
{
    reel_onnx_set_int(to, "to", type_code(dtype));
    return reel_onnx_node(to, "Cast", &value, 1);
}

/* ---- What the form of an operation asks ---- */

/* Whether an operation is being written and has that input or output. */
static bool is_asked_well(reel_onnx *to, int k, int n)
{
    if (!is_good(to))
        return false;
    if (to->call && k >= 0 && k < n)
        return true;
    reel_fail(to->context, REEL_ERROR_ARGUMENT, "onnx: the operation has no input or output %d", k);
    return false;
}

reel_onnx_value reel_onnx_input(reel_onnx *to, int k)
{
    if (!is_asked_well(to, k, to && to->call ? to->call->n_inputs : 0))
        return 0;
    return to->value_of[to->call->inputs[k].number];
}

reel_status reel_onnx_set_output(reel_onnx *to, int k, reel_onnx_value value)
{
    if (!to)
        return REEL_ERROR_ARGUMENT;
    if (!is_asked_well(to, k, to->call ? to->call->n_outputs : 0))
        return to->context->status;
    if (!is_value(to, value))
        return reel_fail(to->context, REEL_ERROR_ARGUMENT, "onnx: %d is no value", (int)value);
    /* What came in may be named, and of another growth. */
    if (!to->values[value].is_made)
        value = reel_onnx_node(to, "Identity", &value, 1);
    if (value)
        to->value_of[to->call->outputs[k].number] = value;
    return to->context->status;
}

const int64_t *reel_onnx_growth(const reel_onnx *to, int k)
{
    return to->values[to->value_of[to->call->inputs[k].number]].growth;
}

void reel_onnx_set_growth(reel_onnx *to, const int64_t *growth)
{
    memcpy(to->growth[0], growth, sizeof to->growth[0]);
    to->growth_is_known = true;
}

int reel_onnx_growing_axes(const reel_onnx *to, reel_shape *shape)
{
    int n = 0;
    for (int i = 0; i < shape->ndim; i++)
        if (to->growth[0][i] != 0) {
            shape->dim[i] = -1;
            n++;
        }
    return n;
}

bool reel_onnx_growth_is_known(const reel_onnx *to)
{
    return to->growth_is_known;
}

bool reel_onnx_is_needed(const reel_onnx *to, int k)
{
    return to->needed[to->call->outputs[k].number];
}

int64_t reel_onnx_batch(const reel_onnx *to)
{
    return to->batch;
}

reel_status reel_onnx_refuse_fixed(reel_onnx *to, const char *what)
{
    return reel_fail(to->context, REEL_ERROR_SHAPE,
                     "save_onnx: %s has %s that is fixed where the batch varies; the model can be saved without "
                     "dynamic_batch",
                     to->call->op->name, what);
}

/* The size of an axis that grows: growth * batch + the rest, int64 [1]. */
static reel_onnx_value growing_size(reel_onnx *to, int64_t size, int64_t growth)
{
    if (!to->batch_value) {
        reel_onnx_value shape =
            reel_onnx_node(to, "Shape", (reel_onnx_value[]){to->value_of[to->inputs[0].v.number]}, 1);
        to->batch_value =
            reel_onnx_node(to, "Gather", (reel_onnx_value[]){shape, reel_onnx_int64s(to, (int64_t[]){0}, 1)}, 2);
    }
    reel_onnx_value value = to->batch_value;
    int64_t rest = size - growth * to->batch;
    if (growth != 1)
        value = reel_onnx_node(to, "Mul", (reel_onnx_value[]){value, reel_onnx_int64s(to, &growth, 1)}, 2);
    if (rest != 0)
        value = reel_onnx_node(to, "Add", (reel_onnx_value[]){value, reel_onnx_int64s(to, &rest, 1)}, 2);
    return value;
}

static reel_onnx_value shape_value(reel_onnx *to, const reel_shape *shape, const int64_t *growth)
{
    reel_onnx_value parts[REEL_MAX_NDIM];
    int n = 0, begin = 0;
    for (int i = 0; i < shape->ndim; i++) {
        if (growth[i] == 0)
            continue;
        if (i > begin)
            parts[n++] = reel_onnx_int64s(to, &shape->dim[begin], i - begin);
        parts[n++] = growing_size(to, shape->dim[i], growth[i]);
        begin = i + 1;
    }
    if (begin < shape->ndim || n == 0)
        parts[n++] = reel_onnx_int64s(to, &shape->dim[begin], shape->ndim - begin);
    if (n == 1)
        return parts[0];
    reel_onnx_set_int(to, "axis", 0);
    return reel_onnx_node(to, "Concat", parts, n);
}

reel_onnx_value reel_onnx_output_shape(reel_onnx *to, int k)
{
    if (!is_asked_well(to, k, to && to->call ? to->call->n_outputs : 0))
        return 0;
    return shape_value(to, &to->call->out[k]->shape, to->growth[k]);
}

/* ---- How sizes depend on the batch ---- */

/* A call whose inputs are larger, with shapes for its outputs. */
struct larger_call {
    reel_call call;
    reel_array *in, out[REEL_MAX_OUTPUTS];
    const reel_array **ins;
    reel_array *outs[REEL_MAX_OUTPUTS];
};

static void make_larger(const reel_onnx *to, struct larger_call *l, int64_t by)
{
    const reel_call *call = to->call;
    l->call = *call;
    l->call.in = l->ins;
    l->call.out = l->outs;
    for (int k = 0; k < call->n_inputs; k++) {
        l->in[k] = *call->in[k];
        for (int i = 0; i < l->in[k].shape.ndim; i++)
            l->in[k].shape.dim[i] += by * reel_onnx_growth(to, k)[i];
        l->in[k].numel = reel_shape_numel(&l->in[k].shape);
        l->ins[k] = &l->in[k];
    }
    for (int k = 0; k < call->n_outputs; k++) {
        l->out[k] = *call->out[k];
        l->out[k].data = NULL;
        l->outs[k] = &l->out[k];
    }
}

/* Asks `shape` with a batch that is larger by one, then by two: sizes that grow by the same both times are multiples of
 * the batch, and something. Fails as the operation does. */
static reel_status find_growth(reel_onnx *to, struct larger_call *l)
{
    const reel_call *call = to->call;
    reel_context *c = to->context;
    for (int by = 1; by <= 2; by++) {
        make_larger(to, l, by);
        to->tape->applying = true;
        reel_status status = call->op->shape(&l->call);
        to->tape->applying = false;
        if (status != REEL_OK || c->status != REEL_OK)
            return reel_call_failed(call, status, "shape");
        for (int k = 0; k < call->n_outputs; k++)
            for (int i = 0; i < call->out[k]->shape.ndim; i++) {
                int64_t more = l->out[k].shape.dim[i] - call->out[k]->shape.dim[i];
                if (by == 1)
                    to->growth[k][i] = more;
                else if (more != 2 * to->growth[k][i])
                    return reel_fail(c, REEL_ERROR_SHAPE, "%s: axis %d does not grow in proportion to the batch",
                                     call->op->name, i);
            }
    }
    to->growth_is_known = true;
    return REEL_OK;
}

/* Whether all elements have the same bytes. */
static bool is_uniform(const reel_array *array)
{
    size_t size = reel_dtype_size(array->dtype);
    const char *bytes = array->data;
    return array->numel > 0 && memcmp(bytes, bytes + size, ((size_t)array->numel - 1) * size) == 0;
}

/* Lets inputs that are constants of the batch's size, filled with one number, grow with it. Whether there were any. */
static bool grow_constants(reel_onnx *to)
{
    bool any = false;
    for (int k = 0; k < to->call->n_inputs; k++) {
        uint32_t number = to->call->inputs[k].number;
        const struct reel_node *node = to->tape->nodes[number];
        const reel_array *array = &node->array;
        struct value *value = &to->values[to->value_of[number]];
        if (node->call || node->param || value->name || value->is_made || array->shape.ndim == 0 ||
            array->shape.dim[0] != to->batch || !is_uniform(array))
            continue;
        int64_t growth[REEL_MAX_NDIM] = {1};
        reel_onnx_value operands[] = {add_constant(to, array->dtype, reel_shape_make(0, NULL), array->data),
                                      shape_value(to, &array->shape, growth)};
        reel_onnx_value grown = reel_onnx_node(to, "Expand", operands, 2);
        if (!grown)
            return false;
        memcpy(to->values[grown].growth, growth, sizeof growth);
        to->value_of[number] = grown;
        any = true;
    }
    return any;
}

/* Fills in growth, if `shape` can say it; its error is then in `text`, and the context has none. */
static void ask_growth(reel_onnx *to, struct larger_call *l, char *text, size_t size)
{
    bool grows = false;
    memset(to->growth, 0, sizeof to->growth);
    for (int k = 0; k < to->call->n_inputs; k++)
        for (int i = 0; i < REEL_MAX_NDIM; i++)
            grows = grows || reel_onnx_growth(to, k)[i] != 0;
    to->growth_is_known = !grows;
    text[0] = 0;
    for (int attempt = 0; attempt < 2 && !to->growth_is_known; attempt++) {
        if (attempt > 0 && !grow_constants(to))
            return;
        if (find_growth(to, l) != REEL_OK && to->context->status != REEL_ERROR_OUT_OF_MEMORY) {
            snprintf(text, size, "%s", to->context->error);
            to->context->status = REEL_OK;
        }
    }
}

/* ---- The walk ---- */

static bool is_input(const reel_onnx *to, int64_t number)
{
    for (int i = 0; i < to->n_inputs; i++)
        if (to->inputs[i].v.number == number)
            return true;
    return false;
}

/* Marks what the outputs need, and refuses what has no value of its own. */
static reel_status find_needed(reel_onnx *to)
{
    reel_context *c = to->context;
    for (int i = 0; i < to->n_outputs; i++)
        to->needed[to->outputs[i].v.number] = 1;
    for (int64_t number = to->tape->count - 1; number >= 0; number--) {
        const struct reel_node *node = to->tape->nodes[number];
        if (!to->needed[number] || is_input(to, number))
            continue;
        if (node->is_cut)
            return reel_fail(c, REEL_ERROR_ARGUMENT,
                             "save_onnx: var %lld was detached, recorded in no_grad or kept by a scope, so that nobody "
                             "knows what it depends on",
                             (long long)number);
        if (!node->call && node->drawn_by)
            return reel_fail(c, REEL_ERROR_ARGUMENT,
                             "save_onnx: an output depends on %s, whose numbers would be the same for ever: name it as "
                             "an input",
                             reel_draw_name(node->drawn_by));
        for (int k = 0; node->call && k < node->call->n_inputs; k++)
            to->needed[node->call->inputs[k].number] = 1;
    }
    return REEL_OK;
}

static reel_status add_inputs(reel_onnx *to, bool dynamic)
{
    to->batch = -1;
    for (int i = 0; i < to->n_inputs && is_good(to); i++) {
        int64_t number = to->inputs[i].v.number;
        const reel_shape *shape = &to->tape->nodes[number]->array.shape;
        if (to->value_of[number])
            return reel_fail(to->context, REEL_ERROR_ARGUMENT, "save_onnx: input \"%s\" is another input, too",
                             to->inputs[i].name);
        if (i == 0 && dynamic && shape->ndim > 0)
            to->batch = shape->dim[0];
        reel_onnx_value value = add_value(to, to->inputs[i].name, "input");
        if (value && to->batch >= 0 && shape->ndim > 0 && shape->dim[0] == to->batch)
            to->values[value].growth[0] = 1;
        to->value_of[number] = value;
    }
    return to->context->status;
}

/* A param or constant. A param that max_norm changed since is the elements that were recorded, without its name. */
static reel_onnx_value add_leaf(reel_onnx *to, const struct reel_node *node)
{
    const void *data = reel_node_elements(node);
    bool is_param = node->param && data == node->param->data;
    if (node->array.dtype == REEL_BFLOAT16) {
        reel_fail(to->context, REEL_ERROR_DTYPE,
                  "onnx: \"%s\" is bfloat16, which the operations of a model do not read", node->param->name);
        return 0;
    }
    return add_initializer(to, is_param ? node->param->name : NULL,
                           (struct initializer){0, node->array.dtype, node->array.shape, data, 0});
}

static reel_status write_call(reel_onnx *to, const reel_call *call)
{
    const reel_op *op = call->op;
    reel_context *c = to->context;
    if (!op->onnx && !op->onnx_node)
        return reel_fail(
            c, REEL_ERROR_ARGUMENT,
            "save_onnx: %s has no ONNX form; layers of a model that is saved are in evaluation (reel_eval)", op->name);
    size_t n = (size_t)call->n_inputs;
    struct larger_call larger;
    larger.in = reel_allocate(&c->memory, n * (sizeof *larger.in + sizeof *larger.ins));
    if (!larger.in)
        return reel_fail_memory(c, "a model", n * sizeof *larger.in);
    larger.ins = (const reel_array **)(void *)(larger.in + n);
    to->call = call;
    char problem[sizeof c->error];
    ask_growth(to, &larger, problem, sizeof problem);
    reel_free(&c->memory, larger.in);
    if (op->onnx_node) {
        reel_onnx_value in[REEL_MAX_OUTPUTS] = {0};
        for (int k = 0; k < call->n_inputs && k < REEL_MAX_OUTPUTS; k++)
            in[k] = reel_onnx_input(to, k);
        reel_onnx_set_output(to, 0, reel_onnx_node(to, op->onnx_node, in, call->n_inputs));
    } else {
        reel_status status = op->onnx(call, to);
        if (status != REEL_OK || c->status != REEL_OK)
            return reel_call_failed(call, status, "onnx");
    }
    if (!to->growth_is_known && c->status == REEL_OK)
        return reel_fail(c, REEL_ERROR_SHAPE, "save_onnx: another batch than the %lld of the tape does not fit: %s",
                         (long long)to->batch, problem);
    for (int k = 0; k < call->n_outputs && c->status == REEL_OK; k++) {
        reel_onnx_value value = to->value_of[call->outputs[k].number];
        if (value)
            memcpy(to->values[value].growth, to->growth[k], sizeof to->growth[k]);
        else if (to->needed[call->outputs[k].number])
            return reel_fail(c, REEL_ERROR_ARGUMENT, "save_onnx: the ONNX form of %s does not give output %d", op->name,
                             k);
    }
    to->call = NULL;
    return c->status;
}

static reel_status walk(reel_onnx *to)
{
    reel_context *c = to->context;
    for (int64_t number = 0; number < to->tape->count && c->status == REEL_OK; number++) {
        const struct reel_node *node = to->tape->nodes[number];
        if (!to->needed[number] || to->value_of[number])
            continue;
        if (node->call)
            write_call(to, node->call);
        else
            to->value_of[number] = add_leaf(to, node);
    }
    return c->status;
}

/* A constant that grew, or that a form had no use for, is not saved. */
static void drop_unused(reel_onnx *to)
{
    int64_t n = 0;
    for (int64_t i = 0; i < to->n_initializers; i++)
        if (to->values[to->initializers[i].value].is_used)
            to->initializers[n++] = to->initializers[i];
    to->n_initializers = n;
}

/* Gives outputs their names. Where a value has one already, a copy is named. */
static reel_status name_outputs(reel_onnx *to)
{
    for (int i = 0; i < to->n_outputs && is_good(to); i++) {
        reel_onnx_value value = to->value_of[to->outputs[i].v.number];
        if (!to->values[value].is_made || to->values[value].name) {
            reel_onnx_value copy = reel_onnx_node(to, "Identity", &value, 1);
            if (!copy)
                break;
            value = copy;
        }
        to->values[value].name = to->outputs[i].name;
    }
    return to->context->status;
}

/* ---- The file ---- */

enum { LONGEST_NAME = 64 };

/* The name of a value: its own, or one made in `text`. */
static const char *name_of(const reel_onnx *to, reel_onnx_value v, char text[LONGEST_NAME])
{
    if (v == 0)
        return "";
    if (to->values[v].name)
        return to->values[v].name;
    snprintf(text, LONGEST_NAME, "/%.40s_%d", to->values[v].kind, (int)v);
    return text;
}

static void put_node(const reel_onnx *to, struct reel_protobuf *p, const struct node *node)
{
    char text[LONGEST_NAME];
    int64_t begin = reel_protobuf_begin(p);
    for (int64_t i = 0; i < node->n; i++)
        reel_protobuf_string(p, NODE_INPUT, name_of(to, to->operands[node->first + i], text));
    const char *name = name_of(to, node->output, text);
    for (int i = 0; i < node->place; i++) {
        char unused[LONGEST_NAME];
        snprintf(unused, sizeof unused, "/%.30s_%d.%d", node->type, (int)node->output, i);
        reel_protobuf_string(p, NODE_OUTPUT, unused);
    }
    reel_protobuf_string(p, NODE_OUTPUT, name);
    reel_protobuf_string(p, NODE_NAME, name);
    reel_protobuf_string(p, NODE_TYPE, node->type);
    if (node->attributes_end > node->attributes)
        reel_protobuf_bytes(p, to->attributes.bytes + node->attributes, node->attributes_end - node->attributes);
    reel_protobuf_end(p, GRAPH_NODE, begin);
}

/* The size of an axis, which may depend on the batch: a number, or "batch", "2*batch+1". */
static void put_size(const reel_onnx *to, struct reel_protobuf *p, int64_t size, int64_t growth)
{
    int64_t begin = reel_protobuf_begin(p), rest = size - growth * to->batch;
    char text[80] = "batch";
    if (growth == 0) {
        reel_protobuf_int(p, DIM_VALUE, size);
    } else {
        if (growth != 1)
            snprintf(text, sizeof text, "%lld*batch", (long long)growth);
        if (rest != 0)
            reel_append_text(text, sizeof text, "%+lld", (long long)rest);
        reel_protobuf_string(p, DIM_PARAM, text);
    }
    reel_protobuf_end(p, SHAPE_DIM, begin);
}

static void put_value_info(const reel_onnx *to, struct reel_protobuf *p, int field, const reel_named_var *v)
{
    const reel_array *array = &to->tape->nodes[v->v.number]->array;
    const int64_t *growth = to->values[to->value_of[v->v.number]].growth;
    int64_t info = reel_protobuf_begin(p);
    reel_protobuf_string(p, VALUE_INFO_NAME, v->name);
    int64_t type = reel_protobuf_begin(p), tensor = type;
    reel_protobuf_int(p, TENSOR_TYPE_ELEMENT, type_code(array->dtype));
    int64_t shape = reel_protobuf_begin(p);
    for (int i = 0; i < array->shape.ndim; i++)
        put_size(to, p, array->shape.dim[i], growth[i]);
    reel_protobuf_end(p, TENSOR_TYPE_SHAPE, shape);
    reel_protobuf_end(p, TYPE_TENSOR, tensor);
    reel_protobuf_end(p, VALUE_INFO_TYPE, type);
    reel_protobuf_end(p, field, info);
}

static int64_t bytes_of(const struct initializer *i)
{
    return reel_shape_numel(&i->shape) * (int64_t)reel_dtype_size(i->dtype);
}

/* All of an initializer but its elements, which come last. */
static void put_initializer(const reel_onnx *to, struct reel_protobuf *p, const struct initializer *initializer)
{
    char text[LONGEST_NAME];
    struct reel_protobuf inner = {.context = to->context};
    for (int i = 0; i < initializer->shape.ndim; i++)
        reel_protobuf_int(&inner, TENSOR_DIMS, initializer->shape.dim[i]);
    reel_protobuf_int(&inner, TENSOR_DATA_TYPE, type_code(initializer->dtype));
    reel_protobuf_string(&inner, TENSOR_NAME, name_of(to, initializer->value, text));
    reel_protobuf_head(&inner, TENSOR_RAW_DATA, bytes_of(initializer));
    reel_protobuf_head(p, GRAPH_INITIALIZER, inner.size + bytes_of(initializer));
    reel_protobuf_bytes(p, inner.bytes, inner.size);
    reel_protobuf_free(&inner);
}

/* The pieces of the file, in order: the head of the model and of its graph; the graph but for initializers, which end
 * at begins[0]; then heads of initializers, the k-th from begins[k] to begins[k + 1], each followed by its elements. */
struct pieces {
    struct reel_protobuf head, graph;
    int64_t *begins;
};

static reel_status make_pieces(reel_onnx *to, struct pieces *pieces)
{
    struct reel_protobuf *graph = &pieces->graph, *head = &pieces->head;
    int64_t elements = 0;
    for (int64_t i = 0; i < to->n_nodes; i++)
        put_node(to, graph, &to->nodes[i]);
    reel_protobuf_string(graph, GRAPH_NAME, "reel");
    for (int i = 0; i < to->n_inputs; i++)
        put_value_info(to, graph, GRAPH_INPUT, &to->inputs[i]);
    for (int i = 0; i < to->n_outputs; i++)
        put_value_info(to, graph, GRAPH_OUTPUT, &to->outputs[i]);
    pieces->begins[0] = graph->size;
    for (int64_t i = 0; i < to->n_initializers; i++) {
        put_initializer(to, graph, &to->initializers[i]);
        pieces->begins[i + 1] = graph->size;
        if (__builtin_add_overflow(elements, bytes_of(&to->initializers[i]), &elements))
            elements = too_large;
    }
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", REEL_VERSION_MAJOR, REEL_VERSION_MINOR, REEL_VERSION_PATCH);
    reel_protobuf_int(head, MODEL_IR_VERSION, IR_VERSION);
    reel_protobuf_string(head, MODEL_PRODUCER_NAME, "reel");
    reel_protobuf_string(head, MODEL_PRODUCER_VERSION, version);
    int64_t opset = reel_protobuf_begin(head);
    reel_protobuf_string(head, OPSET_DOMAIN, "");
    reel_protobuf_int(head, OPSET_VERSION, OPSET);
    reel_protobuf_end(head, MODEL_OPSET_IMPORT, opset);
    int64_t size = graph->size + elements;
    reel_protobuf_head(head, MODEL_GRAPH, size);
    if (elements >= too_large || head->size + size >= too_large)
        return reel_fail(to->context, REEL_ERROR_ARGUMENT,
                         "save_onnx: the model has %lld bytes, and the format of ONNX files ends below 2147483648; "
                         "save_safetensors has no such limit",
                         (long long)(head->size + size));
    return to->context->status;
}

static reel_status write_file(reel_onnx *to, const char *path)
{
    reel_context *c = to->context;
    struct pieces pieces = {.head = {.context = c}, .graph = {.context = c}};
    size_t bytes = ((size_t)to->n_initializers + 1) * sizeof *pieces.begins;
    if (!(pieces.begins = reel_allocate(&c->memory, bytes)))
        return reel_fail_memory(c, "a model", bytes);
    if (make_pieces(to, &pieces) == REEL_OK) {
        reel_atomic_file *file = reel_atomic_file_open(c, path);
        reel_atomic_file_write(file, pieces.head.bytes, pieces.head.size);
        reel_atomic_file_write(file, pieces.graph.bytes, pieces.begins[0]);
        for (int64_t i = 0; i < to->n_initializers && c->status == REEL_OK; i++) {
            const struct initializer *init = &to->initializers[i];
            reel_atomic_file_write(file, pieces.graph.bytes + pieces.begins[i],
                                   pieces.begins[i + 1] - pieces.begins[i]);
            if (bytes_of(init) > 0)
                reel_atomic_file_write(file, init->data ? init->data : to->numbers.bytes + init->at, bytes_of(init));
        }
        reel_atomic_file_close(file);
    }
    reel_protobuf_free(&pieces.head);
    reel_protobuf_free(&pieces.graph);
    reel_free(&c->memory, pieces.begins);
    return c->status;
}

/* ---- Names, and the function itself ---- */

static bool name_before(const void *user, int64_t a, int64_t b)
{
    const struct value *values = user;
    return strcmp(values[a].name, values[b].name) < 0;
}

/* Names that were given stand for one value each, and none looks like one that is made. */
static reel_status check_names(reel_onnx *to)
{
    reel_context *c = to->context;
    char shown[REEL_PRINTABLE];
    int64_t *named = reel_allocate(&c->memory, (size_t)to->n_values * sizeof *named), n = 0;
    if (!named)
        return reel_fail_memory(c, "a model", (size_t)to->n_values * sizeof *named);
    for (int64_t i = 1; i < to->n_values && c->status == REEL_OK; i++) {
        const char *name = to->values[i].name;
        if (name && name[0] == '/')
            reel_fail(c, REEL_ERROR_ARGUMENT,
                      "save_onnx: the name \"%s\" begins with '/', as those of the values in between do",
                      reel_printable(name, shown));
        if (name)
            named[n++] = i;
    }
    reel_heap_sort(named, n, name_before, to->values);
    for (int64_t i = 1; i < n && c->status == REEL_OK; i++)
        if (strcmp(to->values[named[i - 1]].name, to->values[named[i]].name) == 0)
            reel_fail(c, REEL_ERROR_ARGUMENT, "save_onnx: two inputs, outputs or params are called \"%s\"",
                      reel_printable(to->values[named[i]].name, shown));
    reel_free(&c->memory, named);
    return c->status;
}

static reel_status check_vars(reel_tape *tape, const char *what, const reel_named_var *vars, int n)
{
    reel_context *c = tape->context;
    if (n < 0 || (n > 0 && !vars))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "save_onnx: %d %ss, or at a NULL pointer", n, what);
    for (int i = 0; i < n; i++) {
        if (!vars[i].name || !*vars[i].name || !reel_is_utf8(vars[i].name))
            return reel_fail(c, REEL_ERROR_ARGUMENT, "save_onnx: the name of %s %d is missing or not UTF-8", what, i);
        if (!reel_tape_node(tape, vars[i].v, "save_onnx"))
            return c->status;
    }
    return REEL_OK;
}

reel_onnx_options reel_onnx_defaults(void)
{
    return (reel_onnx_options){.mark = REEL_OPTIONS_MARK(reel_onnx_options), .dynamic_batch = true};
}

static void free_model(reel_onnx *to)
{
    struct reel_memory *memory = &to->context->memory;
    reel_protobuf_free(&to->attributes);
    reel_protobuf_free(&to->numbers);
    reel_free(memory, to->needed);
    reel_free(memory, to->value_of);
    reel_free(memory, to->values);
    reel_free(memory, to->initializers);
    reel_free(memory, to->nodes);
    reel_free(memory, to->operands);
}

reel_status reel_save_onnx(reel_tape *tape, const char *path, const reel_named_var *inputs, int n_inputs,
                           const reel_named_var *outputs, int n_outputs, const reel_onnx_options *options)
{
    if (!tape)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = tape->context;
    reel_onnx_options o = reel_onnx_defaults();
    if (reel_options_take(c, "onnx", options, &o) != REEL_OK || !reel_tape_is_open(tape, "save_onnx") ||
        check_vars(tape, "input", inputs, n_inputs) != REEL_OK ||
        check_vars(tape, "output", outputs, n_outputs) != REEL_OK)
        return c->status;
    if (!path || n_outputs == 0)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "save_onnx: %s", path ? "no outputs" : "the path is NULL");
    size_t count = (size_t)tape->count;
    reel_onnx to = {.context = c,
                    .tape = tape,
                    .inputs = inputs,
                    .n_inputs = n_inputs,
                    .outputs = outputs,
                    .n_outputs = n_outputs,
                    .needed = reel_allocate_zeroed(&c->memory, count),
                    .value_of = reel_allocate_zeroed(&c->memory, count * sizeof *to.value_of),
                    .attributes = {.context = c},
                    .numbers = {.context = c}};
    if (!to.needed || !to.value_of)
        reel_fail_memory(c, "a model", count * sizeof *to.value_of);
    else if (add_value(&to, NULL, NULL) == 0 && find_needed(&to) == REEL_OK &&
             add_inputs(&to, o.dynamic_batch) == REEL_OK && walk(&to) == REEL_OK && name_outputs(&to) == REEL_OK &&
             check_names(&to) == REEL_OK) {
        drop_unused(&to);
        write_file(&to, path);
    }
    free_model(&to);
    return c->status;
}
