/* Every allocation from the first constructor to the end of a GAN's step fails once, one after the other. The call that
 * it happens in must report it and change nothing; giving up then leaks nothing; and calling again goes on to the same
 * bits as if nothing had happened. */
#include "core/context.h"
#include "core/params.h"
#include "support/allocator.h"
#include "support/check.h"
#include "train/optim.h"

#include <reel/reel.h>

#include <string.h>

enum { STEPS = 2, BATCH = 64, NOISE = 10, CLASSES = 10, DATA = 32 };

struct scene {
    struct counting counted;
    bool full;  /* with batch norm, dropout, sparse gradients, a gradient penalty, clipping and a moving average */
    bool again; /* after the failure: call again instead of giving up */
    int failures;
    const char *call; /* the one that failed */

    reel_context *c;
    reel_tape *t;
    reel_params *g, *d;
    reel_module *g_label, *g_layers[3], *g_norm, *d_label, *d_layers[3], *d_dropout;
    reel_optim *g_adam, *d_adam;
    reel_ema *ema;
};

/* ---- What must not change ---- */

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

static uint64_t mix_params(uint64_t hash, const reel_params *params)
{
    int count = reel_params_count(params);
    hash = mix(hash, &count, sizeof count);
    for (int i = 0; i < count; i++) {
        const reel_param *p = reel_params_at(params, i);
        hash = mix(hash, p->data, (size_t)p->numel * reel_dtype_size(p->dtype));
    }
    return hash;
}

static uint64_t mix_optimizer(uint64_t hash, const reel_optim *optim)
{
    for (int64_t i = 0; optim && i < optim->n_entries; i++) {
        const struct reel_optim_entry *e = &optim->entries[i];
        hash = mix(hash, &e->step, sizeof e->step);
        for (int k = 0; k < REEL_OPTIM_STATES && e->step > 0; k++)
            if (e->state[k])
                hash = mix(hash, e->state[k], (size_t)e->param->numel * sizeof(reel_real));
    }
    return hash;
}

/* Params, buffers, optimizers and generator as one number. */
static uint64_t state_of(const struct scene *s)
{
    static unsigned char generator[REEL_RNG_STATE_SIZE];
    reel_generator_get_state(&s->c->generator, generator);
    uint64_t hash = mix(1, generator, sizeof generator);
    hash = mix(hash, &s->c->philox_draws, sizeof s->c->philox_draws);
    hash = mix_params(mix_params(hash, s->g), s->d);
    hash = mix_optimizer(mix_optimizer(hash, s->g_adam), s->d_adam);
    return hash;
}

/* Called when a call has failed: whether to call again. */
static bool failed(struct scene *s, const char *call, uint64_t before)
{
    s->failures++;
    s->call = call;
    CHECK(reel_context_status(s->c) == REEL_ERROR_OUT_OF_MEMORY, "%s: \"%s\" is not out of memory", call,
          reel_error(s->c));
    CHECK(strstr(reel_error(s->c), "out of memory"), "%s: \"%s\"", call, reel_error(s->c));
    CHECK(state_of(s) == before, "%s failed and changed params, buffers, an optimizer or the generator", call);
    CHECK(s->failures == 1, "%s: failed again, though memory is there: %s", call, reel_error(s->c));
    reel_clear_error(s->c);
    return s->again;
}

