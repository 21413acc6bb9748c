/* Parametrizations: spectral and weight norm, and taking one away. */
#include "nn/module.h"

#include "core/tape.h"
#include "kern/spectral.h"

#include <reel/elementwise.h>
#include <reel/init.h>
#include <reel/parametrize.h>
#include <reel/recompute.h>
#include <reel/reduce.h>
#include <reel/view.h>

#include <stdio.h>
#include <string.h>

/* What is being done to which param of which module. */
struct request {
    const char *what; /* the function */
    reel_module *module;
    reel_params *set;
    reel_param *param;
    char *stem; /* "<module's name>.parametrizations.weight." */
    reel_param *parts[2];
    struct reel_params_mark before;
};

/* Whether a param that is called `full` is the module's `name`. */
static bool is_called(const reel_module *module, const char *full, const char *name)
{
    const size_t length = strlen(module->name);
    const bool dotted = length > 0 && module->name[length - 1] != '.'; /* a prefix alone ends with a dot */
    return strncmp(full, module->name, length) == 0 && (!dotted || full[length] == '.') &&
           strcmp(full + length + dotted, name) == 0;
}

static reel_param *find_param(const reel_module *module, const char *name)
{
    for (int64_t i = 0; i < module->params->count; i++)
        if (is_called(module, module->params->params[i]->name, name))
            return module->params->params[i];
    return NULL;
}

/* REEL_OK when params of the set may come, go, and change their names. */
static reel_status expect_unheld(const reel_params *set, const char *what)
{
    if (set->context->status != REEL_OK || reel_params_expect_own(set, what) != REEL_OK)
        return set->context->status;
    if (set->holders > 0)
        return reel_fail(set->context, REEL_ERROR_STATE,
                         "%s: not while there are optimizers, averages, checkpoints or exports of the set", what);
    return REEL_OK;
}

/* What the names of its parts begin with: the param's, with "parametrizations." before the last part of it. */
static char *stem_of(const reel_param *param)
{
    reel_context *c = param->set->context;
    const char *dot = strrchr(param->name, '.');
    const int outer = dot ? (int)(dot + 1 - param->name) : 0;
    const size_t size = strlen(param->name) + sizeof "parametrizations..";
    char *stem = reel_allocate(&c->memory, size);
    if (stem)
        snprintf(stem, size, "%.*sparametrizations.%s.", outer, param->name, param->name + outer);
    else
        reel_fail_memory(c, "the name of a param", size);
    return stem;
}

/* The first half: REEL_OK when the module has such a param. */
static reel_status begin(struct request *r, const char *what, reel_module *module, const char *name)
{
    *r = (struct request){.what = what, .module = module, .set = module->params};
    reel_context *c = r->set->context;
    if (expect_unheld(r->set, what) != REEL_OK)
        return c->status;
    if (module->kind->named && name)
        r->param = find_param(module, name);
    if (!r->param || r->param->kind == REEL_PARAM_BUFFER || r->param->parametrization)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the module \"%s\" has no param \"%s\"%s", what,
                         module->name ? module->name : "", name ? name : "",
                         r->param ? " that is trained or frozen" : "");
    if (r->param->dtype != REEL_REAL)
        return reel_fail(c, REEL_ERROR_DTYPE, "%s: \"%s\" is %s, it must be real", what, r->param->name,
                         reel_dtype_name(r->param->dtype));
    r->before = reel_params_mark(r->set);
    r->stem = stem_of(r->param);
    return c->status;
}

/* A param beside the original one. */
static reel_param *new_part(struct request *r, const char *part, reel_param_kind kind, reel_shape shape)
{
    reel_context *c = r->set->context;
    const size_t size = strlen(r->stem) + strlen(part) + 1, prefix = r->set->prefix_length;
    char *name = c->status == REEL_OK ? reel_allocate(&c->memory, size) : NULL;
    if (!name) {
        reel_fail_memory(c, "the name of a param", size);
        return NULL;
    }
    snprintf(name, size, "%s%s", r->stem, part);
    r->set->prefix_length = 0; /* the name is whole */
    reel_param *param = reel_param_new(r->set, name, kind, REEL_REAL, shape);
    r->set->prefix_length = prefix;
    reel_free(&c->memory, name);
    r->parts[r->parts[0] != NULL] = param;
    return param;
}

