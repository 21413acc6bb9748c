/* The process of a program: its standard streams, its kernels, and the signals that end it. */
#include "process.h"

#include <reel/context.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

void process_begin(void)
{
    /* open gives the least number that is free. A stdout for reading makes writing fail, which process_flush reports.
     */
    for (int stream = 0; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0)
            open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

void process_choose_kernels(char **argv)
{
#ifdef __x86_64__
    static const char variable[] = "OPENBLAS_CORETYPE";
    if (getenv(variable) || strcmp(reel_blas_core(), "Prescott") != 0)
        return;
    __builtin_cpu_init();
    const char *core = NULL;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        core = "SkylakeX";
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        core = "Haswell";
    if (core && setenv(variable, core, 0) == 0)
        execv("/proc/self/exe", argv); /* when it returns, slower kernels it is */
#else
    (void)argv;
#endif
}

void process_catch_stop(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old, action = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

bool process_stopping(void)
{
    return stopping != 0;
}

bool process_flush(const char *name)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "%s: stdout: %s\n", name, errno ? strerror(errno) : "not everything could be written");
    return false;
}
