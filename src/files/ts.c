/* Reading the files of the time series archive. */
#include "base/text.h"
#include "files/decimal.h"
#include "files/input.h"

#include <reel/ts.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct reel_ts {
    reel_context *context;
    char *text; /* the head, which name and classes point into; while it is read, the whole file */
    const char *name;
    bool missing, univariate, equal_length, has_classes, has_targets;
    int64_t dimensions, length; /* 0: not known yet; the length -1: different ones */
    int64_t stated_length;
    int64_t count, n_values, n_classes;
    reel_real *values, *targets;
    int64_t *offsets, *ids;
    const char **classes;
    int64_t room_for_values, room_for_targets, room_for_offsets, room_for_ids, room_for_classes;
};

/* The text, a line at a time. */
struct lines {
    reel_ts *file;
    struct reel_input input;
    locale_t plain;
    char *next, *end;
    int64_t number;
    reel_real *series; /* the values of a line, dimension after dimension */
    int64_t room;
};

static bool fail(struct lines *l, const char *what)
{
    reel_input_fail(&l->input, REEL_ERROR_FORMAT, "line %lld: %s", (long long)l->number, what);
    return false;
}

static bool grow(struct lines *l, void **array, int64_t count, int64_t *room, size_t size)
{
    if (reel_grow(&l->file->context->memory, array, count, room, count + 1, size))
        return true;
    reel_fail_memory(l->file->context, "a file of series", (size_t)count * size);
    return false;
}

/* Cuts spaces off both ends. */
static char *trim(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
    return text + strspn(text, " \t");
}

/* The next line with something in it, ended by a zero byte; NULL at the end of the text. */
static char *next_line(struct lines *l)
{
    while (l->next < l->end) {
        char *line = l->next, *end = memchr(line, '\n', (size_t)(l->end - line));
        if (!end)
            end = l->end;
        *end = '\0';
        l->next = end + 1;
        l->number++;
        if (strlen(line) < (size_t)(end - line)) {
            fail(l, "a zero byte");
            return NULL;
        }
        line = trim(line);
        if (*line)
            return line;
    }
    return NULL;
}

/* ---- The head ---- */

/* The next word of a line, ended by a zero byte; "" when there is none. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t"), *end = word + strcspn(word, " \t");
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static bool read_truth(struct lines *l, char **line, bool *out)
{
    const char *word = next_word(line);
    *out = strcasecmp(word, "true") == 0;
    return *out || strcasecmp(word, "false") == 0 || fail(l, "true or false expected");
}

static bool read_count(struct lines *l, char **line, int64_t *out)
{
    const char *word = next_word(line);
    int64_t value = 0;
    for (; *word >= '0' && *word <= '9' && value < INT32_MAX; word++)
        value = value * 10 + (*word - '0');
    *out = value;
    return (*word == '\0' && value > 0) || fail(l, "a whole number from 1 up expected");
}

static bool read_classes(struct lines *l, char **line)
{
    reel_ts *f = l->file;
    if (!read_truth(l, line, &f->has_classes))
        return false;
    for (const char *word; f->has_classes && *(word = next_word(line));) {
        for (int64_t i = 0; i < f->n_classes; i++)
            if (strcmp(f->classes[i], word) == 0)
                return fail(l, "a class is named twice");
        if (!grow(l, (void **)&f->classes, f->n_classes, &f->room_for_classes, sizeof *f->classes))
            return false;
        f->classes[f->n_classes++] = word;
    }
    return !f->has_classes || f->n_classes > 0 || fail(l, "there are classes, and none is named");
}

/* What stands behind a word of the head. */
static bool read_statement(struct lines *l, const char *word, char *line)
{
    reel_ts *f = l->file;
    bool stamps = false, good;
    if (strcasecmp(word, "@problemName") == 0) {
        f->name = trim(line);
        return *f->name || fail(l, "a name expected");
    }
    if (strcasecmp(word, "@timestamps") == 0)
        good = read_truth(l, &line, &stamps);
    else if (strcasecmp(word, "@missing") == 0)
        good = read_truth(l, &line, &f->missing);
    else if (strcasecmp(word, "@univariate") == 0)
        good = read_truth(l, &line, &f->univariate);
    else if (strcasecmp(word, "@equalLength") == 0)
        good = read_truth(l, &line, &f->equal_length);
    else if (strcasecmp(word, "@targetLabel") == 0)
        good = read_truth(l, &line, &f->has_targets);
    else if (strcasecmp(word, "@dimension") == 0 || strcasecmp(word, "@dimensions") == 0)
        good = read_count(l, &line, &f->dimensions);
    else if (strcasecmp(word, "@seriesLength") == 0)
        good = read_count(l, &line, &f->stated_length);
    else if (strcasecmp(word, "@classLabel") == 0)
        good = read_classes(l, &line);
    else
        return fail(l, "a word that no head has");
    if (good && stamps)
        return fail(l, "series with time stamps are not read");
    return good && (*next_word(&line) == '\0' || fail(l, "more than the word takes"));
}

