/* Word vectors: skip-gram with negative samples (Mikolov et al. 2013). Words that occur among the same words get
 * vectors that point the same way. One sees the loss fall, and for some words those that lie nearest to them: animals
 * beside animals, tools beside tools.
 *
 *     word_vectors                           a text of 1,500 sentences that are made up from a few patterns
 *     word_vectors [OPTION...] FILE WORD...  a text of your own, a sentence a line, and the words to look at
 *
 * -o VECTORS writes all vectors in the text format of word2vec; -e EPOCHS, -s SEED and -t THREADS are what they say.
 * The vectors depend on text, seed and epochs, and not on the threads. */
#include <reel/reel.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As word2vec has them, but for BATCH: from so many pairs of words one step learns. */
enum { WIDTH = 100, WINDOW = 5, NEGATIVES = 5, MIN_COUNT = 5, BATCH = 512, NEAREST = 4 };

struct settings {
    const char *vectors;
    double first_lr, last_lr, sample; /* words that make up more than `sample` of the text are left out at times */
    int64_t seed;
    int epochs, threads;
};

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

/* The numbers of a text's words, with -1 behind each sentence. */
struct corpus {
    int64_t *word, length;
};

static struct corpus number_words(const reel_vocabulary *v, const char *text)
{
    /* A word has a byte at least, and one behind it. */
    int64_t room = (int64_t)strlen(text) + 2;
    struct corpus corpus = {malloc(sizeof(int64_t) * (size_t)room), 0};
    while (corpus.word && *text) {
        int64_t bytes = (int64_t)strcspn(text, "\n"), *line = corpus.word + corpus.length;
        int64_t count = reel_vocabulary_ids(v, text, bytes, line, room - corpus.length);
        for (int64_t i = 0; i < count; i++)
            if (line[i] >= 0)
                corpus.word[corpus.length++] = line[i];
        corpus.word[corpus.length++] = -1;
        text += bytes;
        text += *text == '\n';
    }
    return corpus;
}

/* How likely an occurrence of each word is kept: word2vec's formula, which is not quite that of the paper. */
static double *make_keep(const reel_vocabulary *v, double sample)
{
    int64_t size = reel_vocabulary_size(v), total = 0;
    const int64_t *counts = reel_vocabulary_counts(v);
    double *keep = malloc(sizeof *keep * (size_t)(size + 1));
    for (int64_t i = 0; i < size; i++)
        total += counts[i];
    for (int64_t i = 0; keep && i < size; i++) {
        double most = sample * (double)total / (double)counts[i];
        keep[i] = sqrt(most) + most;
    }
    return keep;
}

/* ---- Pairs ---- */

/* So much of the text at once. */
enum { BLOCK = 10000 };

struct pairs {
    int64_t count, center[BLOCK * 2 * WINDOW], context[BLOCK * 2 * WINDOW];
};

/* The pairs of a word and one that stands few places from it in the same sentence. How many is drawn for each word, up
 * to WINDOW, so that nearer words count more. */
static void make_pairs(reel_tape *t, const struct corpus *corpus, int64_t first, const double *keep,
                       struct pairs *pairs)
{
    int64_t n = corpus->length - first < BLOCK ? corpus->length - first : BLOCK, kept = 0;
    int64_t word[BLOCK], reach[BLOCK];
    reel_var chance = reel_rand(t, REEL_SHAPE(n)), places = reel_randint(t, 1, WINDOW + 1, REEL_SHAPE(n));
    const reel_real *chances = reel_data_real(t, chance);
    const int64_t *reaches = reel_data_int64(t, places);
    for (int64_t i = 0; i < n && chances && reaches; i++) {
        int64_t id = corpus->word[first + i];
        if (id >= 0 && (double)chances[i] >= keep[id])
            continue;
        word[kept] = id;
        reach[kept++] = reaches[i];
    }
    pairs->count = 0;
    for (int64_t i = 0; i < kept; i++)
        for (int way = -1; word[i] >= 0 && way <= 1; way += 2)
            for (int64_t j = i + way; j >= 0 && j < kept && llabs(j - i) <= reach[i] && word[j] >= 0; j += way) {
                pairs->center[pairs->count] = word[i];
                pairs->context[pairs->count++] = word[j];
            }
    reel_tape_reset(t);
}

