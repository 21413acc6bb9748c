/* REEL_CLONES: put before a function whose loops gain from wider vectors. REEL_UNROLL: for macros, put before an inner
 * loop over a fixed number of lanes, whose sums should stay in registers; elsewhere the pragma itself is put there. */
#ifndef REEL_BASE_CLONES_H
#define REEL_BASE_CLONES_H

#include <stdint.h> /* for __GLIBC__ */

/* gcc then compiles the function once per instruction set, and the dynamic linker picks one when the program starts,
 * so one binary for every x86-64 also uses AVX2, FMA and AVX-512 where they exist. A clone has no right to other
 * results: contraction must be off, and an fma that is wanted must be written as fma() or fmaf().
 *
 * It is empty where clones do not work: clang 14 does not link them across files and only ever picks the default; gcc
 * knows the names of the levels from version 12 on; the choice at start needs the ifunc symbols of glibc; and it runs
 * before a sanitizer is ready (a program under ThreadSanitizer crashes). gcc announces ASan and TSan by macros but not
 * UBSan: the CMake option REEL_SANITIZE defines REEL_NO_CLONES for it. OpenMP bodies are not cloned: keep the loop in a
 * function of its own. */
#if defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && defined(__GLIBC__) &&         \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(REEL_NO_CLONES)
#define REEL_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define REEL_CLONES
#endif

/* Lanes become registers only where the loop is unrolled. Vectorised, it has at most 16 rounds, and below -O3 gcc
 * unrolls no loop that gets longer by it. */
#define REEL_UNROLL _Pragma("GCC unroll 16")

#endif
