/* Labelled time series: where they come from, and the table that they are held in. */
#ifndef MODELS_SERIES_SET_H
#define MODELS_SERIES_SET_H

#include "arguments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERIES_MAX_CLASSES = 256, SERIES_MAX_LENGTH = 65536, SERIES_NAME_SIZE = 64 };

/* Series, padded with zeros to the longest one. */
struct series_set {
    int64_t count, longest, channels, classes;
    float *x;                        /* [count, longest, channels] */
    int64_t *labels;                 /* [count], 0..classes-1 */
    int64_t *lengths;                /* [count], 1..longest */
    char (*names)[SERIES_NAME_SIZE]; /* [classes], cut where they are longer */
};

/* Where series come from; the same for every command. */
struct series_source {
    const char *data;  /* a file, or one of the two that are made: "sines" and "timegan-sines" */
    const char *test;  /* a file with the test series; NULL: that of the same name, or a part of the data */
    const char *label; /* the column of a csv with the class of each line; NULL: none */
    int64_t window;    /* csv: steps of the pieces that a long table is cut into; 0: each line is a series */
    bool newest_first; /* csv: the table's last line is the first in time */
    double test_part; /* the part of the data that is kept for testing where there is no file for it; 0: test series are
                         the training series */
};

/* Their options, for the tables of the commands. */
#define SERIES_SOURCE_DEFAULTS .data = "sines", .test_part = 0.25
#define SERIES_SOURCE_OPTIONS(s)                                                                                       \
    OPTION_TEXT("data", &(s).data, "FILE", "series: .ts, .npz or .csv, or sines, or timegan-sines"),                   \
        OPTION_TEXT("test", &(s).test, "FILE", "test series; else X_TEST.ts for X_TRAIN.ts, or a part of the data"),   \
        OPTION_NUMBER("test-part", &(s).test_part, 0, 0.9, "X", "that part; 0: the training series once more"),        \
        OPTION_TEXT("label", &(s).label, "NAME", "csv: the column with the classes"),                                  \
        OPTION_INTEGER("window", &(s).window, 0, SERIES_MAX_LENGTH, "N",                                               \
                       "csv: cut a long table into pieces of N steps; 0: a line is a series"),                         \
        OPTION_FLAG("newest-first", &(s).newest_first, "csv: the last line of the table is the first in time")

/* Reads both sets; they have the same longest length, channels and classes.
 *
 * - .ts files as include/reel/ts.h reads them, with classes and no missing values.
 * - .npz: an array x or X, [series, steps] or [series, steps, channels], perhaps with an int array "lengths"; or with
 * it the rows of all series, [steps of all, channels]; and perhaps an int array y or labels with classes from 0.
 * - .csv as include/reel/csv.h reads them; see struct series_source.
 * - sines, 400 of each of the four classes and 64 steps: one to four cycles, of any phase, with an amplitude from 0.5
 *   to 1 and noise of 0.05, and beside them the same a quarter of a cycle later. timegan-sines: 10,000 series of 24
 *   steps and 5 channels, each (1 + sin(f t + p)) / 2 with f and p from [0, 0.1) (TimeGAN's sine_data_generation).
 *
 * What is drawn, and which series are for testing, is the same in every call. Returns false with one line in `error`
 * that names the file; then both sets are all zero. */
bool series_load(const struct series_source *source, struct series_set *train, struct series_set *test, char *error,
                 size_t error_size);

/* Room for `count` series like those of another set, with labels, lengths and values of 0; false when memory ran out,
 * and then the set is all zero. */
bool series_set_like(struct series_set *set, const struct series_set *like, int64_t count);

/* Releases what a set holds and zeroes it. An all-zero set is accepted. */
void series_set_free(struct series_set *set);

/* The values of series i, [longest, channels]. */
static inline float *series_at(const struct series_set *set, int64_t i)
{
    return set->x + i * set->longest * set->channels;
}

/* Whether all series have the longest length. */
bool series_are_equally_long(const struct series_set *set);

/* Of every channel the mean and the standard deviation (1 where that is 0) over all steps of the set; [channels]. */
void series_scale_of(const struct series_set *set, float *mean, float *spread);

/* `from` values of `channels` channels, brought to `to` of them by straight lines between neighbours; the first and the
 * last stay what they are. */
void series_stretch(const float *x, int64_t from, int64_t channels, float *out, int64_t to);

/* The length that so large a part of the series does not exceed. */
int64_t series_quantile_length(const struct series_set *set, double part);

/* The number of the k-th of n series of a class that are spread evenly over those in the set; -1 when it has none. */
int64_t series_of_class(const struct series_set *set, int64_t label, int64_t k, int64_t n);

#endif
