/* cgan export: a trained generator for other programs. */
#include "cgan.h"

#include "arguments.h"

struct settings {
    const char *model, *out;
};

/* The generator recorded with a batch that is none of its sizes. What it makes does not matter. */
static reel_status save(reel_context *c, const struct gan *gan, const char *path)
{
    enum { BATCH = 7 };
    reel_eval(gan->generator);
    reel_tape *tape = reel_tape_new(c);
    reel_var z = reel_zeros(tape, REEL_SHAPE(BATCH, gan->sizes.noise));
    reel_var y = reel_full_int64(tape, REEL_SHAPE(BATCH), 0);
    const reel_named_var inputs[] = {{"noise", z}, {"label", y}};
    const reel_named_var outputs[] = {{"image", gan_generate(tape, gan, z, y)}};
    reel_save_onnx(tape, path, inputs, 2, outputs, 1, NULL);
    reel_tape_free(tape);
    return reel_context_status(c);
}

static bool export(const struct settings *s, char error[CGAN_ERROR_SIZE])
{
    reel_context *c = reel_context_new(NULL);
    struct gan gan = {0};
    struct cgan_image image;
    bool ok = cgan_load(c, s->model, &gan, &image, error);
    if (ok && save(c, &gan, s->out) != REEL_OK) {
        snprintf(error, CGAN_ERROR_SIZE, "%s", reel_error(c));
        ok = false;
    }
    gan_free(&gan);
    reel_context_free(c);
    return ok;
}

int cgan_export(int argc, char **argv)
{
    struct settings s = {NULL, NULL};
    const struct option options[] = {
        OPTION_TEXT("model", &s.model, "FILE", "model.safetensors of cgan train"),
        OPTION_TEXT("out", &s.out, "FILE", "the .onnx file to write"),
    };
    const struct arguments arguments = {
        .usage = "cgan export",
        .summary =
            "Writes a trained generator as an ONNX model (opset 18), for onnxruntime and others. It takes noise\n"
            "(float32 [batch, 64], of --network mlp [batch, 100], from a normal distribution) and label (int64\n"
            "[batch]), and gives image (float32 [batch, pixels] in -1..1).",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (!s.model || !s.out)
        return fprintf(stderr, "cgan export: %s FILE is missing\n", s.model ? "--out" : "--model"), ARGUMENTS_WRONG;
    char error[CGAN_ERROR_SIZE];
    if (!export(&s, error))
        return cgan_fail("export", error);
    fprintf(stderr, "%s\n", s.out);
    return 0;
}
