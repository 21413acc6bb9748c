/* Tables of numbers in text: comma- or tab-separated values with a line of names, as pandas.read_csv reads them.
 *
 *     const char *label = "species";
 *     REEL_OPTIONS(csv, o, o.labels = &label, o.n_labels = 1);
 *     reel_csv *iris = reel_csv_open(c, "iris.csv", &o);
 *     reel_loader *loader = reel_loader_new(c, reel_csv_rows(iris), NULL);
 *     reel_loader_add(loader, REEL_REAL, reel_csv_values(iris), REEL_SHAPE(reel_csv_columns(iris)));
 *     reel_loader_add(loader, REEL_INT64, reel_csv_ids(iris, "species"), REEL_SCALAR);
 */
#ifndef REEL_CSV_H
#define REEL_CSV_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A table that was read. */
typedef struct reel_csv reel_csv;

typedef struct reel_csv_options {
    reel_options_mark mark;
    char delimiter; /* ','; '\t' for tab-separated values */
    bool header;    /* true: the first line names the columns. false: they are called "0", "1", ... */
    /* Columns of numbers that are read, n_columns of them, in this order (usecols); NULL: all that are no labels. */
    const char *const *columns;
    int64_t n_columns;
    /* Columns of text, n_labels of them, whose different values are numbered. */
    const char *const *labels;
    int64_t n_labels;
    bool missing; /* true: a missing number is NaN. false: it is refused */
} reel_csv_options;
REEL_API reel_csv_options reel_csv_defaults(void);

/* Reads a file as a whole; what is taken from `options` is copied. Fields may stand in double quotes, in which two
 * stand for one; lines end with \n, \r\n or \r (not inside of quotes, where it is part of the field), also before the
 * end of the file; lines of nothing but spaces are passed over, as are spaces around a number, and a byte order mark.
 * All lines have as many fields as the first.
 *
 * A number is what strtod takes in the C locale, in decimal, with a point whatever the locale: it becomes the nearest
 * double, and that the nearest reel_real. Inf and infinity are numbers too, in any case of letters and without spaces.
 * A number is missing where a field is empty or one of what pandas takes for it: "#N/A", "#N/A N/A", "#NA", "-1.#IND",
 * "-1.#QNAN", "-NaN",
 * "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null".
 *
 * NULL with an error: REEL_ERROR_FORMAT names line and column of a field that is no number, is missing but must not be,
 * or of a line with another number of fields, quotes that are not closed, text behind closing quotes, a zero byte, a
 * name or label that is not UTF-8, and a name that two columns have; REEL_ERROR_ARGUMENT for a column that is not there
 * or is asked for twice, and a delimiter that is a quote, a digit or the end of a line; REEL_ERROR_IO. Owned by the
 * caller; close it before the context. */
REEL_API reel_csv *reel_csv_open(reel_context *context, const char *path, const reel_csv_options *options);
REEL_API void reel_csv_close(reel_csv *table);

/* Lines, and columns of numbers. */
REEL_API int64_t reel_csv_rows(const reel_csv *table);
REEL_API int64_t reel_csv_columns(const reel_csv *table);

/* The numbers, [rows, columns], row-major; they live until the close. */
REEL_API const reel_real *reel_csv_values(const reel_csv *table);

/* The name of a column of numbers; NULL when there is none. And the place of a name; -1 when there is none. */
REEL_API const char *reel_csv_name(const reel_csv *table, int64_t column);
REEL_API int64_t reel_csv_find(const reel_csv *table, const char *name);

/* Of a column of labels: the number of each line's label, [rows], how many different ones there are, and the text that
 * has a number. Numbers go by the order of the texts' bytes (as sklearn's LabelEncoder gives them). NULL or 0 when
 * there is no such column of labels, or no such number. */
REEL_API const int64_t *reel_csv_ids(const reel_csv *table, const char *column);
REEL_API int64_t reel_csv_label_count(const reel_csv *table, const char *column);
REEL_API const char *reel_csv_label(const reel_csv *table, const char *column, int64_t id);

#ifdef __cplusplus
}
#endif

#endif
