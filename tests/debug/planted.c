/* A debug build finds mistakes in the library's own state, and uses that the headers forbid and cannot refuse: each is
 * planted in a child process, which must die of an assertion when the library next looks. That the same calls pass
 * without the mistake is checked, too. */
#include "core/params.h"
#include "core/tape.h"
#include "support/check.h"

#include <reel/reel.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static reel_context *c;
static reel_tape *t;
static reel_params *params;
static reel_param *p;
static reel_real borrowed[5];

/* A step on all that can be corrupted; `plant` acts in its middle, unless it is NULL. */
static void run(void (*plant)(void))
{
    c = reel_context_new(NULL);
    t = reel_tape_new(c);
    params = reel_params_new(c);
    p = reel_param_new(params, "p", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(4, 30));
    CHECK(p, "%s", reel_error(c));
    reel_param_set_sparse(p, true);
    reel_var rows = reel_embedding(t, reel_param_var(t, p), reel_arange_int64(t, 0, 3, 1), NULL);
    for (int i = 0; i < 400; i++) /* more than the arena's first chunk */
        rows = reel_add_scalar(t, rows, 1);
    reel_var lent = reel_sum_all(t, reel_borrow(t, borrowed, REEL_SHAPE(5)));
    reel_var loss = reel_add(t, reel_mean_all(t, reel_square(t, rows)), lent);
    CHECK(reel_backward(t, loss, params) == REEL_OK, "%s", reel_error(c));
    if (plant)
        plant();
    void *a = reel_scratch_allocate(&c->scratch, 100), *b = reel_scratch_allocate(&c->scratch, 100);
    reel_scratch_release(&c->scratch, a);
    reel_scratch_release(&c->scratch, b);
    reel_backward(t, loss, params);
    reel_param_grad(p);
    reel_zero_grad(params);
    reel_tape_reset(t);
    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
}

/* ---- Scratch ---- */

static void write_behind_a_block(void)
{
    char *block = reel_scratch_allocate(&c->scratch, 64);
    memset(block + 64, 0x11, 16); /* the next block's size and neighbour */
    reel_scratch_release(&c->scratch, block);
}

static void release_twice(void)
{
    void *block = reel_scratch_allocate(&c->scratch, 64), *behind = reel_scratch_allocate(&c->scratch, 64);
    reel_scratch_release(&c->scratch, block);
    reel_scratch_release(&c->scratch, block);
    reel_scratch_release(&c->scratch, behind);
}

static void lose_count_of_blocks(void)
{
    c->scratch.live--;
}

/* ---- Arena ---- */

static void lose_count_of_bytes(void)
{
    t->arena.behind -= 64;
}

static void use_more_than_there_is(void)
{
    t->arena.used += (size_t)1 << 40;
}

/* ---- Tape ---- */

static void exchange_nodes(void)
{
    struct reel_node *node = t->nodes[t->count - 1];
    t->nodes[t->count - 1] = t->nodes[t->count - 2];
    t->nodes[t->count - 2] = node;
}

static void depend_on_what_comes_later(void)
{
    t->nodes[3]->first = 100;
}

static void end_a_pass_twice(void)
{
    t->passes--;
}

/* ---- Params ---- */

static void put_a_param_in_another_set(void)
{
    p->set = reel_params_new(c);
}

static void change_a_shape(void)
{
    p->shape.dim[0]++;
}

static void turn_a_version_back(void)
{
    p->leaf_version = p->version + 1;
}

/* ---- Gradient ---- */

static void make_a_gradient_dense_and_rows(void)
{
    p->gradient.is_dense = true;
}

static void exchange_rows(void)
{
    reel_row_grad rows;
    CHECK(reel_param_row_grad(p, &rows) == REEL_OK && rows.count == 3, "%lld rows", (long long)rows.count);
    p->gradient.rows[0] = 2;
    p->gradient.rows[2] = 0;
}

/* ---- What the headers forbid ---- */

static void change_what_is_borrowed(void)
{
    borrowed[4] = 1;
}

static void lend_a_bool_of_two(void)
{
    static const unsigned char bools[] = {0, 1, 2};
    reel_borrow_of(t, REEL_BOOL, bools, REEL_SHAPE(3));
}

/* Nothing looks at it before the tape is freed. */
static void change_what_is_borrowed_at_the_end(void)
{
    reel_tape_reset(t);
    reel_zero_grad(params);
    reel_tape *other = reel_tape_new(c);
    reel_borrow(other, borrowed, REEL_SHAPE(5));
    borrowed[3] = 2;
    reel_tape_free(other);
}

static void load_a_bool_of_two(void)
{
    static const unsigned char bools[] = {0, 1, 2};
    reel_var batch;
    reel_loader *loader = reel_loader_new(c, 3, NULL);
    reel_loader_add(loader, REEL_BOOL, bools, REEL_SCALAR);
    for (int i = 0; i < 3; i++)
        reel_loader_next(loader, t, &batch);
    reel_loader_free(loader);
}

static void *use_the_context(void *user)
{
    reel_ones(t, REEL_SHAPE(3));
    return user;
}

static void use_a_context_in_another_thread(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_the_context, NULL) == 0, "no thread");
    pthread_join(thread, NULL);
}

static void free_a_context_first(void)
{
    reel_context_free(c);
}

#define PLANT(function)                                                                                                \
    {                                                                                                                  \
#function, function                                                                                            \
    }
static const struct {
    const char *name;
    void (*plant)(void);
} mistakes[] = {
    PLANT(write_behind_a_block),
    PLANT(release_twice),
    PLANT(lose_count_of_blocks),
    PLANT(lose_count_of_bytes),
    PLANT(use_more_than_there_is),
    PLANT(exchange_nodes),
    PLANT(depend_on_what_comes_later),
    PLANT(end_a_pass_twice),
    PLANT(put_a_param_in_another_set),
    PLANT(change_a_shape),
    PLANT(turn_a_version_back),
    PLANT(make_a_gradient_dense_and_rows),
    PLANT(exchange_rows),
    PLANT(change_what_is_borrowed),
    PLANT(change_what_is_borrowed_at_the_end),
    PLANT(lend_a_bool_of_two),
    PLANT(load_a_bool_of_two),
    PLANT(use_a_context_in_another_thread),
    PLANT(free_a_context_first),
};

/* What a process that runs a step ends with, as waitpid says it. */
static int end_of(void (*plant)(void))
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0, "no child process");
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        freopen("/dev/null", "w", stderr);
        run(plant);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child, "no end of the child process");
    return status;
}

int main(void)
{
    int missed = 0, n = (int)(sizeof mistakes / sizeof *mistakes);
    int status = end_of(NULL);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "without a mistake the step ends with %d", status);
    for (int i = 0; i < n; i++) {
        status = end_of(mistakes[i].plant);
        bool found = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
        missed += !found;
        if (!found)
            printf("not found: %s (ended with %d)\n", mistakes[i].name, status);
    }
    printf("%d of %d planted mistakes are found\n", n - missed, n);
    return missed > 0;
}
