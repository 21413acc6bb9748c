/* A library that was built without zlib: this program has compressed.c of such a build in the place of the other. */
#include "files/folder.h"
#include "golden/npy.h"

#include <reel/reel.h>

TestSuite(without_zlib, .init = make_folder, .fini = remove_folder);

Test(without_zlib, compressed_files_are_an_error_and_others_are_read)
{
    static const unsigned char plain[] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 4};
    static const unsigned char packed[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    reel_context *c = reel_context_new(NULL);
    put_file(packed, sizeof packed);
    cr_assert_null(reel_idx_open(c, path));
    expect_error(c, REEL_ERROR_IO, "/file\": this build of reel has no zlib, which compressed files need");
    put_file(plain, sizeof plain);
    reel_idx *idx = reel_idx_open(c, path);
    cr_assert(idx && reel_idx_bytes(idx)[1] == 4, "%s", reel_error(c));
    reel_idx_close(idx);
    put_file(npy_int8, sizeof npy_int8);
    reel_npy *npy = reel_npy_open(c, path);
    cr_assert_not_null(npy, "%s", reel_error(c));
    reel_npy_close(npy);
    put_file(npz_deflated, sizeof npz_deflated);
    cr_assert_null(reel_npy_open(c, path));
    expect_error(c, REEL_ERROR_IO, "this build of reel has no zlib");
    put_file(npz_stored, sizeof npz_stored);
    npy = reel_npy_open(c, path);
    cr_assert_eq(reel_npy_count(npy), 4, "%s", reel_error(c));
    reel_npy_close(npy);

    const reel_real one = 1;
    const reel_named_array array = {"x", REEL_REAL, REEL_SCALAR, &one};
    reel_npz_options o = reel_npz_defaults();
    cr_assert_eq(reel_npz_write(c, path, &array, 1, &o), REEL_OK, "%s", reel_error(c));
    o.compressed = true;
    reel_npz_write(c, path, &array, 1, &o);
    expect_error(c, REEL_ERROR_IO, "this build of reel has no zlib");
    npy = reel_npy_open(c, path);
    cr_assert_not_null(npy, "the old file is still there: %s", reel_error(c));
    reel_npy_close(npy);
    reel_context_free(c);
}
