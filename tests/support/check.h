/* For plain programs: says what is wrong and ends with 1. */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* How it ends; a program of several processes has a way of its own. */
#ifndef CHECK_FAILED
#define CHECK_FAILED() exit(1)
#endif

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                                            \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            CHECK_FAILED();                                                                                            \
        }                                                                                                              \
    } while (0)

#endif
