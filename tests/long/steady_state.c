/* Both GAN loops: from the third step on nothing is allocated, however long they run, and the generator's step computes
 * no weight gradient of the discriminator. With a number as argument, the notebook loop runs that many steps. */
#include "base/poison.h"
#include "gan.h"
#include "support/allocator.h"
#include "support/check.h"

#include <time.h>
#include <unistd.h>

enum { BATCH = 64 };

struct loop {
    const char *name;
    struct gan_sizes sizes;
    bool penalty; /* R1, by a gradient in the graph */
    reel_context *c;
    reel_tape *t;
    struct gan gan;
    reel_optim *g_adam, *d_adam;
    reel_ema *ema;
    struct counting counted;
};

static void start(struct loop *l)
{
    l->c = counting_context(&l->counted, 2);
    l->t = reel_tape_new(l->c);
    l->gan = gan_new(l->c, &l->sizes);
    reel_adam_options o = reel_adam_defaults();
    o.lr = 2e-4;
    o.beta1 = 0.5;
    l->g_adam = reel_adam_new(l->gan.generator, &o);
    l->d_adam = reel_adam_new(l->gan.discriminator, &o);
    l->ema = reel_ema_new(l->gan.generator, 0.998);
    CHECK(reel_context_status(l->c) == REEL_OK, "%s: %s", l->name, reel_error(l->c));
}

static void stop(struct loop *l)
{
    reel_ema_free(l->ema);
    reel_optim_free(l->g_adam);
    reel_optim_free(l->d_adam);
    reel_tape_free(l->t);
    gan_free(&l->gan);
    reel_context_free(l->c);
    CHECK(l->counted.live == 0, "%s: %lld blocks leak", l->name, (long long)l->counted.live);
}

static void step(struct loop *l)
{
    reel_tape *t = l->t;
    struct gan *gan = &l->gan;
    reel_var x = reel_tanh(t, reel_randn(t, REEL_SHAPE(BATCH, l->sizes.data)));
    reel_var y = reel_randint(t, 0, l->sizes.classes, REEL_SHAPE(BATCH));
    reel_var z = reel_randn(t, REEL_SHAPE(BATCH, l->sizes.noise));
    reel_var wanted = reel_randint(t, 0, l->sizes.classes, REEL_SHAPE(BATCH));
    reel_var ones = reel_ones(t, REEL_SHAPE(BATCH, 1)), zeros = reel_zeros(t, REEL_SHAPE(BATCH, 1));

    reel_var fake = gan_generate(t, gan, z, wanted);
    reel_var g_loss = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, fake, wanted), ones);
    reel_zero_grad(gan->generator);
    reel_zero_grad(gan->discriminator);
    uint64_t before = reel_tape_stats(t).param_gradients;
    reel_backward(t, g_loss, gan->generator);
    uint64_t asked = reel_tape_stats(t).param_gradients - before;
    /* Each of the generator's params once: a weight gradient of the discriminator would be one more. */
    uint64_t trained = 0;
    for (int i = 0; i < reel_params_count(gan->generator); i++)
        trained += reel_param_kind_of(reel_params_at(gan->generator, i)) == REEL_PARAM_TRAINED;
    CHECK(reel_context_status(l->c) != REEL_OK || asked == trained,
          "%s: the generator's step computes %llu gradients of params, the generator has %llu", l->name,
          (unsigned long long)asked, (unsigned long long)trained);
    for (int i = 0; i < reel_params_count(gan->discriminator); i++)
        CHECK(!reel_param_grad(reel_params_at(gan->discriminator, i)),
              "%s: the generator's step leaves a gradient in the discriminator", l->name);
    reel_optim_step(l->g_adam);
    reel_ema_update(l->ema);

    reel_var real = gan_discriminate(t, gan, x, y);
    reel_var made = gan_discriminate(t, gan, reel_detach(t, fake), wanted);
    reel_var d_loss = reel_mul_scalar(t, reel_bce_with_logits_loss(t, real, ones), 0.5);
    d_loss = reel_add(t, d_loss, reel_mul_scalar(t, reel_bce_with_logits_loss(t, made, zeros), 0.5));
    if (l->penalty) {
        reel_var grad;
        reel_grad(t, reel_sum_all(t, real), &x, 1, REEL_GRAD_CREATE_GRAPH, &grad);
        d_loss = reel_add(t, d_loss, reel_mul_scalar(t, reel_mean_all(t, reel_square(t, grad)), 0.5));
    }
    reel_zero_grad(gan->discriminator);
    reel_backward(t, d_loss, gan->discriminator);
    reel_optim_step(l->d_adam);
    CHECK(reel_tape_reset(t) == REEL_OK, "%s failed", l->name);
}

/* 0 when it is not known, or says nothing: AddressSanitizer holds back what is freed, and the BLAS takes a buffer from
 * malloc now and then, which the allocator hook does not see. */
static long resident_pages(void)
{
    long pages = 0;
#ifndef REEL_ADDRESS_SANITIZER
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
#endif
    return pages;
}

/* Runs `steps`, or as many as fit into `seconds`. What the allocator sees may not change from the third step on. */
static void run(struct loop *l, long steps, double seconds)
{
    struct timespec begin, now;
    int64_t calls = 0;
    size_t bytes = 0;
    long done = 0, pages = 0;
    double passed = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (steps > 0 ? done < steps : passed < seconds || done < 10) {
        if (done == 2) {
            calls = l->counted.calls;
            bytes = l->counted.bytes;
        }
        if (done == 100)
            pages = resident_pages();
        step(l);
        done++;
        CHECK(done <= 2 || l->counted.calls == calls, "%s: step %ld allocates %lld times", l->name, done,
              (long long)(l->counted.calls - calls));
        clock_gettime(CLOCK_MONOTONIC, &now);
        passed = (double)(now.tv_sec - begin.tv_sec) + 1e-9 * (double)(now.tv_nsec - begin.tv_nsec);
    }
    CHECK(l->counted.bytes == bytes, "%s: memory grew by %zu bytes", l->name, l->counted.bytes - bytes);
    long grown = pages > 0 ? (resident_pages() - pages) * (sysconf(_SC_PAGESIZE) / 1024) : 0;
    CHECK(grown < 1024, "%s: the process grew by %ld KiB", l->name, grown);
    printf("%s: %ld steps, %.0f us each, no allocation after the second; %zu KiB\n", l->name, done,
           1e6 * passed / (double)done, bytes / 1024);
}

int main(int argc, char **argv)
{
    static struct loop notebook = {.name = "notebook"}, image = {.name = "cgan"},
                       penalty = {.name = "cgan with R1", .penalty = true};
    notebook.sizes = gan_notebook_sizes();
    image.sizes = gan_image_sizes(0.8, 0.4);
    penalty.sizes = gan_image_sizes(1e-5, 0.4);
    start(&notebook);
    run(&notebook, argc > 1 ? atol(argv[1]) : 0, 20);
    stop(&notebook);
    start(&image);
    run(&image, 10, 0);
    stop(&image);
    start(&penalty);
    run(&penalty, 10, 0);
    stop(&penalty);
    return 0;
}