/* ---- The model ---- */

struct model {
    reel_params *params;
    reel_param *in, *out;
    reel_alias *words; /* draws words by how often they occur */
    reel_optim *sgd;
};

/* The sum of -log s(u v) - sum of log s(-u w), over pairs (u, v) and words w that are drawn. */
static reel_var loss_of(reel_tape *t, const struct model *m, reel_var center, reel_var context, const reel_real *wanted)
{
    int64_t n = reel_numel(t, center);
    reel_var negative = reel_alias_draw(t, m->words, REEL_SHAPE(n, NEGATIVES));
    reel_var other = reel_cat(t, REEL_VARS(reel_reshape(t, context, REEL_SHAPE(n, 1)), negative), 1);
    /* Of each center's vector with those of 1 + NEGATIVES words, where they lie in the tables. */
    reel_var score = reel_embedding_dot(t, reel_param_var(t, m->in), center, reel_param_var(t, m->out), other);
    REEL_OPTIONS(bce_with_logits_loss, o, o.reduction = REEL_SUM);
    return reel_bce_with_logits_loss_with(t, score, reel_borrow(t, wanted, REEL_SHAPE(n, 1 + NEGATIVES)), &o);
}

/* A step for each batch of the pairs; returns the sum of the losses. */
static double learn(reel_tape *t, const struct model *m, const struct pairs *pairs, const reel_real *wanted)
{
    double sum = 0;
    for (int64_t first = 0; first < pairs->count; first += BATCH) {
        int64_t n = pairs->count - first < BATCH ? pairs->count - first : BATCH;
        reel_var center = reel_borrow_of(t, REEL_INT64, pairs->center + first, REEL_SHAPE(n));
        reel_var context = reel_borrow_of(t, REEL_INT64, pairs->context + first, REEL_SHAPE(n));
        reel_var loss = loss_of(t, m, center, context, wanted);
        reel_zero_grad(m->params);
        if (reel_backward(t, loss, m->params) || reel_optim_step(m->sgd))
            break;
        sum += reel_item(t, loss);
        reel_tape_reset(t);
    }
    return sum;
}

static void train(reel_tape *t, const struct model *m, const struct corpus *corpus, const double *keep,
                  const struct settings *s)
{
    static struct pairs pairs;
    static reel_real wanted[BATCH * (1 + NEGATIVES)]; /* of a pair, and of its negative samples */
    for (int i = 0; i < BATCH; i++)
        wanted[i * (1 + NEGATIVES)] = 1;
    reel_context *c = reel_tape_context(t);
    struct timespec start, end;
    timespec_get(&start, TIME_UTC);
    clock_t processor = clock();
    for (int epoch = 0; epoch < s->epochs && !reel_context_status(c); epoch++) {
        double sum = 0, learned = 0;
        for (int64_t first = 0; first < corpus->length && !reel_context_status(c); first += BLOCK) {
            double done = (epoch + (double)first / (double)corpus->length) / s->epochs;
            reel_optim_set_lr(m->sgd, 0, s->first_lr + (s->last_lr - s->first_lr) * done);
            make_pairs(t, corpus, first, keep, &pairs);
            sum += learn(t, m, &pairs, wanted);
            learned += (double)pairs.count;
        }
        printf("epoch %d  loss %.3f\n", epoch + 1, sum / learned);
    }
    processor = clock() - processor;
    timespec_get(&end, TIME_UTC);
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%.2f s, %.2f s of a processor\n", seconds, (double)processor / CLOCKS_PER_SEC);
}

static bool write_vectors(const char *name, const reel_param *in, const reel_vocabulary *v)
{
    FILE *file = fopen(name, "w");
    const reel_real *vector = reel_param_data(in);
    int64_t size = reel_vocabulary_size(v);
    if (!file || !vector)
        return false;
    fprintf(file, "%d %d\n", (int)size, WIDTH);
    for (int64_t i = 0; i < size; i++) {
        fprintf(file, "%s", reel_vocabulary_token(v, i));
        for (int64_t k = 0; k < WIDTH; k++)
            fprintf(file, " %.9g", (double)vector[i * WIDTH + k]);
        fprintf(file, "\n");
    }
    return fclose(file) == 0;
}

