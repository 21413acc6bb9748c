/* The reader of safetensors files: a file that opens can be asked everything, and loaded into a param set. */
#include "fuzz/target.h"

#include <reel/reel.h>

static void read_all(reel_context *c, reel_safetensors *file)
{
    static const reel_dtype dtypes[] = {REEL_REAL, REEL_INT64, REEL_INT32, REEL_BOOL};
    reel_safetensors_metadata(file, "format");
    reel_safetensors_find(file, "w");
    for (int64_t i = 0; i < reel_safetensors_count(file); i++) {
        const reel_tensor_info *info = reel_safetensors_at(file, i);
        FUZZ_CHECK(reel_safetensors_find(file, info->name) == info);
        const unsigned char *mapped = reel_safetensors_map(file, info->name, info->dtype);
        reel_clear_error(c);
        volatile unsigned char seen = 0;
        for (int64_t k = 0; mapped && k < info->numel; k++)
            seen = mapped[k];
        (void)seen;
        for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++) {
            /* An empty tensor's other sizes may be anything. A type that reel does not know has no bytes to go by. */
            if (info->numel > 1 << 20)
                continue;
            void *out = malloc((size_t)info->numel * reel_dtype_size(dtypes[k]) + 1);
            reel_safetensors_read(file, info->name, dtypes[k], out, info->numel);
            free(out);
            reel_clear_error(c);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file input;
    fuzz_fill(&input, bytes, size);
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    reel_context *c = reel_context_new(&o);
    reel_safetensors *file = reel_safetensors_open(c, input.path);
    FUZZ_CHECK((file == NULL) == (reel_context_status(c) != REEL_OK));
    read_all(c, file);
    reel_safetensors_close(file);
    reel_clear_error(c);

    reel_params *params = reel_params_new(c);
    reel_param *w = reel_param_new(params, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    reel_param_new(params, "n.num_batches_tracked", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    for (int strict = 0; strict < 2; strict++) {
        reel_load_options loading = reel_load_defaults();
        loading.strict = strict != 0;
        const reel_real *values = reel_param_data(w);
        if (reel_load_safetensors(params, input.path, &loading) != REEL_OK && strict == 0)
            FUZZ_CHECK(values[0] == 0 && values[1] == 0);
        reel_clear_error(c);
    }
    reel_params_free(params);
    reel_context_free(c);
    return 0;
}
