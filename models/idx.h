/* Labelled pictures in MNIST's idx format, plain or gzip. */
#ifndef MODELS_IDX_H
#define MODELS_IDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where Debian's package dataset-fashion-mnist puts its four files. */
#define DATASET_FASHION_MNIST "/usr/share/datasets/fashion-mnist"

/* Pictures and their labels, in the order of the files. dataset_load fills it and dataset_free releases it. */
struct dataset {
    int64_t count;         /* pictures, at least 1 */
    int64_t rows;          /* height of each picture, at least 1 */
    int64_t columns;       /* width of each picture, at least 1 */
    unsigned char *images; /* [count][rows][columns], 0 (black) to 255 (white); owned */
    unsigned char *labels; /* [count], each below the number of classes that was asked for; owned */
};

/* Reads one half of a data set: train-images-idx3-ubyte and train-labels-idx1-ubyte from `folder`, or their t10k twins
 * when `train` is false. Each may end in .gz, and may be spelled with a dot (train-images.idx3-ubyte); the first that
 * exists of plain, .gz, dotted, dotted .gz is read, and where a folder has that name, the file of the same name in it
 * (Kaggle's archives hold such). The two files must have the right magic numbers and exactly the
 * length that their headers promise, agree in their counts, and hold labels in 0..classes-1 (classes: 1..256).
 * Returns true, or false with one line in `error` that names the file and the numbers; then *set is all zero. */
bool dataset_load(struct dataset *set, const char *folder, bool train, int64_t classes, char *error, size_t error_size);

/* Releases what dataset_load allocated and zeroes *set. An all-zero set is accepted. */
void dataset_free(struct dataset *set);

/* Reads one idx file of unsigned bytes with exactly `axes` axes (1..3), plain or gzip, whatever its name.
 * Writes the lengths of the axes, each at least 1, to sizes[0..axes-1], and to *bytes the product of them many bytes,
 * to be released with free. A file that is cut short, is damaged, or goes on after its data is refused (bytes after the
 * end of a gzip stream that do not begin another one are ignored, as gzip does). Memory grows with the data really
 * read, not with what a header claims. Returns true, or false with one line in `error` that names the file; then *bytes
 * is NULL. */
bool idx_read(const char *path, int axes, int64_t *sizes, unsigned char **bytes, char *error, size_t error_size);

#endif
