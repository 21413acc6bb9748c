/* What the commands of series share. */
#ifndef MODELS_SERIES_H
#define MODELS_SERIES_H

#include "series_networks.h"
#include "series_set.h"

#include <reel/watch/progress.h>
#include <reel/watch/run.h>

enum { SERIES_ERROR_SIZE = 4608 }; /* a message with a whole path in it */

/* The commands. argv[0] is the command's name; they return the exit code. */
int series_train(int argc, char **argv);
int series_sample(int argc, char **argv);
int series_eval(int argc, char **argv);
int series_data(int argc, char **argv);

/* Writes the generator to a safetensors file, with its sizes in the metadata; and makes networks for the sizes that a
 * file has and reads the generator from it. series_model_load returns false with one line in `error` (nothing to free
 * then): a file that is not there, not safetensors, or not of this program. */
reel_status series_model_save(const struct series_gan *gan, const char *path);
bool series_model_load(reel_context *context, const char *path, struct series_gan *gan, char error[SERIES_ERROR_SIZE]);

/* Series first..first + n - 1 of a set, of its labels and lengths, in the data's own units; noise [n,
 * series_noise_size] of the networks, or NULL to draw it from the context's generator. Resets the tape. False on error,
 * which the context has. */
bool series_make(reel_tape *tape, const struct series_gan *gan, struct series_set *set, int64_t first, int64_t n,
                 const reel_real *noise);

/* A series for each of set->labels, in evaluation mode, with lengths drawn from those that its class has in the
 * training set: fills set->x, in the data's own units, and set->lengths. Everything is drawn from the context's
 * generator. The progress advances by series; NULL: nobody watches. False on error, which the context has. */
bool series_draw(reel_tape *tape, const struct series_gan *gan, struct series_set *set, reel_progress *progress);

/* A picture: a row for each class, real series in blue on the left, the same number of others in red on the right.
 * Both are spread evenly over those of their class in the sets. Lines are drawn of up to six channels, of more a
 * map whose rows are the channels. The context's status. */
enum { SERIES_PICTURE_COLUMNS = 6 };
reel_status series_picture(reel_context *context, const char *path, const struct series_set *real,
                           const struct series_set *made);
/* The same for a run's report, at a step. */
reel_status series_picture_add(reel_context *context, reel_run *run, const char *name, const struct series_set *real,
                               const struct series_set *made, int64_t step);
/* Whether there can be such a picture of series like these. */
reel_status series_picture_fits(reel_context *context, const struct series_set *real);

/* Prints one line to stderr, "series COMMAND: message", and returns 1. */
int series_fail(const char *command, const char *message);

#endif
