/* The tutorial on nn.Embedding, cell by cell, with reel's public headers. With the same seed every number is the one
 * that the PyTorch script gives after torch.manual_seed(seed). */
#include "arguments.h"
#include "process.h"

#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

enum { CLASSES = 10, DIM = 3, BATCH = 64, NOISE = 10 };

/* What the cells make. */
struct cells {
    reel_var weight, x10, x5, rows01, rows234, labels, noise, emb_out, joined, column;
    char error[512];
};

/* Everything in the script's order of drawing. */
static struct cells run(reel_context *c, reel_tape *t, reel_params *params)
{
    static const int64_t pair[] = {0, 1}, triple[] = {2, 3, 4}, outside[] = {10};
    struct cells cells = {.error = ""};

    reel_module *embedding = reel_embedding_new(params, "embedding", CLASSES, DIM, NULL);
    cells.weight = reel_param_var(t, reel_params_find(params, "embedding.weight"));
    cells.x10 = reel_randint(t, 0, CLASSES, REEL_SHAPE(10));
    cells.x5 = reel_randint(t, 0, CLASSES, REEL_SHAPE(5));
    cells.rows01 = reel_forward(t, embedding, reel_tensor_of(t, REEL_INT64, pair, REEL_SHAPE(2)));
    cells.rows234 = reel_forward(t, embedding, reel_tensor_of(t, REEL_INT64, triple, REEL_SHAPE(3)));
    cells.labels = reel_randint(t, 0, CLASSES, REEL_SHAPE(BATCH));
    cells.noise = reel_randn(t, REEL_SHAPE(BATCH, NOISE));
    cells.emb_out = reel_forward(t, embedding, cells.labels);
    cells.joined = reel_cat(t, REEL_VARS(cells.noise, cells.emb_out), 1);
    cells.column = reel_unsqueeze(t, cells.joined, -1);
    if (reel_context_status(c) != REEL_OK)
        return cells;

    /* Row 10 of ten: refused, and what was made before stays good once the error is cleared. */
    reel_forward(t, embedding, reel_tensor_of(t, REEL_INT64, outside, REEL_SHAPE(1)));
    snprintf(cells.error, sizeof cells.error, "%s", reel_error(c));
    if (reel_context_status(c) == REEL_ERROR_INDEX)
        reel_clear_error(c);
    return cells;
}

static void print_shape(const char *what, const reel_shape *shape)
{
    printf("%s: [", what);
    for (int i = 0; i < shape->ndim; i++)
        printf("%s%lld", i ? ", " : "", (long long)shape->dim[i]);
    printf("]\n");
}

static void print_cells(reel_tape *t, const struct cells *cells)
{
    reel_shape x10 = reel_shape_of(t, cells->x10), x5 = reel_shape_of(t, cells->x5);
    reel_shape labels = reel_shape_of(t, cells->labels), noise = reel_shape_of(t, cells->noise);
    reel_shape emb_out = reel_shape_of(t, cells->emb_out), joined = reel_shape_of(t, cells->joined);
    reel_shape column = reel_shape_of(t, cells->column);

    printf("embedding = Embedding(%d, %d)\nembedding.weight:\n", CLASSES, DIM);
    reel_print(stdout, t, cells->weight);
    printf("\nX = randint(0, 10, (10,)):\n");
    reel_print(stdout, t, cells->x10);
    print_shape("shape", &x10);
    printf("\nX = randint(0, 10, (5,)):\n");
    reel_print(stdout, t, cells->x5);
    print_shape("shape", &x5);
    printf("\nembedding([0, 1]):\n");
    reel_print(stdout, t, cells->rows01);
    printf("\nembedding([2, 3, 4]):\n");
    reel_print(stdout, t, cells->rows234);
    printf("\nembedding([10]) is refused:\n%s\n", cells->error);
    printf("\nA batch of the conditional GAN\n");
    print_shape("labels", &labels);
    print_shape("noise", &noise);
    print_shape("embedding(labels)", &emb_out);
    print_shape("cat((noise, embedding(labels)), 1)", &joined);
    print_shape("unsqueeze(-1)", &column);
}

/* Prints the axes from `axis` on as nested JSON lists; *at walks the elements. */
static void print_json_array(reel_tape *t, const char *key, reel_var v)
{
    reel_shape shape = reel_shape_of(t, v);
    int64_t columns = shape.dim[shape.ndim - 1], numel = reel_numel(t, v);
    bool real = reel_dtype_of(t, v) == REEL_REAL;
    printf("\"%s\": [", key);
    for (int64_t i = 0; i < numel; i++) {
        if (shape.ndim == 2 && i % columns == 0)
            printf("[");
        if (real)
            printf("%.17g", (double)reel_data_real(t, v)[i]);
        else
            printf("%lld", (long long)reel_data_int64(t, v)[i]);
        if (shape.ndim == 2 && i % columns == columns - 1)
            printf("]");
        if (i + 1 < numel)
            printf(", ");
    }
    printf("], ");
}

static void print_json_text(const char *key, const char *text)
{
    printf("\"%s\": \"", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    printf("\"");
}

static void print_json(reel_tape *t, const struct cells *cells)
{
    reel_shape column = reel_shape_of(t, cells->column);
    printf("{");
    print_json_array(t, "weight", cells->weight);
    print_json_array(t, "X10", cells->x10);
    print_json_array(t, "X5", cells->x5);
    print_json_array(t, "rows01", cells->rows01);
    print_json_array(t, "rows234", cells->rows234);
    print_json_array(t, "labels", cells->labels);
    print_json_array(t, "noise", cells->noise);
    print_json_array(t, "emb_out", cells->emb_out);
    print_json_array(t, "cat", cells->joined);
    printf("\"cat_shape\": [%lld, %lld, %lld], ", (long long)column.dim[0], (long long)column.dim[1],
           (long long)column.dim[2]);
    print_json_text("error", cells->error);
    printf("}\n");
}

int main(int argc, char **argv)
{
    process_begin();
    int64_t seed = 0;
    bool json = false;
    const struct option options[] = {
        OPTION_INTEGER("seed", &seed, 0, INT64_MAX, "N", "as torch.manual_seed(N)"),
        OPTION_FLAG("json", &json, "print the numbers as one JSON object"),
    };
    const struct arguments arguments = {.usage = "notebook",
                                        .summary = "The nn.Embedding tutorial, cell by cell.",
                                        .options = options,
                                        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;

    reel_context_options context_options = reel_context_defaults();
    context_options.seed = (uint64_t)seed;
    reel_context *c = reel_context_new(&context_options);
    reel_tape *t = reel_tape_new(c);
    reel_params *params = reel_params_new(c);
    struct cells cells = run(c, t, params);
    bool ok = c && reel_context_status(c) == REEL_OK;
    if (!ok)
        fprintf(stderr, "notebook: %s\n", reel_error(c));
    else if (json)
        print_json(t, &cells);
    else
        print_cells(t, &cells);
    reel_tape_free(t);
    reel_params_free(params);
    reel_context_free(c);
    return ok && process_flush("notebook") ? 0 : 1;
}
