/* Every system call of saving fails once, one after the other, with each of several errors: afterwards the old file is
 * there or the new one, whole, and nothing beside it. Memory is left out: failing allocations have a test of their own.
 *
 * The saving process is traced: a call that is to fail is not made, and gives the error instead. */
#include "support/check.h"

#include <reel/reel.h>
#include <reel/watch/picture.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77, SAVED = 0, REFUSED = 1, BROKEN = 2 };

#if !defined(__x86_64__)

int main(void)
{
    puts("system_calls: knows the registers of x86-64 only");
    return SKIPPED;
}

#else

#include <sys/user.h>

static char folder[64], path[128];

/* ---- What is saved ---- */

enum { NUMEL = 5000 };
static const float old_value = 1, new_value = 2;

static reel_params *make_params(reel_context *c, float value)
{
    reel_params *params = reel_params_new(c);
    reel_init_constant(reel_param_new(params, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(NUMEL)), value);
    return params;
}

static reel_context *make_context(void)
{
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    return reel_context_new(&o);
}

/* The traced part stands between the two signals, which the tracer takes away. */
static void begin(void)
{
    kill(getpid(), SIGUSR1);
}

static void end(void)
{
    kill(getpid(), SIGUSR2);
}

static int save_model(float value)
{
    reel_context *c = make_context();
    reel_params *params = make_params(c, value);
    begin();
    reel_status status = reel_save_safetensors(params, path);
    end();
    return status == REEL_OK ? SAVED : status == REEL_ERROR_IO && *reel_error(c) ? REFUSED : BROKEN;
}

static bool model_is(float value)
{
    reel_context *c = make_context();
    reel_params *params = make_params(c, 0);
    bool same = reel_load_safetensors(params, path, NULL) == REEL_OK;
    const float *w = reel_param_data(reel_params_find(params, "w"));
    for (int i = 0; i < NUMEL; i++)
        same = same && w[i] == value;
    reel_params_free(params);
    reel_context_free(c);
    return same;
}

/* Two arrays, whose headers are written a second time. */
static int save_archive(float value)
{
    static float numbers[NUMEL];
    for (int i = 0; i < NUMEL; i++)
        numbers[i] = value;
    reel_context *c = make_context();
    const reel_named_array arrays[] = {{"a", REEL_REAL, REEL_SHAPE(NUMEL), numbers},
                                       {"b", REEL_REAL, REEL_SHAPE(NUMEL), numbers}};
    reel_npz_options o = reel_npz_defaults();
    o.compressed = value == new_value;
    begin();
    reel_status status = reel_npz_write(c, path, arrays, 2, &o);
    end();
    return status == REEL_OK ? SAVED : status == REEL_ERROR_IO && *reel_error(c) ? REFUSED : BROKEN;
}

static bool archive_is(float value)
{
    static float numbers[NUMEL];
    reel_context *c = make_context();
    reel_npy *file = reel_npy_open(c, path);
    bool same = true;
    for (int k = 0; k < 2; k++) {
        same = reel_npy_read(file, k ? "b" : "a", REEL_REAL, numbers, NUMEL) == REEL_OK && same;
        for (int i = 0; i < NUMEL; i++)
            same = same && numbers[i] == value;
    }
    reel_npy_close(file);
    reel_context_free(c);
    return same;
}

/* Gray noise, which does not compress: several writes. */
static int save_picture(float value)
{
    enum { SIDE = 128 };
    static float pixels[SIDE * SIDE];
    reel_context *c = make_context();
    uint32_t state = (uint32_t)value;
    for (int i = 0; i < SIDE * SIDE; i++) {
        state = state * 1664525 + 1013904223;
        pixels[i] = (float)(state >> 24) / 127.5f - 1;
    }
    begin();
    reel_status status = reel_picture_save(c, path, pixels, REEL_SHAPE(1, SIDE, SIDE), NULL);
    end();
    return status == REEL_OK ? SAVED : status == REEL_ERROR_IO && *reel_error(c) ? REFUSED : BROKEN;
}

static size_t read_file(const char *name, unsigned char *bytes, size_t room)
{
    FILE *file = fopen(name, "rb");
    size_t size = file ? fread(bytes, 1, room, file) : 0;
    if (file)
        fclose(file);
    return size;
}

/* Compared with the same picture written in peace. */
static bool picture_is(float value)
{
    static unsigned char bytes[1 << 16], wanted[1 << 16];
    char saved[128];
    strcpy(saved, path);
    snprintf(path, sizeof path, "/tmp/reel-calls-%ld.png", (long)getpid());
    pid_t child = fork();
    if (child == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, SIG_IGN);
        _exit(save_picture(value));
    }
    int status;
    waitpid(child, &status, 0);
    size_t size = read_file(path, wanted, sizeof wanted);
    unlink(path);
    strcpy(path, saved);
    return status == 0 && size > 0 && read_file(path, bytes, sizeof bytes) == size && memcmp(bytes, wanted, size) == 0;
}

/* What is tried. */
struct scene {
    const char *name;
    int (*save)(float value);
    bool (*is)(float value);
    bool goes_on; /* calls that a signal interrupts are made again */
};

/* ---- The tracer ---- */

