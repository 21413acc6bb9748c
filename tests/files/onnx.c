/* Models for other programs: what is in the file, by a reader written here, and what cannot be saved. That the forms of
 * operations are right is for tests/interop, and for ops/onnx.c. */
#include "support/allocator.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128];

static void make_folder(void)
{
    strcpy(folder, "/tmp/reel-onnx-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    set_up();
}

static void remove_folder(void)
{
    tear_down();
    unlink(path);
    cr_expect_eq(rmdir(folder), 0, "nothing is left beside the model");
}

TestSuite(onnx, .init = make_folder, .fini = remove_folder);

/* ---- A reader of Protocol Buffers, which writes what it finds as text ---- */

struct message {
    const unsigned char *at, *end;
};

/* The next field: its number, and its integer or its bytes. */
struct field {
    int number;
    uint64_t integer;
    struct message bytes;
    float real;
};

static uint64_t varint(struct message *m)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        cr_assert_lt(m->at, m->end);
        value |= (uint64_t)(*m->at & 0x7f) << shift;
        if (*m->at++ < 0x80)
            return value;
    }
}

static bool next(struct message *m, struct field *f)
{
    if (m->at == m->end)
        return false;
    uint64_t tag = varint(m);
    *f = (struct field){.number = (int)(tag >> 3)};
    if ((tag & 7) == 5) {
        memcpy(&f->real, m->at, 4);
        m->at += 4;
    } else {
        cr_assert((tag & 7) == 0 || (tag & 7) == 2);
        f->integer = varint(m);
    }
    if ((tag & 7) == 2) {
        cr_assert_leq(f->integer, (uint64_t)(m->end - m->at));
        f->bytes = (struct message){m->at, m->at + f->integer};
        m->at = f->bytes.end;
    }
    return true;
}

static char text[8192];

static void put(const char *format, ...) REEL_PRINTF(1, 2);
static void put(const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - used, format, arguments);
    va_end(arguments);
}

static void put_bytes(struct message m)
{
    put("%.*s", (int)(m.end - m.at), (const char *)m.at);
}

/* name=value */
static void put_attribute(struct message m)
{
    struct field f;
    int n = 0;
    put(" ");
    while (next(&m, &f)) {
        if (f.number == 1) {
            put_bytes(f.bytes);
            put("=");
        } else if (f.number == 2) {
            put("%g", (double)f.real);
        } else if (f.number == 3 || f.number == 8) {
            put("%s%lld", n++ ? "," : "", (long long)f.integer);
        } else if (f.number == 4) {
            put_bytes(f.bytes);
        }
    }
}

/* "Gemm(x, weight) transB=1 -> y" */
static void put_node(struct message m)
{
    struct field f;
    struct message all = m, output = {NULL, NULL};
    int n = 0;
    while (next(&m, &f))
        if (f.number == 4)
            put_bytes(f.bytes);
    put("(");
    for (m = all; next(&m, &f);) {
        if (f.number == 1) {
            put("%s", n++ ? ", " : "");
            put_bytes(f.bytes);
        } else if (f.number == 2) {
            output = f.bytes;
        }
    }
    put(")");
    for (m = all; next(&m, &f);)
        if (f.number == 5)
            put_attribute(f.bytes);
    put(" -> ");
    put_bytes(output);
    put("\n");
}

/* "name float [2, 3] = 1 2 3 4 5 6" */
static void put_initializer(struct message m)
{
    struct field f;
    int type = 0, n = 0;
    struct message all = m, data = {NULL, NULL};
    while (next(&m, &f)) {
        if (f.number == 8)
            put_bytes(f.bytes);
        else if (f.number == 2)
            type = (int)f.integer;
        else if (f.number == 9)
            data = f.bytes;
    }
    put(" [");
    for (m = all; next(&m, &f);)
        if (f.number == 1)
            put("%s%lld", n++ ? ", " : "", (long long)f.integer);
    put("] =");
    for (const unsigned char *at = data.at; at < data.end; at += type == 7 ? 8 : sizeof(reel_real)) {
        int64_t wide = 0;
        reel_real real = 0;
        memcpy(&wide, at, type == 7 ? sizeof wide : 0);
        memcpy(&real, at, type == 7 ? 0 : sizeof real);
        cr_assert(type == 7 || type == (sizeof real == 4 ? 1 : 11), "%d", type);
        put(" %g", type == 7 ? (double)wide : (double)real);
    }
    put("\n");
}

