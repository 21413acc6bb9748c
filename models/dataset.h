/* Labelled pictures in MNIST's idx format, plain or gzip. */
#ifndef MODELS_DATASET_H
#define MODELS_DATASET_H

#include <reel/idx.h>

/* Where Debian's package dataset-fashion-mnist puts its four files. */
#define DATASET_FASHION_MNIST "/usr/share/datasets/fashion-mnist"

/* Pictures and their labels, in the order of the files. dataset_load fills it and dataset_free releases it. */
struct dataset {
    int64_t count;               /* pictures, at least 1 */
    int64_t rows;                /* height of each picture, at least 1 */
    int64_t columns;             /* width of each picture, at least 1 */
    const unsigned char *images; /* [count][rows][columns], 0 (black) to 255 (white) */
    const unsigned char *labels; /* [count], each below the number of classes that was asked for */
    /* What owns them. */
    reel_context *context;
    reel_idx *files[2];
};

/* Reads one half of a data set: train-images-idx3-ubyte and train-labels-idx1-ubyte from `folder`, or their t10k twins
 * when `train` is false. Each may end in .gz, and may be spelled with a dot (train-images.idx3-ubyte); the first that
 * exists of plain, .gz, dotted, dotted .gz is read, and where a folder has that name, the file of the same name in it
 * (Kaggle's archives hold such). The two files must be as reel_idx_open wants them, with three axes and one, agree in
 * their counts, and hold labels in 0..classes-1 (classes: 1..256).
 * Returns true, or false with one line in `error` that names the file and the numbers; then *set is all zero. */
bool dataset_load(struct dataset *set, const char *folder, bool train, int64_t classes, char *error, size_t error_size);

/* Releases what dataset_load allocated and zeroes *set. An all-zero set is accepted. */
void dataset_free(struct dataset *set);

#endif
