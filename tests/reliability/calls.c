/* Every function of the public headers, called with what it must not get: nothing crashes, and what is refused says so.
 *
 *   calls nulls           each pointer of each function NULL, one at a time
 *   calls random COUNT    NULLs, vars of nowhere, enums outside their range, numbers at the edge, by a seeded
 * generator; `random 0 SEED` repeats what crashed, in this process
 */
#include "core/dlpack.h"
#include "support/check.h"
#include "support/memory_file.h"

#include <reel/reel.h>
#include <reel/watch.h>

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>

typedef double (*factor_function)(int64_t step, void *user);

/* What arguments are picked from, and what became of a call. */
struct picker {
    const char *function;
    bool random;
    int null_at;        /* which pointer is NULL, without `random` */
    int pointers;       /* that were asked for */
    const char *name;   /* of the one that is NULL */
    bool stop;          /* there is no such pointer: no call */
    bool said, refused; /* the result can say that the call failed, and does */
    const reel_call *call;
    reel_sink *sink;
    const reel_gradient *gradient;
    reel_onnx *onnx;
};

static uint64_t state = 1;

/* xorshift64* */
static uint64_t next(uint64_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1d >> 32) % below;
}

/* ---- What there is to give ---- */

enum { ROOM = 8192 };

static reel_context *c;
static reel_tape *t;
static reel_params *p, *others;
static reel_module *module;
static reel_optim *optim;
static reel_schedule *schedule;
static reel_ema *ema;
static reel_loader *loader;
static reel_alias *alias;
static reel_vocabulary *vocabulary;
static reel_checkpoint *checkpoint;
static reel_auc *auc;
static reel_safetensors *file;
static reel_npy *npy;
static reel_atomic_file *atomic_file;
static reel_idx *idx;
static reel_csv *csv;
static reel_ts *ts;
static reel_running_mean running;
static reel_run *run;
static reel_profiler *profiler;
static reel_progress *progress;
static FILE *nowhere;
static char atomic_path[64], run_folder[64];
static struct memory_file saved, saved_npy, saved_idx, saved_csv, saved_ts;
static reel_var x, index_var, mask, stale;
static union {
    unsigned char bytes[ROOM];
    reel_real reals[ROOM / sizeof(reel_real)];
    int64_t numbers[ROOM / sizeof(int64_t)];
    double doubles[ROOM / sizeof(double)];
} buffer, constants;

static void make(void)
{
    const double weights[2] = {1, 2};
    const int64_t numbers[2] = {0, 1};
    memset(&buffer, 0, sizeof buffer);
    memset(&constants, 0, sizeof constants);
    c = reel_context_new(NULL);
    t = reel_tape_new(c);
    p = reel_params_new(c);
    others = reel_params_new(c);
    module = reel_linear_new(p, "module", 2, 2, NULL);
    reel_linear_new(others, "module", 2, 2, NULL);
    optim = reel_adam_new(p, NULL);
    schedule = reel_exponential_lr_new(optim, 0.5);
    ema = reel_ema_new(p, 0.9);
    loader = reel_loader_new(c, 4, NULL);
    reel_loader_add(loader, REEL_REAL, constants.reals, REEL_SHAPE(2));
    alias = reel_alias_new(c, weights, 2);
    checkpoint = reel_checkpoint_new(c);
    vocabulary = reel_vocabulary_new(c, NULL);
    reel_vocabulary_add_text(vocabulary, "a b a", 5);
    auc = reel_auc_new(c);
    file = reel_safetensors_open(c, saved.path);
    npy = reel_npy_open(c, saved_npy.path);
    atomic_file = reel_atomic_file_open(c, atomic_path);
    idx = reel_idx_open(c, saved_idx.path);
    csv = reel_csv_open(c, saved_csv.path, NULL);
    ts = reel_ts_open(c, saved_ts.path);
    /* Only pictures are written. */
    REEL_OPTIONS(run, o, o.overwrite = true, o.csv = o.events = o.report = false);
    run = reel_run_open(c, run_folder, &o);
    profiler = reel_profiler_new(c, NULL);
    reel_profiler_stop(profiler); /* others may want the hook */
    progress = reel_progress_new(nowhere, "step", 100);
    stale = reel_ones(t, REEL_SHAPE(2, 2));
    reel_tape_reset(t);
    x = reel_forward(t, module, reel_ones(t, REEL_SHAPE(2, 2)));
    index_var = reel_tensor_of(t, REEL_INT64, numbers, REEL_SHAPE(2));
    mask = reel_gt_scalar(t, x, 0);
    CHECK(reel_context_status(c) == REEL_OK, "%s", reel_error(c));
}