/* The words whose vectors have the largest cosine with that of `word`; returns how many are of its kind. */
static int print_nearest(reel_tape *t, reel_param *in, const reel_vocabulary *v, const char *word)
{
    int64_t id = reel_vocabulary_id(v, word, -1), size = reel_vocabulary_size(v);
    if (id < 0) {
        printf("%-8s does not occur\n", word);
        return 0;
    }
    reel_no_grad_begin(t);
    reel_var all = reel_param_var(t, in);
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

static reel_param *table(reel_params *p, const char *name, int64_t rows)
{
    /* A step touches the rows of the words that it draws, and no others. */
    reel_param *weight = reel_param_new(p, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(rows, WIDTH));
    reel_param_set_sparse(weight, true);
    return weight;
}

int main(int argc, char **argv)
{
    struct settings s = {.first_lr = 0.025, .last_lr = 1e-4, .sample = 1e-3, .seed = 1, .epochs = 5, .threads = 1};
    int option;
    while ((option = getopt(argc, argv, "o:e:s:t:")) != -1) {
        if (option == 'o')
            s.vectors = optarg;
        else if (option == 'e')
            s.epochs = atoi(optarg);
        else if (option == 's')
            s.seed = atoi(optarg);
        else if (option == 't')
            s.threads = atoi(optarg);
        else
            return 2;
    }
    const bool made_up = optind == argc;
    if (made_up) { /* so few words need more of everything */
        s.epochs = 20;
        s.sample = 1;
    }
    REEL_OPTIONS(context, co, co.seed = (uint64_t)s.seed, co.num_threads = s.threads);
    reel_context *c = reel_context_new(&co);
    char *text = made_up ? made_up_text(c) : read_file(argv[optind]);
    if (!c || !text) {
        fprintf(stderr, "word_vectors: %s\n", c ? "no text" : "no context");
        return 1;
    }
    REEL_OPTIONS(vocabulary, vo, vo.min_count = MIN_COUNT);
    reel_vocabulary *v = reel_vocabulary_new(c, &vo);
    reel_vocabulary_add_text(v, text, -1);
    reel_vocabulary_number(v);
    const int64_t size = reel_vocabulary_size(v);
    struct corpus corpus = number_words(v, text);
    double *keep = make_keep(v, s.sample);
    if (!corpus.word || !keep)
        return 1;
    printf("%d words\n", (int)size);

    reel_tape *t = reel_tape_new(c);
    struct model m = {.params = reel_params_new(c)};
    m.in = table(m.params, "in", size);
    m.out = table(m.params, "out", size);
    reel_init_uniform(m.in, -0.5 / WIDTH, 0.5 / WIDTH);
    m.words = reel_alias_new_of_counts(c, reel_vocabulary_counts(v), size, 0.75);
    m.sgd = reel_sgd_new(m.params, NULL);
    train(t, &m, &corpus, keep, &s);

    int same = 0;
    if (made_up)
        for (int kind = 0; kind < KINDS; kind++)
            same += print_nearest(t, m.in, v, kinds[kind][0]);
    else
        for (int i = optind + 1; i < argc; i++)
            print_nearest(t, m.in, v, argv[i]);
    if (reel_context_status(c)) {
        fprintf(stderr, "word_vectors: %s\n", reel_error(c));
        return 1;
    }
    bool written = !s.vectors || write_vectors(s.vectors, m.in, v);
    if (!written)
        perror(s.vectors);
    if (made_up)
        printf("%d of %d are of the same kind\n", same, KINDS * NEAREST);

    reel_optim_free(m.sgd);
    reel_alias_free(m.words);
    reel_params_free(m.params);
    reel_tape_free(t);
    reel_vocabulary_free(v);
    reel_context_free(c);
    free(corpus.word);
    free(keep);
    free(text);
    return written && (!made_up || same >= KINDS * NEAREST * 9 / 10) ? 0 : 1;
}
