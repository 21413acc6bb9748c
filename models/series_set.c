/* Labelled time series from files of several formats, or made up. */
#include "series_set.h"

#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SINE_CYCLES = 4, SINES = 400, SINE_STEPS = 64, TIMEGAN_SINES = 10000, TIMEGAN_STEPS = 24, TIMEGAN_CHANNELS = 5 };

/* Where the reasons of failures go; every reader has one. */
struct reader {
    reel_context *context;
    const struct series_source *source;
    const char *path;
    char *error;
    size_t error_size;
};

static bool fail(const struct reader *r, const char *what)
{
    snprintf(r->error, r->error_size, "%s: %s", r->path, what);
    return false;
}

/* What reel says names the path itself. */
static bool fail_with_reason(const struct reader *r)
{
    snprintf(r->error, r->error_size, "%s", reel_error(r->context));
    return false;
}

static bool allocate(struct series_set *s)
{
    size_t count = (size_t)s->count, values;
    if (__builtin_mul_overflow(count, (size_t)s->longest, &values) ||
        __builtin_mul_overflow(values, (size_t)s->channels, &values))
        return false;
    s->x = calloc(values, sizeof *s->x);
    s->labels = calloc(count, sizeof *s->labels);
    s->lengths = calloc(count, sizeof *s->lengths);
    s->names = calloc((size_t)s->classes, sizeof *s->names);
    if (s->x && s->labels && s->lengths && s->names)
        return true;
    series_set_free(s);
    return false;
}

bool series_set_like(struct series_set *set, const struct series_set *like, int64_t count)
{
    *set = (struct series_set){
        .count = count, .longest = like->longest, .channels = like->channels, .classes = like->classes};
    if (!allocate(set))
        return false;
    if (like->names)
        memcpy(set->names, like->names, (size_t)like->classes * sizeof *set->names);
    return true;
}

void series_set_free(struct series_set *s)
{
    free(s->x);
    free(s->labels);
    free(s->lengths);
    free(s->names);
    *s = (struct series_set){0};
}

bool series_are_equally_long(const struct series_set *s)
{
    for (int64_t i = 0; i < s->count; i++)
        if (s->lengths[i] != s->longest)
            return false;
    return true;
}

void series_stretch(const float *x, int64_t from, int64_t channels, float *out, int64_t to)
{
    for (int64_t t = 0; t < to; t++) {
        double place = to > 1 ? (double)(t * (from - 1)) / (double)(to - 1) : 0;
        int64_t k = (int64_t)place, next = k + 1 < from ? k + 1 : k;
        float part = (float)(place - (double)k);
        for (int64_t c = 0; c < channels; c++) {
            float a = x[k * channels + c], b = x[next * channels + c];
            out[t * channels + c] = a + part * (b - a);
        }
    }
}

int64_t series_quantile_length(const struct series_set *s, double part)
{
    int64_t length = 0, within = 0;
    while (length < s->longest && (double)within < part * (double)s->count) {
        length++;
        within = 0;
        for (int64_t i = 0; i < s->count; i++)
            within += s->lengths[i] <= length;
    }
    return length;
}

int64_t series_of_class(const struct series_set *s, int64_t label, int64_t k, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < s->count; i++)
        count += s->labels[i] == label;
    if (count == 0)
        return -1;
    for (int64_t i = 0, place = k * count / n; i < s->count; i++)
        if (s->labels[i] == label && place-- == 0)
            return i;
    return -1;
}

void series_scale_of(const struct series_set *s, float *mean, float *spread)
{
    for (int64_t c = 0; c < s->channels; c++) {
        double sum = 0, squares = 0, n = 0;
        for (int64_t i = 0; i < s->count; i++)
            for (int64_t t = 0; t < s->lengths[i]; t++, n++)
                sum += series_at(s, i)[t * s->channels + c];
        for (int64_t i = 0; i < s->count; i++)
            for (int64_t t = 0; t < s->lengths[i]; t++)
                squares += pow(series_at(s, i)[t * s->channels + c] - sum / n, 2);
        mean[c] = (float)(sum / n);
        spread[c] = squares > 0 ? (float)sqrt(squares / n) : 1;
    }
}

