/* Reading tables of numbers: line by line through a buffer, since a table may be larger than memory would hold twice.
 */
#include "base/sort.h"
#include "files/decimal.h"
#include "files/input.h"

#include <reel/csv.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Texts that are different from each other, and their numbers in the order of their first appearance. */
struct texts {
    char *bytes; /* each ends with a zero byte */
    int64_t size, room;
    int64_t *starts; /* where text i begins */
    int64_t count, capacity;
    int64_t *slots; /* number + 1 by hash; 0: free */
    int64_t n_slots;
};

/* What becomes of a field. */
enum use { SKIPPED, NUMBER, LABEL };
struct column {
    enum use use;
    int64_t place; /* among the numbers, or the labels */
};

struct label {
    const char *name;
    struct texts texts;
    int64_t *ids;
    int64_t capacity;
};

struct reel_csv {
    reel_context *context;
    int64_t rows, n_numbers, n_labels;
    reel_real *values;
    int64_t capacity;
    struct texts names; /* of all columns, as they stand in the file */
    int64_t *numbers;   /* the columns of numbers, by their place in the table: a place in names */
    struct label *labels;
};

/* ---- Texts ---- */

static const char *text_at(const struct texts *texts, int64_t i)
{
    return texts->bytes + texts->starts[i];
}

static void free_texts(reel_context *c, struct texts *texts)
{
    reel_free(&c->memory, texts->bytes);
    reel_free(&c->memory, texts->starts);
    reel_free(&c->memory, texts->slots);
}

static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3;
    return h ^ h >> 32;
}

/* The slot of a text, or the free one where it goes. */
static int64_t *slot_of(const struct texts *texts, const char *text)
{
    uint64_t at = hash(text);
    for (;; at++) {
        int64_t *slot = &texts->slots[at & (uint64_t)(texts->n_slots - 1)];
        if (*slot == 0 || strcmp(text_at(texts, *slot - 1), text) == 0)
            return slot;
    }
}

/* At most half of the slots are taken. */
static bool make_slots(reel_context *c, struct texts *texts)
{
    if (2 * texts->count < texts->n_slots)
        return true;
    int64_t n = texts->n_slots ? 2 * texts->n_slots : 64;
    int64_t *slots = reel_allocate_zeroed(&c->memory, (size_t)n * sizeof *slots);
    if (!slots)
        return false;
    reel_free(&c->memory, texts->slots);
    texts->slots = slots;
    texts->n_slots = n;
    for (int64_t i = 0; i < texts->count; i++)
        *slot_of(texts, text_at(texts, i)) = i + 1;
    return true;
}

/* The number of a text; -1 with the error recorded when memory ran out. */
static int64_t number_of(reel_context *c, struct texts *texts, const char *text)
{
    int64_t size = (int64_t)strlen(text) + 1;
    int64_t *slot = make_slots(c, texts) ? slot_of(texts, text) : NULL;
    if (slot && *slot)
        return *slot - 1;
    if (!slot || !reel_grow(&c->memory, (void **)&texts->bytes, texts->size, &texts->room, texts->size + size, 1) ||
        !reel_grow(&c->memory, (void **)&texts->starts, texts->count, &texts->capacity, texts->count + 1,
                   sizeof *texts->starts)) {
        reel_fail_memory(c, "the texts of a table", (size_t)size);
        return -1;
    }
    memcpy(texts->bytes + texts->size, text, (size_t)size);
    texts->starts[texts->count++] = texts->size;
    texts->size += size;
    *slot = texts->count;
    return texts->count - 1;
}

static int64_t find_text(const struct texts *texts, const char *text)
{
    return texts->n_slots && text ? *slot_of(texts, text) - 1 : -1;
}

static bool text_before(const void *user, int64_t a, int64_t b)
{
    return strcmp(text_at(user, a), text_at(user, b)) < 0;
}

/* Numbers the texts of a label by their bytes. */
static bool sort_label(reel_context *c, struct label *label, int64_t rows)
{
    struct texts *texts = &label->texts;
    int64_t n = texts->count;
    int64_t *order = reel_allocate(&c->memory, (size_t)n * 2 * sizeof *order);
    if (!order) {
        reel_fail_memory(c, "the texts of a table", (size_t)n * 2 * sizeof *order);
        return false;
    }
    int64_t *place = order + n;
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    reel_heap_sort(order, n, text_before, texts);
    for (int64_t i = 0; i < n; i++)
        place[order[i]] = i;
    for (int64_t i = 0; i < rows; i++)
        label->ids[i] = place[label->ids[i]];
    for (int64_t i = 0; i < n; i++)
        order[i] = texts->starts[order[i]];
    if (n > 0)
        memcpy(texts->starts, order, (size_t)n * sizeof *order);
    reel_free(&c->memory, order);
    return true;
}