/* The second half: renames the param and gives it the parametrization, or gives up what was made. */
static bool end(struct request *r, const char *original, struct reel_parametrization *parametrization)
{
    reel_context *c = r->set->context;
    const size_t stem = r->stem ? strlen(r->stem) : 0, size = stem + strlen(original) + 1;
    char *name = c->status == REEL_OK ? reel_allocate(&c->memory, size) : NULL,
         *before = name ? reel_params_allocate(r->set, strlen(r->param->name) + 1) : NULL;
    if (c->status == REEL_OK && !name)
        reel_fail_memory(c, "the name of a param", size);
    if (c->status != REEL_OK) {
        if (r->stem)
            reel_params_rewind(r->set, r->before);
        reel_free(&c->memory, name);
        reel_free(&c->memory, r->stem);
        return false;
    }
    snprintf(name, size, "%s%s", r->stem, original);
    strcpy(before, r->param->name);
    reel_free(&c->memory, r->stem);
    reel_free(&c->memory, r->param->name);
    r->param->name = name;
    r->param->parametrization = parametrization;
    parametrization->original = r->param;
    parametrization->name = before;
    memcpy(parametrization->parts, r->parts, sizeof r->parts);
    parametrization->next = r->module->parametrizations;
    r->module->parametrizations = parametrization;
    return true;
}

/* The param as a matrix whose rows are counted along `axis`; -1: it is one row. */
static struct reel_kern_matrix matrix_of(const reel_param *param, int axis)
{
    struct reel_kern_matrix m = {1, 1, 1, param->data};
    for (int i = 0; i < param->shape.ndim; i++)
        *(i < axis ? &m.outer : i == axis ? &m.rows : &m.inner) *= param->shape.dim[i];
    return m;
}

/* The shape of the param with size 1 along `axis`, or along all axes but it. */
static reel_shape shape_without(const reel_param *param, int axis, bool others)
{
    reel_shape shape = param->shape;
    for (int i = 0; i < shape.ndim; i++)
        if ((i == axis) != others)
            shape.dim[i] = 1;
    return shape;
}

/* ---- Spectral norm ---- */

struct spectral_norm {
    struct reel_parametrization base;
    const reel_module *module;
    reel_param *u, *v;
    reel_real *before; /* u and v, as they were before the call of the module */
    bool moved;        /* in that call */
    int axis;
    int64_t iterations;
    double eps;
};

static void iterate(const struct spectral_norm *s, const reel_param *original, int64_t times)
{
    const struct reel_kern_matrix m = matrix_of(original, s->axis);
    reel_param_before_read_all(original);
    reel_kern_power_iteration(&m, times, s->eps, reel_param_write(s->u), reel_param_write(s->v),
                              original->set->context->num_threads);
}

/* Vars on the tape that stand for the vectors keep their values. */
static reel_status iterate_on(reel_tape *tape, struct spectral_norm *s, const reel_param *original)
{
    if (reel_param_preserve(s->u, tape) != REEL_OK || reel_param_preserve(s->v, tape) != REEL_OK)
        return tape->context->status;
    if (!s->moved) {
        memcpy(s->before, s->u->data, (size_t)s->u->numel * sizeof(reel_real));
        memcpy(s->before + s->u->numel, s->v->data, (size_t)s->v->numel * sizeof(reel_real));
    }
    s->moved = true;
    iterate(s, original, s->iterations);
    return REEL_OK;
}

static reel_var spectral_compute(reel_tape *tape, struct reel_parametrization *parametrization, reel_param *original)
{
    struct spectral_norm *s = (struct spectral_norm *)parametrization;
    if (tape->context->status != REEL_OK)
        return reel_null();
    if (s->module->training && !reel_is_recomputing(tape) && iterate_on(tape, s, original) != REEL_OK)
        return reel_null();
    reel_var u = reel_reshape(tape, reel_param_var(tape, s->u), shape_without(original, s->axis, true));
    reel_var v = reel_reshape(tape, reel_param_var(tape, s->v), shape_without(original, s->axis, false));
    reel_var weight = reel_param_var(tape, original);
    /* u^T weight v, for rows along any axis. */
    return reel_div(tape, weight, reel_sum_all(tape, reel_mul(tape, weight, reel_mul(tape, u, v))));
}

