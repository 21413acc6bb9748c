/* Batches for a training loop: arrays with a common leading axis in, vars out, as torch.utils.data.DataLoader gives
 * them (no workers) from a TensorDataset.
 *
 *     reel_loader_options o = reel_loader_defaults();
 *     o.batch_size = 128;
 *     o.shuffle = true;
 *     reel_loader *loader = reel_loader_new(c, 60000, &o);
 *     reel_loader_add_scaled_bytes(loader, pictures, REEL_SHAPE(784), 0, 1);
 *     reel_loader_add_bytes(loader, classes, REEL_SCALAR);
 *     for (int epoch = 0; epoch < 10; epoch++) {
 *         reel_var batch[2];
 *         while (reel_loader_next(loader, t, batch) > 0) {
 *             reel_var loss = reel_cross_entropy_loss(t, model(t, batch[0]), batch[1]);
 *             ...
 *             reel_tape_reset(t);
 *         }
 *     }
 *
 * After the same seed the order is PyTorch's: each epoch draws a base seed from the context's generator, then, to
 * shuffle, the seed of a generator of its own, whose permutation is the order; weighted samples are drawn from the
 * context's generator. Both happen in the call that gives an epoch's first batch. Batches do not depend on the number
 * of threads. */
#ifndef REEL_LOADER_H
#define REEL_LOADER_H

#include <reel/context.h>
#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Arrays, and where in an epoch their batches are. */
typedef struct reel_loader reel_loader;

typedef struct reel_loader_options {
    reel_options_mark mark;
    int64_t batch_size; /* 1 */
    bool shuffle;       /* false: in order */
    bool drop_last;     /* false: the last batch of an epoch may be smaller. true: it is left out then */
    /* The n_indices samples that take part, by number (torch.utils.data.Subset); copied. NULL: all. */
    const int64_t *indices;
    int64_t n_indices;
} reel_loader_options;
REEL_API reel_loader_options reel_loader_defaults(void);

/* A loader of n samples, still without arrays. NULL when the context is NULL or has an error, n or batch_size is not at
 * least 1 or the options are malformed (REEL_ERROR_ARGUMENT), an index is outside 0..n-1 (REEL_ERROR_INDEX), or memory
 * ran out. Owned by the caller; free it before the context. Every function below accepts a NULL loader. */
REEL_API reel_loader *reel_loader_new(reel_context *context, int64_t n, const reel_loader_options *options);
REEL_API void reel_loader_free(reel_loader *loader);

/* Arrays of the samples, [n, item...], row-major. They are borrowed: they must live as long as the loader, and
 * what is in them when a batch is made is the batch. Each gives
 * the next var of a batch, [samples of the batch, item...]. REEL_ERROR_ARGUMENT for a NULL pointer or a bound that is
 * not finite, REEL_ERROR_SHAPE for an item with more than 7 axes (of sequences 6), REEL_ERROR_DTYPE for an unknown
 * type.
 */

/* Elements of the type of the batch; bools must be 0 or 1 (debug builds assert it for each batch). */
REEL_API reel_status reel_loader_add(reel_loader *loader, reel_dtype dtype, const void *data, reel_shape item);

/* Bytes whose batches are int64, with the same numbers: labels. */
REEL_API reel_status reel_loader_add_bytes(reel_loader *loader, const unsigned char *data, reel_shape item);

/* Bytes whose batches are real, from 0, which becomes low, to 255, which becomes high: b / 255 * (high - low) + low,
 * each operation rounded to reel_real. With 0 and 1 these are the numbers of torchvision's ToTensor, with -1 and 1
 * those of Normalize(0.5, 0.5) after it. */
REEL_API reel_status reel_loader_add_scaled_bytes(reel_loader *loader, const unsigned char *data, reel_shape item,
                                                  double low, double high);

/* Sequences of different length. Sample i is the rows offsets[i]..offsets[i + 1] - 1 of data, [offsets[n], item...];
 * the n + 1 offsets ascend from 0 or more (REEL_ERROR_INDEX, and again when they no longer do as a batch is made) and
 * are borrowed too; integers need a padding of their type. They give two vars: the sequences [samples, longest of the
 * batch, item...], with `padding` behind the end of shorter ones (torch.nn.utils.rnn.pad_sequence, batch_first), and
 * their lengths, int64 [samples]. */