/* ---- The file, a piece at a time ---- */

struct reader {
    reel_context *context;
    reel_csv *table;
    const reel_csv_options *options;
    struct reel_input input;
    locale_t plain;
    char *buffer; /* bytes begin..end - 1 are still to be read, then comes a zero byte */
    int64_t room, begin, end;
    int64_t taken; /* of the file, into the buffer */
    int64_t line;  /* that begins at `begin`, from 1 */
    int64_t lines; /* ends of lines in the row that is read */
    struct column *columns;
    int64_t n_columns; /* of each line; 0: not known yet */
    char *field;       /* the text of one, without its quotes */
    int64_t field_room;
    bool again; /* the row is not in the buffer as a whole */
};

static bool is_last(const struct reader *r)
{
    return r->taken == r->input.size;
}

static bool fail(struct reader *r, int64_t column, const char *what)
{
    reel_input_fail(&r->input, REEL_ERROR_FORMAT, "line %lld, column %lld: %s", (long long)(r->line + r->lines),
                    (long long)(column + 1), what);
    return false;
}

/* Moves what is left to the front and reads behind it; a row that fills the buffer makes it larger. */
static bool fill(struct reader *r)
{
    enum { FIRST = 1 << 18 };
    int64_t left = r->end - r->begin, wanted = left > r->room / 2 ? 2 * r->room : r->room ? r->room : FIRST;
    if (r->begin > 0)
        memmove(r->buffer, r->buffer + r->begin, (size_t)left);
    r->begin = 0;
    r->end = left;
    if (!reel_grow(&r->context->memory, (void **)&r->buffer, left, &r->room, wanted, 1)) {
        reel_fail_memory(r->context, "a line of a table", (size_t)wanted);
        return false;
    }
    int64_t n = r->room - 1 - left, rest = r->input.size - r->taken;
    n = n < rest ? n : rest;
    if (reel_input_read(&r->input, r->buffer + left, n, r->taken) != REEL_OK)
        return false;
    r->taken += n;
    r->end += n;
    r->buffer[r->end] = '\0';
    return true;
}

/* ---- Fields ---- */

static bool is_blank(const struct reader *r, char c)
{
    return (c == ' ' || c == '\t') && c != r->options->delimiter;
}

static bool ends_line(char c)
{
    return c == '\n' || c == '\r';
}

/* Whether a field may end at p: then what comes next is in the buffer. */
static bool ends_field(struct reader *r, const char *p)
{
    if (*p == r->options->delimiter || *p == '\n')
        return true;
    const char *end = r->buffer + r->end;
    bool last = is_last(r);
    if (*p == '\r')
        return p + 1 < end || last;
    return p == end && last;
}

/* Behind the end of a line at p. */
static const char *pass_line(struct reader *r, const char *p)
{
    if (p == r->buffer + r->end)
        return p;
    r->lines++;
    return p + (p[0] == '\r' && p[1] == '\n' ? 2 : 1);
}

static bool append(struct reader *r, int64_t *length, char c)
{
    if (*length + 1 >= r->field_room &&
        !reel_grow(&r->context->memory, (void **)&r->field, *length, &r->field_room, *length + 2, 1)) {
        reel_fail_memory(r->context, "a field of a table", (size_t)*length);
        return false;
    }
    r->field[(*length)++] = c;
    return true;
}

/* The text of the field at p goes to r->field. Where it ends; NULL when it cannot be had, or not yet (r->again). */
static const char *read_text(struct reader *r, const char *p, int64_t column)
{
    const char *end = r->buffer + r->end;
    int64_t length = 0;
    if (*p == '"') {
        for (p++;; p++) {
            if (p[0] == '"' && p[1] == '"')
                p++;
            else if (*p == '"')
                break;
            if (p == end && is_last(r)) {
                fail(r, column, "quotes are not closed");
                return NULL;
            }
            if (p == end)
                goto again;
            if (*p == '\0') {
                fail(r, column, "a zero byte");
                return NULL;
            }
            r->lines += *p == '\n' || (*p == '\r' && p[1] != '\n');
            if (!append(r, &length, *p))
                return NULL;
        }
        p++;
    } else
        for (; *p != r->options->delimiter && !ends_line(*p) && *p != '\0'; p++)
            if (!append(r, &length, *p))
                return NULL;
    if (!append(r, &length, '\0'))
        return NULL;
    if (ends_field(r, p))
        return p;
    if (p < end && !ends_line(*p)) {
        fail(r, column, *p ? "text behind closing quotes" : "a zero byte");
        return NULL;
    }
again:
    r->again = true;
    return NULL;
}

