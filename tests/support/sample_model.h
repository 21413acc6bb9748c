/* A good sample of an operation as an ONNX model. */
#ifndef TESTS_SUPPORT_SAMPLE_MODEL_H
#define TESTS_SUPPORT_SAMPLE_MODEL_H

#include "ops/samples.h"

#include <reel/reel.h>

#include <stdio.h>

enum { MOST_PORTS = REEL_MAX_SAMPLE_INPUTS + REEL_MAX_OUTPUTS };

/* The inputs in0, in1, ... of a sample and behind them its outputs out0, out1, ... */
struct sample_ports {
    char names[MOST_PORTS][16];
    reel_named_var list[MOST_PORTS];
    int n_inputs, n;
};

/* Applies the operation to what the sample draws after seed 1. */
static inline void apply_sample(reel_tape *tape, const reel_op *op, const reel_sample *sample,
                                struct sample_ports *ports)
{
    reel_var vars[MOST_PORTS];
    ports->n_inputs = sample->n_inputs;
    ports->n = sample->n_inputs + op->n_outputs;
    reel_sample_inputs(tape, sample, 1, vars);
    reel_apply(tape, op, vars, sample->n_inputs, sample->attributes, vars + sample->n_inputs);
    for (int i = 0; i < ports->n; i++) {
        bool in = i < ports->n_inputs;
        snprintf(ports->names[i], sizeof ports->names[i], in ? "in%d" : "out%d", in ? i : i - ports->n_inputs);
        ports->list[i] = (reel_named_var){ports->names[i], vars[i]};
    }
}

/* Saves it with the sizes that it has. */
static inline reel_status save_sample(reel_tape *tape, const struct sample_ports *ports, const char *path)
{
    REEL_OPTIONS(onnx, o, o.dynamic_batch = false);
    return reel_save_onnx(tape, path, ports->list, ports->n_inputs, ports->list + ports->n_inputs,
                          ports->n - ports->n_inputs, &o);
}

/* FNV-1a of the graph of the model at `path`, which is what the file ends with: the version of the library stands
 * before it. 0 when it cannot be read. */
static inline uint64_t hash_of_graph(const char *path)
{
    enum { GRAPH = 7 << 3 | 2, STRING = 2 };
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    int tag;
    while ((tag = getc(file)) != EOF && tag != GRAPH) {
        int value = getc(file); /* of an integer, or the length of something short */
        if ((tag & 7) == STRING)
            fseek(file, value, SEEK_CUR);
    }
    uint64_t hash = 0xcbf29ce484222325u;
    for (int byte = getc(file); byte != EOF; byte = getc(file))
        hash = (hash ^ (uint64_t)byte) * 0x100000001b3u;
    fclose(file);
    return tag == GRAPH ? hash : 0;
}

#endif
