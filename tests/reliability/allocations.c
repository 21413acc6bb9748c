/* Every allocation of a program fails once, one after the other, in configurations that use every layer and option. The
 * call that it happens in must report it and change nothing; giving up then leaks nothing; and calling again goes on to
 * the same bits as if nothing had happened.
 *
 *   allocations [EVERY [NAME]]    fails each EVERY-th allocation (1), in one configuration only */
#include "reliability/allocations.h"

#include "core/context.h"
#include "core/params.h"
#include "train/ema.h"
#include "train/optim.h"

#include <string.h>
#include <unistd.h>

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    for (; size >= 8; from += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, from, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 29;
    }
    while (size-- > 0)
        hash = (hash ^ *from++) * 0x100000001b3;
    return hash;
}

void note(struct scene *s, const void *bytes, size_t size)
{
    s->result = mix(s->result, bytes, size);
}

/* ---- What must not change ---- */

static size_t bytes_of(const reel_param *p)
{
    return (size_t)p->numel * reel_dtype_size(p->dtype);
}

static uint64_t mix_params(uint64_t hash, const reel_params *params)
{
    int count = reel_params_count(params);
    hash = mix(hash, &count, sizeof count);
    for (int i = 0; i < count; i++) {
        const reel_param *p = reel_params_at(params, i);
        hash = mix(hash, &p->kind, sizeof p->kind);
        hash = mix(hash, p->data, bytes_of(p));
    }
    return hash;
}

static uint64_t mix_optimizer(uint64_t hash, const reel_optim *optim)
{
    for (int64_t g = 0; optim && g < optim->n_groups; g++) {
        const struct reel_optim_group *group = &optim->groups[g];
        hash = mix(hash, group->options, optim->algorithm->options_size);
        hash = mix(mix(hash, &group->lr, sizeof group->lr), &group->initial_lr, sizeof group->initial_lr);
    }
    for (int64_t i = 0; optim && i < optim->n_entries; i++) {
        const struct reel_optim_entry *e = &optim->entries[i];
        hash = mix(mix(hash, &e->step, sizeof e->step), &e->group, sizeof e->group);
        for (int k = 0; k < optim->algorithm->n_states && e->step > 0; k++)
            if (e->state[k])
                hash = mix(hash, e->state[k],
                           (size_t)reel_optim_state_numel(optim, e, k) *
                               reel_dtype_size(reel_optim_state_dtype(optim, e, k)));
    }
    return hash;
}

static uint64_t mix_average(uint64_t hash, const reel_ema *ema)
{
    for (int64_t i = 0; ema && i < ema->count; i++)
        hash = mix(hash, ema->averages[i].data, bytes_of(ema->params->params[i]));
    return ema ? mix(hash, &ema->decay, sizeof ema->decay) : hash;
}

uint64_t state_of(struct scene *s)
{
    static unsigned char generator[REEL_RNG_STATE_SIZE];
    static reel_loader_position position;
    reel_generator_get_state(&s->c->generator, generator);
    uint64_t hash = mix(1, generator, sizeof generator);
    hash = mix(hash, &s->c->philox_draws, sizeof s->c->philox_draws);
    for (int i = 0; i < 2; i++)
        hash = mix_optimizer(mix_params(hash, s->params[i]), s->optims[i]);
    hash = mix_average(hash, s->ema);
    int64_t step = reel_schedule_last_step(s->schedule), words = reel_vocabulary_size(s->vocabulary);
    hash = mix(mix(hash, &step, sizeof step), &words, sizeof words);
    if (s->loader && reel_loader_position_of(s->loader, &position) == REEL_OK)
        hash = mix(hash, &position, sizeof position);
    return hash;
}

bool failed(struct scene *s, const char *call, uint64_t before)
{
    s->failures++;
    s->call = call;
    CHECK(reel_context_status(s->c) == REEL_ERROR_OUT_OF_MEMORY, "%s: \"%s\" is not out of memory", call,
          reel_error(s->c));
    CHECK(strstr(reel_error(s->c), "out of memory"), "%s: \"%s\"", call, reel_error(s->c));
    CHECK(s->failures == 1, "%s: failed again, though memory is there: %s", call, reel_error(s->c));
    reel_clear_error(s->c);
    CHECK(state_of(s) == before, "%s failed and changed params, buffers, an optimizer or the generator", call);
    return s->again;
}

/* ---- Running ---- */