static bool read_head(struct lines *l)
{
    reel_ts *f = l->file;
    f->missing = true;
    for (char *line; (line = next_line(l)) != NULL;) {
        if (*line == '#')
            continue;
        if (*line != '@')
            return fail(l, "neither # nor @ at the beginning of a line of the head");
        if (!reel_is_utf8(line))
            return fail(l, "text that is not UTF-8");
        char *word = next_word(&line);
        if (strcasecmp(word, "@data") == 0) {
            if (*next_word(&line))
                return fail(l, "more than the word takes");
            if (f->has_classes && f->has_targets)
                return fail(l, "the head has classes and targets");
            if (f->univariate && f->dimensions > 1)
                return fail(l, "the head has several dimensions and is univariate");
            if (f->univariate)
                f->dimensions = 1;
            return true;
        }
        if (!read_statement(l, word, line))
            return false;
    }
    return f->context->status == REEL_OK && fail(l, "there is no @data");
}

/* ---- The series ---- */

/* The number that `text` is as a whole, spaces around it aside; *end is where it and they end. */
static bool read_value(struct lines *l, char *text, char **end, reel_real *out)
{
    text += strspn(text, " \t");
    double value = (double)NAN;
    const char *behind = reel_decimal(text, l->plain, &value);
    if (behind == text && (*text == '?' || strncasecmp(text, "nan", 3) == 0)) {
        if (!l->file->missing)
            return fail(l, "a value is missing, and the head says that none is");
        behind = text + (*text == '?' ? 1 : 3);
    } else if (behind == text)
        return fail(l, "a number expected");
    *out = (reel_real)value;
    *end = text + (behind - text);
    *end += strspn(*end, " \t");
    return true;
}

/* The values of one dimension, which are appended to the `count` that are there. */
static bool read_dimension(struct lines *l, char *text, int64_t *count)
{
    for (;; text++) {
        if (!grow(l, (void **)&l->series, *count, &l->room, sizeof *l->series) ||
            !read_value(l, text, &text, &l->series[*count]))
            return false;
        ++*count;
        if (*text == '\0')
            return true;
        if (*text != ',')
            return fail(l, "',' expected between the values of a series");
    }
}

static bool read_class(struct lines *l, const char *text)
{
    reel_ts *f = l->file;
    int64_t i = 0;
    while (i < f->n_classes && strcmp(f->classes[i], text) != 0)
        i++;
    if (i == f->n_classes)
        return fail(l, "a class that the head does not name");
    if (!grow(l, (void **)&f->ids, f->count, &f->room_for_ids, sizeof *f->ids))
        return false;
    f->ids[f->count] = i;
    return true;
}

static bool read_target(struct lines *l, char *text)
{
    reel_ts *f = l->file;
    char *end;
    return grow(l, (void **)&f->targets, f->count, &f->room_for_targets, sizeof *f->targets) &&
           read_value(l, text, &end, &f->targets[f->count]) && (*end == '\0' || fail(l, "a target that is no number"));
}

/* Appends what the line held, a row for each moment. */
static bool add_series(struct lines *l, int64_t count, int64_t dimensions)
{
    reel_ts *f = l->file;
    int64_t length = count / dimensions;
    if (f->dimensions == 0)
        f->dimensions = dimensions;
    if (dimensions != f->dimensions)
        return fail(l, "another number of dimensions than the head or the series before have");
    if (f->stated_length > 0 && length != f->stated_length)
        return fail(l, "another length than the head says");
    if (f->equal_length && f->length > 0 && length != f->length)
        return fail(l, "another length than the series before, and the head says that all are equal");
    f->length = f->count == 0 || f->length == length ? length : -1;
    if (!reel_grow(&f->context->memory, (void **)&f->values, f->n_values, &f->room_for_values, f->n_values + count,
                   sizeof *f->values)) {
        reel_fail_memory(f->context, "a file of series", (size_t)(f->n_values + count) * sizeof *f->values);
        return false;
    }
    if (!grow(l, (void **)&f->offsets, f->count + 1, &f->room_for_offsets, sizeof *f->offsets))
        return false;
    reel_real *to = f->values + f->n_values;
    for (int64_t d = 0; d < dimensions; d++)
        for (int64_t i = 0; i < length; i++)
            to[i * dimensions + d] = l->series[d * length + i];
    f->n_values += count;
    f->offsets[++f->count] = f->n_values / dimensions;
    return true;
}