static struct message inner(struct message m, int number)
{
    struct field f;
    while (next(&m, &f))
        if (f.number == number)
            return f.bytes;
    return (struct message){NULL, NULL};
}

/* "name 1 [batch, 3]", where 1 is the type */
static void put_value(const char *what, struct message m)
{
    struct field f, size;
    int n = 0;
    put("%s ", what);
    put_bytes(inner(m, 1));
    m = inner(inner(m, 2), 1);
    for (struct message all = m; next(&all, &f);)
        if (f.number == 1)
            put(" %lld [", (long long)(f.integer == 11 ? 1 : f.integer));
    for (m = inner(m, 2); next(&m, &f);) {
        cr_assert(next(&f.bytes, &size));
        put("%s", n++ ? ", " : "");
        if (size.number == 1)
            put("%lld", (long long)size.integer);
        else
            put_bytes(size.bytes);
    }
    put("]\n");
}

/* The file as text. */
static const char *read_model(void)
{
    static unsigned char bytes[65536];
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    struct message model = {bytes, bytes + fread(bytes, 1, sizeof bytes, file)}, graph = {NULL, NULL};
    fclose(file);
    struct field f;
    text[0] = 0;
    while (next(&model, &f)) {
        if (f.number == 1)
            put("ir %d", (int)f.integer);
        else if (f.number == 8)
            for (struct message opset = f.bytes; next(&opset, &f);)
                f.number == 2 ? put(" opset %d\n", (int)f.integer) : (void)0;
        else if (f.number == 7)
            graph = f.bytes;
    }
    while (next(&graph, &f)) {
        if (f.number == 1)
            put_node(f.bytes);
        else if (f.number == 5)
            put_initializer(f.bytes);
        else if (f.number == 11)
            put_value("in", f.bytes);
        else if (f.number == 12)
            put_value("out", f.bytes);
    }
    return text;
}

/* ---- What is in a model ---- */

static reel_status save(const char *in, reel_var x, const char *out, reel_var y)
{
    const reel_named_var inputs[] = {{in, x}}, outputs[] = {{out, y}};
    return reel_save_onnx(t, path, inputs, 1, outputs, 1, NULL);
}

static void expect_error(reel_status status, reel_status expected, const char *piece)
{
    cr_expect_eq(status, expected, "%s", reel_error(c));
    cr_expect(strstr(reel_error(c), piece), "%s", reel_error(c));
    cr_expect_neq(access(path, F_OK), 0, "nothing was written");
    reel_clear_error(c);
}

Test(onnx, params_have_their_names_and_the_batch_is_a_symbol)
{
    static const reel_real values[] = {1, 2, 3, 4, 5, 6}; /* lives until the reset */
    reel_module *fc = reel_linear_new(p, "fc", 3, 2, NULL);
    reel_param_set(reel_params_find(p, "fc.weight"), values);
    reel_param_set(reel_params_find(p, "fc.bias"), values);
    reel_var x = reel_borrow(t, values, REEL_SHAPE(2, 3));
    reel_var y = reel_mul_scalar(t, reel_relu(t, reel_forward(t, fc, x)), 0.5);
    cr_assert_eq(save("x", x, "y", y), REEL_OK, "%s", reel_error(c));
    cr_expect_str_eq(read_model(), "ir 8 opset 18\n"
                                   "Gemm(x, fc.weight, fc.bias) transB=1 -> /Gemm_4\n"
                                   "Relu(/Gemm_4) -> /Relu_5\n"
                                   "Mul(/Relu_5, /constant_6) -> y\n"
                                   "in x 1 [batch, 3]\n"
                                   "out y 1 [batch, 2]\n"
                                   "fc.weight [2, 3] = 1 2 3 4 5 6\n"
                                   "fc.bias [2] = 1 2\n"
                                   "/constant_6 [] = 0.5\n");
}

