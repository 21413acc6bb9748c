/* series_load: each format's values, labels and lengths, what is kept for testing, and what is refused. */
#include "series_set.h"

#include <criterion/criterion.h>
#include <math.h>
#include <reel/reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], error[4600];
static struct series_set train, test;

static void make_folder(void)
{
    strcpy(folder, "/tmp/reel-series-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    static const char *const names[] = {"a_TRAIN.ts", "a_TEST.ts", "a.npz", "a.csv"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    rmdir(folder);
    series_set_free(&train);
    series_set_free(&test);
}

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool load(struct series_source source, const char *name)
{
    if (name)
        source.data = in_folder(name);
    error[0] = '\0';
    return series_load(&source, &train, &test, error, sizeof error);
}

static void expect_refused(struct series_source source, const char *name, const char *reason)
{
    cr_expect(!load(source, name), "%s is taken", name);
    cr_expect(strstr(error, reason), "%s is refused with \"%s\"", name, error);
    cr_expect(strstr(error, folder), "the message does not name the file: %s", error);
    cr_expect(!train.x && !test.x, "something is left");
}

#define SOURCE(...) ((struct series_source){__VA_ARGS__})

TestSuite(series_set, .init = make_folder, .fini = remove_folder);

Test(series_set, ts_with_its_test_file)
{
    write_text("a_TRAIN.ts", "@problemName a\n@classLabel true up down\n@data\n1,2:5,6:up\n3,4,5:7,8,9:down\n");
    write_text("a_TEST.ts", "@problemName a\n@classLabel true up down\n@data\n9,8,7,6:1,2,3,4:down\n");
    cr_assert(load(SOURCE(.test_part = 0.5), "a_TRAIN.ts"), "%s", error);
    cr_expect_eq(train.count, 2);
    cr_expect_eq(test.count, 1);
    cr_expect_eq(train.channels, 2);
    cr_expect_eq(train.longest, 4);
    cr_expect_eq(test.longest, 4);
    cr_expect_str_eq(train.names[1], "down");
    cr_expect_eq(train.labels[1], 1);
    cr_expect_eq(train.lengths[0], 2);
    cr_expect_eq(train.lengths[1], 3);
    const float first[] = {1, 5, 2, 6, 0, 0, 0, 0}, second[] = {3, 7, 4, 8, 5, 9, 0, 0};
    cr_expect_arr_eq(series_at(&train, 0), first, sizeof first);
    cr_expect_arr_eq(series_at(&train, 1), second, sizeof second);
    cr_expect(!series_are_equally_long(&train) && series_are_equally_long(&test));
    cr_expect_eq(series_of_class(&train, 1, 0, 6), 1);
    cr_expect_eq(series_of_class(&train, 1, 5, 6), 1);
    cr_expect_eq(series_of_class(&test, 0, 0, 6), -1);
}

Test(series_set, ts_with_missing_values_or_another_test_set)
{
    write_text("a_TRAIN.ts", "@problemName a\n@classLabel true up\n@data\n1,?:up\n");
    expect_refused(SOURCE(0), "a_TRAIN.ts", "missing");
    write_text("a_TRAIN.ts", "@problemName a\n@classLabel true up\n@data\n1,2:up\n");
    write_text("a_TEST.ts", "@problemName a\n@classLabel true up\n@data\n1,2:3,4:up\n");
    expect_refused(SOURCE(0), "a_TRAIN.ts", "other channels");
    write_text("a_TEST.ts", "@problemName a\n@data\nx\n");
    expect_refused(SOURCE(0), "a_TRAIN.ts", "_TEST.ts");
}

static void write_npz(const reel_named_array *arrays, int n)
{
    reel_context *c = reel_context_new(NULL);
    cr_assert_eq(reel_npz_write(c, in_folder("a.npz"), arrays, n, NULL), REEL_OK, "%s", reel_error(c));
    reel_context_free(c);
}

Test(series_set, npz_of_one_length)
{
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const int64_t y[] = {2, 0};
    const reel_named_array arrays[] = {{"x", REEL_REAL, REEL_SHAPE(2, 3, 2), x}, {"y", REEL_INT64, REEL_SHAPE(2), y}};
    write_npz(arrays, 2);
    cr_assert(load(SOURCE(.test_part = 0), "a.npz"), "%s", error);
    cr_expect_eq(train.count, 2);
    cr_expect_eq(test.count, 2, "without a test part the test series are the training series");
    cr_expect_eq(train.classes, 3);
    cr_expect_eq(train.channels, 2);
    cr_expect_eq(train.labels[0], 2);
    cr_expect_arr_eq(train.x, x, sizeof x);
    cr_expect_arr_eq(test.x, x, sizeof x);
}

Test(series_set, npz_of_many_lengths)
{
    static const float x[] = {1, 2, 3, 4, 5};
    static int64_t lengths[] = {2, 3};
    const reel_named_array arrays[] = {{"X", REEL_REAL, REEL_SHAPE(5, 1), x},
                                       {"lengths", REEL_INT64, REEL_SHAPE(2), lengths}};
    write_npz(arrays, 2);
    cr_assert(load(SOURCE(.test_part = 0), "a.npz"), "%s", error);
    const float expected[] = {1, 2, 0, 3, 4, 5};
    cr_expect_arr_eq(train.x, expected, sizeof expected);
    cr_expect_eq(train.lengths[0], 2);
    cr_expect_eq(train.classes, 1);
    series_set_free(&train);
    series_set_free(&test);
    static const int64_t bad[][2] = {{2, 2}, {2, 4}, {0, 5}, {-1, 6}, {INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(lengths, bad[i], sizeof lengths);
        write_npz(arrays, 2);
        expect_refused(SOURCE(0), "a.npz", "lengths");
    }
}

Test(series_set, npz_that_is_padded)
{
    static const float x[] = {1, 2, 9, 9, 5, 6, 7, 8};
    static int64_t lengths[] = {1, 2};
    const reel_named_array arrays[] = {{"x", REEL_REAL, REEL_SHAPE(2, 2, 2), x},
                                       {"lengths", REEL_INT64, REEL_SHAPE(2), lengths}};
    write_npz(arrays, 2);
    cr_assert(load(SOURCE(.test_part = 0), "a.npz"), "%s", error);
    const float expected[] = {1, 2, 0, 0, 5, 6, 7, 8};
    cr_expect_arr_eq(train.x, expected, sizeof expected);
    cr_expect_eq(train.lengths[0], 1);
    series_set_free(&train);
    series_set_free(&test);
    lengths[1] = 3;
    write_npz(arrays, 2);
    expect_refused(SOURCE(0), "a.npz", "lengths");
}

Test(series_set, npz_that_is_something_else)
{
    static const float x[] = {1, 2, 3, 4};
    static const int64_t y[] = {0, 256, 0};
    reel_named_array arrays[] = {{"z", REEL_REAL, REEL_SHAPE(2, 2), x}, {"y", REEL_INT64, REEL_SHAPE(2), y}};
    write_npz(arrays, 2);
    expect_refused(SOURCE(0), "a.npz", "no array x");
    arrays[0].name = "x";
    write_npz(arrays, 2);
    expect_refused(SOURCE(0), "a.npz", "outside 0..255");
    arrays[1].shape = REEL_SHAPE(3);
    write_npz(arrays, 2);
    expect_refused(SOURCE(0), "a.npz", "one label for each");
    arrays[0].shape = REEL_SHAPE(4);
    write_npz(arrays, 1);
    expect_refused(SOURCE(0), "a.npz", "neither");
}

Test(series_set, csv_whose_lines_are_series)
{
    write_text("a.csv", "kind,0,1,2\nb,1,2,3\na,4,5,6\n");
    cr_assert(load(SOURCE(.label = "kind"), "a.csv"), "%s", error);
    const float expected[] = {1, 2, 3, 4, 5, 6};
    cr_expect_arr_eq(train.x, expected, sizeof expected);
    cr_expect_eq(train.longest, 3);
    cr_expect_eq(train.channels, 1);
    cr_expect_eq(train.labels[0], 1);
    cr_expect_str_eq(train.names[0], "a");
}

Test(series_set, csv_in_pieces)
{
    write_text("a.csv", "a,b\n1,10\n2,20\n3,30\n4,40\n");
    cr_assert(load(SOURCE(.window = 2), "a.csv"), "%s", error);
    const float forward[] = {1, 10, 2, 20, 2, 20, 3, 30}, backward[] = {4, 40, 3, 30, 3, 30, 2, 20};
    cr_expect_eq(train.count, 2);
    cr_expect_arr_eq(train.x, forward, sizeof forward);
    cr_expect_eq(series_of_class(&train, 0, 1, 4), 0);
    cr_expect_eq(series_of_class(&train, 0, 2, 4), 1);
    series_set_free(&train);
    series_set_free(&test);
    cr_assert(load(SOURCE(.window = 2, .newest_first = true), "a.csv"), "%s", error);
    cr_expect_arr_eq(train.x, backward, sizeof backward);
    series_set_free(&train);
    series_set_free(&test);
    expect_refused(SOURCE(.window = 4), "a.csv", "--window");
    expect_refused(SOURCE(.label = "c"), "a.csv", "\"c\"");
}

Test(series_set, stretching)
{
    const float x[] = {0, 10, 2, 20, 4, 0};
    float longer[10], same[6], one[2];
    series_stretch(x, 3, 2, longer, 5);
    const float expected[] = {0, 10, 1, 15, 2, 20, 3, 10, 4, 0};
    cr_expect_arr_eq(longer, expected, sizeof expected);
    series_stretch(x, 3, 2, same, 3);
    cr_expect_arr_eq(same, x, sizeof x);
    series_stretch(x, 3, 2, one, 1);
    cr_expect_arr_eq(one, x, sizeof one);
    series_stretch(x, 1, 2, same, 3);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(same[i], x[i % 2]);
    write_text("a_TRAIN.ts", "@problemName a\n@data\n1\n1,2\n1,2,3\n1,2,3,4,5\n");
    cr_assert(load(SOURCE(.test_part = 0), "a_TRAIN.ts"), "%s", error);
    cr_expect_eq(series_quantile_length(&train, 0.75), 3);
    cr_expect_eq(series_quantile_length(&train, 0.76), 5);
    cr_expect_eq(series_quantile_length(&train, 1), 5);
}

Test(series_set, files_that_are_not_there_or_of_no_format)
{
    expect_refused(SOURCE(0), "none.ts", "none.ts");
    expect_refused(SOURCE(0), "none.npz", "none.npz");
    expect_refused(SOURCE(0), "none.csv", "none.csv");
    expect_refused(SOURCE(0), "a.wav", "none of");
}

Test(series_set, sines_have_the_cycles_of_their_class)
{
    cr_assert(load(SOURCE(.data = "sines", .test_part = 0.25), NULL), "%s", error);
    cr_expect_eq(train.count, 1200);
    cr_expect_eq(test.count, 400);
    const double turn = 2 * acos(-1.0);
    for (int64_t i = 0; i < test.count; i++) {
        double largest = -1;
        int64_t best = 0;
        for (int64_t cycles = 1; cycles <= 8; cycles++) {
            double re = 0, im = 0;
            for (int64_t t = 0; t < test.longest; t++) {
                double angle = turn * (double)(cycles * t) / (double)test.longest;
                re += series_at(&test, i)[2 * t] * cos(angle);
                im += series_at(&test, i)[2 * t] * sin(angle);
            }
            double size = re * re + im * im;
            best = size > largest ? cycles : best;
            largest = fmax(largest, size);
        }
        cr_assert_eq(best, test.labels[i] + 1);
    }
}

Test(series_set, a_part_of_each_class_is_for_testing_and_the_same_every_time)
{
    cr_assert(load(SOURCE(.data = "sines", .test_part = 0.1), NULL), "%s", error);
    for (int64_t c = 0; c < 4; c++) {
        int64_t count = 0;
        for (int64_t i = 0; i < test.count; i++)
            count += test.labels[i] == c;
        cr_expect_eq(count, 40);
    }
    for (int64_t i = 0; i < test.count; i++)
        for (int64_t k = 0; k < train.count; k++)
            cr_assert_neq(series_at(&test, i)[0], series_at(&train, k)[0], "a series is in both sets");
    struct series_set first = train;
    train = (struct series_set){0};
    series_set_free(&test);
    cr_assert(load(SOURCE(.data = "sines", .test_part = 0.1), NULL), "%s", error);
    cr_expect_arr_eq(train.x, first.x, (size_t)(train.count * train.longest * train.channels) * sizeof *train.x);
    series_set_free(&first);
}

Test(series_set, sines_of_timegan)
{
    cr_assert(load(SOURCE(.data = "timegan-sines", .test_part = 0), NULL), "%s", error);
    cr_expect_eq(train.count, 10000);
    for (int64_t i = 0; i < 100; i++) {
        const float *x = series_at(&train, i);
        for (int64_t c = 0; c < 5; c++) {
            /* asin(2 x - 1) is f t + p: a straight line up to pi / 2, which f t + p < 2.4 may pass. */
            double first = asin(2.0 * x[c] - 1), second = asin(2.0 * x[5 + c] - 1), third = asin(2.0 * x[10 + c] - 1);
            cr_assert(first >= -1e-6 && first < 0.1 && second - first >= -1e-6 && second - first < 0.1);
            cr_assert_float_eq(third - second, second - first, 1e-5);
        }
    }
}