static void spectral_settle(struct reel_parametrization *parametrization, bool failed)
{
    struct spectral_norm *s = (struct spectral_norm *)parametrization;
    if (!s->moved) /* nothing is written where threads share the set */
        return;
    if (failed) {
        memcpy(reel_param_write(s->u), s->before, (size_t)s->u->numel * sizeof(reel_real));
        memcpy(reel_param_write(s->v), s->before + s->u->numel, (size_t)s->v->numel * sizeof(reel_real));
    }
    s->moved = false;
}

reel_spectral_norm_options reel_spectral_norm_defaults(void)
{
    return (reel_spectral_norm_options){.mark = REEL_OPTIONS_MARK(reel_spectral_norm_options),
                                        .name = "weight",
                                        .n_power_iterations = 1,
                                        .eps = 1e-12,
                                        .dim = -1};
}

static struct spectral_norm *make_spectral(struct request *r, const reel_spectral_norm_options *o)
{
    reel_context *c = r->set->context;
    const reel_shape *shape = &r->param->shape;
    const int axis = o->dim < 0 ? r->module->kind->output_axis : o->dim;
    if (shape->ndim < 2)
        reel_fail(c, REEL_ERROR_SHAPE, "spectral_norm: \"%s\" has %d axes, it needs two or more", r->param->name,
                  shape->ndim);
    else if (axis >= shape->ndim || o->dim < -1 || o->n_power_iterations < 1 || !(o->eps >= 0))
        reel_fail(c, REEL_ERROR_ARGUMENT,
                  "spectral_norm: dim %d of %d axes, n_power_iterations %d, which must be 1 or more, and eps %g, which "
                  "must not be negative",
                  o->dim, shape->ndim, o->n_power_iterations, o->eps);
    if (c->status != REEL_OK)
        return NULL;
    struct spectral_norm *s = reel_params_allocate(r->set, sizeof *s);
    if (!s)
        return NULL;
    const struct reel_kern_matrix m = matrix_of(r->param, axis);
    const int64_t columns = m.outer * m.inner;
    *s = (struct spectral_norm){.base = {.compute = spectral_compute, .settle = spectral_settle},
                                .module = r->module,
                                .axis = axis,
                                .iterations = o->n_power_iterations,
                                .eps = o->eps};
    s->u = new_part(r, "0._u", REEL_PARAM_BUFFER, (reel_shape){1, {m.rows}});
    s->v = new_part(r, "0._v", REEL_PARAM_BUFFER, (reel_shape){1, {columns}});
    s->before = reel_params_allocate(r->set, (size_t)(m.rows + columns) * sizeof(reel_real));
    return s;
}

reel_module *reel_spectral_norm(reel_module *module, const reel_spectral_norm_options *options)
{
    reel_spectral_norm_options o = reel_spectral_norm_defaults();
    if (!module || reel_options_take(module->params->context, "spectral_norm", options, &o) != REEL_OK)
        return NULL;
    struct request r;
    struct spectral_norm *s = NULL;
    if (begin(&r, "spectral_norm", module, o.name) == REEL_OK)
        s = make_spectral(&r, &o);
    if (!end(&r, "original", (struct reel_parametrization *)s))
        return NULL;
    reel_init_normal(s->u, 0, 1);
    reel_init_normal(s->v, 0, 1);
    reel_kern_unit(s->u->numel, s->eps, s->u->data);
    reel_kern_unit(s->v->numel, s->eps, s->v->data);
    iterate(s, r.param, 15 + s->iterations); /* PyTorch calls it once when it is made */
    return module;
}

/* ---- Weight norm ---- */

struct weight_norm {
    struct reel_parametrization base;
    reel_param *g;
    int axes[REEL_MAX_NDIM], n; /* that the norm is over; 0: all */
};

static reel_var weight_norm_compute(reel_tape *tape, struct reel_parametrization *parametrization, reel_param *original)
{
    const struct weight_norm *w = (const struct weight_norm *)parametrization;
    reel_var v = reel_param_var(tape, original);
    reel_var norm = reel_norm(tape, v, 2, w->axes, w->n, w->n > 0);
    return reel_mul(tape, v, reel_div(tape, reel_param_var(tape, w->g), norm));
}