Test(onnx, sizes_are_multiples_of_the_batch_and_something)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(5, 2, 3)), one = reel_ones(t, REEL_SHAPE(1, 2, 3));
    reel_var rows = reel_cat(t, REEL_VARS(x, one, x), 0);                  /* [2 batch + 1, 2, 3] */
    reel_var flat = reel_flatten(t, reel_transpose(t, rows, 0, 1), 0, -1); /* [12 batch + 6] */
    const reel_named_var in[] = {{"x", x}}, out[] = {{"rows", rows}, {"flat", flat}, {"again", rows}};
    cr_assert_eq(reel_save_onnx(t, path, in, 1, out, 3, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_str_eq(read_model(), "ir 8 opset 18\n"
                                   "Concat(x, /constant_2, x) axis=0 -> rows\n"
                                   "Transpose(rows) perm=1,0,2 -> /Transpose_4\n"
                                   "Reshape(/Transpose_4, /constant_5) allowzero=0 -> flat\n"
                                   "Identity(rows) -> again\n"
                                   "in x 1 [batch, 2, 3]\n"
                                   "out rows 1 [2*batch+1, 2, 3]\n"
                                   "out flat 1 [12*batch+6]\n"
                                   "out again 1 [2*batch+1, 2, 3]\n"
                                   "/constant_2 [1, 2, 3] = 1 1 1 1 1 1\n"
                                   "/constant_5 [1] = -1\n");
}

Test(onnx, sizes_are_fixed_when_asked_for)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(5, 2)), y = reel_reshape(t, x, REEL_SHAPE(2, 5));
    const reel_named_var in[] = {{"x", x}}, out[] = {{"y", y}};
    REEL_OPTIONS(onnx, o, o.dynamic_batch = false);
    cr_assert_eq(reel_save_onnx(t, path, in, 1, out, 1, &o), REEL_OK, "%s", reel_error(c));
    cr_expect_str_eq(read_model(), "ir 8 opset 18\nReshape(x, /constant_2) allowzero=0 -> y\nin x 1 [5, 2]\n"
                                   "out y 1 [2, 5]\n/constant_2 [2] = 2 5\n");
}

Test(onnx, a_batch_of_one_leaves_the_others_possible)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(1, 2, 3)), y = reel_flatten(t, x, 1, -1), z = reel_flatten(t, x, 0, -1);
    const reel_named_var in[] = {{"x", x}}, out[] = {{"y", y}, {"z", z}};
    cr_assert_eq(reel_save_onnx(t, path, in, 1, out, 2, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect(strstr(read_model(), "out y 1 [batch, 6]\nout z 1 [6*batch]\n"), "%s", text);
}

/* A constant of the batch's size, and a shape with a number that is the batch's. */
Test(onnx, what_has_the_size_of_the_batch_grows_with_it)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(5, 2)), sevens = reel_full(t, REEL_SHAPE(5, 1), 7);
    reel_var row = reel_tensor(t, (reel_real[]){3, 4}, REEL_SHAPE(2)), sum = reel_add(t, x, sevens);
    cr_assert_eq(save("x", x, "y", reel_add(t, sum, reel_expand(t, row, REEL_SHAPE(5, 2)))), REEL_OK, "%s",
                 reel_error(c));
    cr_expect_str_eq(read_model(), "ir 8 opset 18\n"
                                   "Shape(x) -> /Shape_5\n"
                                   "Gather(/Shape_5, /constant_6) -> /Gather_7\n"
                                   "Concat(/Gather_7, /constant_8) axis=0 -> /Concat_9\n"
                                   "Expand(/constant_4, /Concat_9) -> /Expand_10\n"
                                   "Add(x, /Expand_10) -> /Add_11\n"
                                   "Concat(/Gather_7, /constant_12) axis=0 -> /Concat_13\n"
                                   "Expand(/constant_3, /Concat_13) -> /Expand_14\n"
                                   "Add(/Add_11, /Expand_14) -> y\n"
                                   "in x 1 [batch, 2]\n"
                                   "out y 1 [batch, 2]\n"
                                   "/constant_3 [2] = 3 4\n"
                                   "/constant_4 [] = 7\n"
                                   "/constant_6 [1] = 0\n"
                                   "/constant_8 [1] = 1\n"
                                   "/constant_12 [1] = 2\n");
}