void free_objects(struct scene *s)
{
    reel_load_report_free(&s->report);
    reel_safetensors_close(s->file);
    reel_checkpoint_free(s->checkpoint);
    reel_auc_free(s->auc);
    reel_alias_free(s->alias);
    reel_vocabulary_free(s->vocabulary);
    reel_loader_free(s->loader);
    reel_schedule_free(s->factors);
    reel_schedule_free(s->schedule);
    reel_ema_free(s->ema);
    for (int i = 0; i < 2; i++) {
        reel_optim_free(s->optims[i]);
        reel_params_free(s->params[i]);
        s->optims[i] = NULL;
        s->params[i] = NULL;
    }
    s->file = NULL;
    s->checkpoint = NULL;
    s->auc = NULL;
    s->alias = NULL;
    s->vocabulary = NULL;
    s->loader = NULL;
    s->factors = s->schedule = NULL;
    s->ema = NULL;
}

struct configuration {
    const char *name;
    void (*run)(struct scene *s);
};
#define ROW(name) {#name, name},
static const struct configuration configurations[] = {CONFIGURATIONS(ROW)};

/* What a context allocates when it is made: itself, and room to warm up in. */
enum { OF_CONTEXT = 2 };

static void begin(struct scene *s, const struct configuration *configuration, int operation)
{
    CALL(s->t = reel_tape_new(s->c));
    if (configuration)
        configuration->run(s);
    else
        run_operation(s, operation);
}

/* Runs it with allocation `fail_at` failing (-1: none), and gives what came of it. */
static uint64_t run(struct scene *s, const struct configuration *configuration, int operation, int64_t fail_at,
                    bool again)
{
    memset(s, 0, sizeof *s);
    s->again = again;
    snprintf(s->path, sizeof s->path, "/tmp/reel-allocations-%ld", (long)getpid());
    /* The context starts the count anew, so its own allocations fail by hand. */
    if (fail_at >= 0 && fail_at < OF_CONTEXT) {
        reel_allocator allocator = counting_allocator(&s->counted);
        REEL_OPTIONS(context, options, options.allocator = &allocator);
        s->counted.fail_at = fail_at;
        CHECK(!reel_context_new(&options) && s->counted.live == 0, "a context without memory");
        return 0;
    }
    s->c = counting_context(&s->counted, 1);
    s->counted.fail_at = fail_at;
    begin(s, configuration, operation);
    s->counted.fail_at = -1;
    uint64_t result = state_of(s);
    note(s, &result, sizeof result);
    free_objects(s);
    reel_tape_free(s->t);
    reel_context_free(s->c);
    unlink(s->path);
    CHECK(s->counted.live == 0, "allocation %lld failing in %s: %lld blocks leak", (long long)fail_at,
          s->call ? s->call : "nothing", (long long)s->counted.live);
    CHECK(s->counted.wrong_sizes == 0, "freed with another size than allocated");
    return s->result;
}

/* Returns how many allocations failed, twice each. */
static int64_t sweep(const char *name, const struct configuration *configuration, int operation, int64_t every)
{
    static struct scene s;
    uint64_t want = run(&s, configuration, operation, -1, false);
    int64_t allocations = s.counted.calls, count = 0;
    CHECK(want == run(&s, configuration, operation, -1, false), "%s: two runs differ", name);
    CHECK(allocations == s.counted.calls, "%s: two runs allocate differently", name);
    for (int64_t k = every > 1 ? (int64_t)(want % (uint64_t)every) : 0; k < allocations; k += every, count++) {
        run(&s, configuration, operation, k, false);
        CHECK(k < OF_CONTEXT || s.failures == 1, "%s, allocation %lld: its failure was not noticed", name,
              (long long)k);
        if (k >= OF_CONTEXT)
            CHECK(run(&s, configuration, operation, k, true) == want,
                  "%s, allocation %lld, in %s: after calling again the result differs", name, (long long)k, s.call);
    }
    CHECK(want == run(&s, configuration, operation, -1, false), "%s: a fresh run differs", name);
    return count;
}

int main(int argc, char **argv)
{
    int64_t every = argc > 1 ? atoi(argv[1]) : 1, all = 0, n = 0;
    CHECK(every > 0, "each of how many is to be positive");
    for (size_t i = 0; i < sizeof configurations / sizeof *configurations; i++)
        if (argc < 3 || strcmp(argv[2], configurations[i].name) == 0) {
            const struct configuration *k = &configurations[i];
            int64_t count = sweep(k->name, k, 0, every);
            printf("%s: %lld\n", k->name, (long long)count);
            all += count;
            n++;
        }
    int64_t of_operations = 0;
    for (int i = 0; i < reel_op_count() && (argc < 3 || strcmp(argv[2], "operations") == 0); i++)
        of_operations += sweep(reel_op_at(i)->name, NULL, i, every);
    printf("operations: %lld\n", (long long)of_operations);
    printf("allocations: %lld in %lld configurations and %lld in operations failed, twice each\n", (long long)all,
           (long long)n, (long long)of_operations);
    return 0;
}
