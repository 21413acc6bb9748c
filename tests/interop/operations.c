/* Saves every good sample of every operation as an ONNX model, for operations.py to run in onnxruntime:
 *
 *     interop_operations FOLDER
 *
 * Each line printed is about one sample: the operation, what the sample is about, the name of two files in the folder,
 * NAME.onnx and NAME.safetensors with the inputs and what reel makes of them, and the hash of its graph; or "-" and why
 * it is refused. */
#include "support/sample_model.h"

#include <inttypes.h>

static void save(reel_tape *tape, const reel_op *op, const reel_sample *sample, const char *folder, int number)
{
    reel_context *c = reel_tape_context(tape);
    struct sample_ports p;
    apply_sample(tape, op, sample, &p);
    char path[2048];
    reel_named_array arrays[MOST_PORTS];
    for (int i = 0; i < p.n; i++) {
        reel_var v = p.list[i].v;
        arrays[i] = (reel_named_array){p.names[i], reel_dtype_of(tape, v), reel_shape_of(tape, v), reel_data(tape, v)};
    }
    snprintf(path, sizeof path, "%s/%d.safetensors", folder, number);
    bool good = reel_safetensors_write(c, path, arrays, p.n) == REEL_OK;
    snprintf(path, sizeof path, "%s/%d.onnx", folder, number);
    printf("%s\t%s\t", op->name, sample->what);
    if (save_sample(tape, &p, path) == REEL_OK)
        printf("%d\t%016" PRIx64 "\n", number, hash_of_graph(path));
    else
        printf("-\t%s%s\n", good ? "" : "the sample itself: ", reel_error(c));
    reel_tape_reset(tape);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    reel_context *context = reel_context_new(NULL);
    reel_tape *tape = reel_tape_new(context);
    int number = 0;
    for (int i = 0; i < reel_op_count(); i++)
        for (int s = 0; s < reel_op_samples_at(i)->count; s++)
            if (reel_op_samples_at(i)->samples[s].refused == REEL_OK)
                save(tape, reel_op_at(i), &reel_op_samples_at(i)->samples[s], argv[1], number++);
    reel_tape_free(tape);
    reel_context_free(context);
    return number == 0;
}
