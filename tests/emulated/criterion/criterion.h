/* Criterion's macros for a processor that is emulated: Criterion runs each test in a process that it starts from its
 * own file, which an emulator cannot do. Here the tests of a program run one after another in one process, and the
 * first assertion that fails ends a test. A program is one file that includes this. */
#ifndef REEL_EMULATED_CRITERION_H
#define REEL_EMULATED_CRITERION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct emulated_options {
    void (*init)(void), (*fini)(void);
    double timeout; /* not looked at */
};

/* A test, or with `run` NULL the options of a suite. */
struct emulated_test {
    const char *suite, *name;
    void (*run)(void);
    struct emulated_options options;
    struct emulated_test *next;
};

static struct emulated_test *emulated_tests;
static bool emulated_failed;

static inline void emulated_add(struct emulated_test *test)
{
    test->next = emulated_tests;
    emulated_tests = test;
}

__attribute__((format(printf, 5, 6))) static inline void emulated_fail(bool fatal, const char *file, int line,
                                                                       const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s:%d: %s:", file, line, what);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    emulated_failed = true;
    if (fatal) {
        fflush(stdout);
        _exit(1);
    }
}

#define Test(suite_, name_, ...)                                                                                       \
    static void suite_##_##name_##_run(void);                                                                          \
    static struct emulated_test suite_##_##name_##_test = {                                                            \
        #suite_, #name_, suite_##_##name_##_run, {__VA_ARGS__}, NULL};                                                 \
    __attribute__((constructor)) static void suite_##_##name_##_add(void)                                              \
    {                                                                                                                  \
        emulated_add(&suite_##_##name_##_test);                                                                        \
    }                                                                                                                  \
    static void suite_##_##name_##_run(void)
#define TestSuite(suite_, ...)                                                                                         \
    static struct emulated_test suite_##_suite = {#suite_, "", NULL, {__VA_ARGS__}, NULL};                             \
    __attribute__((constructor)) static void suite_##_suite_add(void)                                                  \
    {                                                                                                                  \
        emulated_add(&suite_##_suite);                                                                                 \
    }                                                                                                                  \
    struct emulated_test

#define EMULATED_CHECK(fatal, condition, ...)                                                                          \
    ((condition) ? (void)0 : emulated_fail(fatal, __FILE__, __LINE__, #condition, " " __VA_ARGS__))
#define cr_assert(...) EMULATED_CHECK(true, __VA_ARGS__)
#define cr_assert_not(condition, ...) EMULATED_CHECK(true, !(condition), __VA_ARGS__)
#define cr_assert_eq(a, b, ...) EMULATED_CHECK(true, (a) == (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...) EMULATED_CHECK(true, (a) < (b), __VA_ARGS__)
#define cr_assert_null(a, ...) EMULATED_CHECK(true, (a) == NULL, __VA_ARGS__)
#define cr_assert_not_null(a, ...) EMULATED_CHECK(true, (a) != NULL, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) EMULATED_CHECK(true, strcmp(a, b) == 0, __VA_ARGS__)
#define cr_expect(...) EMULATED_CHECK(false, __VA_ARGS__)
#define cr_expect_not(condition, ...) EMULATED_CHECK(false, !(condition), __VA_ARGS__)
#define cr_expect_eq(a, b, ...) EMULATED_CHECK(false, (a) == (b), __VA_ARGS__)
#define cr_expect_neq(a, b, ...) EMULATED_CHECK(false, (a) != (b), __VA_ARGS__)
#define cr_expect_null(a, ...) EMULATED_CHECK(false, (a) == NULL, __VA_ARGS__)
#define cr_expect_not_null(a, ...) EMULATED_CHECK(false, (a) != NULL, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, size, ...) EMULATED_CHECK(false, memcmp(a, b, size) == 0, __VA_ARGS__)
#define cr_expect_fail(...) EMULATED_CHECK(false, false, __VA_ARGS__)

/* In a process of its own: whether all assertions held. */
static inline bool emulated_run(const struct emulated_test *test, const struct emulated_options *suite)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (suite->init)
            suite->init();
        if (test->options.init)
            test->options.init();
        test->run();
        if (test->options.fini)
            test->options.fini();
        if (suite->fini)
            suite->fini();
        fflush(stdout);
        _exit(emulated_failed);
    }
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
    int failed = 0, count = 0;
    for (const struct emulated_test *test = emulated_tests; test; test = test->next) {
        if (!test->run)
            continue;
        struct emulated_options suite = {NULL, NULL, 0};
        for (const struct emulated_test *other = emulated_tests; other; other = other->next)
            if (!other->run && strcmp(other->suite, test->suite) == 0)
                suite = other->options;
        bool passed = emulated_run(test, &suite);
        if (!passed)
            printf("%s::%s failed\n", test->suite, test->name);
        failed += !passed;
        count++;
    }
    printf("%d of %d tests passed\n", count - failed, count);
    return failed > 0 || count == 0;
}

#endif