/* The series that begin at the rows `starts` of `values` [rows, channels]. Without lengths each ends where the next one
 * begins. labels may be NULL; names are the numbers. */
static bool from_rows(const struct reader *r, struct series_set *s, const float *values, const int64_t *starts,
                      const int64_t *lengths, const int64_t *labels)
{
    for (int64_t i = 0; i < s->count; i++) {
        int64_t length = lengths ? lengths[i] : starts[i + 1] - starts[i];
        s->longest = length > s->longest ? length : s->longest;
    }
    if (s->count < 1)
        return fail(r, "it has no series");
    if (s->longest > SERIES_MAX_LENGTH || s->classes > SERIES_MAX_CLASSES)
        return fail(r, "it has series of more than 65,536 steps, or more than 256 classes");
    if (!allocate(s))
        return fail(r, "out of memory");
    for (int64_t i = 0; i < s->count; i++) {
        s->lengths[i] = lengths ? lengths[i] : starts[i + 1] - starts[i];
        s->labels[i] = labels ? labels[i] : 0;
        memcpy(series_at(s, i), values + starts[i] * s->channels,
               (size_t)(s->lengths[i] * s->channels) * sizeof *values);
    }
    for (int64_t c = 0; c < s->classes; c++)
        snprintf(s->names[c], sizeof *s->names, "%lld", (long long)c);
    return true;
}

static bool read_ts(const struct reader *r, struct series_set *s)
{
    reel_ts *file = reel_ts_open(r->context, r->path);
    if (!file)
        return fail_with_reason(r);
    *s = (struct series_set){.count = reel_ts_count(file), .channels = reel_ts_dimensions(file)};
    s->classes = reel_ts_class_count(file) ? reel_ts_class_count(file) : 1;
    bool ok = from_rows(r, s, reel_ts_values(file), reel_ts_offsets(file), NULL, reel_ts_ids(file));
    for (int64_t c = 0; ok && c < reel_ts_class_count(file); c++)
        snprintf(s->names[c], sizeof *s->names, "%s", reel_ts_class(file, c));
    reel_ts_close(file);
    return ok;
}

static const reel_tensor_info *find_array(const reel_npy *file, const char *name, const char *other)
{
    const reel_tensor_info *array = reel_npy_find(file, name);
    return array ? array : reel_npy_find(file, other);
}

/* Where series begin among the rows of x, and how long they are. */
static bool npz_rows(const struct reader *r, reel_npy *file, const reel_tensor_info *x, int64_t *starts,
                     int64_t *lengths, int64_t count)
{
    bool padded = x->shape.ndim == 3, told = reel_npy_find(file, "lengths") != NULL;
    int64_t rows = padded ? count * x->shape.dim[1] : told ? x->shape.dim[0] : x->numel, next = 0;
    if (told && reel_npy_read(file, "lengths", REEL_INT64, lengths, count) != REEL_OK)
        return fail_with_reason(r);
    for (int64_t i = 0; i < count; i++) {
        int64_t most = padded || !told ? x->shape.dim[1] : rows - next;
        lengths[i] = told ? lengths[i] : most;
        if (lengths[i] < 1 || lengths[i] > most)
            return fail(r, "its lengths are not those of the rows of x");
        starts[i] = next;
        next += padded ? most : lengths[i];
    }
    return next == rows || fail(r, "its lengths are not those of the rows of x");
}

static bool npz_labels(const struct reader *r, reel_npy *file, const reel_tensor_info *y, int64_t *labels,
                       struct series_set *s)
{
    s->classes = 1;
    if (!y)
        return true;
    if (y->shape.ndim != 1 || y->numel != s->count)
        return fail(r, "it has not one label for each series");
    if (reel_npy_read(file, y->name, REEL_INT64, labels, s->count) != REEL_OK)
        return fail_with_reason(r);
    for (int64_t i = 0; i < s->count; i++) {
        if (labels[i] < 0 || labels[i] >= SERIES_MAX_CLASSES)
            return fail(r, "it has labels outside 0..255");
        s->classes = labels[i] >= s->classes ? labels[i] + 1 : s->classes;
    }
    return true;
}