Test(onnx, any_var_may_be_an_input)
{
    reel_var x = reel_randn(t, REEL_SHAPE(5)), h = reel_dropout(t, x, 0.5, true), y = reel_tanh(t, h);
    cr_assert_eq(save("h", h, "y", y), REEL_OK, "%s", reel_error(c));
    cr_expect_str_eq(read_model(), "ir 8 opset 18\nTanh(h) -> y\nin h 1 [batch]\nout y 1 [batch]\n");
    cr_assert_eq(save("x", x, "same", x), REEL_OK, "%s", reel_error(c));
    cr_expect_str_eq(read_model(), "ir 8 opset 18\nIdentity(x) -> same\nin x 1 [batch]\nout same 1 [batch]\n");
}

static int count_of(const char *piece)
{
    int n = 0;
    for (const char *at = read_model(); (at = strstr(at, piece)); at++)
        n++;
    return n;
}

/* The cell's states of all steps are what an LSTM of ONNX does not give. */
Test(onnx, an_lstm_is_one_node_unless_its_cells_are_asked_for)
{
    reel_module *m = reel_lstm_new(p, "m", 3, 2, NULL);
    reel_var x = reel_randn(t, REEL_SHAPE(5, 4, 3)), out[3];
    reel_forward_all(t, m, &x, 1, out, 3);
    cr_assert_eq(save("x", x, "y", out[0]), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(count_of("\nLSTM("), 1, "%s", text);
    cr_assert_eq(save("x", x, "c", out[2]), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(count_of("\nLSTM("), 2 * 4, "%s", text);
}

/* ---- An operation of the user's ---- */

static reel_status own_shape(reel_call *call)
{
    call->out[0]->shape = call->in[0]->shape;
    return REEL_OK;
}

static reel_status own_forward(reel_call *call)
{
    for (int64_t i = 0; i < call->in[0]->numel; i++)
        ((reel_real *)call->out[0]->data)[i] = (reel_real)ceil((double)((const reel_real *)call->in[0]->data)[i]);
    return REEL_OK;
}

static reel_status own_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    reel_onnx_value down = REEL_ONNX_NODE(to, "Floor", REEL_ONNX_NODE(to, "Neg", reel_onnx_input(to, 0)));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Neg", down));
}

static reel_status wrong_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 1, reel_onnx_input(to, 0));
}

static reel_status silent_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    (void)to;
    return REEL_OK;
}

