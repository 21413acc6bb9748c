/* The model file of series, and what is drawn from a model. */
#include "series.h"

#include <stdlib.h>
#include <string.h>

/* What the tensors' shapes do not say. */
static const char network_key[] = "series_network", hidden_key[] = "series_hidden", steps_key[] = "series_steps",
                  varying_key[] = "series_varying";

reel_status series_model_save(const struct series_gan *gan, const char *path)
{
    char network[32], hidden[32], steps[32], varying[32];
    snprintf(network, sizeof network, "%lld", (long long)gan->sizes.network);
    snprintf(hidden, sizeof hidden, "%lld", (long long)gan->sizes.hidden);
    snprintf(steps, sizeof steps, "%lld", (long long)gan->sizes.steps);
    snprintf(varying, sizeof varying, "%lld", (long long)gan->sizes.varying);
    const reel_metadata metadata[] = {
        {network_key, network}, {hidden_key, hidden}, {steps_key, steps}, {varying_key, varying}};
    return reel_save_safetensors_with(gan->generator, path, metadata, 4);
}

/* A number from the metadata, or -1. */
static int64_t number(const reel_safetensors *file, const char *key)
{
    const char *text = reel_safetensors_metadata(file, key);
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    long long value = strtoll(text, &end, 10);
    return *end ? -1 : value;
}

/* An axis of a tensor, or -1. */
static int64_t size_of(const reel_safetensors *file, const char *name, int axis)
{
    const reel_tensor_info *tensor = reel_safetensors_find(file, name);
    return tensor && axis < tensor->shape.ndim ? tensor->shape.dim[axis] : -1;
}

/* Whether the file can be a generator of this program. Its tensors are as large as such sizes make them, so that a
 * small file does not cost much memory. */
static bool read_sizes(const reel_safetensors *file, struct series_sizes *s)
{
    const reel_tensor_info *mean = reel_safetensors_find(file, "scale.mean");
    const reel_tensor_info *counts = reel_safetensors_find(file, "length_counts");
    if (!mean || !counts || mean->shape.ndim != 1 || counts->shape.ndim != 2)
        return false;
    *s = (struct series_sizes){.network = number(file, network_key),
                               .channels = mean->shape.dim[0],
                               .longest = counts->shape.dim[1],
                               .classes = counts->shape.dim[0],
                               .hidden = number(file, hidden_key),
                               .steps = number(file, steps_key),
                               .varying = number(file, varying_key)};
    if (series_sizes_wrong(s) || s->varying < 0 || s->varying > 1)
        return false;
    if (s->steps > SERIES_MAX_LENGTH || s->longest > SERIES_MAX_LENGTH || s->classes > SERIES_MAX_CLASSES)
        return false;
    switch (s->network) {
    case SERIES_GRU:
        return size_of(file, "gru.weight_hh_l0", 1) == s->hidden;
    case SERIES_NOTEBOOK:
        return size_of(file, "lstm.weight_hh_l0", 1) == s->hidden;
    default:
        return size_of(file, "up2.weight", 0) == s->hidden &&
               size_of(file, "start.weight", 0) == 2 * s->hidden * series_first_steps(s);
    }
}

bool series_model_load(reel_context *context, const char *path, struct series_gan *gan, char error[SERIES_ERROR_SIZE])
{
    struct series_sizes sizes;
    reel_safetensors *file = reel_safetensors_open(context, path);
    bool known = file && read_sizes(file, &sizes);
    reel_safetensors_close(file);
    if (file && !known) {
        snprintf(error, SERIES_ERROR_SIZE, "%s: not a model that series train wrote", path);
        return false;
    }
    if (known) {
        *gan = series_gan_new(context, &sizes);
        if (reel_load_safetensors(gan->generator, path, NULL) == REEL_OK)
            return true;
        series_gan_free(gan);
    }
    snprintf(error, SERIES_ERROR_SIZE, "%s", reel_error(context));
    return false;
}

/* A length for each label, drawn with the training set's counts as weights; the whole length for a class that it does
 * not have. */
static bool draw_lengths(reel_tape *t, const struct series_gan *gan, struct series_set *set)
{
    const int64_t longest = gan->sizes.longest, *counts = reel_param_data(gan->length_counts);
    const reel_real *drawn = reel_data_real(t, reel_rand(t, REEL_SHAPE(set->count)));
    for (int64_t i = 0; drawn && i < set->count; i++) {
        const int64_t *row = counts + set->labels[i] * longest;
        int64_t all = 0, k = 0;
        for (int64_t l = 0; l < longest; l++)
            all += row[l];
        double place = drawn[i] * (double)all;
        while (k < longest - 1 && place >= (double)row[k])
            place -= (double)row[k++];
        set->lengths[i] = all > 0 ? k + 1 : longest;
    }
    reel_tape_reset(t);
    return drawn != NULL;
}

bool series_make(reel_tape *t, const struct series_gan *gan, struct series_set *set, int64_t first, int64_t n,
                 const reel_real *noise)
{
    const struct series_sizes *s = &gan->sizes;
    const int64_t row = s->steps * s->channels, noise_size = series_noise_size(s);
    reel_no_grad_begin(t);
    struct series_batch b = series_batch_of(t, gan, set->labels + first, set->lengths + first, n);
    reel_var z = noise ? reel_borrow(t, noise, REEL_SHAPE(n, noise_size)) : reel_randn(t, REEL_SHAPE(n, noise_size));
    reel_var made = series_generate(t, gan, z, &b);
    const reel_real *values = reel_data_real(t, made), *mean = reel_param_data(gan->mean),
                    *spread = reel_param_data(gan->spread);
    reel_no_grad_end(t);
    for (int64_t i = 0; values && i < n; i++) {
        float *x = series_at(set, first + i);
        int64_t length = set->lengths[first + i];
        series_stretch(values + i * row, s->steps, s->channels, x, length);
        for (int64_t k = 0; k < set->longest * s->channels; k++)
            x[k] = k < length * s->channels ? x[k] * spread[k % s->channels] + mean[k % s->channels] : 0;
    }
    return values && reel_tape_reset(t) == REEL_OK;
}

bool series_draw(reel_tape *t, const struct series_gan *gan, struct series_set *set, reel_progress *progress)
{
    enum { CHUNK = 128 };
    reel_eval(gan->generator);
    if (!draw_lengths(t, gan, set))
        return false;
    for (int64_t first = 0; first < set->count; first += CHUNK) {
        int64_t n = set->count - first < CHUNK ? set->count - first : CHUNK;
        if (!series_make(t, gan, set, first, n, NULL))
            return false;
        reel_progress_advance(progress, n);
    }
    return true;
}
