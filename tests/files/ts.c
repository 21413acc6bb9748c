/* Series of the time series archive. */
#include "files/folder.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <math.h>

TestSuite(ts, .init = make_folder, .fini = remove_folder);

static void put_text(const char *text)
{
    put_file(text, strlen(text));
}

static void expect_values(const reel_ts *file, int64_t n, const double *want)
{
    cr_assert_eq(reel_ts_offsets(file)[reel_ts_count(file)] * reel_ts_dimensions(file), n);
    for (int64_t i = 0; i < n; i++) {
        reel_real x = reel_ts_values(file)[i], w = (reel_real)want[i];
        cr_assert(isnan(w) ? isnan(x) : x == w, "value %lld is %g, not %g", (long long)i, (double)x, want[i]);
    }
}

static const char several[] = "# A comment,\n"
                              "#and another\xe9 one\n"
                              "@problemName Japanese Vowels\n"
                              "@timeStamps false\n"
                              "@missing true\n"
                              "@univariate false\n"
                              "@dimensions 2\n"
                              "@equalLength false\n"
                              "@classLabel true one 2\r\n"
                              "\n"
                              "@data\r\n"
                              "1,2,3:10,20,30:2\r\n"
                              "-4.5:?:one\n"
                              "\n"
                              "1e2, 6 :NaN,+0.5 : one";

Test(ts, series_of_different_lengths)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    put_text(several);
    reel_ts *file = reel_ts_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert_str_eq(reel_ts_name(file), "Japanese Vowels");
    cr_assert(reel_ts_count(file) == 3 && reel_ts_dimensions(file) == 2 && reel_ts_length(file) == -1);
    cr_assert_arr_eq(reel_ts_offsets(file), ((const int64_t[]){0, 3, 4, 6}), 4 * sizeof(int64_t));
    expect_values(file, 12, (const double[]){1, 10, 2, 20, 3, 30, -4.5, NAN, 100, NAN, 6, 0.5});
    cr_assert_arr_eq(reel_ts_ids(file), ((const int64_t[]){1, 0, 0}), 3 * sizeof(int64_t));
    cr_assert_eq(reel_ts_class_count(file), 2);
    cr_assert_str_eq(reel_ts_class(file, 0), "one");
    cr_assert_str_eq(reel_ts_class(file, 1), "2");
    cr_assert(!reel_ts_class(file, 2) && !reel_ts_class(file, -1) && !reel_ts_targets(file));

    /* As a loader takes them. */
    REEL_OPTIONS(loader, o, o.batch_size = 3);
    reel_loader *loader = reel_loader_new(c, reel_ts_count(file), &o);
    reel_loader_add_sequences(loader, REEL_REAL, reel_ts_values(file), reel_ts_offsets(file),
                              REEL_SHAPE(reel_ts_dimensions(file)), -1);
    reel_loader_add(loader, REEL_INT64, reel_ts_ids(file), REEL_SCALAR);
    reel_var batch[3];
    cr_assert_eq(reel_loader_next(loader, t, batch), 3, "%s", reel_error(c));
    const reel_real *x = reel_data(t, batch[0]);
    const int64_t *lengths = reel_data(t, batch[1]), *y = reel_data(t, batch[2]);
    cr_assert(x[0] == 1 && x[5] == 30 && x[6] == -4.5 && x[8] == -1 && x[11] == -1 && x[12] == 100 && x[16] == -1);
    cr_assert(lengths[0] == 3 && lengths[1] == 1 && lengths[2] == 2 && y[0] == 1 && y[2] == 0);
    reel_loader_free(loader);
    reel_ts_close(file);
    reel_tape_free(t);
    reel_context_free(c);
}