static void drop(void)
{
    reel_progress_free(progress);
    reel_profiler_free(profiler);
    reel_run_close(run);
    reel_ts_close(ts);
    /* Given up: nothing is to be left of it. */
    reel_fail(c, REEL_ERROR_STATE, "the end");
    reel_atomic_file_close(atomic_file);
    reel_csv_close(csv);
    reel_idx_close(idx);
    reel_npy_close(npy);
    reel_safetensors_close(file);
    reel_auc_free(auc);
    reel_checkpoint_free(checkpoint);
    reel_vocabulary_free(vocabulary);
    reel_alias_free(alias);
    reel_loader_free(loader);
    reel_ema_free(ema);
    reel_schedule_free(schedule);
    reel_optim_free(optim);
    reel_tape_free(t);
    reel_params_free(others);
    reel_params_free(p);
    reel_context_free(c);
}

/* ---- Picking ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The pointer, or NULL. What is freed is never what the next calls need. */
static void *pick_pointer(struct picker *k, const char *name, const void *pointer)
{
    bool frees = ends_with(k->function, "_free") || ends_with(k->function, "_close");
    bool null = k->random ? next(16) == 0 : k->pointers == k->null_at;
    if (null)
        k->name = name;
    k->pointers++;
    return null || frees ? NULL : (void *)(uintptr_t)pointer;
}

static void *pick_options(struct picker *k, const void *filled)
{
    return pick_pointer(k, "options", filled);
}

#define PICK(type, mangled, pointer)                                                                                   \
    static inline type *pick_##mangled(struct picker *k, const char *name)                                             \
    {                                                                                                                  \
        return pick_pointer(k, name, pointer);                                                                         \
    }

/* Arrays of numbers that are read, some of them later; the others are written to. */
static bool is_kept(const char *name)
{
    return strcmp(name, "order") == 0 || strcmp(name, "lengths") == 0 || strcmp(name, "offsets") == 0;
}

/* A path that nobody can make. */
static const char nowhere_to_write[] = "/dev/null/here";

static const char *text_for(const struct picker *k, const char *name)
{
    if (strcmp(name, "path") == 0)
        return strstr(k->function, "save") || strstr(k->function, "write") || strstr(k->function, "atomic")
                   ? nowhere_to_write
                   : saved.path;
    if (strcmp(name, "folder") == 0)
        return nowhere_to_write;
    /* Functions that take a length beside a text may read that much. */
    static const char names[][ROOM] = {"module.weight", "lr", "exp_avg", "", "*", "another"};
    return names[k->random ? next(6) : 0];
}

static reel_param *some_param(const struct picker *k)
{
    return reel_params_at(k->random && next(4) == 0 ? others : p, k->random ? (int)next(2) : 0);
}

static reel_var own_forward_result(reel_tape *tape, const reel_var *inputs, int n, void *user)
{
    (void)user;
    return n > 0 ? reel_square(tape, inputs[0]) : reel_null();
}

static void own_forward(reel_tape *tape, reel_module *m, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)tape;
    (void)m;
    (void)user;
    outputs[0] = inputs[0];
}

static reel_var own_critic(reel_tape *tape, reel_var samples, void *user)
{
    (void)user;
    return reel_square(tape, samples);
}

static void own_segment(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)inputs;
    (void)user;
    outputs[0] = reel_param_var(tape, reel_params_at(p, 0));
}

static reel_var own_hook(reel_tape *tape, reel_var grad, void *user)
{
    (void)tape;
    (void)user;
    return grad;
}

static reel_var own_row_hook(reel_tape *tape, reel_var rows, reel_var values, void *user)
{
    (void)rows;
    return own_hook(tape, values, user);
}

