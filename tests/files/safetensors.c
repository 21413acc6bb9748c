/* Saving and loading param sets, and what must be refused. */
#include "safetensors_files.h"

#include "support/allocator.h"

#include <reel/reel.h>

#include <errno.h>
#include <libintl.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

TestSuite(safetensors, .init = make_folder, .fini = remove_folder);

/* ---- Param sets ---- */

Test(safetensors, writes_the_bytes_of_python)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    cr_assert_eq(reel_save_safetensors(params, path), REEL_OK, "%s", reel_error(c));
    unsigned char bytes[4096];
    cr_assert_eq(get_file(bytes, sizeof bytes), sizeof golden_file);
    cr_assert_eq(memcmp(bytes, golden_file, sizeof golden_file), 0);
    cr_assert_eq(files_in_folder(), 1);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, reads_what_python_wrote)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, false);
    put_file(golden_file, sizeof golden_file);
    cr_assert_eq(reel_load_safetensors(params, path, NULL), REEL_OK, "%s", reel_error(c));
    expect_model(params);
    cr_assert_eq(reel_params_find(params, "fc1.bias")->version, 1u, "loading counts as a change");
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, converts_the_other_precision)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, false);
    put_file(golden_other, sizeof golden_other);
    cr_assert_eq(reel_load_safetensors(params, path, NULL), REEL_OK, "%s", reel_error(c));
    const reel_real *b = reel_param_data(reel_params_find(params, "fc1.bias"));
    cr_assert_eq((float)b[0], 1e-30f);
    cr_assert_eq((float)b[1], -0.1f);
    cr_assert_eq(memcmp(reel_param_data(reel_params_find(params, "fc1.weight")), weight, sizeof weight), 0);
    cr_assert_eq(memcmp(reel_param_data(reel_params_find(params, "rows")), rows, sizeof rows), 0);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, long_tensors_are_converted_piece_by_piece)
{
    enum { N = 2500 };
    static double wide[N];
    static float narrow[N];
    static unsigned char bytes[N * 8 + 256];
    static reel_real got[N];
    for (int i = 0; i < N; i++) {
        wide[i] = 0.1 * i - 7;
        narrow[i] = (float)wide[i];
    }
    bool f64 = sizeof(reel_real) == 8;
    size_t data_size = f64 ? sizeof narrow : sizeof wide;
    char header[128];
    snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[50,50],\"data_offsets\":[0,%zu]}}",
             f64 ? "F32" : "F64", data_size);
    bytes[0] = (unsigned char)strlen(header);
    memcpy(bytes + 8, header, strlen(header));
    memcpy(bytes + 8 + strlen(header), f64 ? (void *)narrow : (void *)wide, data_size);
    put_file(bytes, 8 + strlen(header) + data_size);

    reel_context *c = reel_context_new(NULL);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_eq(reel_safetensors_read(file, "x", REEL_REAL, got, N), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < N; i++)
        cr_assert_eq(got[i], (reel_real)narrow[i]);
    reel_safetensors_close(file);
    reel_context_free(c);
}

Test(safetensors, mismatches_are_named_and_change_nothing)
{
    static const struct {
        const char *name; /* the param that is made differently */
        reel_dtype dtype;
        int ndim;
        int64_t dim[2];
        const char *says;
    } cases[] = {
        {"fc1.weight", REEL_REAL, 2, {3, 2}, "1 mismatched (\"fc1.weight\" is float"},
        {"fc1.weight", REEL_REAL, 2, {3, 2}, "[3, 2], in the file " REAL_NAME " [2, 3]"},
        {"fc1.bias", REEL_REAL, 2, {1, 2}, "[1, 2], in the file " REAL_NAME " [2]"},
        {"rows", REEL_INT64, 2, {1, 3}, "\"rows\" is int64 [1, 3], in the file I32 [1, 3]"},
        {"rows", REEL_REAL, 2, {1, 3}, "in the file I32 [1, 3]"},
        {"mask", REEL_INT32, 1, {3}, "in the file BOOL [3]"},
    };
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file, sizeof golden_file);
    for (size_t k = 0; k < COUNT(cases); k++) {
        reel_params *params = reel_params_new(c);
        for (size_t i = 0; i < COUNT(parts); i++) {
            bool other = strcmp(parts[i].name, cases[k].name) == 0;
            reel_param_new(params, parts[i].name, REEL_PARAM_BUFFER, other ? cases[k].dtype : parts[i].dtype,
                           other ? reel_shape_make(cases[k].ndim, cases[k].dim)
                                 : reel_shape_make(parts[i].ndim, parts[i].dim));
        }
        for (int strict = 0; strict < 2; strict++) {
            REEL_OPTIONS(load, o, o.strict = strict != 0);
            reel_load_safetensors(params, path, &o);
            expect_error(c, REEL_ERROR_FORMAT, cases[k].says);
            expect_zeros(params);
        }
        reel_params_free(params);
    }
    reel_context_free(c);
}