static bool read_npz_arrays(const struct reader *r, reel_npy *file, struct series_set *s)
{
    const reel_tensor_info *x = find_array(file, "x", "X"), *y = find_array(file, "y", "labels");
    const reel_tensor_info *lengths = reel_npy_find(file, "lengths");
    if (!x || x->numel == 0)
        return fail(r, "it has no array x");
    bool padded = x->shape.ndim == 3;
    if ((x->shape.ndim != 2 && !padded) || (lengths && lengths->shape.ndim != 1))
        return fail(r, "x is neither [series, steps], [series, steps, channels] nor, with lengths, [rows, channels]");
    *s = (struct series_set){.count = lengths ? lengths->numel : x->shape.dim[0],
                             .channels = padded    ? x->shape.dim[2]
                                         : lengths ? x->shape.dim[1]
                                                   : 1};
    if (padded && x->shape.dim[0] != s->count)
        return fail(r, "its lengths are not those of the rows of x");
    float *values = malloc((size_t)x->numel * sizeof *values);
    int64_t *starts = calloc((size_t)s->count, sizeof *starts), *how_long = calloc((size_t)s->count, sizeof *how_long);
    int64_t *labels = calloc((size_t)s->count, sizeof *labels);
    bool ok = (values && starts && how_long && labels) || fail(r, "out of memory");
    ok = ok && npz_rows(r, file, x, starts, how_long, s->count) && npz_labels(r, file, y, labels, s);
    if (ok && reel_npy_read(file, x->name, REEL_REAL, values, x->numel) != REEL_OK)
        ok = fail_with_reason(r);
    ok = ok && from_rows(r, s, values, starts, how_long, labels);
    free(values);
    free(starts);
    free(how_long);
    free(labels);
    return ok;
}

static bool read_npz(const struct reader *r, struct series_set *s)
{
    reel_npy *file = reel_npy_open(r->context, r->path);
    bool ok = file ? read_npz_arrays(r, file, s) : fail_with_reason(r);
    reel_npy_close(file);
    return ok;
}

/* Pieces of `window` steps, one beginning at every step but the last that could (as TimeGAN cuts them). */
static bool cut_windows(const struct reader *r, const reel_csv *table, struct series_set *s)
{
    int64_t rows = reel_csv_rows(table), window = r->source->window, channels = reel_csv_columns(table);
    *s = (struct series_set){.count = rows - window, .longest = window, .channels = channels, .classes = 1};
    if (s->count < 1)
        return fail(r, "it has no more lines than --window");
    if (!allocate(s))
        return fail(r, "out of memory");
    const float *values = reel_csv_values(table);
    for (int64_t i = 0; i < s->count; i++) {
        s->lengths[i] = window;
        for (int64_t t = 0; t < window; t++) {
            int64_t row = r->source->newest_first ? rows - 1 - i - t : i + t;
            memcpy(series_at(s, i) + t * channels, values + row * channels, (size_t)channels * sizeof *values);
        }
    }
    snprintf(s->names[0], sizeof *s->names, "all");
    return true;
}

static bool lines_as_series(const struct reader *r, const reel_csv *table, struct series_set *s)
{
    const char *label = r->source->label;
    *s = (struct series_set){.count = reel_csv_rows(table), .channels = 1};
    s->classes = label ? reel_csv_label_count(table, label) : 1;
    int64_t *offsets = malloc((size_t)(s->count + 1) * sizeof *offsets);
    if (!offsets)
        return fail(r, "out of memory");
    for (int64_t i = 0; i <= s->count; i++)
        offsets[i] = i * reel_csv_columns(table);
    bool ok = from_rows(r, s, reel_csv_values(table), offsets, NULL, label ? reel_csv_ids(table, label) : NULL);
    for (int64_t c = 0; ok && label && c < s->classes; c++)
        snprintf(s->names[c], sizeof *s->names, "%s", reel_csv_label(table, label, c));
    free(offsets);
    return ok;
}

static bool read_csv(const struct reader *r, struct series_set *s)
{
    reel_csv_options o = reel_csv_defaults();
    o.labels = &r->source->label;
    o.n_labels = r->source->label ? 1 : 0;
    reel_csv *table = reel_csv_open(r->context, r->path, &o);
    if (!table)
        return fail_with_reason(r);
    bool ok = reel_csv_rows(table) >= 1 && reel_csv_columns(table) >= 1;
    if (!ok)
        fail(r, "it has no numbers");
    ok = ok && (r->source->window > 0 ? cut_windows(r, table, s) : lines_as_series(r, table, s));
    reel_csv_close(table);
    return ok;
}

