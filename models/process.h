/* What a program does about its process: standard streams that are closed, kernels that are slow, and signals that end
 * it. */
#ifndef MODELS_PROCESS_H
#define MODELS_PROCESS_H

#include <stdbool.h>

/* To be called first in main. A standard stream that is closed gets /dev/null, so that no file opened later takes its
 * number and is written to by messages; what is printed to such a stdout counts as lost. Writing to a pipe that nobody
 * reads, or more than the limit of a file's size, becomes an error of that writing and no longer ends the process. */
void process_begin(void);

/* To be called next, with main's argv, by a program that computes for long: where OpenBLAS does not know a processor
 * that has AVX-512 or AVX2, starts the program again, telling OpenBLAS what to use. Does nothing where
 * OPENBLAS_CORETYPE is set, or the program cannot be started again. */
void process_choose_kernels(char **argv);

/* From now on SIGINT, SIGTERM and SIGHUP make process_stopping true instead of ending the process; the second of a kind
 * ends it. A signal that is ignored, as nohup ignores SIGHUP, stays ignored. */
void process_catch_stop(void);
bool process_stopping(void);

/* Whether all that was printed to stdout could be written; if not, says so in one line on stderr that begins with
 * `name`. To be called before the program returns 0. */
bool process_flush(const char *name);

#endif