Test(safetensors, strict_wants_the_same_names)
{
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file, sizeof golden_file);
    REEL_OPTIONS(load, loose, loose.strict = false);

    reel_params *more = make_model(c, false);
    reel_param *extra = reel_param_new(more, "extra", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    reel_load_safetensors(more, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "1 missing (\"extra\" is float");
    expect_zeros(more);
    cr_assert_eq(reel_load_safetensors(more, path, &loose), REEL_OK, "%s", reel_error(c));
    expect_model(more);
    cr_assert_eq(extra->version, 0u);
    reel_params_free(more);

    reel_params *fewer = reel_params_new(c);
    reel_param *p = reel_param_new(fewer, "rows", REEL_PARAM_BUFFER, REEL_INT32, REEL_SHAPE(1, 3));
    reel_load_safetensors(fewer, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "6 unexpected (\"norm.num_batches_tracked\" is I64 []; ");
    expect_zeros(fewer);
    cr_assert_eq(reel_load_safetensors(fewer, path, &loose), REEL_OK);
    cr_assert_eq(memcmp(p->data, rows, sizeof rows), 0);
    reel_params_free(fewer);
    reel_context_free(c);
}

/* What a file of another network makes of a load: all names in the report, in the text as many as it has room for. */
Test(safetensors, all_names_that_do_not_fit_are_reported)
{
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file, sizeof golden_file);
    reel_params *params = reel_params_new(c);
    reel_param *rows_too = reel_param_new(params, "rows", REEL_PARAM_BUFFER, REEL_INT32, REEL_SHAPE(1, 3));
    reel_param_new(params, "fc2.weight", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    reel_param_new(params, "fc1.bias", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(7));
    reel_param_new(params, "fc2.bias", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(1));

    reel_load_report report;
    REEL_OPTIONS(load, o, o.report = &report);
    reel_load_safetensors(params, path, &o);
    cr_expect_eq(report.n_loaded, 0);
    cr_assert_eq(report.n_missing_keys, 2);
    cr_expect_str_eq(report.missing_keys[0], "fc2.weight");
    cr_expect_str_eq(report.missing_keys[1], "fc2.bias");
    cr_assert_eq(report.n_mismatched_keys, 1);
    cr_expect_str_eq(report.mismatched_keys[0], "fc1.bias");
    cr_assert_eq(report.n_unexpected_keys, 5);
    cr_expect_str_eq(report.unexpected_keys[0], "norm.num_batches_tracked");
    cr_expect_str_eq(report.unexpected_keys[1], "fc1.weight");
    cr_expect_str_eq(report.unexpected_keys[4], "mask");
    cr_expect(strstr(reel_error(c), "2 missing (\"fc2.weight\" is "), "%s", reel_error(c));
    cr_expect(strstr(reel_error(c), " [2]; \"fc2.bias\" is "), "%s", reel_error(c));
    cr_expect(strstr(reel_error(c), ", 5 unexpected (\"norm.num_batches_tracked\" is I64 []; "), "%s", reel_error(c));
    expect_error(c, REEL_ERROR_FORMAT, " [7], in the file " REAL_NAME " [2])");
    reel_load_report_free(&report);
    cr_expect_null(report.missing_keys);

    /* Loose, only shapes and types are refused. */
    o.strict = false;
    reel_load_safetensors(params, path, &o);
    cr_expect_eq(report.n_missing_keys, 2);
    cr_expect_null(strstr(reel_error(c), "missing"), "%s", reel_error(c));
    expect_error(c, REEL_ERROR_FORMAT, "1 mismatched (\"fc1.bias\"");
    reel_load_report_free(&report);
    cr_expect_eq(rows_too->version, 0u);
    reel_params_free(params);

    params = reel_params_new(c);
    reel_param_new(params, "rows", REEL_PARAM_BUFFER, REEL_INT32, REEL_SHAPE(1, 3));
    reel_param_new(params, "other", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    cr_assert_eq(reel_load_safetensors(params, path, &o), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(report.n_loaded, 1);
    cr_expect_eq(report.n_missing_keys, 1);
    cr_expect_eq(report.n_unexpected_keys, 6);
    reel_load_report_free(&report);
    reel_params_free(params);

    /* Of quite another network: nothing would be loaded, which is said. */
    params = reel_params_new(c);
    reel_param_new(params, "other", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    reel_load_safetensors(params, path, &o);
    cr_expect_eq(report.n_missing_keys, 1);
    cr_expect_eq(report.n_unexpected_keys, 7);
    expect_error(c, REEL_ERROR_FORMAT, "none of its names is one of the param set: 1 missing (\"other\" is ");
    reel_load_report_free(&report);

    /* What fails before the names leaves an empty report. */
    unlink(path);
    reel_load_safetensors(params, path, &o);
    expect_error(c, REEL_ERROR_IO, "cannot open");
    cr_expect_eq(report.n_missing_keys, 0);
    cr_expect_null(report.missing_keys);
    reel_load_report_free(&report);
    reel_load_report_free(NULL);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, as_many_names_as_there_is_room_for)
{
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file, sizeof golden_file);
    reel_params *params = reel_params_new(c);
    for (int i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "a.rather.long.name.of.a.layer.%d.weight", i);
        reel_param_new(params, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    }
    reel_load_safetensors(params, path, NULL);
    cr_expect(strstr(reel_error(c), "300 missing (\"a.rather.long.name.of.a.layer.0.weight\" is "), "%s",
              reel_error(c));
    cr_expect(strstr(reel_error(c), " more), 7 unexpected (\"norm.num_batches_tracked\" is "), "%s", reel_error(c));
    const char *text = reel_error(c);
    cr_expect_eq(text[strlen(text) - 1], ')', "%s", text);
    reel_clear_error(c);
    reel_params_free(params);
    reel_context_free(c);
}

/* ---- The system ---- */

Test(safetensors, files_that_cannot_be_read)
{
    reel_context *c = reel_context_new(NULL);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_IO, "cannot open it: No such file");
    cr_assert_null(reel_safetensors_open(c, folder));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    cr_assert_null(reel_safetensors_open(c, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    cr_assert_null(reel_safetensors_open(c, "no\nsuch\x1b[31mfile"));
    expect_error(c, REEL_ERROR_IO, "no?such?[31mfile");
    reel_context_free(c);
}

Test(safetensors, a_failed_save_leaves_the_old_file)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    char elsewhere[160];
    snprintf(elsewhere, sizeof elsewhere, "%s/missing/model", folder);
    reel_save_safetensors(params, elsewhere);
    expect_error(c, REEL_ERROR_IO, "cannot write beside it: No such file");
    reel_save_safetensors(params, folder);
    expect_error(c, REEL_ERROR_IO, "is not a regular file");
    reel_save_safetensors(params, "/dev/null");
    expect_error(c, REEL_ERROR_IO, "is not a regular file");
    reel_save_safetensors(params, NULL);
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");

    put_file("old", 3);
    const reel_named_array wrong[] = {{"not \xff UTF-8", REEL_REAL, REEL_SHAPE(6), weight}};
    reel_safetensors_write(c, path, wrong, 1);
    expect_error(c, REEL_ERROR_ARGUMENT, "\"not ? UTF-8\" is not UTF-8");
    char too_long[400];
    snprintf(too_long, sizeof too_long, "%s/%0256d", folder, 0);
    reel_save_safetensors(params, too_long);
    expect_error(c, REEL_ERROR_IO, "cannot look at it: File name too long");
    snprintf(too_long, sizeof too_long, "%s/file/x", folder);
    reel_save_safetensors(params, too_long);
    expect_error(c, REEL_ERROR_IO, "cannot look at it: Not a directory");
    unsigned char bytes[8];
    cr_assert(get_file(bytes, sizeof bytes) == 3 && memcmp(bytes, "old", 3) == 0);
    cr_assert_eq(files_in_folder(), 1);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, a_save_keeps_permissions_and_follows_links)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    put_file("old", 3);
    cr_assert_eq(chmod(path, 0640), 0);
    char link[160];
    snprintf(link, sizeof link, "%s/link", folder);
    cr_assert_eq(symlink("file", link), 0);
    cr_assert_eq(reel_save_safetensors(params, link), REEL_OK, "%s", reel_error(c));
    struct stat about;
    cr_assert(lstat(link, &about) == 0 && S_ISLNK(about.st_mode));
    cr_assert(stat(path, &about) == 0 && about.st_size == sizeof golden_file && (about.st_mode & 0777) == 0640);
    cr_assert_eq(files_in_folder(), 2);
    cr_assert_eq(unlink(path), 0);
    reel_save_safetensors(params, link);
    expect_error(c, REEL_ERROR_IO, "cannot follow the link");

    /* A path without a folder is in the current one. */
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(reel_save_safetensors(params, "file"), REEL_OK, "%s", reel_error(c));
    cr_assert(stat(path, &about) == 0 && about.st_size == sizeof golden_file);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, out_of_memory_changes_nothing)
{
    struct failing f;
    reel_context *c = failing_context(&f);
    reel_params *params = make_model(c, true), *zeros = make_model(c, false);
    cr_assert_eq(reel_save_safetensors(params, path), REEL_OK);
    int64_t live = f.live;
    int failures[2] = {0, 0};
    for (int load = 0; load < 2; load++)
        for (int64_t k = 0;; k++) {
            f.count = 0;
            f.fail_at = k;
            reel_status status = load ? reel_load_safetensors(zeros, path, NULL) : reel_save_safetensors(params, path);
            cr_assert_eq(f.live, live, "a leak");
            f.fail_at = -1;
            if (status == REEL_OK)
                break;
            failures[load]++;
            expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            expect_zeros(zeros);
            unsigned char bytes[4096];
            cr_assert(get_file(bytes, sizeof bytes) == sizeof golden_file &&
                      memcmp(bytes, golden_file, sizeof golden_file) == 0);
            cr_assert_eq(files_in_folder(), 1);
        }
    cr_assert(failures[0] >= 4 && failures[1] >= 8, "%d and %d", failures[0], failures[1]);
    expect_model(zeros);
    reel_params_free(params);
    reel_params_free(zeros);
    reel_context_free(c);
    cr_assert_eq(f.live, 0);
}

Test(safetensors, metadata_goes_both_ways)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    const reel_metadata metadata[] = {{"classes", "10"}, {"odd \"\x02\u00e9", "a\nb"}, {"", ""}};
    cr_assert_eq(reel_save_safetensors_with(params, path, metadata, 3), REEL_OK, "%s", reel_error(c));
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_str_eq(reel_safetensors_metadata(file, "format"), "pt");
    for (size_t i = 0; i < COUNT(metadata); i++)
        cr_assert_str_eq(reel_safetensors_metadata(file, metadata[i].key), metadata[i].value);
    cr_assert_null(reel_safetensors_metadata(file, "other"));
    reel_safetensors_close(file);
    reel_params *zeros = make_model(c, false);
    cr_assert_eq(reel_load_safetensors(zeros, path, NULL), REEL_OK, "%s", reel_error(c));
    expect_model(zeros);

    const reel_metadata bad[][2] = {{{"a", "b"}, {"a", "c"}},    {{"a", "b"}, {"format", "c"}},
                                    {{"a", "b"}, {NULL, "c"}},   {{"a", "b"}, {"c", NULL}},
                                    {{"a", "b"}, {"\xff", "c"}}, {{"a", "b"}, {"c", "\xff"}}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        reel_save_safetensors_with(params, path, bad[i], 2);
        expect_error(c, REEL_ERROR_ARGUMENT, "metadata 1");
    }
    reel_params_free(params);
    reel_params_free(zeros);
    reel_context_free(c);
}