Test(onnx, operations_of_the_user_have_forms_too)
{
    static const reel_op node = {.name = "up",
                                 .n_inputs = 1,
                                 .n_outputs = 1,
                                 .derivative = REEL_DERIVATIVE_NONE,
                                 .shape = own_shape,
                                 .forward = own_forward,
                                 .onnx_node = "Ceil"};
    static reel_op form, wrong, silent, none;
    form = wrong = silent = none = node;
    form.onnx_node = wrong.onnx_node = silent.onnx_node = none.onnx_node = NULL;
    form.onnx = own_onnx;
    wrong.onnx = wrong_onnx;
    silent.onnx = silent_onnx;
    reel_var x = reel_zeros(t, REEL_SHAPE(5));
    cr_assert_eq(save("x", x, "y", reel_apply1(t, &node, &x, 1, NULL)), REEL_OK, "%s", reel_error(c));
    cr_expect(strstr(read_model(), "\nCeil(x) -> y\n"), "%s", text);
    cr_assert_eq(save("x", x, "y", reel_apply1(t, &form, &x, 1, NULL)), REEL_OK, "%s", reel_error(c));
    cr_expect(strstr(read_model(), "\nNeg(x) -> /Neg_2\nFloor(/Neg_2) -> /Floor_3\nNeg(/Floor_3) -> y\n"), "%s", text);
    unlink(path);
    expect_error(save("x", x, "y", reel_apply1(t, &wrong, &x, 1, NULL)), REEL_ERROR_ARGUMENT, "no input or output 1");
    expect_error(save("x", x, "y", reel_apply1(t, &silent, &x, 1, NULL)), REEL_ERROR_ARGUMENT,
                 "the ONNX form of up does not give output 0");
    expect_error(save("x", x, "y", reel_apply1(t, &none, &x, 1, NULL)), REEL_ERROR_ARGUMENT, "up has no ONNX form");
}

/* ---- What cannot be saved ---- */

Test(onnx, what_draws_or_was_cut_off_is_refused_by_name)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(5, 2)), z = reel_randn(t, REEL_SHAPE(5, 2));
    expect_error(save("x", x, "y", reel_add(t, x, z)), REEL_ERROR_ARGUMENT, "depends on randn");
    expect_error(save("x", x, "y", reel_dropout(t, x, 0.5, true)), REEL_ERROR_ARGUMENT, "dropout has no ONNX form");
    expect_error(save("x", x, "y", reel_neg(t, reel_detach(t, x))), REEL_ERROR_ARGUMENT, "was detached");
    reel_no_grad_begin(t);
    reel_var hidden = reel_neg(t, x);
    reel_no_grad_end(t);
    expect_error(save("x", x, "y", hidden), REEL_ERROR_ARGUMENT, "in no_grad");
    reel_module *norm = reel_batch_norm1d_new(p, "norm", 2, NULL);
    expect_error(save("x", x, "y", reel_forward(t, norm, x)), REEL_ERROR_ARGUMENT, "reel_eval");
    reel_eval(p);
    cr_expect_eq(save("x", x, "y", reel_forward(t, norm, x)), REEL_OK, "%s", reel_error(c));
}

Test(onnx, what_is_fixed_where_the_batch_varies_is_refused)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(4, 2)), counted = reel_arange(t, 0, 4, 1);
    reel_var y = reel_add(t, x, reel_reshape(t, counted, REEL_SHAPE(4, 1)));
    expect_error(save("x", x, "y", y), REEL_ERROR_SHAPE, "another batch than the 4 of the tape does not fit: add: ");
    expect_error(save("x", x, "y", reel_narrow(t, x, 0, 0, 2)), REEL_ERROR_SHAPE, "narrow has a length that is fixed");
}

Test(onnx, states_and_steps_of_recurrent_networks_are_fixed)
{
    reel_var x = reel_randn(t, REEL_SHAPE(5, 8)), turned = reel_transpose(t, x, 0, 1), y, cells;
    reel_var gates = reel_cat(t, REEL_VARS(turned, turned, turned), 1); /* [8, 3 batch] */
    reel_var weight = reel_matmul(t, reel_transpose(t, gates, 0, 1), turned),
             bias = reel_sum(t, weight, REEL_AXES(1), false);
    expect_error(save("x", x, "y", reel_gru_cell(t, gates, gates, turned)), REEL_ERROR_SHAPE, "gru_cell has a state");
    y = reel_gru(t, reel_unsqueeze(t, gates, 1), turned, weight, bias);
    expect_error(save("x", x, "y", y), REEL_ERROR_SHAPE, "gru has a state");
    reel_var h = reel_zeros(t, REEL_SHAPE(1, 2)), w = reel_zeros(t, REEL_SHAPE(8, 2)), b = reel_zeros(t, REEL_SHAPE(8));
    y = reel_lstm(t, reel_unsqueeze(t, x, 0), h, h, w, b, &cells);
    expect_error(save("x", x, "c", cells), REEL_ERROR_SHAPE, "lstm has a number of steps");
    cr_expect_eq(save("x", x, "y", y), REEL_OK, "%s", reel_error(c));
}

