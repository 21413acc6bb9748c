/* Eight contexts train at once, each in a thread of its own and with no other: the bits are those of each alone. The
 * preset tsan builds it with ThreadSanitizer, which looks for what they should not share. */
#include "support/check.h"
#include "support/training_run.h"

#include <pthread.h>

enum { CONTEXTS = 8 };

int main(void)
{
    static struct run alone[CONTEXTS], together[CONTEXTS];
    pthread_t threads[CONTEXTS];
    for (int i = 0; i < CONTEXTS; i++)
        alone[i] = together[i] = (struct run){.seed = (uint64_t)i, .threads = 1, .steps = MOST_STEPS};
    for (int i = 0; i < CONTEXTS; i++)
        CHECK(pthread_create(&threads[i], NULL, train, &together[i]) == 0, "no thread");
    for (int i = 0; i < CONTEXTS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CONTEXTS; i++) {
        train(&alone[i]);
        CHECK(!alone[i].failed && !together[i].failed, "%s%s", alone[i].text, together[i].text);
        CHECK(memcmp(together[i].losses, alone[i].losses, sizeof alone[i].losses) == 0, "losses of context %d", i);
        CHECK(memcmp(together[i].weight, alone[i].weight, sizeof alone[i].weight) == 0, "weights of context %d", i);
        CHECK(i == 0 || alone[i].losses[MOST_STEPS - 1] != alone[0].losses[MOST_STEPS - 1], "seeds make no difference");
    }
    printf("%d contexts, %d steps each at once: the bits of each alone\n", CONTEXTS, MOST_STEPS);
    return 0;
}
