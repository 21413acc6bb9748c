/* What a schedule under way holds, for the files that make one. */
#ifndef REEL_TRAIN_SCHEDULE_H
#define REEL_TRAIN_SCHEDULE_H

#include "train/optim.h"

#include <reel/schedule.h>

enum { REEL_SCHEDULE_WORDS = 5, REEL_SCHEDULE_NUMBERS = 9 };

struct reel_schedule {
    reel_context *context;
    struct reel_lifetime lifetime; /* checkpoints hold it */
    reel_optim *optim;             /* held */
    int64_t step;
    int64_t warm_up_steps; /* 0: no warm-up */
    double warm_up_factor;
    double (*formula)(const reel_schedule *schedule, double lr, int64_t step); /* NULL: it follows a measure */
    const char *momentum; /* the option that follows a formula too, or NULL */
    double (*momentum_formula)(const reel_schedule *schedule, int64_t step);
    bool multiplies;          /* formula(x * lr) is x * formula(lr) */
    reel_schedule *next;      /* whose factors multiply the learning rates too; owned */
    int64_t size, growth;     /* step_size, t_max, total_iters, total_steps or t_0; t_mult */
    double first, second;     /* gamma, eta_min or power; or the two factors */
    const char *const *words; /* what it and its settings are called: itself, size, growth, first, second; or NULL */
    /* The numbers of its options, up to REEL_SCHEDULE_NUMBERS; NULL: it has none. Returns how many. */
    int (*numbers)(const reel_schedule *schedule, double *numbers);
    double (*factor)(int64_t step, void *user);
    void *user;
    union {
        reel_one_cycle_lr_options one_cycle;
        struct {
            reel_reduce_lr_on_plateau_options options;
            double best;
            int64_t bad_steps, cooldown; /* since the last improvement; that are left */
        } plateau;
    };
    int n;
    const int64_t *milestones;
    int64_t n_groups;      /* when it was made */
    const double *initial; /* their learning rates then */
};

/* Copies a prototype with its milestones, and goes to step 0. NULL with the error recorded when that failed. */
reel_schedule *reel_schedule_start(reel_optim *optim, const reel_schedule *prototype);

/* What the schedule is, without the others of its chain: "cosine_annealing_lr, t_max 100, eta_min 0". Two with the same
 * text and the same milestones are the same, but for the functions and pointers of a user. */
enum { REEL_SCHEDULE_TEXT = 512 };
const char *reel_schedule_text(const reel_schedule *schedule, char text[REEL_SCHEDULE_TEXT]);

/* Whether the i-th state can have a value: REEL_ERROR_ARGUMENT. And all states at once, without a change of learning
 * rates, which are restored beside them. */
reel_status reel_schedule_expect_state(const reel_schedule *schedule, int i, double value);
void reel_schedule_restore(reel_schedule *schedule, const double *states);

/* Whether there is an optimizer without an error. */
bool reel_schedule_usable(const reel_optim *optim);

/* REEL_ERROR_ARGUMENT for NULL, the context's error, and REEL_ERROR_STATE in the name of `who` when the optimizer was
 * freed. */
reel_status reel_schedule_expect_usable(const reel_schedule *schedule, const char *who);

/* Gives up a hold on the schedule. */
void reel_schedule_let_go(reel_schedule *schedule);

/* These record REEL_ERROR_ARGUMENT in the name of `who`: a count must be at least `least`, a number finite and not
 * below 0. */
bool reel_schedule_expect_count(reel_optim *optim, const char *who, const char *argument, int64_t value, int64_t least);
bool reel_schedule_expect_finite(reel_optim *optim, const char *who, const char *argument, double value);

#endif