/* Makes the call, or returns. A call that is made again must not read what it assigns: STEP is for these. */
#define CALL(call)                                                                                                     \
    for (;;) {                                                                                                         \
        uint64_t before_ = state_of(s);                                                                                \
        call;                                                                                                          \
        if (reel_context_status(s->c) == REEL_OK)                                                                      \
            break;                                                                                                     \
        if (!failed(s, #call, before_))                                                                                \
            return;                                                                                                    \
    }

#define STEP(var, call)                                                                                                \
    do {                                                                                                               \
        reel_var next_;                                                                                                \
        CALL(next_ = call);                                                                                            \
        var = next_;                                                                                                   \
    } while (0)

/* ---- The program ---- */

static void construct(struct scene *s)
{
    reel_embedding_options embedding = reel_embedding_defaults();
    embedding.sparse = s->full;
    embedding.max_norm = s->full ? 1.5 : embedding.max_norm;
    reel_adam_options o = reel_adam_defaults();
    o.beta1 = 0.5;
    o.sparse_update = s->full ? REEL_EXACT : REEL_LAZY;
    CALL(s->t = reel_tape_new(s->c));
    CALL(s->g = reel_params_new(s->c));
    CALL(s->g_label = reel_embedding_new(s->g, "label", CLASSES, 3, &embedding));
    CALL(s->g_layers[0] = reel_linear_new(s->g, "fc1", NOISE + 3, 64, NULL));
    CALL(s->g_layers[1] = reel_linear_new(s->g, "fc2", 64, 64, NULL));
    CALL(s->g_layers[2] = reel_linear_new(s->g, "fc3", 64, DATA, NULL));
    if (s->full)
        CALL(s->g_norm = reel_batch_norm1d_new(s->g, "norm", 64, NULL));
    CALL(s->d = reel_params_new(s->c));
    CALL(s->d_label = reel_embedding_new(s->d, "label", CLASSES, 3, &embedding));
    CALL(s->d_layers[0] = reel_linear_new(s->d, "fc1", DATA + 3, 64, NULL));
    CALL(s->d_layers[1] = reel_linear_new(s->d, "fc2", 64, 64, NULL));
    CALL(s->d_layers[2] = reel_linear_new(s->d, "fc3", 64, 1, NULL));
    if (s->full)
        CALL(s->d_dropout = reel_dropout_new(s->d, 0.4));
    CALL(s->g_adam = reel_adam_new(s->g, &o));
    CALL(s->d_adam = reel_adam_new(s->d, &o));
    if (s->full)
        CALL(s->ema = reel_ema_new(s->g, 0.99));
}

static void generate(struct scene *s, reel_var noise, reel_var labels, reel_var *out)
{
    reel_var h;
    CALL(h = reel_forward(s->t, s->g_label, labels));
    STEP(h, reel_cat(s->t, REEL_VARS(noise, h), 1));
    for (int i = 0; i < 2; i++) {
        STEP(h, reel_forward(s->t, s->g_layers[i], h));
        if (i == 1 && s->g_norm)
            STEP(h, reel_forward(s->t, s->g_norm, h));
        STEP(h, reel_leaky_relu(s->t, h, 0.2));
    }
    STEP(h, reel_forward(s->t, s->g_layers[2], h));
    CALL(*out = reel_tanh(s->t, h));
}

static void discriminate(struct scene *s, reel_var x, reel_var labels, reel_var *out)
{
    reel_var h;
    CALL(h = reel_forward(s->t, s->d_label, labels));
    STEP(h, reel_cat(s->t, REEL_VARS(x, h), 1));
    for (int i = 0; i < 2; i++) {
        STEP(h, reel_forward(s->t, s->d_layers[i], h));
        if (i == 1 && s->d_dropout)
            STEP(h, reel_forward(s->t, s->d_dropout, h));
        STEP(h, reel_leaky_relu(s->t, h, 0.2));
    }
    CALL(*out = reel_forward(s->t, s->d_layers[2], h));
}

#define STOP_IF_FAILED                                                                                                 \
    if (s->failures > 0 && !s->again)                                                                                  \
    return

static void step(struct scene *s)
{
    reel_tape *t = s->t;
    reel_var y, z, x, wanted, fake, score, ones, zeros, g_loss, real, made, d_loss;
    CALL(x = reel_randn(t, REEL_SHAPE(BATCH, DATA)));
    CALL(y = reel_randint(t, 0, CLASSES, REEL_SHAPE(BATCH)));
    CALL(z = reel_randn(t, REEL_SHAPE(BATCH, NOISE)));
    CALL(wanted = reel_randint(t, 0, CLASSES, REEL_SHAPE(BATCH)));
    CALL(ones = reel_ones(t, REEL_SHAPE(BATCH, 1)));
    CALL(zeros = reel_zeros(t, REEL_SHAPE(BATCH, 1)));

    generate(s, z, wanted, &fake);
    STOP_IF_FAILED;
    discriminate(s, fake, wanted, &score);
    STOP_IF_FAILED;
    CALL(g_loss = reel_bce_with_logits_loss(t, score, ones));
    CALL(reel_zero_grad(s->g); reel_backward(t, g_loss, s->g));
    if (s->full)
        CALL(reel_clip_grad_norm(s->g, 0.5, 2, NULL));
    CALL(reel_optim_step(s->g_adam));
    if (s->full)
        CALL(reel_ema_update(s->ema));

    discriminate(s, x, y, &real);
    STOP_IF_FAILED;
    STEP(fake, reel_detach(t, fake));
    discriminate(s, fake, wanted, &made);
    STOP_IF_FAILED;
    CALL(d_loss = reel_add(t, reel_bce_with_logits_loss(t, real, ones), reel_bce_with_logits_loss(t, made, zeros)));
    if (s->full) {
        reel_var grad;
        CALL(reel_grad(t, reel_sum_all(t, real), &x, 1, REEL_GRAD_CREATE_GRAPH, &grad));
        STEP(d_loss, reel_add(t, d_loss, reel_mean_all(t, reel_square(t, grad))));
    }
    CALL(reel_zero_grad(s->d); reel_backward(t, d_loss, s->d));
    CALL(reel_optim_step(s->d_adam));
    CALL(reel_tape_reset(t));
}

/* What a context allocates when it is made: itself, and room to warm up in. */
enum { OF_CONTEXT = 2 };

/* Runs it with allocation `fail_at` failing (-1: none), and gives the final state, 0 when it gave up. */
static uint64_t run(struct scene *s, bool full, int64_t fail_at, bool again)
{
    memset(s, 0, sizeof *s);
    s->full = full;
    s->again = again;
    /* The context starts the count anew, so its own allocations fail by hand. */
    if (fail_at >= 0 && fail_at < OF_CONTEXT) {
        reel_allocator allocator = counting_allocator(&s->counted);
        reel_context_options options = reel_context_defaults();
        options.allocator = &allocator;
        s->counted.fail_at = fail_at;
        CHECK(!reel_context_new(&options) && s->counted.live == 0, "a context without memory");
        return 0;
    }
    s->c = counting_context(&s->counted, 1);
    s->counted.fail_at = fail_at;
    construct(s);
    for (int i = 0; i < STEPS && (s->failures == 0 || again); i++)
        step(s);
    uint64_t state = s->failures == 0 || again ? state_of(s) : 0;
    reel_ema_free(s->ema);
    reel_optim_free(s->g_adam);
    reel_optim_free(s->d_adam);
    reel_params_free(s->g);
    reel_params_free(s->d);
    reel_tape_free(s->t);
    reel_context_free(s->c);
    CHECK(s->counted.live == 0, "allocation %lld failing in %s: %lld blocks leak", (long long)fail_at,
          s->call ? s->call : "nothing", (long long)s->counted.live);
    CHECK(s->counted.wrong_sizes == 0, "freed with another size than allocated");
    return state;
}

int main(void)
{
    static struct scene s;
    for (int full = 0; full < 2; full++) {
        uint64_t want = run(&s, full, -1, false);
        int64_t allocations = s.counted.calls;
        CHECK(want == run(&s, full, -1, false), "two runs differ");
        for (int64_t k = 0; k < allocations; k++) {
            run(&s, full, k, false);
            CHECK(k < OF_CONTEXT || s.failures == 1, "allocation %lld: its failure was not noticed", (long long)k);
            CHECK(k < OF_CONTEXT || run(&s, full, k, true) == want,
                  "allocation %lld, in %s: after calling again the result differs", (long long)k, s.call);
        }
        CHECK(want == run(&s, full, -1, false), "a fresh run differs");
        printf("%s: each of %lld allocations failed, twice\n", full ? "everything" : "notebook",
               (long long)allocations);
    }
    return 0;
}