static reel_status own_grad_hook(reel_param *param, void *user)
{
    (void)param;
    (void)user;
    return REEL_OK;
}

static double own_factor(int64_t step, void *user)
{
    (void)user;
    return 1 / (double)(step + 1);
}

static reel_status copy_shape(reel_call *call)
{
    call->out[0]->shape = call->in[0]->shape;
    return REEL_OK;
}

static reel_status copy(reel_call *call)
{
    memcpy(call->out[0]->data, call->in[0]->data, (size_t)call->in[0]->numel * sizeof(reel_real));
    return REEL_OK;
}

static void pass_on(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    (void)call;
    grad_inputs[0] = grad_outputs[0];
}

static const reel_op copy_op = {.name = "copy",
                                .n_inputs = 1,
                                .n_outputs = 1,
                                .differentiable = 1,
                                .attributes_size = 8,
                                .shape = copy_shape,
                                .forward = copy,
                                .vjp = pass_on};
static const reel_sample sample;
static const reel_shape shapes_of_two[8] = {{1, {2}}, {1, {2}}, {1, {2}}, {1, {2}},
                                            {1, {2}}, {1, {2}}, {1, {2}}, {1, {2}}};
static int64_t dims_of_tensor[] = {2};
static struct DLManagedTensorVersioned tensor = {
    .major = 1, .tensor = {&constants, {REEL_DL_CPU, 0}, 1, {REEL_DL_INT, 64, 1}, dims_of_tensor, NULL, 0}};
static reel_array array_of_two = {&constants, REEL_INT64, 2, {1, {2}}};
static reel_gradcheck_input inputs_of_check[8];
static reel_metadata metadata[8];
static reel_named_array named[8];
static reel_named_var named_vars[8];
static reel_loader_position position;
static reel_row_grad row_grad;
static reel_load_report report;
static reel_optim_state optim_state;
static reel_schedule_state schedule_state;
static const char *const paths[8] = {"/nothing", "/nothing"};
static const reel_dtype dtypes[8];
static reel_module *modules[8];
static reel_param *no_params[8];
static reel_var vars[256]; /* a loader gives as many as were added to it */

PICK(reel_context, reel_context_pointer, c)
PICK(reel_tape, reel_tape_pointer, t)
PICK(reel_params, reel_params_pointer, strcmp(name, "to") == 0 ? others : p)
PICK(reel_param, reel_param_pointer, some_param(k))
PICK(reel_module, reel_module_pointer, module)
PICK(reel_optim, reel_optim_pointer, optim)
PICK(reel_schedule, reel_schedule_pointer, schedule)
PICK(reel_ema, reel_ema_pointer, ema)
PICK(reel_loader, reel_loader_pointer, loader)
PICK(reel_alias, reel_alias_pointer, alias)
PICK(reel_vocabulary, reel_vocabulary_pointer, vocabulary)
PICK(reel_checkpoint, reel_checkpoint_pointer, checkpoint)
PICK(reel_auc, reel_auc_pointer, auc)
PICK(reel_safetensors, reel_safetensors_pointer, file)
PICK(reel_npy, reel_npy_pointer, npy)
PICK(reel_atomic_file, reel_atomic_file_pointer, atomic_file)
PICK(reel_idx, reel_idx_pointer, idx)
PICK(reel_csv, reel_csv_pointer, csv)
PICK(reel_ts, reel_ts_pointer, ts)
PICK(reel_running_mean, reel_running_mean_pointer, &running)
PICK(reel_run, reel_run_pointer, run)
PICK(reel_profiler, reel_profiler_pointer, profiler)
PICK(reel_progress, reel_progress_pointer, progress)
PICK(FILE, FILE_pointer, nowhere)
PICK(char, char_pointer, strcmp(k->function, "reel_format") == 0 ? (const char *)&buffer : text_for(k, name))
PICK(int64_t, int64_t_pointer, is_kept(name) ? &constants : &buffer)
PICK(int, int_pointer, &constants)
PICK(double, double_pointer, &buffer)
PICK(bool, bool_pointer, &buffer)
PICK(reel_real, reel_real_pointer, &constants)
PICK(const char *const, char_pointer_pointer, paths)
PICK(const reel_dtype, reel_dtype_pointer, dtypes)
PICK(unsigned char, unsigned_char_pointer, strcmp(name, "data") == 0 ? &constants : &buffer)
PICK(reel_op, reel_op_pointer, &copy_op)
PICK(reel_sample, reel_sample_pointer, &sample)
PICK(reel_shape, reel_shape_pointer, shapes_of_two)
PICK(reel_gradient, reel_gradient_pointer, k->gradient)
PICK(reel_array, reel_array_pointer, &array_of_two)
PICK(reel_call, reel_call_pointer, k->call)
PICK(reel_sink, reel_sink_pointer, k->sink)
PICK(reel_onnx, reel_onnx_pointer, k->onnx)
PICK(reel_onnx_value, reel_onnx_value_pointer, &constants)
PICK(reel_named_var, reel_named_var_pointer, named_vars)
PICK(reel_gradcheck_input, reel_gradcheck_input_pointer, inputs_of_check)
PICK(reel_metadata, reel_metadata_pointer, metadata)
PICK(reel_named_array, reel_named_array_pointer, named)
PICK(reel_loader_position, reel_loader_position_pointer, &position)
PICK(reel_row_grad, reel_row_grad_pointer, &row_grad)
PICK(reel_load_report, reel_load_report_pointer, &report)
PICK(reel_optim_state, reel_optim_state_pointer, &optim_state)
PICK(reel_schedule_state, reel_schedule_state_pointer, &schedule_state)
PICK(const reel_optim_algorithm, reel_optim_algorithm_pointer, reel_optim_algorithm_find("adam"))
PICK(reel_module *, reel_module_pointer_pointer, modules)
PICK(reel_var, reel_var_pointer, vars)
PICK(reel_param *const, reel_param_pointer_pointer, no_params)
PICK(struct DLManagedTensorVersioned, struct_DLManagedTensorVersioned_pointer, &tensor)

