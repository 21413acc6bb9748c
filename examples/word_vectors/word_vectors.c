/* Word vectors: skip-gram with negative samples (Mikolov et al. 2013). Words that occur among the same words get
 * vectors that point the same way. One sees the loss fall, and for some words those that lie nearest to them: animals
 * beside animals, tools beside tools.
 *
 *     word_vectors               a text of 1,500 sentences that are made up from a few patterns
 *     word_vectors FILE WORD...  a text of your own, and the words to look at */
#include <reel/reel.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 32, WINDOW = 2, NEGATIVES = 5, BATCH = 512, EPOCHS = 3, NEAREST = 4 };

/* ---- The text ---- */

/* Words of one kind can stand for each other. The first of each is looked at. */
enum { KINDS = 5, WORDS = 6 };
static const char *const kinds[KINDS][WORDS] = {
    {"cat", "dog", "horse", "rabbit", "goat", "hen"},          {"bread", "cheese", "apples", "carrots", "oats", "corn"},
    {"anna", "peter", "mary", "thomas", "clara", "john"},      {"hammer", "saw", "axe", "drill", "chisel", "file"},
    {"table", "fence", "bench", "ladder", "boat", "cupboard"},
};
/* A digit stands for a word of that kind. */
static const char *const patterns[] = {
    "the hungry 0 eats 1 in the garden",
    "2 feeds the old 0 with 1 every morning",
    "2 builds a wooden 4 with the 3",
    "the 3 lies on the 4 in the shed",
    "every evening the 0 sleeps beside the house",
    "2 buys 1 at the market",
    "2 sharpens the 3 before work",
    "2 paints the 4 in green",
    "the young 0 runs away from 2",
};

static char *made_up_text(reel_context *c)
{
    enum { SENTENCES = 1500, LONGEST = 80 };
    char *text = malloc(SENTENCES * LONGEST), *end = text;
    reel_tape *t = reel_tape_new(c);
    const int64_t *draw = reel_data_int64(t, reel_randint(t, 0, 1 << 20, REEL_SHAPE(SENTENCES, 4)));
    for (int i = 0; i < SENTENCES && text && draw; i++) {
        const int64_t *d = draw + 4 * i;
        const char *pattern = patterns[d[0] % (int64_t)(sizeof patterns / sizeof *patterns)];
        int n = 1;
        for (; *pattern; pattern++) {
            if (*pattern >= '0' && *pattern < '0' + KINDS)
                end += sprintf(end, "%s", kinds[*pattern - '0'][d[n++] % WORDS]);
            else
                *end++ = *pattern;
        }
        *end++ = '\n';
    }
    if (text)
        *end = 0;
    reel_tape_free(t);
    return text;
}

static char *read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    char *text = NULL;
    long size = 0;
    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && (text = malloc((size_t)size + 1))) {
        rewind(file);
        text[fread(text, 1, (size_t)size, file)] = 0;
    }
    if (file)
        fclose(file);
    return text;
}

/* The pairs of a word and one that stands at most WINDOW places from it in the same line; returns how many. With NULLs
 * it counts them. */
static int64_t make_pairs(const reel_vocabulary *v, const char *text, int64_t *center, int64_t *context)
{
    int64_t n = 0;
    while (*text) {
        int64_t id[256], length = (int64_t)strcspn(text, "\n"), words = reel_vocabulary_ids(v, text, length, id, 256);
        words = words < 256 ? words : 256;
        for (int64_t i = 0; i < words; i++)
            for (int64_t j = i < WINDOW ? 0 : i - WINDOW; j <= i + WINDOW && j < words; j++) {
                if (i == j || id[i] < 0 || id[j] < 0)
                    continue;
                if (center) {
                    center[n] = id[i];
                    context[n] = id[j];
                }
                n++;
            }
        text += length;
        text += *text == '\n';
    }
    return n;
}

/* ---- The model ---- */

/* Mean of -log s(u v) - sum of log s(-u w), over pairs (u, v) and words w that are drawn by how often they occur. */
static reel_var loss_of(reel_tape *t, reel_param *in, reel_param *out, reel_var center, reel_var context,
                        reel_var negative)
{
    int64_t n = reel_numel(t, center);
    reel_var other = reel_cat(t, REEL_VARS(reel_reshape(t, context, REEL_SHAPE(n, 1)), negative), 1);
    /* Of each center's vector with those of 1 + NEGATIVES words, where they lie in the tables. */
    reel_var score = reel_embedding_dot(t, reel_param_var(t, in), center, reel_param_var(t, out), other);
    reel_var near = reel_logsigmoid(t, reel_narrow(t, score, 1, 0, 1));
    reel_var far = reel_logsigmoid(t, reel_neg(t, reel_narrow(t, score, 1, 1, NEGATIVES)));
    reel_var sum = reel_add(t, reel_sum_all(t, near), reel_sum_all(t, far));
    return reel_div_scalar(t, reel_neg(t, sum), (double)n);
}

