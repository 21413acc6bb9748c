/* What the commands of cgan share. */
#ifndef MODELS_CGAN_H
#define MODELS_CGAN_H

#include "class_names.h"
#include "dataset.h"
#include "gan.h"

#include <reel/watch/progress.h>

#include <stdio.h>

enum { CGAN_ERROR_SIZE = 4608 }; /* a message with a whole path in it */

/* The commands. argv[0] is the command's name; they return the exit code. */
int cgan_train(int argc, char **argv);
int cgan_sample(int argc, char **argv);
int cgan_eval(int argc, char **argv);
int cgan_export(int argc, char **argv);

/* Images of more pixels a side are not taken. Labels are bytes. */
enum { CGAN_MAX_SIDE = 65536, CGAN_MAX_CLASSES = 256 };

/* How wide and high the images are that a model makes, and what they show. */
struct cgan_image {
    int64_t rows, columns;
    struct class_names names;
};

/* Makes networks for the sizes that a model file has, and reads the generator from it. Returns false with one line in
 * `error` (nothing to free then): a file that is not there, not safetensors, or of another architecture. */
bool cgan_load(reel_context *context, const char *path, struct gan *gan, struct cgan_image *image,
               char error[CGAN_ERROR_SIZE]);

/* Writes the generator to a safetensors file, with what a reader needs to rebuild it in the metadata. */
reel_status cgan_save(const struct gan *gan, const struct cgan_image *image, const char *path);

/* n samples in evaluation mode: noise from the context's generator, labels 0..classes-1 as given. x: [n, data]. The
 * progress advances by samples; NULL: nobody watches. */
bool cgan_generate(reel_tape *tape, const struct gan *gan, const int64_t *labels, int64_t n, float *x,
                   reel_progress *progress);

/* Prints one line to stderr, "cgan COMMAND: message", and returns 1. */
int cgan_fail(const char *command, const char *message);

/* x = byte / 127.5 - 1, from 0..255 to -1..1. */
void cgan_pixels(const unsigned char *bytes, int64_t n, float *x);

#endif
