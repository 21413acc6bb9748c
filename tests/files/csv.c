/* Tables of numbers in text. */
#include "files/folder.h"
#include "golden/tables.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <locale.h>

TestSuite(csv, .init = make_folder, .fini = remove_folder);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void put_text(const char *text)
{
    put_file(text, strlen(text));
}

static void expect_values(const reel_csv *table, int64_t rows, int64_t columns, const double *want)
{
    cr_assert_eq(reel_csv_rows(table), rows);
    cr_assert_eq(reel_csv_columns(table), columns);
    for (int64_t i = 0; i < rows * columns; i++) {
        reel_real x = reel_csv_values(table)[i], w = (reel_real)want[i];
        cr_assert(isnan(w) ? isnan(x) : x == w && !signbit(x) == !signbit(w), "row %lld, column %lld: %g, not %g",
                  (long long)(i / columns), (long long)(i % columns), (double)x, want[i]);
    }
}

Test(csv, reads_what_pandas_reads)
{
    const char *label = "label";
    reel_context *c = reel_context_new(NULL);
    put_text(csv_text);
    REEL_OPTIONS(csv, o, o.labels = &label, o.n_labels = 1);
    reel_csv *table = reel_csv_open(c, path, &o);
    cr_assert_not_null(table, "%s", reel_error(c));
    expect_values(table, CSV_ROWS, 2, csv_values[0]);
    cr_assert_str_eq(reel_csv_name(table, 0), "a,b");
    cr_assert_str_eq(reel_csv_name(table, 1), "c");
    cr_assert(!reel_csv_name(table, 2) && reel_csv_find(table, "c") == 1 && reel_csv_find(table, "label") == -1);
    cr_assert_eq(reel_csv_label_count(table, "label"), CSV_LABELS);
    for (int i = 0; i < CSV_LABELS; i++)
        cr_assert_str_eq(reel_csv_label(table, "label", i), csv_labels[i]);
    cr_assert(!reel_csv_label(table, "label", CSV_LABELS) && !reel_csv_ids(table, "c"));
    for (int i = 0; i < CSV_ROWS; i++)
        cr_assert_eq(reel_csv_ids(table, "label")[i], csv_ids[i]);
    reel_csv_close(table);
    reel_context_free(c);
}

/* Columns by name in any order, tabs, a byte order mark, all ends of lines, and no header. */
Test(csv, forms)
{
    reel_context *c = reel_context_new(NULL);
    put_text("\xef\xbb\xbf"
             "x\ty\tz\tw\r1\t2\tu, v\t3\r\n\n\r\n 4 \t5\tt\t\n");
    REEL_OPTIONS(csv, o, o.delimiter = '\t');
    o.columns = (const char *const[]){"w", "x"};
    o.n_columns = 2;
    o.labels = (const char *const[]){"z"};
    o.n_labels = 1;
    reel_csv *table = reel_csv_open(c, path, &o);
    cr_assert_not_null(table, "%s", reel_error(c));
    expect_values(table, 2, 2, (const double[]){3, 1, NAN, 4});
    cr_assert(reel_csv_find(table, "w") == 0 && reel_csv_find(table, "y") == -1);
    cr_assert_str_eq(reel_csv_label(table, "z", reel_csv_ids(table, "z")[0]), "u, v");
    reel_csv_close(table);

    put_text("1;2\n3;4");
    REEL_OPTIONS(csv, plain, plain.delimiter = ';', plain.header = false);
    table = reel_csv_open(c, path, &plain);
    cr_assert_not_null(table, "%s", reel_error(c));
    expect_values(table, 2, 2, (const double[]){1, 2, 3, 4});
    cr_assert_str_eq(reel_csv_name(table, 1), "1");
    reel_csv_close(table);

    put_text("x,y");
    table = reel_csv_open(c, path, NULL);
    cr_assert(table && reel_csv_rows(table) == 0 && reel_csv_columns(table) == 2, "%s", reel_error(c));
    reel_csv_close(table);
    REEL_OPTIONS(csv, labels, labels.labels = (const char *const[]){"y"}, labels.n_labels = 1);
    table = reel_csv_open(c, path, &labels);
    cr_assert(table && reel_csv_rows(table) == 0 && reel_csv_label_count(table, "y") == 0, "%s", reel_error(c));
    reel_csv_close(table);
    reel_context_free(c);
}