static inline void *pick_void_pointer(struct picker *k, const char *name)
{
    static reel_adam_options adam;
    adam = reel_adam_defaults();
    if (strcmp(name, "options") == 0 || strcmp(name, "given") == 0)
        return pick_pointer(k, name, &adam);
    return pick_pointer(k, name, strcmp(name, "data") == 0 ? &constants : &buffer);
}

#define PICK_FUNCTION(type, given)                                                                                     \
    static inline type pick_##type(struct picker *k, const char *name)                                                 \
    {                                                                                                                  \
        return pick_pointer(k, name, &constants) ? given : NULL;                                                       \
    }
PICK_FUNCTION(reel_gradcheck_function, own_forward_result)
PICK_FUNCTION(reel_forward_function, own_forward)
PICK_FUNCTION(reel_segment_function, own_segment)
PICK_FUNCTION(reel_gan_critic, own_critic)
PICK_FUNCTION(reel_hook, own_hook)
PICK_FUNCTION(reel_row_hook, own_row_hook)
PICK_FUNCTION(reel_grad_hook, own_grad_hook)
PICK_FUNCTION(factor_function, own_factor)

static inline reel_var pick_reel_var(struct picker *k, const char *name)
{
    const reel_var nowhere_at_all = {4000000000u, UINT64_MAX};
    const reel_var all[] = {x, x, x, index_var, mask, stale, reel_null(), nowhere_at_all};
    if (k->random)
        return all[next(8)];
    if (strcmp(name, "index") == 0 || strcmp(name, "target") == 0)
        return index_var;
    return strcmp(name, "condition") == 0 ? mask : x;
}

/* Counts stay within what the arrays have. */
static inline int64_t pick_int64_t(struct picker *k, const char *name)
{
    (void)name;
    static const int64_t all[] = {-1, 0, 1, 2, 3, 7};
    return k->random ? all[next(6)] : 2;
}

static inline reel_onnx_value pick_reel_onnx_value(struct picker *k, const char *name)
{
    return (reel_onnx_value)pick_int64_t(k, name);
}

static inline int pick_int(struct picker *k, const char *name)
{
    return k->random ? (int)pick_int64_t(k, name) : 1;
}

