/* dataset_load on good and on bad files that each test writes into a folder of its own. */
#include "dataset.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { ROWS = 3, COLUMNS = 5, IMAGE_HEADER = 16, LABEL_HEADER = 8, FILE_SIZE = 256 };

static char folder[64];
static char error[4600];
static struct dataset set;

/* A file's contents, for a test to damage before they are written. */
struct contents {
    unsigned char bytes[FILE_SIZE];
    size_t size;
};

static void put_word(unsigned char *bytes, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(word >> (24 - 8 * i));
}

static unsigned char pixel(int i)
{
    return (unsigned char)(i * 37 + 11);
}

static struct contents good_images(int count)
{
    struct contents c = {.size = (size_t)(IMAGE_HEADER + count * ROWS * COLUMNS)};
    put_word(c.bytes, 0x803);
    put_word(c.bytes + 4, (uint32_t)count);
    put_word(c.bytes + 8, ROWS);
    put_word(c.bytes + 12, COLUMNS);
    for (int i = 0; i < count * ROWS * COLUMNS; i++)
        c.bytes[IMAGE_HEADER + i] = pixel(i);
    return c;
}

static struct contents good_labels(int count)
{
    struct contents c = {.size = (size_t)(LABEL_HEADER + count)};
    put_word(c.bytes, 0x801);
    put_word(c.bytes + 4, (uint32_t)count);
    for (int i = 0; i < count; i++)
        c.bytes[LABEL_HEADER + i] = (unsigned char)(i % 10);
    return c;
}

static const char *in_folder(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_plain(const char *name, const struct contents *c)
{
    FILE *file = fopen(in_folder(name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(c->bytes, 1, c->size, file), c->size);
    cr_assert_eq(fclose(file), 0);
}

static void write_gzip(const char *name, const struct contents *c)
{
    gzFile file = gzopen(in_folder(name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, c->bytes, (unsigned)c->size), (int)c->size);
    cr_assert_eq(gzclose(file), Z_OK);
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/reel-dataset-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    DIR *stream = opendir(folder);
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (entry->d_name[0] != '.')
            remove(in_folder(entry->d_name));
    closedir(stream);
    rmdir(folder);
    dataset_free(&set);
}

static void expect_good(bool train, int count)
{
    cr_assert(dataset_load(&set, folder, train, 10, error, sizeof error), "%s", error);
    cr_expect_eq(set.count, count);
    cr_expect_eq(set.rows, ROWS);
    cr_expect_eq(set.columns, COLUMNS);
    for (int i = 0; i < count * ROWS * COLUMNS; i++)
        cr_expect_eq(set.images[i], pixel(i));
    for (int i = 0; i < count; i++)
        cr_expect_eq(set.labels[i], i % 10);
}

/* The training half must be refused with a line that holds both parts. */
static void expect_refused(const char *part, const char *other_part)
{
    cr_assert_not(dataset_load(&set, folder, true, 10, error, sizeof error));
    cr_expect_not_null(strstr(error, part), "\"%s\" lacks \"%s\"", error, part);
    cr_expect_not_null(strstr(error, other_part), "\"%s\" lacks \"%s\"", error, other_part);
    cr_expect_null(strchr(error, '\n'));
    cr_expect_null(set.images);
    cr_expect_null(set.labels);
    cr_expect_eq(set.count, 0);
}

TestSuite(dataset, .init = make_folder, .fini = remove_folder);

Test(dataset, reads_plain_files)
{
    struct contents images = good_images(12), labels = good_labels(12);
    write_plain("train-images-idx3-ubyte", &images);
    write_plain("train-labels-idx1-ubyte", &labels);
    expect_good(true, 12);
}

Test(dataset, reads_gzip_dotted_and_test_files)
{
    struct contents images = good_images(7), labels = good_labels(7);
    write_gzip("t10k-images-idx3-ubyte.gz", &images);
    write_plain("t10k-labels.idx1-ubyte", &labels);
    expect_good(false, 7);
    remove(in_folder("t10k-labels.idx1-ubyte"));
    write_gzip("t10k-labels.idx1-ubyte.gz", &labels);
    dataset_free(&set);
    expect_good(false, 7);
}

/* Kaggle's archives: a folder named like the file, with the file in it, or beside the dotted spelling. */
Test(dataset, reads_folders_named_like_the_files)
{
    struct contents images = good_images(7), labels = good_labels(7);
    cr_assert_eq(mkdir(in_folder("train-images-idx3-ubyte"), 0777), 0);
    cr_assert_eq(mkdir(in_folder("train-labels-idx1-ubyte"), 0777), 0);
    expect_refused(folder, "has no train-images-idx3-ubyte[.gz]");
    write_plain("train-images.idx3-ubyte", &images);
    write_plain("train-labels.idx1-ubyte", &labels);
    expect_good(true, 7);
    dataset_free(&set);
    write_plain("train-images-idx3-ubyte/train-images-idx3-ubyte", &images);
    write_plain("train-labels-idx1-ubyte/train-labels-idx1-ubyte", &labels);
    remove(in_folder("train-images.idx3-ubyte"));
    remove(in_folder("train-labels.idx1-ubyte"));
    expect_good(true, 7);
    remove(in_folder("train-images-idx3-ubyte/train-images-idx3-ubyte"));
    remove(in_folder("train-labels-idx1-ubyte/train-labels-idx1-ubyte"));
}

Test(dataset, refuses_missing_folder_and_files)
{
    cr_expect_not(dataset_load(&set, "/nonexistent/folder", true, 10, error, sizeof error));
    cr_expect_str_eq(error, "/nonexistent/folder: No such file or directory");
    expect_refused(folder, "has no train-images-idx3-ubyte[.gz]");
    struct contents images = good_images(2);
    write_plain("train-images-idx3-ubyte", &images);
    expect_refused(folder, "has no train-labels-idx1-ubyte[.gz]");
    cr_expect_not(dataset_load(&set, in_folder("train-images-idx3-ubyte"), true, 10, error, sizeof error));
    cr_expect_not_null(strstr(error, "not a folder"), "%s", error);
}

Test(dataset, refuses_other_axes_and_damaged_files)
{
    struct contents images = good_images(4), labels = good_labels(4);
    write_plain("train-images-idx3-ubyte", &labels);
    write_plain("train-labels-idx1-ubyte", &labels);
    expect_refused("train-images-idx3-ubyte", "1 axes instead of 3");
    write_plain("train-images-idx3-ubyte", &images);
    write_plain("train-labels-idx1-ubyte", &images);
    expect_refused("train-labels-idx1-ubyte", "3 axes instead of 1");
    images.size--;
    write_plain("train-images-idx3-ubyte", &images);
    expect_refused("train-images-idx3-ubyte\"", "60 bytes of [4, 3, 5]");
}

Test(dataset, refuses_disagreeing_counts)
{
    struct contents images = good_images(4), labels = good_labels(5);
    write_plain("train-images-idx3-ubyte", &images);
    write_plain("train-labels-idx1-ubyte", &labels);
    expect_refused("holds 4 images", "holds 5 labels");
}

Test(dataset, refuses_label_out_of_range)
{
    struct contents images = good_images(4), labels = good_labels(4);
    labels.bytes[LABEL_HEADER + 2] = 10;
    write_plain("train-images-idx3-ubyte", &images);
    write_plain("train-labels-idx1-ubyte", &labels);
    expect_refused("train-labels-idx1-ubyte", "label 10 at position 2 is outside 0..9");
}
