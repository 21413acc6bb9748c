/* What the examples in the headers' comments use without saying where it comes from. They are compiled and not run. */
#ifndef TESTS_DOCS_EXAMPLES_H
#define TESTS_DOCS_EXAMPLES_H

#include <reel/reel.h>
#include <reel/watch.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern reel_context *c, *context;
extern reel_tape *t, *tape;
extern reel_params *params, *p, *g, *d;
extern reel_module *module, *generator, *discriminator, *embedding_bag, *cell, *gru, *blocks[24];
extern reel_optim *adam;
extern reel_schedule *schedule;
extern reel_loader *loader;

extern reel_var x, y, z, h, a, b, loss, labels, index, offsets, lengths, scores, weight, bias, mask, generated;

extern const float *table, *noise, *batch;
extern const unsigned char *pictures, *classes;
extern int64_t step, steps, n, counts[1000];
extern bool resume;
extern reel_running_mean accuracy;

/* Of reel/mpi.h, which is included where there is MPI. */
extern struct reel_mpi *mpi;
extern struct reel_mpi_table *words;

bool read_line(char *line, int size);
void sample(reel_params *from);
reel_var model(reel_tape *tape, reel_var input);

#endif
