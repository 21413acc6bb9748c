/* A run's folder: what its files have, resuming and comparing, and what goes wrong. */
#include "watch/run.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <reel/reel.h>
#include <reel/watch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char parent[64], folder[96];
static reel_context *c;

static void make_folder(void)
{
    strcpy(parent, "/tmp/reel-run-XXXXXX");
    cr_assert_not_null(mkdtemp(parent));
    snprintf(folder, sizeof folder, "%s/first", parent);
    c = reel_context_new(NULL);
}

static void remove_all(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", parent);
    cr_expect_eq(system(command), 0);
    reel_context_free(c);
}

TestSuite(run, .init = make_folder, .fini = remove_all);

/* A file of the folder, to be freed; NULL when it is not there. */
static char *read_file(const char *in, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", in, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = calloc(1, 1 << 20);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    cr_assert_lt(size, (1 << 20) - 1);
    fclose(file);
    return text;
}

static void expect_in(const char *name, const char *wanted)
{
    char *text = read_file(folder, name);
    cr_assert_not_null(text, "there is no %s", name);
    cr_expect_not_null(strstr(text, wanted), "%s has no %s", name, wanted);
    free(text);
}

static void expect_not_in(const char *name, const char *unwanted)
{
    char *text = read_file(folder, name);
    cr_assert_not_null(text, "there is no %s", name);
    cr_expect_null(strstr(text, unwanted), "%s has %s", name, unwanted);
    free(text);
}

static int count_files(const char *part)
{
    DIR *stream = opendir(folder);
    int count = 0;
    for (struct dirent *entry; stream && (entry = readdir(stream)) != NULL;)
        count += strstr(entry->d_name, part) != NULL;
    if (stream)
        closedir(stream);
    return count;
}

Test(run, table_has_a_row_a_step)
{
    reel_run *run = reel_run_open(c, folder, NULL);
    cr_assert_not_null(run, "%s", reel_error(c));
    reel_run_add_scalar(run, "loss/D", 0.5, 0);
    reel_run_add_scalar(run, "of, \"both\"", 7, 1);
    reel_run_add_scalar(run, "loss/D", 0.125, 1);
    reel_run_add_scalar(run, "loss/D", 0.25, 1); /* the last one counts */
    reel_run_add_scalar(run, "late", -1e-30, 0);
    reel_run_add_scalar(run, "loss/D", NAN, 10);
    cr_assert_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
    char *text = read_file(folder, "scalars.csv"), *at = text;
    static const char *const rows[] = {"0,*,0.5,,-1e-30", "1,*,0.25,7,", "10,*,nan,,"};
    static const char head[] = "step,seconds,loss/D,\"of, \"\"both\"\"\",late\n";
    cr_expect_eq(strncmp(text, head, strlen(head)), 0, "%s", text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        at = strchr(at, '\n') + 1;
        char row[64];
        long long step;
        double seconds;
        int length = 0;
        cr_assert_eq(sscanf(at, "%lld,%lf,%n", &step, &seconds, &length), 2);
        cr_expect(seconds >= 0 && seconds < 60);
        snprintf(row, sizeof row, "%lld,*,%.*s", step, (int)strcspn(at + length, "\n"), at + length);
        cr_expect_str_eq(row, rows[i]);
    }
    free(text);
}

Test(run, report_has_everything)
{
    REEL_OPTIONS(run, o, o.title = "A <title> & more");
    reel_run *run = reel_run_open(c, folder, &o);
    static const char *const labels[] = {"upper", "lower"};
    REEL_OPTIONS(picture, grid, grid.columns = 2, grid.labels = labels, grid.n_labels = 2);
    const reel_real pixels[] = {-1, 0, 0.5, 1};
    reel_run_set_config(run, "batch", "64");
    reel_run_set_config(run, "batch", "128");
    reel_run_add_scalar(run, "loss/D", INFINITY, 1);
    reel_run_add_images(run, "some samples", pixels, REEL_SHAPE(4, 1, 1), &grid, 3);
    reel_run_add_histogram(run, "weights", pixels, 4, 3);
    reel_run_add_text(run, "a note", "</script><b>\n\xff\xc3\xa4", 3);
    reel_run_count(run, "img", 100);
    cr_assert_eq(reel_run_flush(run), REEL_OK, "%s", reel_error(c));
    expect_in("report.html", "\"ended\":false");
    cr_assert_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
    expect_in("report.html", "\"ended\":true");
    expect_in("report.html", "<title>A &lt;title> &amp; more</title>");
    expect_in("report.html", "\"configuration\":[[\"batch\",\"128\"]]");
    expect_in("report.html", "\"loss/D\":[[1,0.0");
    expect_in("report.html", ",null]]");
    expect_in("report.html", "\"labels\":[\"upper\",\"lower\"],\"items\":[[3,\"iVBORw0KGgo");
    expect_in("report.html", "\"counted\":100");
    expect_in("report.html", "\"throughput/img per second\":[[3,");
    /* Nothing ends the script early, and what is no UTF-8 is not passed on. */
    expect_in("report.html", "\\u003c/script>\\u003cb>\\u000a?\xc3\xa4\"");
    expect_not_in("report.html", "\xff");
    expect_not_in("report.html", "src=\"http");
    cr_expect_eq(count_files("some_samples-0003.png"), 1);
    cr_expect_eq(count_files("tfevents"), 1);
    cr_expect_eq(count_files(".tmp"), 0);
}