Test(ts, targets_and_plain_series)
{
    reel_context *c = reel_context_new(NULL);
    put_text("@problemName Flow\n@univariate true\n@equalLength true\n@seriesLength 2\n@targetLabel true\n@data\n"
             "1,2:0.25\n3,4:-7\n");
    reel_ts *file = reel_ts_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert(reel_ts_count(file) == 2 && reel_ts_dimensions(file) == 1 && reel_ts_length(file) == 2);
    expect_values(file, 4, (const double[]){1, 2, 3, 4});
    cr_assert(reel_ts_targets(file)[0] == (reel_real)0.25 && reel_ts_targets(file)[1] == -7 && !reel_ts_ids(file));
    reel_ts_close(file);
    put_text("@classLabel false\n@DATA\n1:2:3\n4:5:6\n");
    file = reel_ts_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert(reel_ts_dimensions(file) == 3 && reel_ts_length(file) == 1 && !reel_ts_ids(file) &&
              !reel_ts_targets(file) && !*reel_ts_name(file));
    expect_values(file, 6, (const double[]){1, 2, 3, 4, 5, 6});
    reel_ts_close(file);
    reel_context_free(c);
}

/* Each takes the place of a piece of the file above. */
Test(ts, what_cannot_be_read)
{
    static const struct {
        const char *piece, *instead, *why;
    } bad[] = {{"@timeStamps false", "@timeStamps true", "line 4: series with time stamps are not read"},
               {"@missing true", "@missing false", "line 13: a value is missing"},
               {"@missing true", "@missing", "line 5: true or false expected"},
               {"@missing true", "@missing true true", "line 5: more than the word takes"},
               {"@missing true", "@mising true", "line 5: a word that no head has"},
               {"@missing true", "missing", "line 5: neither # nor @"},
               {"@univariate false", "@univariate true", "several dimensions and is univariate"},
               {"@dimensions 2", "@dimensions 3", "line 12: another number of dimensions"},
               {"@dimensions 2", "@dimensions 0", "line 7: a whole number from 1 up"},
               {"@dimensions 2", "@dimensions 2x", "line 7: a whole number from 1 up"},
               {"@equalLength false", "@equalLength true", "line 13: another length than the series before"},
               {"@equalLength false", "@seriesLength 3", "line 13: another length than the head says"},
               {"@equalLength false", "@targetLabel true", "the head has classes and targets"},
               {"@problemName Japanese Vowels", "@problemName ", "line 3: a name expected"},
               {"@data", "@data x", "line 11: more than the word takes"},
               {"one 2", "one \xff", "line 9: text that is not UTF-8"},
               {"one 2", "one 3", "line 12: a class that the head does not name"},
               {"one 2", "2 one 2", "line 9: a class is named twice"},
               {"true one 2", "true", "line 9: there are classes, and none is named"},
               {"10,20,30", "10,20", "line 12: its dimensions are not equally long"},
               {"10,20,30", "10,,30", "line 12: a number expected"},
               {"10,20,30", "10,20 30", "line 12: ',' expected"},
               {"10,20,30", "10,20,0x1", "line 12: ',' expected"},
               {"1,2,3:10,20,30:2", "2", "line 12: a class or a target without a series"}};
    reel_context *c = reel_context_new(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[600];
        const char *at = strstr(several, bad[i].piece);
        cr_assert_not_null(at, "%s", bad[i].piece);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - several), several, bad[i].instead,
                 at + strlen(bad[i].piece));
        put_text(text);
        cr_assert_null(reel_ts_open(c, path), "%s", bad[i].instead);
        expect_error(c, REEL_ERROR_FORMAT, bad[i].why);
    }
    put_text("@missing true\n");
    cr_assert_null(reel_ts_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "there is no @data");
    put_text("@data\n");
    cr_assert_null(reel_ts_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "there is no series");
    put_file("@data\n1\0002\n", 10);
    cr_assert_null(reel_ts_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "line 2: a zero byte");
    cr_assert_null(reel_ts_open(c, folder));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    reel_context_free(c);
}

Test(ts, out_of_memory)
{
    struct counting memory;
    reel_context *c = counting_context(&memory, 1);
    int64_t live = memory.live;
    put_text(several);
    int failures = 0;
    for (;; failures++) {
        memory.fail_at = memory.calls + failures;
        reel_ts *file = reel_ts_open(c, path);
        memory.fail_at = -1;
        reel_ts_close(file);
        cr_assert_eq(memory.live, live, "a leak");
        if (file)
            break;
        expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
    }
    cr_assert_geq(failures, 8);
    reel_context_free(c);
}
