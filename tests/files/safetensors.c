#include "safetensors_files.h"

#include <reel/reel.h>

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
        {"fc1.weight", REEL_REAL, 2, {3, 2}, "param \"fc1.weight\" is float"},
        {"fc1.weight", REEL_REAL, 2, {3, 2}, "[3, 2], the file's tensor is " REAL_NAME " [2, 3]"},
        {"fc1.bias", REEL_REAL, 2, {1, 2}, "[1, 2], the file's tensor is " REAL_NAME " [2]"},
        {"rows", REEL_INT64, 2, {1, 3}, "param \"rows\" is int64 [1, 3], the file's tensor is I32 [1, 3]"},
        {"rows", REEL_REAL, 2, {1, 3}, "the file's tensor is I32 [1, 3]"},
        {"mask", REEL_INT32, 1, {3}, "the file's tensor is BOOL [3]"},
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
    expect_error(c, REEL_ERROR_FORMAT, "there is no tensor for param \"extra\", float");
    expect_zeros(more);
    cr_assert_eq(reel_load_safetensors(more, path, &loose), REEL_OK, "%s", reel_error(c));
    expect_model(more);
    cr_assert_eq(extra->version, 0u);
    reel_params_free(more);

    reel_params *fewer = reel_params_new(c);
    reel_param *p = reel_param_new(fewer, "rows", REEL_PARAM_BUFFER, REEL_INT32, REEL_SHAPE(1, 3));
    reel_load_safetensors(fewer, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "belongs to no param of the set");
    expect_zeros(fewer);
    cr_assert_eq(reel_load_safetensors(fewer, path, &loose), REEL_OK);
    cr_assert_eq(memcmp(p->data, rows, sizeof rows), 0);
    reel_params_free(fewer);
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
    reel_param_new(params, "not \xff UTF-8", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(1));
    reel_save_safetensors(params, path);
    expect_error(c, REEL_ERROR_ARGUMENT, "\"not ? UTF-8\" is not UTF-8");
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
    cr_assert_eq(symlink("model.safetensors", link), 0);
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
    cr_assert_eq(reel_save_safetensors(params, "model.safetensors"), REEL_OK, "%s", reel_error(c));
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

Test(safetensors, types_without_a_dtype_are_listed_but_not_read)
{
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file_types, sizeof golden_file_types);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert_eq(reel_safetensors_count(file), 4);
    cr_assert_str_eq(reel_safetensors_find(file, "brain")->dtype, "BF16");
    cr_assert_str_eq(reel_safetensors_find(file, "complex")->dtype, "C64");
    reel_real x[2];
    reel_safetensors_read(file, "half", REEL_REAL, x, 2);
    expect_error(c, REEL_ERROR_DTYPE, "tensor \"half\" is F16, which cannot be read as float");
    reel_safetensors_close(file);
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
    expect_error(c, REEL_ERROR_FORMAT, "element 1 is the byte 2");
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
