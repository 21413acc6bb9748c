/* A param set shared for reading: contexts in threads of their own, which call its modules, get the bits of one that is
 * alone, and copy nothing. Without Criterion, which ThreadSanitizer does not get along with: the preset tsan runs this.
 */
#include "support/allocator.h"
#include "support/shared_net.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 40 };

/* What a reader computes: scores, and their gradient by a looked-up row. */
struct reader {
    const struct net *net;
    reel_real scores[ROUNDS][BATCH], grad[ROUNDS][16 * 8];
    size_t most_bytes;
    char failed[512];
};

static void *use(void *user)
{
    struct reader *r = user;
    struct counting counted;
    reel_context *c = counting_context(&counted, 1);
    reel_tape *t = reel_tape_new(c);
    for (int i = 0; i < ROUNDS; i++) {
        reel_var y = reel_randint(t, 0, ROWS, REEL_SHAPE(BATCH)), score = forward(t, r->net, y), grad;
        reel_var weight = reel_param_var(t, reel_params_find(r->net->params, "first.weight"));
        reel_var h = reel_linear(t, reel_randn(t, REEL_SHAPE(3, 8)), weight, reel_null());
        reel_grad(t, reel_sum_all(t, reel_square(t, h)), &weight, 1, 0, &grad);
        if (reel_context_status(c) != REEL_OK) {
            snprintf(r->failed, sizeof r->failed, "%s", reel_error(c));
            break;
        }
        memcpy(r->scores[i], reel_data_real(t, score), sizeof r->scores[i]);
        memcpy(r->grad[i], reel_data_real(t, grad), sizeof r->grad[i]);
        reel_tape_reset(t);
    }
    r->most_bytes = reel_memory(c).peak_bytes;
    reel_tape_free(t);
    reel_context_free(c);
    return NULL;
}

int main(void)
{
    struct net n;
    make(&n);
    train(&n);
    reel_eval(n.params);
    static struct reader alone, together[THREADS];
    CHECK(reel_params_share(n.params) == REEL_OK, "%s", reel_error(n.c));
    reel_var y = reel_randint(n.t, 0, ROWS, REEL_SHAPE(BATCH));
    CHECK(!reel_is_null(forward(n.t, &n, y)), "the owner reads, too: %s", reel_error(n.c));
    alone.net = &n;
    use(&alone);
    CHECK(!*alone.failed, "%s", alone.failed);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        together[i].net = &n;
        CHECK(pthread_create(&threads[i], NULL, use, &together[i]) == 0, "no thread");
    }
    /* Meanwhile in the thread of the set. */
    for (int i = 0; i < ROUNDS; i++) {
        forward(n.t, &n, reel_randint(n.t, 0, ROWS, REEL_SHAPE(BATCH)));
        CHECK(reel_tape_reset(n.t) == REEL_OK, "the owner's round %d", i);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(!*together[i].failed, "%s", together[i].failed);
        CHECK(memcmp(alone.scores, together[i].scores, sizeof alone.scores) == 0, "scores of thread %d", i);
        CHECK(memcmp(alone.grad, together[i].grad, sizeof alone.grad) == 0, "gradients of thread %d", i);
        CHECK(together[i].most_bytes < ROWS * 8 * sizeof(reel_real) + (128 << 10), "the table was copied");
    }
    drop(&n);
    printf("%d threads, %d rounds each: the bits of one alone\n", THREADS, ROUNDS);
    return 0;
}