static inline unsigned pick_unsigned(struct picker *k, const char *name)
{
    (void)name;
    return k->random ? (unsigned)next(5) : 0;
}

static inline uint64_t pick_uint64_t(struct picker *k, const char *name)
{
    (void)name;
    return k->random ? next(3) : 1;
}

static inline size_t pick_size_t(struct picker *k, const char *name)
{
    static const size_t sizes[] = {sizeof(reel_real), 1, 8, 3};
    if (strcmp(name, "element_size") == 0 || strcmp(name, "real_size") == 0)
        return sizes[k->random ? next(4) : 0];
    return k->random ? next(64) : 16;
}

static inline double pick_double(struct picker *k, const char *name)
{
    (void)name;
    const double all[] = {0.5, 0, 1, -1, 1e300, INFINITY, -INFINITY, NAN};
    return all[k->random ? next(8) : 0];
}

static inline bool pick_bool(struct picker *k, const char *name)
{
    (void)name;
    return k->random && next(2) == 1;
}

static inline reel_shape pick_reel_shape(struct picker *k, const char *name)
{
    (void)name;
    const reel_shape all[] = {{1, {2}},  {2, {2, 2}}, {0, {0}}, {2, {0, 3}},
                              {1, {-1}}, {-1, {0}},   {9, {1}}, {3, {INT64_MAX, INT64_MAX, 0}}};
    return all[k->random ? next(8) : 0];
}

/* Values of an enum, and some that are none. */
#define PICK_ENUM(type)                                                                                                \
    static inline type pick_##type(struct picker *k, const char *name)                                                 \
    {                                                                                                                  \
        (void)name;                                                                                                    \
        const int all[] = {0, 1, 2, 3, 4, 17, 1000, -1};                                                               \
        return (type)all[k->random ? next(8) : 0];                                                                     \
    }
PICK_ENUM(reel_dtype)
PICK_ENUM(reel_param_kind)
PICK_ENUM(reel_fan)
PICK_ENUM(reel_nonlinearity)
PICK_ENUM(reel_activation)
PICK_ENUM(reel_pad_mode)
PICK_ENUM(reel_gan_loss)
PICK_ENUM(reel_interpolation)

/* A hook is told of every call that follows, and only counts. */
static void own_call_hook(const reel_call *call, reel_call_phase phase, int n_gradients, void *user)
{
    (void)call;
    (void)phase;
    (void)n_gradients;
    ++*(int64_t *)user;
}

static inline const reel_call_hook *pick_reel_call_hook_pointer(struct picker *k, const char *name)
{
    static int64_t calls;
    static const reel_call_hook hooks[] = {{own_call_hook, own_call_hook, &calls}, {own_call_hook, NULL, &calls}};
    return pick_pointer(k, name, &hooks[k->random ? next(2) : 0]);
}

static inline reel_status pick_reel_status(struct picker *k, const char *name)
{
    (void)name;
    return k->random ? (reel_status)next(20) : REEL_ERROR_ARGUMENT;
}

/* ---- Giving away ---- */

static void say(struct picker *k, bool refused)
{
    k->said = true;
    k->refused = refused;
}

static inline void give_reel_status(struct picker *k, reel_status status)
{
    say(k, status != REEL_OK);
}

static inline void give_reel_var(struct picker *k, reel_var v)
{
    say(k, reel_is_null(v));
}

static inline void give_pointer(struct picker *k, const void *pointer)
{
    say(k, pointer == NULL);
}

/* What a constructor gives is freed at once. */
#define MADE(type, free)                                                                                               \
    static inline void made_##type##_pointer(struct picker *k, type *made)                                             \
    {                                                                                                                  \
        say(k, made == NULL);                                                                                          \
        free(made);                                                                                                    \
    }