/* What may stand around a number. */
static bool is_space(const struct reader *r, char c)
{
    return is_blank(r, c) || c == '\v' || c == '\f';
}

/* Whether a number that is not inf may begin here. Only such has spaces around it, as for pandas. */
static bool is_digits(const char *text)
{
    text += *text == '-' || *text == '+';
    return (*text >= '0' && *text <= '9') || *text == '.';
}

/* The number of a field that needs a closer look: in quotes, missing, or none. */
static const char *read_odd_number(struct reader *r, const char *p, int64_t column, double *value)
{
    const char *next = read_text(r, p, column);
    if (!next)
        return NULL;
    bool missing = reel_is_missing(r->field);
    char *text = r->field, *last = text + strlen(text);
    while (is_space(r, *text))
        text++;
    if (!is_digits(text))
        text = r->field;
    while (is_digits(text) && last > text && is_space(r, last[-1]))
        *--last = '\0';
    const char *end = reel_decimal(text, r->plain, value);
    if (end > text && *end == '\0')
        return next;
    char what[REEL_PRINTABLE + 32] = "a number is missing", printable[REEL_PRINTABLE];
    if (missing && r->options->missing) {
        *value = (double)NAN;
        return next;
    }
    if (!missing)
        snprintf(what, sizeof what, "\"%s\" is no number", reel_printable(text, printable));
    fail(r, column, what);
    return NULL;
}

static const char *read_number(struct reader *r, const char *p, int64_t column, double *value)
{
    const char *start = p;
    while (is_space(r, *p))
        p++;
    const char *end = is_digits(p) ? reel_decimal(p, r->plain, value) : p;
    if (end > p) {
        while (is_space(r, *end))
            end++;
        if (ends_field(r, end))
            return end;
    }
    return read_odd_number(r, start, column, value);
}

/* The number of the text in r->field; -1 with the error recorded. */
static int64_t number_of_field(struct reader *r, struct texts *texts, int64_t column)
{
    if (reel_is_utf8(r->field))
        return number_of(r->context, texts, r->field);
    fail(r, column, "a text that is not UTF-8");
    return -1;
}

/* ---- Rows ---- */

/* How many rows there will be, from the bytes of those that were read, so that the table is hardly ever moved. */
static int64_t expected_rows(const struct reader *r)
{
    double read = (double)(r->taken - (r->end - r->begin)), rows = (double)r->table->rows;
    return rows < 64 ? 64 : (int64_t)(rows * ((double)r->input.size / read) * 1.02) + 1;
}

static bool make_room(struct reader *r)
{
    reel_csv *t = r->table;
    struct reel_memory *memory = &r->context->memory;
    int64_t needed = t->rows + 1, held = t->rows * t->n_numbers;
    bool good = true;
    if (t->n_numbers > 0 && needed * t->n_numbers > t->capacity) {
        int64_t rows = expected_rows(r), wanted = (rows > needed ? rows : needed) * t->n_numbers;
        good = reel_grow(memory, (void **)&t->values, held, &t->capacity, wanted, sizeof *t->values);
    }
    for (int64_t i = 0; good && i < t->n_labels; i++)
        good = reel_grow(memory, (void **)&t->labels[i].ids, t->rows, &t->labels[i].capacity, needed,
                         sizeof *t->labels[i].ids);
    if (!good)
        reel_fail_memory(r->context, "a table", (size_t)(held + t->n_numbers) * sizeof *t->values);
    return good;
}

/* The row at r->begin, which is not the end of the file. Where it ends; NULL when it cannot be had, or not yet. */
static const char *read_row(struct reader *r)
{
    const char *p = r->buffer + r->begin;
    reel_csv *t = r->table;
    for (int64_t k = 0;; k++) {
        if (k == r->n_columns) {
            fail(r, k, "there are more fields than in the first line");
            return NULL;
        }
        const struct column *column = &r->columns[k];
        double value;
        if (column->use == NUMBER) {
            p = read_number(r, p, k, &value);
            if (p)
                t->values[t->rows * t->n_numbers + column->place] = (reel_real)value;
        } else
            p = read_text(r, p, k);
        if (p && column->use == LABEL) {
            int64_t id = number_of_field(r, &t->labels[column->place].texts, k);
            t->labels[column->place].ids[t->rows] = id;
            p = id < 0 ? NULL : p;
        }
        if (!p)
            return NULL;
        if (*p != r->options->delimiter) {
            if (k + 1 == r->n_columns)
                return pass_line(r, p);
            fail(r, k + 1, "there are fewer fields than in the first line");
            return NULL;
        }
        p++;
    }
}