/* Calls that make the signals, or memory. */
static bool counts(uint64_t number)
{
    static const long not [] = {SYS_kill, SYS_getpid, SYS_mmap, SYS_munmap, SYS_brk, SYS_madvise, SYS_mprotect};
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
        if (number == (uint64_t) not [i])
            return false;
    return true;
}

static bool can_be_interrupted(long number)
{
    static const long calls[] = {SYS_open, SYS_openat, SYS_write, SYS_pwrite64, SYS_fsync, SYS_close};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (number == calls[i])
            return true;
    return false;
}

/* Runs `save` with call number `fail_at` giving `error`. Gives the exit code, and the call that failed (-1: none). */
static int run(const struct scene *scene, int fail_at, int error, long *failed)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(SKIPPED);
        raise(SIGSTOP);
        _exit(scene->save(new_value));
    }
    int status, count = 0;
    bool watching = false, fails = false;
    *failed = -1;
    waitpid(child, &status, 0);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    int deliver = 0;
    for (;;) {
        ptrace(watching ? PTRACE_SYSCALL : PTRACE_CONT, child, NULL, (void *)(intptr_t)deliver);
        deliver = 0;
        CHECK(waitpid(child, &status, 0) == child, "the saving process is gone");
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        CHECK(WIFSTOPPED(status), "%s ended by signal %d after call %ld failed with %s", scene->name, WTERMSIG(status),
              *failed, strerror(error));
        int stopped_by = WSTOPSIG(status);
        if (stopped_by == SIGUSR1 || stopped_by == SIGUSR2)
            watching = stopped_by == SIGUSR1;
        else if (stopped_by != (SIGTRAP | 0x80)) {
            deliver = stopped_by;
        } else {
            struct user_regs_struct registers;
            struct __ptrace_syscall_info info;
            ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info);
            ptrace(PTRACE_GETREGS, child, NULL, &registers);
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY && counts(info.entry.nr) && count++ == fail_at) {
                *failed = (long)info.entry.nr;
                fails = true;
                registers.orig_rax = (unsigned long long)-1;
            } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && fails) {
                fails = false;
                registers.rax = (unsigned long long)-error;
            } else
                continue;
            ptrace(PTRACE_SETREGS, child, NULL, &registers);
        }
    }
}

static int files_in_folder(void)
{
    int count = 0;
    DIR *stream = opendir(folder);
    CHECK(stream, "%s cannot be read", folder);
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

static void put_old(const struct scene *scene, bool exists)
{
    unlink(path);
    if (!exists)
        return;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, SIG_IGN);
        _exit(scene->save(old_value));
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0 && chmod(path, 0600) == 0, "%s: no old file", scene->name);
}

static void check_outcome(const struct scene *scene, bool existed, int outcome, const char *what)
{
    struct stat now;
    CHECK(outcome == SAVED || outcome == REFUSED, "%s: exit code %d", what, outcome);
    if (outcome == SAVED || existed) {
        CHECK(scene->is(outcome == SAVED ? new_value : old_value), "%s: the file is not the %s one", what,
              outcome == SAVED ? "new" : "old");
        CHECK(stat(path, &now) == 0 && (!existed || scene->save == save_picture || (now.st_mode & 0777) == 0600),
              "%s: its permissions are %o", what, now.st_mode & 0777);
    }
    CHECK(files_in_folder() == (outcome == SAVED || existed), "%s: left %d files", what, files_in_folder());
}

int main(void)
{
    static const struct scene scenes[] = {{"model", save_model, model_is, true},
                                          {"archive", save_archive, archive_is, true},
                                          {"picture", save_picture, picture_is, false}};
    static const int errors[] = {ENOSPC, EIO, EINTR};
    strcpy(folder, "/tmp/reel-calls-XXXXXX");
    CHECK(mkdtemp(folder), "no folder");
    snprintf(path, sizeof path, "%s/target", folder);
    int tried = 0, refused = 0;
    for (size_t s = 0; s < sizeof scenes / sizeof *scenes; s++)
        for (int existed = 0; existed < 2; existed++)
            for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
                for (int k = 0;; k++) {
                    char what[160];
                    long failed;
                    put_old(&scenes[s], existed);
                    int outcome = run(&scenes[s], k, errors[e], &failed);
                    if (outcome == SKIPPED) {
                        puts("system_calls: processes may not be traced here");
                        return SKIPPED;
                    }
                    if (failed < 0) {
                        CHECK(k > 5 && outcome == SAVED, "%s: only %d calls", scenes[s].name, k);
                        break;
                    }
                    snprintf(what, sizeof what, "%s, call %d (number %ld) fails with %s", scenes[s].name, k, failed,
                             strerror(errors[e]));
                    check_outcome(&scenes[s], existed, outcome, what);
                    CHECK(outcome == SAVED || errors[e] != EINTR || !scenes[s].goes_on || !can_be_interrupted(failed),
                          "%s: not made again", what);
                    tried++;
                    refused += outcome == REFUSED;
                }
    unlink(path);
    rmdir(folder);
    CHECK(refused > 10, "only %d of %d savings were refused", refused, tried);
    printf("system_calls: %d calls failed, %d savings refused, each file whole\n", tried, refused);
    return 0;
}

#endif
