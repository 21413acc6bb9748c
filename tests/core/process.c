/* What a process may meet: forks, little memory, small stacks. Each case runs in a child of its own. */
#include "base/poison.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(process, .timeout = 120);

enum { PARAMS = 64 * 96 };

/* Two steps with products, sums and an update on more than one block, and the bits of what they leave. False when there
 * was an error. */
static bool work(reel_context *c, reel_real bits[PARAMS])
{
    reel_manual_seed(c, 3);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *m = reel_linear_new(p, "m", 96, 64, NULL);
    reel_optim *adam = reel_adam_new(p, NULL);
    for (int i = 0; i < 2; i++) {
        reel_var y = reel_forward(t, m, reel_randn(t, REEL_SHAPE(1024, 96)));
        reel_zero_grad(p);
        reel_backward(t, reel_mean_all(t, reel_square(t, reel_tanh(t, y))), p);
        reel_optim_step(adam);
        reel_tape_reset(t);
    }
    const reel_real *weight = reel_param_data(reel_params_find(p, "m.weight"));
    if (weight)
        memcpy(bits, weight, PARAMS * sizeof *bits);
    bool good = weight && reel_context_status(c) == REEL_OK;
    reel_optim_free(adam);
    reel_params_free(p);
    reel_tape_free(t);
    return good;
}

static reel_context *context_of(int threads)
{
    reel_context_options o = reel_context_defaults();
    o.num_threads = threads;
    return reel_context_new(&o);
}

/* The exit code of a child that runs `function`; 100 and more: it was ended by a signal, by SIGALRM after 30 s. */
static int in_child(int (*function)(void *), void *user)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(function(user));
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

struct forked {
    reel_context *context;
    reel_real bits[PARAMS];
};

static int work_again(void *user)
{
    struct forked *f = user;
    static reel_real bits[PARAMS];
    if (!work(f->context, bits) || memcmp(bits, f->bits, sizeof bits) != 0)
        return 1;
    reel_context *own = context_of(2);
    if (!own || !work(own, bits) || memcmp(bits, f->bits, sizeof bits) != 0)
        return 2;
    reel_context_free(own);
    return 0;
}

Test(process, a_child_computes_what_its_parent_does)
{
    static struct forked f;
    f.context = context_of(3);
    cr_assert(work(f.context, f.bits));
    cr_assert_eq(in_child(work_again, &f), 0);
    reel_real after[PARAMS];
    cr_assert(work(f.context, after) && memcmp(after, f.bits, sizeof after) == 0);
    reel_context_free(f.context);
}

#ifndef REEL_ADDRESS_SANITIZER /* which takes the addresses itself */
static int work_within(void *user)
{
    rlim_t most = *(const rlim_t *)user;
    static reel_real bits[PARAMS];
    setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
    reel_context *c = context_of(2);
    if (!c)
        return 10;
    bool good = work(c, bits);
    reel_context_free(c);
    return good ? 0 : 11;
}

/* From less than the process has to plenty: refused, out of memory, or done, but never waiting. */
Test(process, no_limit_of_memory_makes_it_hang)
{
    int refused = 0, done = 0;
    for (rlim_t mib = 32; mib <= 4096; mib += mib < 1024 ? 32 : 512) {
        rlim_t most = mib << 20;
        int code = in_child(work_within, &most);
        cr_expect(code == 0 || code == 10 || code == 11, "with %d MiB: %d", (int)mib, code);
        refused += code == 10;
        done += code == 0;
    }
    cr_expect(refused > 0 && done > 0, "%d refused, %d done", refused, done);
}
#endif

static void *make_context(void *user)
{
    reel_context *c = context_of(1);
    *(bool *)user = c != NULL;
    reel_context_free(c);
    return NULL;
}

Test(process, a_context_is_made_on_a_small_stack)
{
    pthread_attr_t attributes;
    pthread_t thread;
    bool made = false;
    pthread_attr_init(&attributes);
    cr_assert_eq(pthread_attr_setstacksize(&attributes, 128 << 10), 0);
    cr_assert_eq(pthread_create(&thread, &attributes, make_context, &made), 0);
    pthread_join(thread, NULL);
    cr_assert(made);
}