Test(onnx, names_are_checked)
{
    reel_module *fc = reel_linear_new(p, "fc", 2, 2, NULL);
    reel_var x = reel_zeros(t, REEL_SHAPE(5, 2)), y = reel_forward(t, fc, x);
    expect_error(save("x", x, "x", y), REEL_ERROR_ARGUMENT, "are called \"x\"");
    expect_error(save("fc.weight", x, "y", y), REEL_ERROR_ARGUMENT, "are called \"fc.weight\"");
    expect_error(save("/x", x, "y", y), REEL_ERROR_ARGUMENT, "begins with '/'");
    expect_error(save("", x, "y", y), REEL_ERROR_ARGUMENT, "the name of input 0");
    expect_error(save("x", x, "\xff", y), REEL_ERROR_ARGUMENT, "the name of output 0");
    expect_error(save("x", reel_null(), "y", y), REEL_ERROR_ARGUMENT, "the var is null");
    const reel_named_var twice[] = {{"a", x}, {"b", x}}, out = {"y", y};
    expect_error(reel_save_onnx(t, path, twice, 2, &out, 1, NULL), REEL_ERROR_ARGUMENT, "input \"b\" is another input");
    expect_error(reel_save_onnx(t, path, twice, 1, NULL, 0, NULL), REEL_ERROR_ARGUMENT, "no outputs");
    expect_error(reel_save_onnx(t, "/nowhere/at/all", twice, 1, &out, 1, NULL), REEL_ERROR_IO, "/nowhere/at/all");
}

/* Zeros that nobody touches take no memory. */
Test(onnx, more_than_two_gigabytes_are_refused)
{
    const int64_t rows = (INT64_C(1) << 31) / (int64_t)sizeof(reel_real);
    reel_param *table = reel_param_new(p, "table", REEL_PARAM_FROZEN, REEL_REAL, REEL_SHAPE(rows, 1));
    reel_var i = reel_full_int64(t, REEL_SHAPE(3), 2), y = reel_embedding(t, reel_param_var(t, table), i, NULL);
    expect_error(save("i", i, "y", y), REEL_ERROR_ARGUMENT, "ends below 2147483648");
}

/* Each allocation fails once: an error, and nothing is left of it. */
Test(onnx, running_out_of_memory_is_an_error)
{
    struct counting counted;
    reel_allocator allocator = counting_allocator(&counted);
    REEL_OPTIONS(context, o, o.allocator = &allocator);
    reel_context *other = reel_context_new(&o);
    reel_tape *tape = reel_tape_new(other);
    reel_var x = reel_zeros(tape, REEL_SHAPE(5, 4)), y = reel_variance(tape, x, REEL_AXES(0), 1, false);
    const reel_named_var in = {"x", x}, out = {"y", y};
    int64_t live = counted.live;
    int failures = 0;
    for (bool done = false; !done; failures++) {
        counted.fail_at = counted.calls + failures;
        reel_status status = reel_save_onnx(tape, path, &in, 1, &out, 1, NULL);
        done = status == REEL_OK;
        cr_expect(done || (status == REEL_ERROR_OUT_OF_MEMORY && access(path, F_OK) != 0), "%s", reel_error(other));
        cr_expect_eq(counted.live, live);
        reel_clear_error(other);
    }
    cr_expect_gt(failures, 10);
    reel_tape_free(tape);
    reel_context_free(other);
}
