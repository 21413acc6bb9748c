/* Conditional GANs for time series: a generator that makes series from noise, labels and lengths, and a discriminator
 * that scores them. Written against reel's public headers only. */
#ifndef MODELS_SERIES_NETWORKS_H
#define MODELS_SERIES_NETWORKS_H

#include <reel/reel.h>

/* SERIES_CONV: a linear layer makes a quarter of the steps, two ConvTranspose1d double them, a Conv1d ends it.
 * SERIES_GRU: a GRU over noise of its own for each step, begun by the noise of the series. Both have the same
 * discriminator of three Conv1d, which sees no label; a projection head and a class head end it.
 * SERIES_NOTEBOOK: the LSTM GAN of the notebook (two layers, and one in the discriminator, whose input has the label
 * beside the values and whose every step has a score). */
enum series_network { SERIES_CONV, SERIES_GRU, SERIES_NOTEBOOK, SERIES_NETWORKS };

struct series_sizes {
    int64_t network; /* enum series_network */
    int64_t channels, classes;
    int64_t steps;   /* of every series, as the networks see it */
    int64_t hidden;  /* channels of the hidden layers */
    int64_t longest; /* the longest series */
    int64_t varying; /* 1: series differ in length; they are stretched to `steps`, and the networks are told */
};

struct series_gan {
    struct series_sizes sizes;
    reel_params *generator, *discriminator;
    /* Of the generator. What a network does not have is NULL. */
    reel_module *label, *start, *up1, *up2, *out, *recurrent;
    reel_param *mean, *spread; /* buffers, [channels]: x = network * spread + mean */
    reel_param *length_counts; /* buffer, int64 [classes, longest]: how many training series are how long */
    /* Of the discriminator. */
    reel_module *critic_label, *conv1, *conv2, *conv3, *features, *projection, *class_head, *critic_recurrent;
};

/* A batch as both networks take it. */
struct series_batch {
    reel_var labels;  /* [batch], int64 */
    reel_var lengths; /* [batch, 1], as parts of the longest one; null var unless lengths vary */
};

/* Makes the networks and draws their initial values. Check reel_context_status: on error the struct may hold NULLs,
 * which every call here accepts. Free it before the context. */
struct series_gan series_gan_new(reel_context *context, const struct series_sizes *sizes);
void series_gan_free(struct series_gan *gan);

/* Whether networks of such sizes can be made; if not, what to say about it. */
const char *series_sizes_wrong(const struct series_sizes *sizes);

/* Vars for n series of these labels and lengths; int64 [n], borrowed until the tape's reset. */
struct series_batch series_batch_of(reel_tape *tape, const struct series_gan *gan, const int64_t *labels,
                                    const int64_t *lengths, int64_t n);

/* Steps that the convolutional generator begins with; two layers double them. */
int64_t series_first_steps(const struct series_sizes *sizes);

/* How much noise a series takes. */
int64_t series_noise_size(const struct series_sizes *sizes);

/* noise [batch, series_noise_size] -> series [batch, steps, channels], on the networks' scale. */
reel_var series_generate(reel_tape *tape, const struct series_gan *gan, reel_var noise, const struct series_batch *b);

/* Scores of x, [batch] or [batch, steps] of the notebook's; and, unless `classes` is NULL, the class head's logits
 * [batch, classes], the null var where there is none. */
reel_var series_discriminate(reel_tape *tape, const struct series_gan *gan, reel_var x, const struct series_batch *b,
                             reel_var *classes);

#endif
