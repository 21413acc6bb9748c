/* Prints the good samples of every operation, or of those that are named, with their inputs, for operations.py:
 *
 *     sample, name of the operation, what the sample is about, bytes of its attributes in hex
 *     input, type, 1 where it is differentiated, sizes, elements       (one line for each input)
 *
 * Fields are separated by tabs, numbers by spaces. The inputs are those of seed 1, as tests/ops/values.c takes them. */
#include "ops/samples.h"

#include <reel/reel.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_element(const void *data, reel_dtype dtype, int64_t i)
{
    if (dtype == REEL_REAL)
        printf("%.17g ", (double)((const reel_real *)data)[i]);
    else if (dtype == REEL_INT64)
        printf("%" PRId64 " ", ((const int64_t *)data)[i]);
    else if (dtype == REEL_INT32)
        printf("%" PRId32 " ", ((const int32_t *)data)[i]);
    else
        printf("%d ", ((const bool *)data)[i]);
}

static void print_input(reel_tape *tape, reel_var v, bool differentiated)
{
    reel_dtype dtype = reel_dtype_of(tape, v);
    reel_shape shape = reel_shape_of(tape, v);
    printf("input\t%s\t%d\t", reel_dtype_name(dtype), dtype == REEL_REAL && differentiated);
    for (int i = 0; i < shape.ndim; i++)
        printf("%" PRId64 " ", shape.dim[i]);
    printf("\t");
    for (int64_t i = 0; i < reel_numel(tape, v); i++)
        print_element(reel_data(tape, v), dtype, i);
    printf("\n");
}

static void print_sample(reel_tape *tape, const reel_op *op, const reel_sample *sample)
{
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS];
    reel_sample_inputs(tape, sample, 1, inputs);
    printf("sample\t%s\t%s\t", op->name, sample->what);
    for (size_t i = 0; i < op->attributes_size; i++)
        printf("%02x", ((const unsigned char *)sample->attributes)[i]);
    printf("\n");
    for (int k = 0; k < sample->n_inputs; k++)
        print_input(tape, inputs[k], op->differentiable >> (op->variadic ? 0 : k) & 1);
}

int main(int argc, char **argv)
{
    reel_context *context = reel_context_new(NULL);
    reel_tape *tape = reel_tape_new(context);
    for (int i = 0; i < reel_op_count(); i++) {
        const reel_op *op = reel_op_at(i);
        const reel_op_samples *samples = reel_op_samples_at(i);
        bool wanted = argc < 2;
        for (int a = 1; a < argc; a++)
            wanted = wanted || strcmp(argv[a], op->name) == 0;
        for (int s = 0; wanted && s < samples->count; s++)
            if (samples->samples[s].refused == REEL_OK) {
                print_sample(tape, op, &samples->samples[s]);
                reel_tape_reset(tape);
            }
    }
    bool failed = reel_context_status(context) != REEL_OK;
    if (failed)
        fprintf(stderr, "%s\n", reel_error(context));
    reel_tape_free(tape);
    reel_context_free(context);
    return failed;
}
