/* Series of the time series archive (timeseriesclassification.com): its .ts files, as aeon and sktime read them.
 *
 *     reel_ts *vowels = reel_ts_open(c, "JapaneseVowels_TRAIN.ts");
 *     reel_loader *loader = reel_loader_new(c, reel_ts_count(vowels), NULL);
 *     reel_loader_add_sequences(loader, REEL_REAL, reel_ts_values(vowels), reel_ts_offsets(vowels),
 *                               REEL_SHAPE(reel_ts_dimensions(vowels)), 0);
 *     reel_loader_add(loader, REEL_INT64, reel_ts_ids(vowels), REEL_SCALAR);
 */
#ifndef REEL_TS_H
#define REEL_TS_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file, read as a whole. First come lines that begin with # and are passed over, and lines that begin with a word, in
 * any case of letters: @problemName NAME; @timestamps, @missing, @univariate, @equalLength, @targetLabel true or false;
 * @dimension or @dimensions N; @seriesLength N; @classLabel true NAME... or false. After @data each line is a series:
 * its dimensions with a colon between them, the values of each with commas, in decimal as in csv.h, ? or NaN where one
 * is missing, and at the end, after a colon, the class or the target where there is one. Empty lines are passed over.
 * Lines end with \n or \r\n. The head is UTF-8, but for its comments.
 *
 * What the head says must be true of the data: the number of dimensions, equal lengths, values that are there, classes
 * that it names. The dimensions of a series are equally long, and there is at least one value. Of what it does not say,
 * values may be missing, lengths may differ, and there is neither class nor target.
 *
 * aeon reads all that is read here, and alike, except that lengths are equal and there are classes where its head does
 * not say so, that an empty line is no series, and that names are in small letters. It does not look at most of what is
 * refused here: other words, truths and counts that are none, more than a word takes, a beginning that is not @, no
 * @data, no series, a class that is named twice or nowhere, a line with nothing but a label, a zero byte, values that
 * are missing although the head says that none is, @dimensions, and @seriesLength. It takes 1_0 and -nan for numbers,
 * as Python does. Each of these is more likely a slip than meant.
 *
 * NULL with an error: REEL_ERROR_FORMAT names the line and what is wrong with it, series with time stamps are refused
 * there too; REEL_ERROR_IO for what the system refuses. Owned by the caller; close it before the context is freed.
 * Every function below accepts NULL, for a file without anything in it. */
typedef struct reel_ts reel_ts;
REEL_API reel_ts *reel_ts_open(reel_context *context, const char *path);
REEL_API void reel_ts_close(reel_ts *file);

/* What @problemName says, or "". */
REEL_API const char *reel_ts_name(const reel_ts *file);

/* How many series there are, the dimensions of each, and their length; -1 when it differs. */
REEL_API int64_t reel_ts_count(const reel_ts *file);
REEL_API int64_t reel_ts_dimensions(const reel_ts *file);
REEL_API int64_t reel_ts_length(const reel_ts *file);

/* The values, [all lengths, dimensions], row-major, NaN where one is missing; series i are the rows offsets[i] to
 * offsets[i + 1] - 1, with count + 1 offsets: what reel_loader_add_sequences takes. */
REEL_API const reel_real *reel_ts_values(const reel_ts *file);
REEL_API const int64_t *reel_ts_offsets(const reel_ts *file);

/* The class of each series, a number by the order of @classLabel; NULL without classes. How many there are, and the
 * name of one; NULL when there is no such number. */
REEL_API const int64_t *reel_ts_ids(const reel_ts *file);
REEL_API int64_t reel_ts_class_count(const reel_ts *file);
REEL_API const char *reel_ts_class(const reel_ts *file, int64_t id);

/* The target of each series; NULL without @targetLabel true. */
REEL_API const reel_real *reel_ts_targets(const reel_ts *file);

#ifdef __cplusplus
}
#endif

#endif
