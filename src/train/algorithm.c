/* What may live here: the list of the algorithms, and what is done with a row alone: its options and its constants. */
#include "train/optim.h"

#include <string.h>

/* ---- The list ---- */

const reel_optim_algorithm *reel_optim_algorithm_at(int i)
{
#define ROW(name) &reel_##name##_algorithm,
    static const reel_optim_algorithm *const list[] = {REEL_OPTIM_ALGORITHMS(ROW)};
    return i >= 0 && i < (int)(sizeof list / sizeof *list) ? list[i] : NULL;
}

const reel_optim_algorithm *reel_optim_algorithm_find(const char *name)
{
    const reel_optim_algorithm *algorithm = NULL;
    for (int i = 0; name && (algorithm = reel_optim_algorithm_at(i)) && strcmp(algorithm->name, name) != 0; i++)
        continue;
    return algorithm;
}

/* ---- Options ---- */

const reel_optim_option *reel_optim_find_option(const reel_optim_algorithm *algorithm, const char *name)
{
    for (int i = 0; name && i < algorithm->n_options; i++)
        if (strcmp(algorithm->options[i].name, name) == 0)
            return &algorithm->options[i];
    return NULL;
}

double reel_optim_read_option(const reel_optim_option *option, const void *options)
{
    const char *at = (const char *)options + option->offset;
    switch (option->type) {
    case REEL_OPTION_FLAG:
        return *(const bool *)at;
    case REEL_OPTION_SPARSE_UPDATE:
        return *(const reel_sparse_update *)at;
    default:
        return *(const double *)at;
    }
}

void reel_optim_write_option(const reel_optim_option *option, void *options, double value)
{
    char *at = (char *)options + option->offset;
    switch (option->type) {
    case REEL_OPTION_FLAG:
        *(bool *)at = value != 0;
        break;
    case REEL_OPTION_SPARSE_UPDATE:
        *(reel_sparse_update *)at = value != 0 ? REEL_EXACT : REEL_LAZY;
        break;
    default:
        *(double *)at = value;
    }
}

void reel_optim_fill_options(const reel_optim_algorithm *algorithm, void *options)
{
    if (!algorithm || !options)
        return;
    const reel_options_mark mark = {REEL_OPTIONS_MAGIC, (uint32_t)algorithm->options_size};
    memset(options, 0, algorithm->options_size);
    memcpy(options, &mark, sizeof mark);
    for (int i = 0; i < algorithm->n_options; i++)
        reel_optim_write_option(&algorithm->options[i], options, algorithm->options[i].initial);
}

reel_status reel_optim_expect_value(reel_context *context, const char *who, const reel_optim_option *option,
                                    double value)
{
    switch (option->type) {
    case REEL_OPTION_NUMBER:
        if (!(value >= 0))
            return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %s is %g, it must be at least 0", who, option->name,
                             value);
        break;
    case REEL_OPTION_FRACTION:
        if (!(value >= 0 && value < 1))
            return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %s is %g, it must be in [0, 1)", who, option->name,
                             value);
        break;
    case REEL_OPTION_FLAG:
    case REEL_OPTION_SPARSE_UPDATE:
        if (value != 0 && value != 1)
            return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %s is %g, it must be 0 or 1", who, option->name, value);
        break;
    case REEL_OPTION_ANY_NUMBER:
        break;
    }
    return REEL_OK;
}

reel_status reel_optim_check_options(reel_context *context, const char *who, const reel_optim_algorithm *algorithm,
                                     const void *options)
{
    for (int i = 0; i < algorithm->n_options; i++)
        if (reel_optim_expect_value(context, who, &algorithm->options[i],
                                    reel_optim_read_option(&algorithm->options[i], options)) != REEL_OK)
            return context->status;
    return algorithm->check ? algorithm->check(context, who, options) : REEL_OK;
}

/* ---- The row itself ---- */

/* What is wrong with a row, or NULL. */
static const char *find_mistake(const reel_optim_algorithm *a)
{
    if (a->options_size < sizeof(reel_options_mark) || !reel_optim_find_option(a, "lr"))
        return "the options have no mark or no lr";
    if (a->n_states < 0 || a->n_states > REEL_OPTIM_STATES)
        return "there are too many states";
    for (int k = 0; k < a->n_states; k++) {
        if (a->states[k].scope != REEL_PER_ELEMENT && a->states[k].scope != a->scope)
            return "a state is neither per element nor of the scope of the update";
        if (a->states[k].option && !reel_optim_find_option(a, a->states[k].option))
            return "a state depends on an option that is not there";
    }
    if (a->constants_size > REEL_OPTIM_CONSTANTS)
        return "the constants are too large";
    if (!a->prepare || !a->update)
        return "there is no prepare or no update";
    if (a->scope == REEL_PER_PARAM && (!a->measure || !a->conclude))
        return "an update of the whole param needs measure and conclude";
    return NULL;
}

reel_status reel_optim_check_row(reel_context *context, const reel_optim_algorithm *algorithm)
{
    if (!algorithm || !algorithm->name)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "optim: the algorithm has no name");
    const char *mistake = find_mistake(algorithm);
    return mistake ? reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %s", algorithm->name, mistake) : REEL_OK;
}

/* ---- Constants ---- */

struct reel_update reel_optim_prepare(const reel_optim_algorithm *algorithm, const void *options, double lr,
                                      int64_t step)
{
    struct reel_update update;
    update.algorithm = algorithm;
    algorithm->prepare(options, lr, step, &update.constants);
    return update;
}

int reel_optim_extremes(const reel_optim_algorithm *algorithm, const void *options, double smallest_lr,
                        double largest_lr, int64_t first, int64_t last, struct reel_update updates[REEL_OPTIM_EXTREMES])
{
    void *constants[REEL_OPTIM_EXTREMES];
    updates[0] = reel_optim_prepare(algorithm, options, largest_lr, first);
    updates[1] = reel_optim_prepare(algorithm, options, smallest_lr, last);
    for (int i = 0; i < REEL_OPTIM_EXTREMES; i++) {
        updates[i].algorithm = algorithm;
        constants[i] = &updates[i].constants;
    }
    return algorithm->extremes ? algorithm->extremes(constants) : 2;
}
