/* The model file: the generator's state_dict, and in the metadata what its tensors do not say. */
#include "cgan.h"
#include "cgan_recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char network_key[] = "network", eps_key[] = "batch_norm_eps", rows_key[] = "image_rows",
                  columns_key[] = "image_columns", names_key[] = "class_names";

reel_status cgan_save(const struct gan *gan, const struct cgan_image *image, const char *path)
{
    char eps[32], rows[32], columns[32];
    snprintf(eps, sizeof eps, "%.9g", gan->sizes.batch_norm_eps);
    snprintf(rows, sizeof rows, "%lld", (long long)image->rows);
    snprintf(columns, sizeof columns, "%lld", (long long)image->columns);
    const reel_metadata metadata[] = {{network_key, cgan_network_names[gan->sizes.network]},
                                      {eps_key, eps},
                                      {rows_key, rows},
                                      {columns_key, columns},
                                      {names_key, image->names.text}};
    int n = sizeof metadata / sizeof *metadata - (image->names.text[0] == 0);
    return reel_save_safetensors_with(gan->generator, path, metadata, n);
}

/* A number from the metadata, or NaN. */
static double number(const reel_safetensors *file, const char *key)
{
    const char *text = reel_safetensors_metadata(file, key);
    char *end;
    if (!text || !*text)
        return NAN;
    double value = strtod(text, &end);
    return *end ? NAN : value;
}

/* The widths that the tensors of linear layers have; false when they cannot be those of a generator. */
static bool read_mlp(const reel_safetensors *file, int64_t embedding, struct gan_sizes *sizes)
{
    const reel_tensor_info *layer = reel_safetensors_find(file, "model.0.weight");
    *sizes = gan_image_sizes(0, 0);
    if (!layer || layer->shape.ndim != 2)
        return false;
    sizes->embedding = embedding;
    sizes->noise = layer->shape.dim[1] - embedding;
    sizes->generator_layers = 0;
    /* Linear layers are at the places 0, 2, 5, 8 and so on: batch norm and activation come between. */
    for (int next = 2; layer && layer->shape.ndim == 2; next += 3) {
        char name[32];
        int64_t width = layer->shape.dim[0];
        snprintf(name, sizeof name, "model.%d.weight", next);
        layer = reel_safetensors_find(file, name);
        if (!layer)
            break;
        if (sizes->generator_layers == GAN_MAX_HIDDEN)
            return false;
        sizes->generator[sizes->generator_layers++] = width;
    }
    return sizes->noise >= 1 && sizes->generator_layers >= 1;
}

/* Sizes from the tensors that depend on the data; false when the file cannot be a generator of this program. The file
 * has as many elements as the generator will have, so that a small file does not cost much memory. */
static bool read_sizes(const reel_safetensors *file, struct gan_sizes *sizes, struct cgan_image *image)
{
    const char *network = reel_safetensors_metadata(file, network_key);
    const reel_tensor_info *labels = reel_safetensors_find(file, "label_emb.weight");
    double eps = number(file, eps_key), rows = number(file, rows_key), columns = number(file, columns_key);
    if (!labels || labels->shape.ndim != 2 || !(eps >= 0) || !(rows >= 1 && rows <= CGAN_MAX_SIDE) ||
        !(columns >= 1 && columns <= CGAN_MAX_SIDE))
        return false;
    *image = (struct cgan_image){.rows = (int64_t)rows, .columns = (int64_t)columns};
    /* Files from before there was a choice do not say which network it is. */
    if (network && strcmp(network, cgan_network_names[GAN_CONV]) == 0)
        *sizes = gan_conv_sizes(image->rows, image->columns);
    else if ((network && strcmp(network, cgan_network_names[GAN_MLP]) != 0) ||
             !read_mlp(file, labels->shape.dim[1], sizes))
        return false;
    sizes->batch_norm_eps = eps;
    sizes->classes = labels->shape.dim[0];
    sizes->data = image->rows * image->columns;
    if (sizes->classes < 1 || sizes->classes > CGAN_MAX_CLASSES)
        return false;
    class_names_take(&image->names, reel_safetensors_metadata(file, names_key), sizes->classes);
    int64_t numel = 0;
    for (int64_t i = 0; i < reel_safetensors_count(file); i++)
        numel += reel_safetensors_at(file, i)->numel;
    return numel == gan_generator_numel(sizes);
}

bool cgan_load(reel_context *context, const char *path, struct gan *gan, struct cgan_image *image,
               char error[CGAN_ERROR_SIZE])
{
    struct gan_sizes sizes;
    reel_safetensors *file = reel_safetensors_open(context, path);
    bool known = file && read_sizes(file, &sizes, image);
    reel_safetensors_close(file);
    if (file && !known) {
        snprintf(error, CGAN_ERROR_SIZE, "%s: not a model that cgan train wrote", path);
        return false;
    }
    if (known) {
        *gan = gan_new(context, &sizes);
        if (reel_load_safetensors(gan->generator, path, NULL) == REEL_OK)
            return true;
        gan_free(gan);
    }
    snprintf(error, CGAN_ERROR_SIZE, "%s", reel_error(context));
    return false;
}