Test(run, histogram_counts)
{
    reel_run *run = reel_run_open(c, folder, NULL);
    /* 64 values from 0 to 32: two in each bucket, but for the ends of buckets; and what is not finite. */
    reel_real values[67];
    for (int i = 0; i < 64; i++)
        values[i] = (reel_real)(0.25 + 0.5 * i);
    values[0] = 0;
    values[63] = 32;
    values[64] = (reel_real)NAN;
    values[65] = (reel_real)INFINITY;
    values[66] = -(reel_real)INFINITY;
    cr_assert_eq(reel_run_add_histogram(run, "h", values, 67, 1), REEL_OK);
    const struct series *s = history_series(&run->history, SERIES_HISTOGRAM, "h");
    const struct histogram *h = &((const struct distribution *)s->items.items)[0].histogram;
    cr_expect(h->min == 0 && h->max == 32 && h->n == 64);
    double sum = 0, squares = 0;
    for (int i = 0; i < 64; i++) {
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    cr_expect(h->sum == sum && h->sum_of_squares == squares);
    for (int k = 0; k < HISTOGRAM_BUCKETS; k++) {
        cr_expect_eq(h->limits[k], k + 1);
        cr_expect_eq(h->counts[k], 2);
    }
    /* One value, nothing at all. */
    reel_run_add_histogram(run, "one", values + 1, 1, 1);
    s = history_series(&run->history, SERIES_HISTOGRAM, "one");
    h = &((const struct distribution *)s->items.items)[0].histogram;
    cr_expect_eq(h->n, 1);
    sum = 0;
    for (int k = 0; k < HISTOGRAM_BUCKETS; k++)
        sum += h->counts[k];
    cr_expect_eq(sum, 1);
    cr_expect_eq(reel_run_add_histogram(run, "none", NULL, 0, 1), REEL_OK);
    cr_expect_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
}

static void add_steps(reel_run *run, int64_t begin, int64_t end, double offset)
{
    const reel_real pixel[] = {1};
    for (int64_t step = begin; step < end; step++) {
        reel_run_add_scalar(run, "loss", offset + (double)step, step);
        reel_run_add_images(run, "samples", pixel, REEL_SHAPE(1, 1, 1), NULL, step);
    }
}

static void expect_points(const struct history *h, const double *values, int64_t n)
{
    const struct series *all = h->series.items, *s = NULL;
    for (int64_t i = 0; i < h->series.n; i++)
        if (all[i].kind == SERIES_SCALAR && strcmp(all[i].name, "loss") == 0)
            s = &all[i];
    cr_assert_not_null(s);
    cr_assert_eq(s->items.n, n);
    const struct point *points = s->items.items;
    for (int64_t i = 0; i < n; i++) {
        cr_expect(points[i].stamp.step == i && points[i].value == values[i]);
        cr_expect(i == 0 || points[i].stamp.seconds >= points[i - 1].stamp.seconds);
    }
}

/* A run that was killed after step 4, and had a checkpoint of step 2: twice. */
Test(run, goes_on_where_it_is_resumed)
{
    reel_run *run = reel_run_open(c, folder, NULL);
    add_steps(run, 0, 5, 0);
    cr_assert_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
    for (int k = 1; k <= 2; k++) {
        REEL_OPTIONS(run, o, o.resume = true, o.resume_step = 2);
        run = reel_run_open(c, folder, &o);
        cr_assert_not_null(run, "%s", reel_error(c));
        add_steps(run, 2, 4, 100 * k);
        const double values[] = {0, 1, 100 * k + 2, 100 * k + 3};
        expect_points(&run->history, values, 4);
        cr_expect_eq(history_series(&run->history, SERIES_IMAGE, "samples")->items.n, 4);
        cr_assert_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
        /* Another run sees the same. */
        struct history other = {0};
        bool complete;
        cr_expect_eq(history_read(&other, folder, INT64_MAX, &complete), k + 1);
        expect_points(&other, values, 4);
        history_free(&other);
    }
    cr_expect_null(reel_run_open(c, folder, NULL));
    cr_expect_eq(reel_context_status(c), REEL_ERROR_STATE);
    reel_clear_error(c);
    REEL_OPTIONS(run, o, o.overwrite = true);
    run = reel_run_open(c, folder, &o);
    add_steps(run, 0, 1, 7);
    cr_assert_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
    struct history other = {0};
    bool complete;
    history_read(&other, folder, INT64_MAX, &complete);
    expect_points(&other, (const double[]){7}, 1);
    history_free(&other);
}

Test(run, is_compared_with_another)
{
    reel_run *run = reel_run_open(c, folder, NULL);
    add_steps(run, 0, 3, 0.5);
    cr_assert_eq(reel_run_close(run), REEL_OK);
    char path[96];
    strcpy(path, folder);
    snprintf(folder, sizeof folder, "%s/second/", parent);
    run = reel_run_open(c, folder, NULL);
    reel_run_add_scalar(run, "loss", 3, 0);
    cr_expect_eq(reel_run_compare(run, path), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_run_compare(run, "/nonexistent"), REEL_ERROR_IO);
    reel_clear_error(c);
    cr_expect_eq(reel_run_compare(run, parent), REEL_ERROR_IO);
    reel_clear_error(c);
    cr_expect_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
    expect_in("report.html", "{\"name\":\"second\",\"scalars\":{\"loss\":[[0,");
    expect_in("report.html", "{\"name\":\"first\",\"scalars\":{\"loss\":[[0,");
    expect_in("report.html", ",2.5]]");
}

/* However many come, the first and the last are there, and never more than were asked for. */
Test(run, keeps_some_of_many_images)
{
    for (int most = 2; most < 9; most++) {
        REEL_OPTIONS(run, o, o.max_kept = most, o.overwrite = true, o.events = false, o.csv = false, o.report = false,
                     o.seconds = 0);
        reel_run *run = reel_run_open(c, folder, &o);
        const reel_real pixel[] = {1};
        for (int64_t step = 0; step < 40; step++) {
            reel_run_add_images(run, "samples", pixel, REEL_SHAPE(1, 1, 1), NULL, step);
            const struct series *s = history_series(&run->history, SERIES_IMAGE, "samples");
            const struct grid *grids = s->items.items;
            int64_t n = s->items.n;
            int64_t could = step + 1 < most ? step + 1 : most;
            cr_assert(n <= most && n >= (could + 1) / 2);
            cr_assert(grids[0].stamp.step == 0 && grids[n - 1].stamp.step == step);
            for (int64_t i = 0; i + 1 < n; i++)
                cr_assert_eq(grids[i].stamp.step % s->every, 0, "most %d, step %lld", most, (long long)step);
        }
        cr_assert_eq(reel_run_close(run), REEL_OK);
    }
    cr_expect_eq(count_files("samples-00"), 40);
}

/* On a full disk a training goes on; what it said is there when there is room again. */
Test(run, full_disk_loses_nothing)
{
    REEL_OPTIONS(run, o, o.seconds = 0);
    reel_run *run = reel_run_open(c, folder, &o);
    add_steps(run, 0, 3, 0);
    struct rlimit limit, old;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 900;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    add_steps(run, 3, 40, 0);
    cr_expect_eq(reel_context_status(c), REEL_OK, "the training was told: %s", reel_error(c));
    cr_expect_eq(reel_run_flush(run), REEL_ERROR_IO);
    cr_expect_not_null(strstr(reel_error(c), "File too large"), "%s", reel_error(c));
    reel_clear_error(c);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_expect_eq(reel_run_close(run), REEL_OK, "%s", reel_error(c));
    struct history h = {0};
    bool complete;
    double values[40];
    for (int i = 0; i < 40; i++)
        values[i] = i;
    cr_expect_eq(history_read(&h, folder, INT64_MAX, &complete), 1);
    expect_points(&h, values, 40);
    history_free(&h);
    cr_expect_eq(count_files("samples-00"), 40);
    cr_expect_eq(count_files(".tmp"), 0);
}

/* The step that failed is what one wants to see, and its error stays what it is. */
Test(run, is_written_after_a_failure)
{
    reel_run *run = reel_run_open(c, folder, NULL);
    reel_fail(c, REEL_ERROR_NOT_FINITE, "the loss is no number");
    cr_expect_eq(reel_run_add_scalar(run, "loss", NAN, 12), REEL_ERROR_NOT_FINITE);
    cr_expect_eq(reel_run_add_text(run, "end", "it failed", 12), REEL_ERROR_NOT_FINITE);
    cr_expect_eq(reel_run_close(run), REEL_OK);
    cr_expect_str_eq(reel_error(c), "the loss is no number");
    cr_expect_eq(reel_context_status(c), REEL_ERROR_NOT_FINITE);
    expect_in("report.html", "it failed");
}

static void refused(reel_status status, const char *text)
{
    cr_expect_eq(reel_context_status(c), status);
    cr_expect_not_null(strstr(reel_error(c), text), "%s", reel_error(c));
    reel_clear_error(c);
}

Test(run, refuses)
{
    cr_expect_null(reel_run_open(NULL, folder, NULL));
    cr_expect_null(reel_run_open(c, NULL, NULL));
    refused(REEL_ERROR_ARGUMENT, "the folder is NULL");
    cr_expect_null(reel_run_open(c, "", NULL));
    refused(REEL_ERROR_ARGUMENT, "the folder is \"\"");
    cr_expect_null(reel_run_open(c, "/nonexistent/folder", NULL));
    refused(REEL_ERROR_IO, "No such file or directory");
    cr_expect_null(reel_run_open(c, "/dev/null", NULL));
    refused(REEL_ERROR_IO, "/dev/null");
    reel_run_options zero = {.seconds = 1};
    cr_expect_null(reel_run_open(c, folder, &zero));
    refused(REEL_ERROR_ARGUMENT, "reel_run_defaults");
    for (int k = 0; k < 4; k++) {
        reel_run_options o = reel_run_defaults();
        o.seconds = k == 0 ? -1 : k == 1 ? (double)NAN : 1;
        o.max_kept = k == 2 ? 1 : 64;
        o.overwrite = o.resume = k == 3;
        cr_expect_null(reel_run_open(c, folder, &o));
        refused(REEL_ERROR_ARGUMENT, "at least");
    }

    reel_run *run = reel_run_open(c, folder, NULL);
    const reel_real one[] = {1};
    reel_run_add_scalar(run, NULL, 1, 1);
    refused(REEL_ERROR_ARGUMENT, "a scalar without a name");
    reel_run_add_scalar(run, "", 1, 1);
    refused(REEL_ERROR_ARGUMENT, "a scalar without a name");
    reel_run_add_text(run, "a", NULL, 1);
    refused(REEL_ERROR_ARGUMENT, "is NULL");
    reel_run_add_histogram(run, "a", one, -1, 1);
    refused(REEL_ERROR_ARGUMENT, "less than 0");
    reel_run_add_histogram(run, "a", NULL, 1, 1);
    refused(REEL_ERROR_ARGUMENT, "the values are NULL");
    reel_run_add_images(run, "a", NULL, REEL_SHAPE(1, 1, 1), NULL, 1);
    refused(REEL_ERROR_ARGUMENT, "the images are NULL");
    reel_run_add_images(run, "a", one, REEL_SHAPE(1, 1), NULL, 1);
    refused(REEL_ERROR_SHAPE, "images are");
    reel_run_set_config(run, "a", NULL);
    refused(REEL_ERROR_ARGUMENT, "a name and a value");
    reel_run_count(run, "img", -1);
    refused(REEL_ERROR_ARGUMENT, "-1 img");
    reel_run_count(run, "img", 1);
    reel_run_count(run, "step", 1);
    refused(REEL_ERROR_ARGUMENT, "img, and not 1 step");
    cr_expect_eq(reel_run_close(run), REEL_OK);
    cr_expect_eq(count_files("a-0001"), 0);

    cr_expect_eq(reel_run_add_scalar(NULL, "a", 1, 1), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_add_text(NULL, "a", "b", 1), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_add_histogram(NULL, "a", one, 1, 1), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_add_images(NULL, "a", one, REEL_SHAPE(1, 1, 1), NULL, 1), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_set_config(NULL, "a", "b"), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_count(NULL, "a", 1), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_compare(NULL, "a"), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_flush(NULL), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_close(NULL), REEL_ERROR_ARGUMENT);
}