static bool make_sines(const struct reader *r, struct series_set *s)
{
    *s =
        (struct series_set){.count = SINES * SINE_CYCLES, .longest = SINE_STEPS, .channels = 2, .classes = SINE_CYCLES};
    reel_tape *t = reel_tape_new(r->context);
    const reel_real *drawn = reel_data_real(t, reel_rand(t, REEL_SHAPE(s->count, 2)));
    const reel_real *noise = reel_data_real(t, reel_randn(t, REEL_SHAPE(s->count, SINE_STEPS, 2)));
    bool ok = drawn && noise && allocate(s);
    const double turn = 2 * acos(-1.0);
    for (int64_t i = 0; ok && i < s->count; i++) {
        s->labels[i] = i % SINE_CYCLES;
        s->lengths[i] = SINE_STEPS;
        double phase = turn * drawn[2 * i], amplitude = 0.5 + 0.5 * drawn[2 * i + 1];
        for (int64_t k = 0; k < 2 * SINE_STEPS; k++) {
            double angle = turn * (double)(s->labels[i] + 1) * (double)(k / 2) / SINE_STEPS + phase;
            double value = amplitude * (k % 2 ? sin(angle - turn / 4) : sin(angle));
            series_at(s, i)[k] = (float)(value + 0.05 * noise[i * 2 * SINE_STEPS + k]);
        }
    }
    for (int64_t c = 0; ok && c < s->classes; c++)
        snprintf(s->names[c], sizeof *s->names, "%lld cycle%s", (long long)c + 1, c ? "s" : "");
    reel_tape_free(t);
    return ok || fail(r, "out of memory");
}