/* The words whose vectors have the largest cosine with that of `word`; returns how many are of its kind. */
static int print_nearest(reel_tape *t, reel_module *in, const reel_vocabulary *v, const char *word)
{
    int64_t id = reel_vocabulary_id(v, word, -1), size = reel_vocabulary_size(v);
    if (id < 0) {
        printf("%-8s does not occur\n", word);
        return 0;
    }
    reel_no_grad_begin(t);
    reel_var all = reel_forward(t, in, reel_arange_int64(t, 0, size, 1));
    reel_var unit = reel_div(t, all, reel_norm(t, all, 2, REEL_AXES(1), true));
    reel_var cosine = reel_matmul(t, unit, reel_reshape(t, reel_narrow(t, unit, 0, id, 1), REEL_SHAPE(WIDTH, 1)));
    const reel_real *value = reel_data_real(t, cosine);
    bool *taken = calloc((size_t)size, 1);
    int same = 0;
    printf("%-8s", word);
    for (int n = 0; n < NEAREST && n < size - 1 && value && taken; n++) {
        taken[id] = true;
        int64_t best = -1;
        for (int64_t i = 0; i < size; i++)
            if (!taken[i] && (best < 0 || value[i] > value[best]))
                best = i;
        taken[best] = true;
        const char *name = reel_vocabulary_token(v, best);
        printf("  %s %.2f", name, (double)value[best]);
        for (int kind = 0; kind < KINDS; kind++)
            for (int i = 0; i < WORDS && strcmp(kinds[kind][0], word) == 0; i++)
                same += strcmp(kinds[kind][i], name) == 0;
    }
    printf("\n");
    free(taken);
    reel_tape_reset(t);
    return same;
}

int main(int argc, char **argv)
{
    reel_context *c = reel_context_new(NULL);
    char *text = argc > 1 ? read_file(argv[1]) : made_up_text(c);
    if (!c || !text) {
        fprintf(stderr, "word_vectors: %s\n", c ? "no text" : reel_error(c));
        return 1;
    }
    REEL_OPTIONS(vocabulary, vo, vo.min_count = 5);
    reel_vocabulary *v = reel_vocabulary_new(c, &vo);
    reel_vocabulary_add_text(v, text, -1);
    reel_vocabulary_number(v);
    int64_t size = reel_vocabulary_size(v), pairs = make_pairs(v, text, NULL, NULL);
    printf("%d words, %d pairs\n", (int)size, (int)pairs);
    int64_t *center = malloc(sizeof *center * (size_t)(pairs + 1)),
            *context = malloc(sizeof *context * (size_t)(pairs + 1));
    if (!center || !context)
        return 1;
    make_pairs(v, text, center, context);

    /* A step touches the rows of the words that it draws, and no others. */
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    REEL_OPTIONS(embedding, e, e.sparse = true);
    reel_module *in = reel_embedding_new(p, "in", size, WIDTH, &e);
    reel_embedding_new(p, "out", size, WIDTH, &e);
    reel_param *of_in = reel_params_find(p, "in.weight"), *of_out = reel_params_find(p, "out.weight");
    reel_init_normal(of_in, 0, 0.1);
    reel_init_normal(of_out, 0, 0.1);
    reel_alias *words = reel_alias_new_of_counts(c, reel_vocabulary_counts(v), size, 0.75);
    REEL_OPTIONS(loader, l, l.batch_size = BATCH, l.shuffle = true);
    reel_loader *loader = reel_loader_new(c, pairs, &l);
    reel_loader_add(loader, REEL_INT64, center, REEL_SCALAR);
    reel_loader_add(loader, REEL_INT64, context, REEL_SCALAR);
    REEL_OPTIONS(adam, o, o.lr = 0.01);
    reel_optim *adam = reel_adam_new(p, &o);

    for (int epoch = 1; epoch <= EPOCHS && !reel_context_status(c); epoch++) {
        reel_running_mean mean = {0};
        reel_var batch[2];
        for (int64_t n; (n = reel_loader_next(loader, t, batch)) > 0;) {
            reel_var negative = reel_alias_draw(t, words, REEL_SHAPE(n, NEGATIVES));
            reel_var loss = loss_of(t, of_in, of_out, batch[0], batch[1], negative);
            reel_zero_grad(p);
            if (reel_backward(t, loss, p) || reel_optim_step(adam))
                break;
            reel_running_mean_add(&mean, reel_item(t, loss), (double)n);
            reel_tape_reset(t);
        }
        printf("epoch %d  loss %.3f\n", epoch, reel_running_mean_value(&mean));
    }
    int same = 0;
    if (argc > 1)
        for (int i = 2; i < argc; i++)
            print_nearest(t, in, v, argv[i]);
    else
        for (int kind = 0; kind < KINDS; kind++)
            same += print_nearest(t, in, v, kinds[kind][0]);
    if (reel_context_status(c)) {
        fprintf(stderr, "word_vectors: %s\n", reel_error(c));
        return 1;
    }
    if (argc == 1)
        printf("%d of %d are of the same kind\n", same, KINDS * NEAREST);

    reel_optim_free(adam);
    reel_loader_free(loader);
    reel_alias_free(words);
    reel_params_free(p);
    reel_tape_free(t);
    reel_vocabulary_free(v);
    reel_context_free(c);
    free(center);
    free(context);
    free(text);
    return argc > 1 || same >= KINDS * NEAREST * 9 / 10 ? 0 : 1;
}
