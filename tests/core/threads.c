/* Two contexts in two threads give the bits that each gives alone. */
#include "support/training_run.h"

#include <criterion/criterion.h>
#include <pthread.h>

enum { STEPS = 12 };

Test(threads, contexts_do_not_disturb_each_other, .timeout = 120)
{
    static struct run alone[4], together[4];
    for (int i = 0; i < 4; i++) {
        alone[i] = together[i] = (struct run){.seed = (uint64_t)i / 2, .threads = 1 + i % 2, .steps = STEPS};
        train(&alone[i]);
        cr_assert(!alone[i].failed, "%s", alone[i].failed);
    }
    for (int round = 0; round < 3; round++) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, train, &together[i]), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < 4; i++) {
            cr_assert(!together[i].failed, "%s", together[i].failed);
            cr_expect_arr_eq(together[i].losses, alone[i].losses, sizeof alone[i].losses, "context %d", i);
            cr_expect_arr_eq(together[i].weight, alone[i].weight, sizeof alone[i].weight, "context %d", i);
        }
    }
    cr_expect_str_not_empty(reel_blas_core());
    if (reel_threads_deterministic())
        for (int i = 0; i < 4; i += 2)
            cr_expect_arr_eq(alone[i].losses, alone[i + 1].losses, sizeof alone[i].losses, "1 and 2 threads");
    cr_expect_neq(alone[0].losses[STEPS - 1], alone[2].losses[STEPS - 1], "another seed");
}