static bool read_series(struct lines *l, char *line)
{
    reel_ts *f = l->file;
    bool labelled = f->has_classes || f->has_targets;
    int64_t count = 0, dimensions = 0, length = 0;
    for (char *next; line; line = next) {
        next = strchr(line, ':');
        if (next)
            *next++ = '\0';
        if (!next && labelled) {
            if (dimensions == 0)
                return fail(l, "a class or a target without a series");
            if (!(f->has_classes ? read_class(l, trim(line)) : read_target(l, line)))
                return false;
            break;
        }
        if (!read_dimension(l, line, &count))
            return false;
        dimensions++;
        if (dimensions == 1)
            length = count;
        if (count != dimensions * length)
            return fail(l, "its dimensions are not equally long");
    }
    return add_series(l, count, dimensions);
}

/* ---- The file ---- */

/* Keeps of the text what is still needed when the series have been read. */
static bool keep_head(struct lines *l, int64_t size)
{
    reel_ts *f = l->file;
    char *head = reel_allocate(&f->context->memory, (size_t)size);
    if (!head) {
        reel_fail_memory(f->context, "a file of series", (size_t)size);
        return false;
    }
    memcpy(head, f->text, (size_t)size);
    if (*f->name)
        f->name = head + (f->name - f->text);
    for (int64_t i = 0; i < f->n_classes; i++)
        f->classes[i] = head + (f->classes[i] - f->text);
    reel_free(&f->context->memory, f->text);
    f->text = head;
    return true;
}

static bool read_file(struct lines *l)
{
    reel_ts *f = l->file;
    size_t size = (size_t)l->input.size + 1;
    f->text = reel_allocate(&f->context->memory, size);
    if (!f->text) {
        reel_fail_memory(f->context, "a file of series", size);
        return false;
    }
    if (reel_input_read(&l->input, f->text, l->input.size, 0) != REEL_OK ||
        !grow(l, (void **)&f->offsets, 0, &f->room_for_offsets, sizeof *f->offsets))
        return false;
    f->text[l->input.size] = '\0';
    f->offsets[0] = 0;
    l->next = f->text;
    l->end = f->text + l->input.size;
    if (!read_head(l))
        return false;
    int64_t head = l->next - f->text;
    for (char *line; (line = next_line(l)) != NULL;)
        if (!read_series(l, line))
            return false;
    if (f->context->status == REEL_OK && f->count == 0)
        fail(l, "there is no series");
    return f->context->status == REEL_OK && keep_head(l, head);
}

reel_ts *reel_ts_open(reel_context *context, const char *path)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_ts *file = reel_allocate_zeroed(&context->memory, sizeof *file);
    if (!file) {
        reel_fail_memory(context, "an open file", sizeof *file);
        return NULL;
    }
    file->context = context;
    file->name = "";
    struct lines lines = {.file = file, .plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    if (!lines.plain)
        reel_fail_memory(context, "a locale", 0);
    else if (reel_input_open(&lines.input, context, "ts", path) == REEL_OK)
        read_file(&lines);
    if (lines.plain)
        freelocale(lines.plain);
    if (lines.input.context)
        reel_input_close(&lines.input);
    reel_free(&context->memory, lines.series);
    if (context->status == REEL_OK)
        return file;
    reel_ts_close(file);
    return NULL;
}

void reel_ts_close(reel_ts *file)
{
    if (!file)
        return;
    struct reel_memory *memory = &file->context->memory;
    reel_free(memory, file->text);
    reel_free(memory, file->values);
    reel_free(memory, file->targets);
    reel_free(memory, file->offsets);
    reel_free(memory, file->ids);
    reel_free(memory, file->classes);
    reel_free(memory, file);
}

const char *reel_ts_name(const reel_ts *file)
{
    return file ? file->name : "";
}

int64_t reel_ts_count(const reel_ts *file)
{
    return file ? file->count : 0;
}

int64_t reel_ts_dimensions(const reel_ts *file)
{
    return file ? file->dimensions : 0;
}

int64_t reel_ts_length(const reel_ts *file)
{
    return file ? file->length : 0;
}

const reel_real *reel_ts_values(const reel_ts *file)
{
    return file ? file->values : NULL;
}

const int64_t *reel_ts_offsets(const reel_ts *file)
{
    return file ? file->offsets : NULL;
}

const int64_t *reel_ts_ids(const reel_ts *file)
{
    return file ? file->ids : NULL;
}

int64_t reel_ts_class_count(const reel_ts *file)
{
    return file ? file->n_classes : 0;
}

const char *reel_ts_class(const reel_ts *file, int64_t id)
{
    return file && id >= 0 && id < file->n_classes ? file->classes[id] : NULL;
}

const reel_real *reel_ts_targets(const reel_ts *file)
{
    return file ? file->targets : NULL;
}