MADE(reel_context, reel_context_free)
MADE(reel_tape, reel_tape_free)
MADE(reel_params, reel_params_free)
MADE(reel_optim, reel_optim_free)
MADE(reel_schedule, reel_schedule_free)
MADE(reel_ema, reel_ema_free)
MADE(reel_loader, reel_loader_free)
MADE(reel_alias, reel_alias_free)
MADE(reel_vocabulary, reel_vocabulary_free)
MADE(reel_checkpoint, reel_checkpoint_free)
MADE(reel_auc, reel_auc_free)
MADE(reel_safetensors, reel_safetensors_close)
MADE(reel_npy, reel_npy_close)
MADE(reel_atomic_file, reel_atomic_file_close)
MADE(reel_idx, reel_idx_close)
MADE(reel_csv, reel_csv_close)
MADE(reel_ts, reel_ts_close)
MADE(reel_run, reel_run_close)
MADE(reel_profiler, reel_profiler_free)
MADE(reel_progress, reel_progress_free)

static inline void made_struct_DLManagedTensorVersioned_pointer(struct picker *k, struct DLManagedTensorVersioned *made)
{
    say(k, made == NULL);
    if (made)
        made->deleter(made);
}

/* To be asked when all arguments are there: whether one of them is the NULL that this call is about. */
static bool is_called(const struct picker *k)
{
    return k->random || k->pointers > k->null_at;
}

enum inside { OUTSIDE, IN_RULE, IN_ONNX };

/* A format that is picked has no % in it, and no arguments. */
#pragma GCC diagnostic ignored "-Wformat-security"
#include "calls.h"

enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

/* ---- Calling ---- */

/* Functions for operations are called in the rule of one, or in its ONNX form. */
static const struct function *inner;
static struct picker *inner_picker;

static reel_status call_inner(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    inner_picker->call = call;
    inner_picker->gradient = grad_outputs;
    inner_picker->sink = sinks[0];
    inner->call(inner_picker);
    return REEL_OK;
}

static reel_status call_in_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    inner_picker->onnx = to;
    inner->call(inner_picker);
    return REEL_OK;
}

static void call(const struct function *function, struct picker *k)
{
    k->function = function->name;
    if (function->inside == OUTSIDE) {
        function->call(k);
        return;
    }
    static reel_op op;
    op = copy_op;
    op.accumulate = call_inner;
    op.onnx = call_in_onnx;
    inner = function;
    inner_picker = k;
    reel_var gradient, y = reel_apply1(t, &op, &x, 1, &constants);
    const reel_named_var in = {"x", x}, out = {"y", y};
    if (function->inside == IN_RULE)
        reel_grad(t, reel_sum_all(t, y), &x, 1, 0, &gradient);
    else
        reel_save_onnx(t, "/nothing", &in, 1, &out, 1, NULL);
}

/* NULLs that mean something. */
static bool is_allowed(const char *function, const char *name)
{
    static const char *const allowed[][2] = {
        {NULL, "options"},
        {NULL, "user"},
        {"reel_options_take", "given"},
        {"reel_module_new", "name"},
        {"reel_param_set_grad", "grad"},       /* no gradient */
        {"reel_clip_grad_norm", "total_norm"}, /* nobody asks */
        {"reel_max_pool1d", "indices"},
        {"reel_adaptive_max_pool1d", "indices"},
        {"reel_sink_rows", "source"},       /* row i gets row i */
        {"reel_set_call_hook", "hook"},     /* none */
        {"reel_summary_checked", "dtypes"}, /* all real */
    };
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if ((!allowed[i][0] || strcmp(allowed[i][0], function) == 0) && strcmp(allowed[i][1], name) == 0)
            return true;
    return false;
}

/* Each pointer of one function in turn; how many are wrong. */
static int nulls_of(const struct function *function)
{
    int wrong = 0;
    for (int i = 0;; i++) {
        struct picker k = {.null_at = i};
        make();
        call(function, &k);
        if (k.name && k.said && !k.refused && !is_allowed(function->name, k.name)) {
            fprintf(stderr, "%s takes NULL as %s\n", function->name, k.name);
            wrong++;
        }
        drop();
        if (!k.name)
            return wrong;
    }
}

static void nulls(void)
{
    int wrong = 0, status;
    for (int i = 0; i < N_FUNCTIONS; i++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            _exit(nulls_of(&functions[i]) > 0);
        CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child");
        if (WIFSIGNALED(status))
            fprintf(stderr, "%s crashes\n", functions[i].name);
        wrong += status != 0;
    }
    CHECK(wrong == 0, "%d of %d functions do not refuse NULL", wrong, N_FUNCTIONS);
    printf("every pointer of %d functions NULL, one at a time: refused or allowed\n", N_FUNCTIONS);
}