reel_weight_norm_options reel_weight_norm_defaults(void)
{
    return (reel_weight_norm_options){.mark = REEL_OPTIONS_MARK(reel_weight_norm_options), .name = "weight"};
}

static struct weight_norm *make_weight_norm(struct request *r, int dim)
{
    const reel_shape *shape = &r->param->shape;
    if (dim < -1 || dim >= shape->ndim || (dim == 0 && shape->ndim == 1)) {
        reel_fail(r->set->context, REEL_ERROR_ARGUMENT,
                  "weight_norm: dim is %d, and \"%s\" has %d axes; it must be one of two or more, or -1", dim,
                  r->param->name, shape->ndim);
        return NULL;
    }
    struct weight_norm *w = reel_params_allocate(r->set, sizeof *w);
    if (!w)
        return NULL;
    w->base = (struct reel_parametrization){.compute = weight_norm_compute};
    for (int i = 0; dim >= 0 && i < shape->ndim; i++)
        if (i != dim)
            w->axes[w->n++] = i;
    w->g = new_part(r, "original0", r->param->kind, dim < 0 ? REEL_SCALAR : shape_without(r->param, dim, true));
    return w;
}

reel_module *reel_weight_norm(reel_module *module, const reel_weight_norm_options *options)
{
    reel_weight_norm_options o = reel_weight_norm_defaults();
    if (!module || reel_options_take(module->params->context, "weight_norm", options, &o) != REEL_OK)
        return NULL;
    struct request r;
    struct weight_norm *w = NULL;
    if (begin(&r, "weight_norm", module, o.name) == REEL_OK)
        w = make_weight_norm(&r, o.dim);
    if (!end(&r, "original1", (struct reel_parametrization *)w))
        return NULL;
    const struct reel_kern_matrix m = matrix_of(r.param, o.dim);
    reel_kern_row_norms(&m, reel_param_write(w->g));
    return module;
}

/* ---- Taking one away ---- */

/* The original becomes what a call of the module would compute from it now. */
static reel_status keep_result(const reel_module *module, struct reel_parametrization *p)
{
    reel_context *c = module->params->context;
    reel_tape *tape = reel_tape_new(c);
    if (!tape)
        return c->status;
    const char *outer = reel_enter_layer(c, module->name);
    reel_no_grad_begin(tape);
    const void *result = reel_data(tape, p->compute(tape, p, p->original));
    if (c->status == REEL_OK && p->original->numel > 0)
        memcpy(reel_param_write(p->original), result, (size_t)p->original->numel * sizeof(reel_real));
    if (p->settle)
        p->settle(p, c->status != REEL_OK);
    reel_leave_layer(c, outer);
    reel_tape_free(tape);
    return c->status;
}

static struct reel_parametrization **find_parametrization(reel_module *module, const char *name)
{
    struct reel_parametrization **link = &module->parametrizations;
    while (*link && !(name && is_called(module, (*link)->name, name)))
        link = &(*link)->next;
    return link;
}

reel_module *reel_remove_parametrizations(reel_module *module, const char *name, bool leave_parametrized)
{
    static const char what[] = "remove_parametrizations";
    if (!module || expect_unheld(module->params, what) != REEL_OK)
        return NULL;
    reel_params *set = module->params;
    reel_context *c = set->context;
    for (reel_tape *tape = c->tapes; tape; tape = tape->next)
        if (!reel_tape_is_idle(tape, what))
            return NULL;
    struct reel_parametrization **link = find_parametrization(module, name), *p = *link;
    if (!p)
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the module \"%s\" has no parametrization of \"%s\"", what,
                  module->name ? module->name : "", name ? name : "");
    else if (!leave_parametrized && p->parts[0]->kind != REEL_PARAM_BUFFER)
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: \"%s\" is made of several params, and none of them is it", what,
                  p->name);
    else if (reel_params_find(set, p->name))
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the set has another param \"%s\"", what, p->name);
    if (c->status != REEL_OK || (leave_parametrized && keep_result(module, p) != REEL_OK))
        return NULL;
    if (leave_parametrized)
        reel_param_gradient_forget(p->original);
    strcpy(p->original->name, p->name); /* which is shorter */
    p->original->parametrization = NULL;
    for (int i = 0; i < 2 && p->parts[i]; i++)
        reel_params_remove(p->parts[i]);
    *link = p->next;
    return module;
}