Test(csv, what_cannot_be_read)
{
    static const struct {
        const char *text, *why;
    } bad[] = {{"", "without a first line"},
               {"\n\n", "without a first line"},
               {"x,y\n1,2,3\n", "line 2, column 3: there are more fields"},
               {"x,y\n1,2\n1\n", "line 3, column 2: there are fewer fields"},
               {"x,y\n1,2,\n", "line 2, column 3: there are more fields"},
               {"x,y\n\n1,z\n", "line 3, column 2: \"z\" is no number"},
               {"x,y\n1,0x10\n", "\"0x10\" is no number"},
               {"x,y\n1,1 2\n", "\"1 2\" is no number"},
               {"x,y\n1,1,5\n", "more fields"},
               {"x,y\n1,\"2\n", "quotes are not closed"},
               {"x,y\n1,\"2\"3\n", "text behind closing quotes"},
               {"x,x\n1,2\n", "line 1, column 2: a name that another column has"},
               {"x,\"y\nz\"\n1,a\n", "line 3, column 2: \"a\" is no number"}};
    reel_context *c = reel_context_new(NULL);
    for (size_t i = 0; i < COUNT(bad); i++) {
        put_text(bad[i].text);
        cr_assert_null(reel_csv_open(c, path, NULL), "%s", bad[i].text);
        expect_error(c, REEL_ERROR_FORMAT, bad[i].why);
    }
    put_file("x\n1\0\n", 5);
    cr_assert_null(reel_csv_open(c, path, NULL));
    expect_error(c, REEL_ERROR_FORMAT, "line 2, column 1: a zero byte");
    put_text("x,y\n1,\n");
    REEL_OPTIONS(csv, o, o.missing = false);
    cr_assert_null(reel_csv_open(c, path, &o));
    expect_error(c, REEL_ERROR_FORMAT, "line 2, column 2: a number is missing");

    const char *const names[] = {"x", "z"}, *const twice[] = {"x", "x"}, *const null[] = {NULL};
    o = reel_csv_defaults();
    o.columns = names;
    o.n_columns = 2;
    cr_assert_null(reel_csv_open(c, path, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "column \"z\" is not there");
    o.columns = twice;
    cr_assert_null(reel_csv_open(c, path, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "column \"x\" is asked for twice");
    o.columns = null;
    o.n_columns = 1;
    cr_assert_null(reel_csv_open(c, path, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "is not there");
    for (const char *d = "1e.-+\"\n"; *d; d++) {
        o = reel_csv_defaults();
        o.delimiter = *d;
        cr_assert_null(reel_csv_open(c, path, &o));
        expect_error(c, REEL_ERROR_ARGUMENT, "a delimiter that may stand in a number");
    }
    cr_assert_null(reel_csv_open(c, "/nowhere", NULL));
    expect_error(c, REEL_ERROR_IO, "cannot open it");
    reel_context_free(c);
}

/* Many times the buffer, with lines of all lengths, one of which is longer than it, and quotes over several lines. */
Test(csv, long_tables)
{
    enum { ROWS = 60000, LONG = 777, ROOM = 1 << 24 };
    char *text = malloc(ROOM);
    size_t size = (size_t)sprintf(text, "n,text,half,label\n");
    for (int i = 0; i < ROWS; i++) {
        size += (size_t)sprintf(text + size, "%d,\"", i);
        int length = i == LONG ? 900000 : i * 7 % 50;
        for (int k = 0; k < length; k++)
            text[size++] = "a,b\nc"[k % 5];
        size += (size_t)sprintf(text + size, "\"\"\",%.1f,\"L%d\"%s", i / 2., i % 311, i % 3 ? "\n" : "\r\n");
    }
    put_file(text, size);
    free(text);
    const char *const columns[] = {"half", "n"}, *const labels[] = {"label", "text"};
    reel_context *c = reel_context_new(NULL);
    REEL_OPTIONS(csv, o, o.columns = columns, o.n_columns = 2, o.labels = labels, o.n_labels = 2);
    reel_csv *table = reel_csv_open(c, path, &o);
    cr_assert_not_null(table, "%s", reel_error(c));
    cr_assert_eq(reel_csv_rows(table), ROWS);
    cr_assert_eq(reel_csv_label_count(table, "label"), 311);
    cr_assert_eq(reel_csv_label_count(table, "text"), 51);
    for (int i = 0; i < ROWS; i++) {
        char label[16];
        snprintf(label, sizeof label, "L%d", i % 311);
        const reel_real *row = reel_csv_values(table) + 2 * (size_t)i;
        cr_assert(row[0] == (reel_real)(i / 2.) && row[1] == (reel_real)i, "row %d", i);
        cr_assert_str_eq(reel_csv_label(table, "label", reel_csv_ids(table, "label")[i]), label);
        size_t length = strlen(reel_csv_label(table, "text", reel_csv_ids(table, "text")[i]));
        cr_assert_eq(length, (size_t)(i == LONG ? 900001 : i * 7 % 50 + 1));
    }
    reel_csv_close(table);
    reel_context_free(c);
}

/* The decimal point does not follow the program's locale. */
Test(csv, locale)
{
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"};
    for (size_t i = 0; i < COUNT(locales) && !setlocale(LC_ALL, locales[i]); i++)
        ;
    reel_context *c = reel_context_new(NULL);
    put_text("x\n1.5\n0.1000000000000000055511151231257827\n");
    reel_csv *table = reel_csv_open(c, path, NULL);
    cr_assert_not_null(table, "%s", reel_error(c));
    expect_values(table, 2, 1, (const double[]){1.5, 0.1});
    reel_csv_close(table);
    reel_context_free(c);
}

Test(csv, out_of_memory)
{
    struct counting memory;
    reel_context *c = counting_context(&memory, 1);
    int64_t live = memory.live;
    const char *label = "label";
    REEL_OPTIONS(csv, o, o.labels = &label, o.n_labels = 1);
    put_text(csv_text);
    int failures = 0;
    for (;; failures++) {
        memory.fail_at = memory.calls + failures;
        reel_csv *table = reel_csv_open(c, path, &o);
        memory.fail_at = -1;
        reel_csv_close(table);
        cr_assert_eq(memory.live, live, "a leak");
        if (table)
            break;
        expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
    }
    cr_assert_geq(failures, 15);
    reel_context_free(c);
}

Test(csv, a_loader_takes_columns)
{
    const char *label = "label";
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    put_text("x,label,y\n1,b,2\n3,a,4\n5,b,6\n");
    REEL_OPTIONS(csv, o, o.labels = &label, o.n_labels = 1);
    reel_csv *table = reel_csv_open(c, path, &o);
    REEL_OPTIONS(loader, batches, batches.batch_size = 3);
    reel_loader *loader = reel_loader_new(c, reel_csv_rows(table), &batches);
    reel_loader_add(loader, REEL_REAL, reel_csv_values(table), REEL_SHAPE(reel_csv_columns(table)));
    reel_loader_add(loader, REEL_INT64, reel_csv_ids(table, label), REEL_SCALAR);
    reel_var batch[2];
    cr_assert_eq(reel_loader_next(loader, t, batch), 3, "%s", reel_error(c));
    const reel_real *x = reel_data(t, batch[0]);
    const int64_t *y = reel_data(t, batch[1]);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(x[i], (reel_real)(i + 1));
    cr_assert(y[0] == 1 && y[1] == 0 && y[2] == 1);
    reel_loader_free(loader);
    reel_csv_close(table);
    reel_tape_free(t);
    reel_context_free(c);
}