/* Names that a file could not hold are refused before anything is trained. */
Test(safetensors, names_that_no_file_holds)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    cr_assert_null(reel_param_new(params, "__metadata__", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(1)));
    expect_error(c, REEL_ERROR_ARGUMENT, "\"__metadata__\": the name is the format's own");
    cr_assert_null(reel_param_new(params, "w\xff", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(1)));
    expect_error(c, REEL_ERROR_ARGUMENT, "\"w?\": the name is not UTF-8");
    reel_params_free(params);
    reel_context_free(c);
}

/* The longest name that a file may have, in characters of two bytes; and what killed processes left does not count. */
Test(safetensors, long_names_and_left_overs_do_not_block_a_save)
{
    enum { NAME = 255 };
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    size_t start = strlen(folder) + 1;
    static char long_path[400];
    snprintf(long_path, sizeof long_path, "%s/x", folder);
    for (size_t i = 1; i < NAME; i += 2)
        memcpy(long_path + start + i, "\u00e9", 3);
    for (int again = 0; again < 2; again++)
        cr_assert_eq(reel_save_safetensors(params, long_path), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(files_in_folder(), 1);
    cr_assert_eq(reel_load_safetensors(params, long_path, NULL), REEL_OK, "%s", reel_error(c));

    for (int i = 0; i < 100; i++) {
        char left[200];
        snprintf(left, sizeof left, "%s.%ld.%d.tmp", path, (long)getpid(), i);
        int fd = open(left, O_WRONLY | O_CREAT, 0644);
        cr_assert(fd >= 0);
        close(fd);
    }
    cr_assert_eq(reel_save_safetensors(params, path), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(files_in_folder(), 102);
    reel_params_free(params);
    reel_context_free(c);
}

/* A catalogue of libc's messages with one entry, for a locale that a program may have set. */
Test(safetensors, messages_do_not_follow_the_locale)
{
    static const char english[] = "No such file or directory", german[] = "Datei oder Verzeichnis nicht gefunden";
    enum { TABLES = 28, TEXTS = TABLES + 32 };
    unsigned char catalogue[256] = {0};
    uint32_t words[] = {0x950412de, 0, 2, TABLES, TABLES + 16, 0, 0};
    const char about[] = "Content-Type: text/plain; charset=UTF-8\n";
    uint32_t tables[] = {0,
                         TEXTS,
                         sizeof english - 1,
                         TEXTS + 1,
                         sizeof about - 1,
                         TEXTS + 1 + sizeof english,
                         sizeof german - 1,
                         TEXTS + 1 + sizeof english + sizeof about};
    memcpy(catalogue, words, sizeof words);
    memcpy(catalogue + TABLES, tables, sizeof tables);
    memcpy(catalogue + tables[3], english, sizeof english);
    memcpy(catalogue + tables[5], about, sizeof about);
    memcpy(catalogue + tables[7], german, sizeof german);
    char command[200];
    snprintf(command, sizeof command, "mkdir -p %s/de/LC_MESSAGES", folder);
    cr_assert_eq(system(command), 0);
    snprintf(path, sizeof path, "%s/de/LC_MESSAGES/libc.mo", folder);
    put_file(catalogue, sizeof catalogue);
    setenv("LANGUAGE", "de", 1);
    cr_assert_not_null(setlocale(LC_ALL, "C.UTF-8"));
    bindtextdomain("libc", folder);
    cr_assert_str_eq(strerror(ENOENT), german, "the catalogue of this test is not read");

    reel_context *c = reel_context_new(NULL);
    cr_assert_null(reel_safetensors_open(c, "/nonexistent"));
    expect_error(c, REEL_ERROR_IO, english);
    reel_params *params = make_model(c, true);
    reel_save_safetensors(params, "/nonexistent/model");
    expect_error(c, REEL_ERROR_IO, english);
    cr_assert_str_eq(strerror(ENOENT), german, "the program's locale is as it was");
    reel_params_free(params);
    reel_context_free(c);
}

/* ---- Plain arrays ---- */

Test(safetensors, plain_arrays_go_both_ways)
{
    reel_context *c = reel_context_new(NULL);
    const int64_t y[2] = {7, -9};
    const reel_named_array arrays[] = {
        {"x", REEL_REAL, REEL_SHAPE(2, 3), weight},
        {"y", REEL_INT64, REEL_SHAPE(2), y},
        {"nothing", REEL_BOOL, REEL_SHAPE(0), NULL},
    };
    cr_assert_eq(reel_safetensors_write(c, path, arrays, 3), REEL_OK, "%s", reel_error(c));
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_eq(reel_safetensors_count(file), 3);
    cr_assert_null(reel_safetensors_at(file, 3));
    cr_assert_null(reel_safetensors_at(file, -1));
    cr_assert_null(reel_safetensors_find(file, "z"));
    const reel_tensor_info *info = reel_safetensors_find(file, "x");
    cr_assert_str_eq(info->dtype, REAL_NAME);
    cr_assert(info->numel == 6 && info->shape.ndim == 2 && info->shape.dim[1] == 3);
    cr_assert_str_eq(reel_safetensors_at(file, 0)->name, "y", "wide elements come first");

    reel_real x[6];
    int64_t got[2];
    cr_assert_eq(reel_safetensors_read(file, "x", REEL_REAL, x, 6), REEL_OK);
    cr_assert_eq(reel_safetensors_read(file, "y", REEL_INT64, got, 2), REEL_OK);
    cr_assert_eq(reel_safetensors_read(file, "nothing", REEL_BOOL, NULL, 0), REEL_OK);
    cr_assert(memcmp(x, weight, sizeof x) == 0 && memcmp(got, y, sizeof y) == 0);

    reel_safetensors_read(file, "z", REEL_REAL, x, 6);
    expect_error(c, REEL_ERROR_ARGUMENT, "there is no tensor \"z\"");
    reel_safetensors_read(file, NULL, REEL_REAL, x, 6);
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    reel_safetensors_read(file, "x", REEL_INT64, x, 6);
    expect_error(c, REEL_ERROR_DTYPE, "cannot be read as int64");
    reel_safetensors_read(file, "y", REEL_REAL, x, 2);
    expect_error(c, REEL_ERROR_DTYPE, "is I64, which cannot be read as float");
    reel_safetensors_read(file, "x", REEL_REAL, x, 5);
    expect_error(c, REEL_ERROR_SHAPE, "has 6 elements, the room is for 5");
    reel_safetensors_read(file, "x", REEL_REAL, NULL, 6);
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    reel_safetensors_close(file);
    reel_safetensors_close(NULL);
    reel_context_free(c);
}

/* A row-sparse gradient is two arrays. */
Test(safetensors, row_gradients_are_saved_as_rows_and_values)
{
    enum { ROWS = 1000, COLUMNS = 3, BATCH = 5 };
    static const int64_t index[BATCH] = {7, 999, 7, 0, 999};
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *params = reel_params_new(c);
    reel_param *table = reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    reel_param_set_sparse(table, true);
    reel_var rows_of =
        reel_embedding(t, reel_param_var(t, table), reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(BATCH)), NULL);
    cr_assert_eq(reel_backward(t, reel_sum_all(t, rows_of), params), REEL_OK);
    reel_row_grad grad;
    cr_assert_eq(reel_param_row_grad(table, &grad), REEL_OK);
    const reel_named_array arrays[] = {
        {"table.grad.rows", REEL_INT64, REEL_SHAPE(grad.count), grad.rows},
        {"table.grad.values", REEL_REAL, REEL_SHAPE(grad.count, grad.columns), grad.values},
    };
    cr_assert_eq(reel_safetensors_write(c, path, arrays, 2), REEL_OK, "%s", reel_error(c));

    static const int64_t want_rows[3] = {0, 7, 999};
    static const reel_real want[3 * COLUMNS] = {1, 1, 1, 2, 2, 2, 2, 2, 2};
    int64_t got_rows[3];
    reel_real got[3 * COLUMNS];
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_eq(reel_safetensors_read(file, "table.grad.rows", REEL_INT64, got_rows, 3), REEL_OK);
    cr_assert_eq(reel_safetensors_read(file, "table.grad.values", REEL_REAL, got, 3 * COLUMNS), REEL_OK);
    cr_assert(memcmp(got_rows, want_rows, sizeof got_rows) == 0 && memcmp(got, want, sizeof got) == 0);
    reel_safetensors_close(file);
    reel_tape_free(t);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, arrays_that_cannot_be_written)
{
    reel_context *c = reel_context_new(NULL);
    const struct {
        reel_named_array array;
        reel_status status;
        const char *says;
    } cases[] = {
        {{NULL, REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "empty"},
        {{"", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "empty"},
        {{"__metadata__", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "__metadata__"},
        {{"\xe2\x82", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "UTF-8"},
        {{"x", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "two arrays are called \"x\""},
        {{"y", REEL_REAL, REEL_SHAPE(1), NULL}, REEL_ERROR_ARGUMENT, "\"y\" has no data"},
        {{"y", REEL_REAL, REEL_SHAPE(-1), weight}, REEL_ERROR_SHAPE, "not possible"},
        {{"y", REEL_REAL, REEL_SHAPE(INT64_MAX), weight}, REEL_ERROR_SHAPE, "not possible"},
        {{"y", (reel_dtype)9, REEL_SHAPE(1), weight}, REEL_ERROR_DTYPE, "element type"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        reel_named_array arrays[] = {{"x", REEL_INT32, REEL_SHAPE(1), rows}, cases[k].array};
        cr_assert_eq(reel_safetensors_write(c, path, arrays, 2), cases[k].status);
        expect_error(c, cases[k].status, cases[k].says);
    }
    reel_safetensors_write(c, path, NULL, 1);
    expect_error(c, REEL_ERROR_ARGUMENT, "no arrays");
    cr_assert_eq(files_in_folder(), 0);
    cr_assert_eq(reel_safetensors_write(c, path, NULL, 0), REEL_OK);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert(file && reel_safetensors_count(file) == 0);
    reel_safetensors_close(file);
    reel_context_free(c);
}

/* The types of the format that reel does not have, with torch's own values for them. */
Test(safetensors, types_without_a_dtype_are_converted)
{
    static const struct {
        const char *name;
        const double *want;
        int64_t numel;
    } floats[] = {{"half", golden_half, COUNT(golden_half)},
                  {"brain", golden_brain, COUNT(golden_brain)},
                  {"e4m3", golden_e4m3, COUNT(golden_e4m3)},
                  {"e5m2", golden_e5m2, COUNT(golden_e5m2)}};
    static const struct {
        const char *name;
        const int64_t *want;
        int64_t numel;
        bool narrow; /* every value of the type is an int32 */
    } integers[] = {{"i8", golden_i8, COUNT(golden_i8), true},     {"i16", golden_i16, COUNT(golden_i16), true},
                    {"u8", golden_u8, COUNT(golden_u8), true},     {"u16", golden_u16, COUNT(golden_u16), true},
                    {"u32", golden_u32, COUNT(golden_u32), false}, {"u64", golden_u64, COUNT(golden_u64), false}};
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file_types, sizeof golden_file_types);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert_eq(reel_safetensors_count(file), 12);
    for (size_t k = 0; k < COUNT(floats); k++) {
        reel_real x[256];
        cr_assert_eq(reel_safetensors_read(file, floats[k].name, REEL_REAL, x, floats[k].numel), REEL_OK, "%s",
                     reel_error(c));
        for (int64_t i = 0; i < floats[k].numel; i++)
            cr_assert(isnan(floats[k].want[i])
                          ? isnan(x[i])
                          : (double)x[i] == floats[k].want[i] && !signbit(x[i]) == !signbit(floats[k].want[i]),
                      "%s[%lld] is %g, not %g", floats[k].name, (long long)i, (double)x[i], floats[k].want[i]);
        reel_safetensors_read(file, floats[k].name, REEL_INT64, x, floats[k].numel);
        expect_error(c, REEL_ERROR_DTYPE, "cannot be read as int64");
    }
    for (size_t k = 0; k < COUNT(integers); k++) {
        int64_t wide[8];
        int32_t narrow[8];
        cr_assert_eq(reel_safetensors_read(file, integers[k].name, REEL_INT64, wide, integers[k].numel), REEL_OK, "%s",
                     reel_error(c));
        reel_status status = reel_safetensors_read(file, integers[k].name, REEL_INT32, narrow, integers[k].numel);
        if (!integers[k].narrow)
            expect_error(c, REEL_ERROR_DTYPE, "cannot be read as int32");
        else
            cr_assert_eq(status, REEL_OK);
        for (int64_t i = 0; i < integers[k].numel; i++) {
            cr_assert_eq(wide[i], integers[k].want[i], "%s[%lld]", integers[k].name, (long long)i);
            cr_assert(!integers[k].narrow || narrow[i] == integers[k].want[i], "%s[%lld]", integers[k].name,
                      (long long)i);
        }
        reel_safetensors_read(file, integers[k].name, REEL_REAL, wide, integers[k].numel);
        expect_error(c, REEL_ERROR_DTYPE, "cannot be read as float");
    }
    int64_t above[2];
    reel_safetensors_read(file, "u64 above", REEL_INT64, above, 2);
    expect_error(c, REEL_ERROR_FORMAT, "tensor \"u64 above\" is U64, but element 1 is above the largest int64");
    cr_assert_str_eq(reel_safetensors_find(file, "complex")->dtype, "C64");
    reel_real x[1];
    reel_safetensors_read(file, "complex", REEL_REAL, x, 1);
    expect_error(c, REEL_ERROR_DTYPE, "tensor \"complex\" is C64, which cannot be read as float");
    reel_safetensors_close(file);
    reel_context_free(c);
}

/* A type that does not exist yet must not keep anyone from the other tensors. */
Test(safetensors, a_type_of_tomorrow_does_not_block_the_others)
{
    static const char header[] =
        "{\"x\":{\"dtype\":\"" REAL_NAME "\",\"shape\":[1],\"data_offsets\":[0," REAL_SIZE "]},"
        "\"y\":{\"dtype\":\"P\\u001b7\",\"shape\":[3],\"data_offsets\":[" REAL_SIZE ",10]}}";
    put_header(header, sizeof header - 1, 10);
    reel_context *c = reel_context_new(NULL);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert_str_eq(reel_safetensors_find(file, "y")->dtype, "P\x1b"
                                                              "7");
    cr_assert_eq(reel_safetensors_find(file, "y")->numel, 3);
    reel_real x[3];
    cr_assert_eq(reel_safetensors_read(file, "x", REEL_REAL, x, 1), REEL_OK, "%s", reel_error(c));
    reel_safetensors_read(file, "y", REEL_REAL, x, 3);
    expect_error(c, REEL_ERROR_DTYPE, "is P?7, which cannot be read");
    reel_safetensors_close(file);

    reel_params *params = reel_params_new(c);
    reel_param_new(params, "x", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(1));
    reel_load_options loose = reel_load_defaults();
    loose.strict = false;
    cr_assert_eq(reel_load_safetensors(params, path, &loose), REEL_OK, "%s", reel_error(c));
    reel_load_safetensors(params, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "1 unexpected (\"y\" is P?7 [3])");
    reel_param_new(params, "y", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3));
    reel_load_safetensors(params, path, &loose);
    expect_error(c, REEL_ERROR_FORMAT, "in the file P?7 [3]");
    reel_params_free(params);
    reel_context_free(c);
}

/* As torch loads files of its versions before 0.4.1: one element for a number without axes, and no count of batches. */
Test(safetensors, old_counts_of_batches)
{
    static const char with[] = "{\"bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}";
    static const char two[] = "{\"bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]}}";
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    const int64_t seven = 7;
    reel_param *count = reel_param_new(params, "bn.num_batches_tracked", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    cr_assert_eq(reel_param_set(count, &seven), REEL_OK);
    put_header("{}", 2, 0);
    cr_assert_eq(reel_load_safetensors(params, path, NULL), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(*(const int64_t *)reel_param_data(count), 7);
    put_header(with, sizeof with - 1, 8);
    cr_assert_eq(reel_load_safetensors(params, path, NULL), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(*(const int64_t *)reel_param_data(count), INT64_C(0x0101010101010101));
    put_header(two, sizeof two - 1, 16);
    reel_load_safetensors(params, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "is int64 [], in the file I64 [2]");

    /* Only that buffer may be absent. */
    static const struct {
        const char *name;
        reel_param_kind kind;
        reel_dtype dtype;
    } others[] = {{"bn.batches", REEL_PARAM_BUFFER, REEL_INT64},
                  {"xnum_batches_tracked", REEL_PARAM_BUFFER, REEL_INT64},
                  {"a.num_batches_tracked", REEL_PARAM_BUFFER, REEL_INT32},
                  {"b.num_batches_tracked", REEL_PARAM_TRAINED, REEL_REAL}};
    put_header("{}", 2, 0);
    for (size_t i = 0; i < COUNT(others); i++) {
        reel_params *other = reel_params_new(c);
        reel_param_new(other, others[i].name, others[i].kind, others[i].dtype, REEL_SCALAR);
        reel_load_safetensors(other, path, NULL);
        expect_error(c, REEL_ERROR_FORMAT, "1 missing (");
        reel_params_free(other);
    }
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, a_bool_is_0_or_1)
{
    static const char header[] = "{\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}";
    static unsigned char file[8 + sizeof header + 1] = {sizeof header - 1};
    memcpy(file + 8, header, sizeof header - 1);
    file[sizeof file - 1] = 2;
    put_file(file, sizeof file);
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    reel_param_new(params, "b", REEL_PARAM_BUFFER, REEL_BOOL, REEL_SHAPE(2));
    reel_load_safetensors(params, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "element 1 is neither 0 nor 1");
    expect_zeros(params);
    reel_params_free(params);
    reel_context_free(c);
}

/* Names of files end up on terminals. */
Test(safetensors, long_names_are_cut_in_messages)
{
    char name[300], header[600];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", name);
    put_header(header, strlen(header), 8);
    reel_context *c = reel_context_new(NULL);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "nnn...\" (bytes 0 to 8) has a shape of another number of bytes");
    reel_context_free(c);
}

Test(safetensors, rows_are_read_alone)
{
    enum { N = 3000, COLUMNS = 7, FIRST = 1234, COUNT = 1500 };
    static int64_t numbers[N * COLUMNS], some[COUNT * COLUMNS + 1];
    static unsigned char truths[N];
    for (int i = 0; i < N * COLUMNS; i++)
        numbers[i] = i;
    truths[5] = 2;
    const reel_named_array arrays[] = {{"numbers", REEL_INT64, REEL_SHAPE(N, COLUMNS), numbers},
                                       {"truths", REEL_BOOL, REEL_SHAPE(N), truths},
                                       {"scalar", REEL_INT64, REEL_SCALAR, numbers}};
    reel_context *c = reel_context_new(NULL);
    cr_assert_eq(reel_safetensors_write(c, path, arrays, 3), REEL_OK);
    reel_safetensors *file = reel_safetensors_open(c, path);
    some[COUNT * COLUMNS] = -1;
    cr_assert_eq(reel_safetensors_read_rows(file, "numbers", REEL_INT64, FIRST, COUNT, some), REEL_OK);
    cr_assert_arr_eq(some, numbers + FIRST * COLUMNS, COUNT * COLUMNS * sizeof *some);
    cr_assert_eq(some[COUNT * COLUMNS], -1);
    cr_assert_eq(reel_safetensors_read_rows(file, "numbers", REEL_INT64, N, 0, NULL), REEL_OK);
    cr_assert_eq(reel_safetensors_read_rows(file, "truths", REEL_BOOL, 6, 4, some), REEL_OK,
                 "only those are looked at");

    static const struct {
        const char *name;
        reel_dtype dtype;
        int64_t first, rows;
        reel_status status;
    } bad[] = {
        {"numbers", REEL_INT64, N, 1, REEL_ERROR_INDEX},         {"numbers", REEL_INT64, -1, 1, REEL_ERROR_INDEX},
        {"numbers", REEL_INT64, 1, INT64_MAX, REEL_ERROR_INDEX}, {"numbers", REEL_INT64, 0, -1, REEL_ERROR_INDEX},
        {"scalar", REEL_INT64, 0, 1, REEL_ERROR_SHAPE},          {"numbers", REEL_INT32, 0, 1, REEL_ERROR_DTYPE},
        {"none", REEL_INT64, 0, 1, REEL_ERROR_ARGUMENT},         {"truths", REEL_BOOL, 4, 2, REEL_ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(reel_safetensors_read_rows(file, bad[i].name, bad[i].dtype, bad[i].first, bad[i].rows, some),
                     bad[i].status, "%zu: %s", i, reel_error(c));
        reel_clear_error(c);
    }
    cr_assert_eq(reel_safetensors_read_rows(file, "numbers", REEL_INT64, 0, 1, NULL), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    reel_safetensors_close(file);

    /* Of a type that is converted, in pieces: U8. */
    static unsigned char small[200 + N * COLUMNS];
    int length =
        snprintf((char *)small + 8, 192, "{\"b\":{\"dtype\":\"U8\",\"shape\":[%d,%d],\"data_offsets\":[0,%d]}}", N,
                 COLUMNS, N * COLUMNS);
    small[0] = (unsigned char)length;
    for (int i = 0; i < N * COLUMNS; i++)
        small[8 + length + i] = (unsigned char)(i * 7);
    put_file(small, (size_t)(8 + length + N * COLUMNS));
    file = reel_safetensors_open(c, path);
    cr_assert_eq(reel_safetensors_read_rows(file, "b", REEL_INT64, FIRST, COUNT, some), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < COUNT * COLUMNS; i++)
        cr_assert_eq(some[i], (unsigned char)((FIRST * COLUMNS + i) * 7));
    reel_safetensors_close(file);
    reel_context_free(c);
}

/* Mapped tensors are the file's own bytes, and a loader takes batches from them. */
Test(safetensors, tensors_are_mapped)
{
    enum { N = 4000, COLUMNS = 5, BATCH = 64 };
    static reel_real reals[N * COLUMNS];
    static int64_t numbers[N];
    for (int i = 0; i < N * COLUMNS; i++)
        reals[i] = (reel_real)i / 4;
    for (int i = 0; i < N; i++)
        numbers[i] = i;
    const reel_named_array arrays[] = {{"x", REEL_REAL, REEL_SHAPE(N, COLUMNS), reals},
                                       {"y", REEL_INT64, REEL_SHAPE(N), numbers},
                                       {"none", REEL_INT64, REEL_SHAPE(0, 3), NULL}};
    struct counting memory;
    reel_context *c = counting_context(&memory, 1);
    cr_assert_eq(reel_safetensors_write(c, path, arrays, 3), REEL_OK);
    reel_safetensors *file = reel_safetensors_open(c, path);
    int64_t allocations = memory.calls;
    const reel_real *x = reel_safetensors_map(file, "x", REAL_NAME);
    const int64_t *y = reel_safetensors_map(file, "y", "I64");
    cr_assert(x && y, "%s", reel_error(c));
    cr_assert_not_null(reel_safetensors_map(file, "none", "I64"));
    cr_assert_eq(memory.calls, allocations, "nothing was copied");
    cr_assert_arr_eq(x, reals, sizeof reals);
    cr_assert_arr_eq(y, numbers, sizeof numbers);

    /* What takes the file's name leaves the mapped one alone. */
    cr_assert_eq(reel_safetensors_write(c, path, arrays + 2, 1), REEL_OK);
    reel_loader_options shuffled = reel_loader_defaults();
    shuffled.batch_size = BATCH;
    shuffled.shuffle = true;
    reel_loader *loader = reel_loader_new(c, N, &shuffled);
    reel_loader_add(loader, REEL_REAL, x, REEL_SHAPE(COLUMNS));
    reel_loader_add(loader, REEL_INT64, y, REEL_SCALAR);
    reel_tape *t = reel_tape_new(c);
    reel_var batch[2];
    int64_t seen = 0;
    for (int64_t n; (n = reel_loader_next(loader, t, batch)) > 0; seen += n, reel_tape_reset(t))
        for (int64_t i = 0; i < n; i++) {
            int64_t row = ((const int64_t *)reel_data(t, batch[1]))[i];
            cr_assert_arr_eq((const reel_real *)reel_data(t, batch[0]) + i * COLUMNS, reals + row * COLUMNS,
                             COLUMNS * sizeof *reals);
        }
    cr_assert_eq(seen, N, "%s", reel_error(c));
    reel_tape_free(t);
    reel_loader_free(loader);

    static const struct {
        const char *name, *dtype;
        reel_status status;
    } bad[] = {{"z", "I64", REEL_ERROR_ARGUMENT},
               {NULL, "I64", REEL_ERROR_ARGUMENT},
               {"y", "F64", REEL_ERROR_DTYPE},
               {"y", NULL, REEL_ERROR_DTYPE}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_null(reel_safetensors_map(file, bad[i].name, bad[i].dtype));
        cr_assert_eq(reel_context_status(c), bad[i].status);
        cr_assert_null(reel_safetensors_map(file, "y", "I64"), "an error sticks");
        reel_clear_error(c);
    }
    reel_safetensors_close(file);

    /* Elements that lie where a pointer must not point, of half a byte, and of a type that nobody knows. */
    char header[256];
    snprintf(header, sizeof header, "%-*s", 8 * 29,
             "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
             "\"b\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[1,5]},"
             "\"c\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[5,6]},"
             "\"d\":{\"dtype\":\"Q8\",\"shape\":[2],\"data_offsets\":[6,8]}}");
    put_header(header, strlen(header), 8);
    file = reel_safetensors_open(c, path);
    const unsigned char *byte = reel_safetensors_map(file, "a", "U8");
    cr_assert(byte && *byte == 1, "%s", reel_error(c));
    cr_assert_null(reel_safetensors_map(file, "b", "I32"));
    expect_error(c, REEL_ERROR_FORMAT, "which is no place for I32 in memory");
    cr_assert_null(reel_safetensors_map(file, "c", "F4"));
    expect_error(c, REEL_ERROR_DTYPE, "tensor \"c\" is F4 and cannot be mapped as F4");
    cr_assert_null(reel_safetensors_map(file, "d", "Q8"));
    expect_error(c, REEL_ERROR_DTYPE, "");
    reel_safetensors_close(file);
    reel_context_free(c);
    cr_assert_eq(memory.live, 0);
}