static bool make_timegan_sines(const struct reader *r, struct series_set *s)
{
    *s = (struct series_set){
        .count = TIMEGAN_SINES, .longest = TIMEGAN_STEPS, .channels = TIMEGAN_CHANNELS, .classes = 1};
    reel_tape *t = reel_tape_new(r->context);
    const reel_real *drawn = reel_data_real(t, reel_rand(t, REEL_SHAPE(s->count, TIMEGAN_CHANNELS, 2)));
    bool ok = drawn && allocate(s);
    for (int64_t i = 0; ok && i < s->count; i++) {
        s->lengths[i] = TIMEGAN_STEPS;
        for (int64_t k = 0; k < TIMEGAN_STEPS * TIMEGAN_CHANNELS; k++) {
            const reel_real *d = drawn + (i * TIMEGAN_CHANNELS + k % TIMEGAN_CHANNELS) * 2;
            double angle = 0.1 * d[0] * (double)(k / TIMEGAN_CHANNELS) + 0.1 * d[1];
            series_at(s, i)[k] = (float)((sin(angle) + 1) * 0.5);
        }
    }
    if (ok)
        snprintf(s->names[0], sizeof *s->names, "all");
    reel_tape_free(t);
    return ok || fail(r, "out of memory");
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static bool read_set(const struct reader *r, struct series_set *s)
{
    static const struct {
        const char *end;
        bool (*read)(const struct reader *r, struct series_set *s);
    } formats[] = {{".ts", read_ts}, {".npz", read_npz}, {".csv", read_csv}};
    bool ok = false;
    *s = (struct series_set){0};
    if (strcmp(r->path, "sines") == 0)
        ok = make_sines(r, s);
    else if (strcmp(r->path, "timegan-sines") == 0)
        ok = make_timegan_sines(r, s);
    else {
        size_t i = 0, n = sizeof formats / sizeof *formats;
        while (i < n && !ends_with(r->path, formats[i].end))
            i++;
        ok = i < n ? formats[i].read(r, s) : fail(r, "ends in none of .ts, .npz and .csv");
    }
    for (int64_t k = 0; ok && k < s->count * s->longest * s->channels; k++)
        if (!isfinite(s->x[k]))
            ok = fail(r, "it has values that are missing or not finite, which this program does not take");
    return ok;
}

/* X_TEST.ts for X_TRAIN.ts, where there is such a file. */
static bool twin(const char *path, char *name, size_t size)
{
    static const char train[] = "_TRAIN.ts", test[] = "_TEST.ts";
    if (!ends_with(path, train))
        return false;
    snprintf(name, size, "%.*s%s", (int)(strlen(path) - strlen(train)), path, test);
    FILE *file = fopen(name, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

/* Moves the series that `wanted` marks, or the others, into a set of their own. */
static bool take(struct series_set *out, const struct series_set *from, const bool *marks, bool wanted)
{
    int64_t count = 0;
    for (int64_t i = 0; i < from->count; i++)
        count += marks[i] == wanted;
    if (!series_set_like(out, from, count))
        return false;
    size_t size = (size_t)(from->longest * from->channels) * sizeof *from->x;
    for (int64_t i = 0, k = 0; i < from->count; i++)
        if (marks[i] == wanted) {
            out->labels[k] = from->labels[i];
            out->lengths[k] = from->lengths[i];
            memcpy(series_at(out, k++), series_at(from, i), size);
        }
    return true;
}

/* Of each class the same part is for testing, the series that a permutation has first. */
static bool cut(const struct reader *r, const struct series_set *all, struct series_set *train, struct series_set *test)
{
    reel_tape *t = reel_tape_new(r->context);
    bool *marks = calloc((size_t)all->count, sizeof *marks);
    const int64_t *order = reel_data_int64(t, reel_randperm(t, all->count));
    bool ok = (marks && order) || fail(r, "out of memory");
    for (int64_t c = 0; ok && c < all->classes; c++) {
        int64_t count = 0;
        for (int64_t i = 0; i < all->count; i++)
            count += all->labels[i] == c;
        int64_t left = (int64_t)((double)count * r->source->test_part);
        for (int64_t k = 0; k < all->count && left > 0; k++)
            if (all->labels[order[k]] == c) {
                marks[order[k]] = r->source->test_part > 0;
                left--;
            }
    }
    ok = ok && ((take(train, all, marks, false) && take(test, all, marks, r->source->test_part > 0)) ||
                fail(r, "out of memory"));
    if (ok && (train->count == 0 || test->count == 0))
        ok = fail(r, "it has too few series for --test-part");
    free(marks);
    reel_tape_free(t);
    return ok;
}

/* To a longer padding. */
static bool lengthen(const struct reader *r, struct series_set *s, int64_t longest)
{
    if (s->longest == longest)
        return true;
    size_t row = (size_t)s->channels * sizeof *s->x;
    float *x = calloc((size_t)(s->count * longest), row);
    if (!x)
        return fail(r, "out of memory");
    for (int64_t i = 0; i < s->count; i++)
        memcpy(x + i * longest * s->channels, series_at(s, i), (size_t)s->longest * row);
    free(s->x);
    s->x = x;
    s->longest = longest;
    return true;
}

static bool read_both(struct reader *r, struct series_set *train, struct series_set *test)
{
    char name[4096];
    const char *other = r->source->test;
    r->path = r->source->data;
    if (!other && twin(r->path, name, sizeof name))
        other = name;
    if (!other) {
        struct series_set all;
        bool ok = read_set(r, &all) && cut(r, &all, train, test);
        series_set_free(&all);
        return ok;
    }
    if (!read_set(r, train))
        return false;
    r->path = other;
    if (!read_set(r, test))
        return false;
    if (train->channels != test->channels || train->classes < test->classes)
        return fail(r, "it has other channels or more classes than the training series");
    test->classes = train->classes;
    int64_t longest = train->longest > test->longest ? train->longest : test->longest;
    return lengthen(r, train, longest) && lengthen(r, test, longest);
}

bool series_load(const struct series_source *source, struct series_set *train, struct series_set *test, char *error,
                 size_t error_size)
{
    *train = *test = (struct series_set){0};
    struct reader r = {reel_context_new(NULL), source, source->data, error, error_size};
    bool ok = r.context ? read_both(&r, train, test) : fail(&r, "out of memory");
    if (!ok) {
        series_set_free(train);
        series_set_free(test);
    }
    reel_context_free(r.context);
    return ok;
}
