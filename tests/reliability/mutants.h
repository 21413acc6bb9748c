/* Files that are nearly right, the same ones in every run: what tests/golden/mutants.py gave verdicts on. */
#ifndef TESTS_RELIABILITY_MUTANTS_H
#define TESTS_RELIABILITY_MUTANTS_H

#include <stdbool.h>
#include <stddef.h>

enum { MUTANTS = 20000, MUTANT_ROOM = 8192 };

/* Writes mutant number i (0..MUTANTS-1) of a format to `bytes` and returns its size. */
size_t mutant_safetensors(int i, unsigned char bytes[MUTANT_ROOM]);
size_t mutant_npy(int i, unsigned char bytes[MUTANT_ROOM]);
size_t mutant_npz(int i, unsigned char bytes[MUTANT_ROOM]);
size_t mutant_csv(int i, unsigned char bytes[MUTANT_ROOM]);
size_t mutant_idx(int i, unsigned char bytes[MUTANT_ROOM]);
size_t mutant_ts(int i, unsigned char bytes[MUTANT_ROOM]);

/* The same of a checkpoint that is right, `good` of `size` bytes. `only_numbers`: nothing differs but numbers of 8
 * bytes among the first values. */
enum { CHECKPOINT_ROOM = 1 << 16 };
size_t mutant_checkpoint(int i, const unsigned char *good, size_t size, unsigned char bytes[CHECKPOINT_ROOM],
                         bool *only_numbers);

#endif