REEL_API reel_status reel_loader_add_sequences(reel_loader *loader, reel_dtype dtype, const void *data,
                                               const int64_t *offsets, reel_shape item, double padding);

/* Random changes of pictures, drawn anew in each epoch. */
typedef struct reel_augment_options {
    reel_options_mark mark;
    double flip_horizontal; /* 0: probability that left and right change places */
    double flip_vertical;   /* 0: that top and bottom do */
    int64_t shift;          /* 0: moved by up to so many pixels along each axis, each distance as likely */
    double fill;            /* 0: value of the pixels that come in from outside */
    double noise;           /* 0: standard deviation of normal noise that is added in the end */
} reel_augment_options;
REEL_API reel_augment_options reel_augment_defaults(void);

/* Changes the pictures of var number `var` of a batch, which are real and not sequences. The last two axes of an item
 * are height and width; pictures that share other axes, such as channels, move together. The random numbers are
 * Philox's by the epoch's base seed and the sample's place in it: the context's generator gives the same numbers as
 * without, and neither threads nor the batch size matter. REEL_ERROR_ARGUMENT for a var or option outside its range. A
 * second call replaces the first. */
REEL_API reel_status reel_loader_augment(reel_loader *loader, int var, const reel_augment_options *options);

/* Draws an epoch's samples with replacement, in proportion to their weights (WeightedRandomSampler): num_samples of
 * them, 0 for as many as there are. One weight for each sample that takes part, >= 0, finite, not all 0
 * (REEL_ERROR_ARGUMENT); copied. Not together with shuffle (REEL_ERROR_ARGUMENT), and not in the middle of an epoch
 * (REEL_ERROR_STATE). The samples are PyTorch's for num_samples >= 2; a single one it draws by another method. */
REEL_API reel_status reel_loader_set_weights(reel_loader *loader, const double *weights, int64_t num_samples);

/* The same with weights under which the classes are equally likely: 1 / how many samples have the label of this one.
 * Labels are var number `var`, int64, int32 or bytes, one for each sample. */
REEL_API reel_status reel_loader_balance(reel_loader *loader, int var, int64_t num_samples);

/* Batches of an epoch (len of a DataLoader), and vars of a batch. */
REEL_API int64_t reel_loader_batches(const reel_loader *loader);
REEL_API int reel_loader_vars(const reel_loader *loader);

/* The next batch: its vars are written to batch[0..reel_loader_vars - 1], and the number of its samples is returned. 0
 * at the end of an epoch, after which the next call begins another, and when the context has an error, as after a
 * failure of this call, which changes neither the loader nor the generator. Memory comes from the tape alone: from the
 * third of equal steps on nothing is allocated. */
REEL_API int64_t reel_loader_next(reel_loader *loader, reel_tape *tape, reel_var *batch);

/* Where a loader is: plain data, to be kept with a checkpoint. */
typedef struct reel_loader_position {
    int64_t epoch;      /* complete ones */
    int64_t next;       /* samples given of the epoch under way, or -1 when none is */
    int64_t samples;    /* of an epoch */
    uint64_t base_seed; /* of the epoch under way */
    /* Of the epoch under way: the generator that the order was drawn from, before that, as reel_get_rng_state. */
    unsigned char generator[REEL_RNG_STATE_SIZE];
} reel_loader_position;

/* A loader with the same samples and options goes on from a position of another, in the middle of an epoch too. The
 * context's generator is not part of it. reel_loader_set_position refuses a position that cannot be this loader's
 * (REEL_ERROR_FORMAT) and changes nothing then. */
REEL_API reel_status reel_loader_position_of(const reel_loader *loader, reel_loader_position *position);
REEL_API reel_status reel_loader_set_position(reel_loader *loader, const reel_loader_position *position);

#ifdef __cplusplus
}
#endif

#endif