/* A number of calls from a seed, after which all is dropped, since param sets fill up. */
static int64_t call_some(uint64_t seed, int count, const char **called)
{
    int64_t refused = 0;
    state = seed;
    make();
    for (int i = 0; i < count; i++) {
        const struct function *function = &functions[next(N_FUNCTIONS)];
        struct picker k = {.random = true};
        *called = function->name;
        if (function->inside == OUTSIDE)
            call(function, &k);
        refused += k.refused;
        if (next(8) == 0)
            reel_tape_reset(t);
        reel_clear_error(c);
    }
    *called = "what frees them";
    drop();
    return refused;
}

static void random_calls(int64_t count)
{
    enum { AT_ONCE = 100 };
    struct {
        const char *called;
        int64_t refused;
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED, "no memory");
    for (int64_t i = 0; i < count; i += AT_ONCE) {
        fflush(NULL);
        int status;
        pid_t child = fork();
        if (child == 0) {
            shared->refused += call_some((uint64_t)i + 1, AT_ONCE, &shared->called);
            _exit(0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child");
        CHECK(status == 0, "%s crashes: calls random 0 %lld", shared->called, (long long)i + 1);
    }
    printf("%lld calls with arguments of all kinds, %lld of them refused\n", (long long)count,
           (long long)shared->refused);
}

static void keep_bytes(struct memory_file *kept, const void *bytes, size_t size)
{
    CHECK(memory_file_make(kept) && memory_file_fill(kept, bytes, size), "no file in memory");
}

/* Takes what was written to a path into memory. */
static void keep_file(struct memory_file *kept, const char *path)
{
    FILE *written = fopen(path, "r");
    CHECK(written, "%s", path);
    size_t size = fread(buffer.bytes, 1, sizeof buffer, written);
    fclose(written);
    remove(path);
    keep_bytes(kept, &buffer, size);
}

static void remove_run(void)
{
    DIR *folder = opendir(run_folder);
    CHECK(folder, "%s", run_folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    CHECK(rmdir(run_folder) == 0, "%s", run_folder);
}

int main(int argc, char **argv)
{
    CHECK((nowhere = fopen("/dev/null", "w")), "no files");
    reel_context *context = reel_context_new(NULL);
    reel_params *set = reel_params_new(context);
    reel_linear_new(set, "module", 2, 2, NULL);
    char path[64];
    snprintf(path, sizeof path, "/tmp/reel_calls_%d", (int)getpid());
    snprintf(run_folder, sizeof run_folder, "/tmp/reel_calls_%d.run", (int)getpid());
    snprintf(atomic_path, sizeof atomic_path, "/tmp/reel_calls_%d.written", (int)getpid());
    CHECK(reel_save_safetensors(set, path) == REEL_OK, "%s", reel_error(context));
    keep_file(&saved, path);
    CHECK(reel_npy_write(context, path, REEL_REAL, REEL_SHAPE(2, 2), buffer.reals) == REEL_OK, "%s",
          reel_error(context));
    keep_file(&saved_npy, path);
    static const unsigned char bytes_of_two[] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 4};
    static const char table[] = "x,y\n1,2\n3,4\n", series[] = "@classLabel true a b\n@data\n1,2:a\n";
    keep_bytes(&saved_idx, bytes_of_two, sizeof bytes_of_two);
    keep_bytes(&saved_csv, table, strlen(table));
    keep_bytes(&saved_ts, series, strlen(series));
    reel_params_free(set);
    reel_context_free(context);
    if (argc == 2 && strcmp(argv[1], "nulls") == 0)
        nulls();
    else if (argc == 3 && strcmp(argv[1], "random") == 0)
        random_calls(atoll(argv[2]));
    else if (argc == 4 && strcmp(argv[1], "random") == 0)
        call_some((uint64_t)atoll(argv[3]), 100, &(const char *){NULL});
    else
        CHECK(false, "calls nulls | calls random COUNT | calls random 0 SEED");
    remove_run();
    return 0;
}
