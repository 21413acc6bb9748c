/* Files that are nearly right, the same ones in every run: what tests/golden/mutants.py gave verdicts on. */
#ifndef TESTS_RELIABILITY_MUTANTS_H
#define TESTS_RELIABILITY_MUTANTS_H

#include <stddef.h>

enum { MUTANTS = 20000, MUTANT_ROOM = 8192 };

/* Writes mutant number i (0..MUTANTS-1) of a format to `bytes` and returns its size. */
size_t mutant_safetensors(int i, unsigned char bytes[MUTANT_ROOM]);
size_t mutant_npy(int i, unsigned char bytes[MUTANT_ROOM]);
size_t mutant_idx(int i, unsigned char bytes[MUTANT_ROOM]);

#endif
