/* cgan train|sample|eval|export: the conditional GAN on MNIST-style images. */
#include "cgan.h"

#include "arguments.h"
#include "process.h"

#include <stdlib.h>
#include <string.h>

int cgan_fail(const char *command, const char *message)
{
    fprintf(stderr, "cgan %s: %s\n", command, message);
    return 1;
}

void cgan_pixels(const unsigned char *bytes, int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)bytes[i] / 127.5f - 1.0f;
}

bool cgan_generate(reel_tape *tape, const struct gan *gan, const int64_t *labels, int64_t n, float *x,
                   reel_progress *progress)
{
    enum { CHUNK = 256 };
    const int64_t data = gan->sizes.data;
    reel_eval(gan->generator);
    for (int64_t first = 0; first < n; first += CHUNK) {
        int64_t count = n - first < CHUNK ? n - first : CHUNK;
        reel_no_grad_begin(tape);
        reel_var z = reel_randn(tape, REEL_SHAPE(count, gan->sizes.noise));
        reel_var y = reel_borrow_of(tape, REEL_INT64, labels + first, REEL_SHAPE(count));
        reel_var made = gan_generate(tape, gan, z, y);
        const reel_real *values = reel_data_real(tape, made);
        if (values)
            memcpy(x + first * data, values, (size_t)(count * data) * sizeof *x);
        reel_no_grad_end(tape);
        if (!values)
            return false;
        if (reel_tape_reset(tape) != REEL_OK)
            return false;
        reel_progress_advance(progress, count);
    }
    return true;
}

static void usage(FILE *stream)
{
    fputs("usage: cgan train|sample|eval|export [options]\n"
          "  train   trains the conditional GAN on images\n"
          "  sample  draws images from a trained model\n"
          "  eval    measures how good a trained model is\n"
          "  export  writes a trained model for other programs\n"
          "cgan COMMAND --help lists the options of a command, cgan --version prints the version.\n",
          stream);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
    } commands[] = {{"train", cgan_train}, {"sample", cgan_sample}, {"eval", cgan_eval}, {"export", cgan_export}};
    process_begin();
    process_choose_kernels(argv);
    if (argc >= 2) {
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
            if (strcmp(argv[1], commands[i].name) == 0)
                return commands[i].run(argc - 1, argv + 1);
        bool version = strcmp(argv[1], "--version") == 0;
        if (version || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
            if (version)
                arguments_print_version("cgan");
            else
                usage(stdout);
            return process_flush("cgan") ? 0 : 1;
        }
        fprintf(stderr, "cgan: there is no command \"%s\"\n", argv[1]);
    }
    usage(stderr);
    return ARGUMENTS_WRONG;
}