/* Passes over lines in which nothing but spaces stands. False at the end of the file, and with the error recorded. */
static bool find_line(struct reader *r)
{
    for (;;) {
        const char *p = r->buffer + r->begin, *end = r->buffer + r->end;
        while (is_blank(r, *p))
            p++;
        if (p < end && !ends_line(*p))
            return true;
        if (p < end) {
            /* The other half of an end of line counts nothing. */
            r->line += !(p[0] == '\r' && p[1] == '\n');
            r->begin = p + 1 - r->buffer;
        } else if (is_last(r) || !fill(r))
            return false;
    }
}

/* Calls `read` at the beginning of each line, or of the first. */
static bool read_lines(struct reader *r, const char *(*read)(struct reader *r), bool once)
{
    while (find_line(r)) {
        r->again = false;
        r->lines = 0;
        if (r->table->n_numbers + r->table->n_labels > 0 && !make_room(r))
            return false;
        const char *next = read(r);
        if (next) {
            r->begin = next - r->buffer;
            r->line += r->lines;
            if (once)
                return true;
            r->table->rows++;
        } else if (!r->again || r->context->status != REEL_OK || !fill(r))
            return false;
    }
    return r->context->status == REEL_OK;
}

/* ---- The first line ---- */

/* Names the columns by the first line, or counts its fields, which are read again then. */
static const char *read_names(struct reader *r)
{
    const char *p = r->buffer + r->begin;
    struct texts *names = &r->table->names;
    for (int64_t k = 0;; k++, p++) {
        p = read_text(r, p, k);
        if (!p) {
            /* They are read again with more of the line. */
            free_texts(r->context, names);
            *names = (struct texts){0};
            return NULL;
        }
        if (!r->options->header)
            snprintf(r->field, (size_t)r->field_room, "%lld", (long long)k);
        int64_t place = number_of_field(r, names, k);
        if (place >= 0 && place < k)
            fail(r, k, "a name that another column has");
        if (place < k)
            return NULL;
        if (*p != r->options->delimiter) {
            r->n_columns = k + 1;
            if (r->options->header)
                return pass_line(r, p);
            r->lines = 0;
            return r->buffer + r->begin;
        }
    }
}

/* The column of a name, which is used so from now on. */
static bool use_column(struct reader *r, const char *name, enum use use, int64_t place)
{
    char printable[REEL_PRINTABLE];
    int64_t i = find_text(&r->table->names, name);
    if (name && i >= 0 && r->columns[i].use == SKIPPED) {
        r->columns[i] = (struct column){use, place};
        return true;
    }
    reel_input_fail(&r->input, REEL_ERROR_ARGUMENT, "column \"%s\" %s", name ? reel_printable(name, printable) : "",
                    !name || i < 0 ? "is not there" : "is asked for twice");
    return false;
}

static bool choose_columns(struct reader *r)
{
    const reel_csv_options *o = r->options;
    reel_csv *t = r->table;
    struct reel_memory *memory = &r->context->memory;
    size_t n = (size_t)r->n_columns;
    r->columns = reel_allocate_zeroed(memory, n * sizeof *r->columns);
    t->numbers = reel_allocate(memory, n * sizeof *t->numbers);
    t->labels = reel_allocate_zeroed(memory, (size_t)o->n_labels * sizeof *t->labels);
    if (!r->columns || !t->numbers || !t->labels) {
        reel_fail_memory(r->context, "the columns of a table", n * sizeof *r->columns);
        return false;
    }
    t->n_labels = o->n_labels;
    for (int64_t i = 0; i < o->n_labels; i++) {
        if (!use_column(r, o->labels[i], LABEL, i))
            return false;
        t->labels[i].name = text_at(&t->names, find_text(&t->names, o->labels[i]));
    }
    for (int64_t i = 0; o->columns && i < o->n_columns; i++)
        if (!use_column(r, o->columns[i], NUMBER, i))
            return false;
    t->n_numbers = o->columns ? o->n_columns : 0;
    for (int64_t k = 0; k < r->n_columns; k++) {
        if (!o->columns && r->columns[k].use == SKIPPED)
            r->columns[k] = (struct column){NUMBER, t->n_numbers++};
        if (r->columns[k].use == NUMBER)
            t->numbers[r->columns[k].place] = k;
    }
    return true;
}

/* ---- The table ---- */

reel_csv_options reel_csv_defaults(void)
{
    return (reel_csv_options){
        .mark = REEL_OPTIONS_MARK(reel_csv_options), .delimiter = ',', .header = true, .missing = true};
}

static bool is_delimiter(char c)
{
    return c != '\0' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
           !strchr("\"\n\r+-.", c);
}

static bool read_table(struct reader *r)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (!fill(r))
        return false;
    if (strncmp(r->buffer, mark, 3) == 0)
        r->begin = 3;
    r->line = 1;
    if (!read_lines(r, read_names, true))
        return false;
    if (r->n_columns == 0)
        return fail(r, 0, "a table without a first line");
    if (!choose_columns(r) || !read_lines(r, read_row, false))
        return false;
    for (int64_t i = 0; i < r->table->n_labels; i++)
        if (!sort_label(r->context, &r->table->labels[i], r->table->rows))
            return false;
    return true;
}

reel_csv *reel_csv_open(reel_context *context, const char *path, const reel_csv_options *options)
{
    reel_csv_options o = reel_csv_defaults();
    if (reel_options_take(context, "csv", options, &o) != REEL_OK)
        return NULL;
    if (!is_delimiter(o.delimiter) || o.n_columns < 0 || o.n_labels < 0 || (o.n_labels > 0 && !o.labels)) {
        reel_fail(context, REEL_ERROR_ARGUMENT, "csv: %s",
                  is_delimiter(o.delimiter)
                      ? "labels are NULL, or a count is negative"
                      : "a delimiter that may stand in a number, in quotes or at the end of a line");
        return NULL;
    }
    struct reel_memory *memory = &context->memory;
    reel_csv *table = reel_allocate_zeroed(memory, sizeof *table);
    if (!table) {
        reel_fail_memory(context, "a table", sizeof *table);
        return NULL;
    }
    table->context = context;
    struct reader r = {.context = context, .table = table, .options = &o};
    r.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!r.plain)
        reel_fail_memory(context, "a locale", 0);
    else if (reel_input_open(&r.input, context, "csv", path) == REEL_OK)
        read_table(&r);
    if (r.plain)
        freelocale(r.plain);
    if (r.input.context)
        reel_input_close(&r.input);
    reel_free(memory, r.buffer);
    reel_free(memory, r.columns);
    reel_free(memory, r.field);
    if (context->status == REEL_OK)
        return table;
    reel_csv_close(table);
    return NULL;
}

void reel_csv_close(reel_csv *table)
{
    if (!table)
        return;
    struct reel_memory *memory = &table->context->memory;
    for (int64_t i = 0; table->labels && i < table->n_labels; i++) {
        free_texts(table->context, &table->labels[i].texts);
        reel_free(memory, table->labels[i].ids);
    }
    free_texts(table->context, &table->names);
    reel_free(memory, table->labels);
    reel_free(memory, table->numbers);
    reel_free(memory, table->values);
    reel_free(memory, table);
}

int64_t reel_csv_rows(const reel_csv *table)
{
    return table ? table->rows : 0;
}

int64_t reel_csv_columns(const reel_csv *table)
{
    return table ? table->n_numbers : 0;
}

const reel_real *reel_csv_values(const reel_csv *table)
{
    return table ? table->values : NULL;
}

const char *reel_csv_name(const reel_csv *table, int64_t column)
{
    return table && column >= 0 && column < table->n_numbers ? text_at(&table->names, table->numbers[column]) : NULL;
}

int64_t reel_csv_find(const reel_csv *table, const char *name)
{
    int64_t column = table ? find_text(&table->names, name) : -1;
    for (int64_t i = 0; column >= 0 && i < table->n_numbers; i++)
        if (table->numbers[i] == column)
            return i;
    return -1;
}

static const struct label *find_label(const reel_csv *table, const char *column)
{
    for (int64_t i = 0; table && column && i < table->n_labels; i++)
        if (strcmp(table->labels[i].name, column) == 0)
            return &table->labels[i];
    return NULL;
}

const int64_t *reel_csv_ids(const reel_csv *table, const char *column)
{
    const struct label *label = find_label(table, column);
    return label ? label->ids : NULL;
}

int64_t reel_csv_label_count(const reel_csv *table, const char *column)
{
    const struct label *label = find_label(table, column);
    return label ? label->texts.count : 0;
}

const char *reel_csv_label(const reel_csv *table, const char *column, int64_t id)
{
    const struct label *label = find_label(table, column);
    return label && id >= 0 && id < label->texts.count ? text_at(&label->texts, id) : NULL;
}
