/* Processes that write are killed at any moment: whatever file is there afterwards is whole.
 *
 *   kills KILLS [CGAN]    a loop that saves a model, and one that keeps checkpoints; with the program's path: a
 * training instead */
#include "support/check.h"

#include <reel/reel.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64];
static uint64_t state = 1;

/* xorshift64* */
static uint64_t next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static void kill_within(pid_t child, double most)
{
    double seconds = (double)(next() >> 11) * 0x1p-53 * most;
    struct timespec wait = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&wait, NULL);
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the process ended before it was killed (%d)", status);
}

static const char *in_folder(const char *name)
{
    static char path[320];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* Gives every file's name to `check`, if there is one, and counts those that end in .tmp; removes them on demand. */
static int walk(void (*check)(const char *name), bool remove_temporary)
{
    int count = 0;
    DIR *stream = opendir(folder);
    CHECK(stream, "%s cannot be read", folder);
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        bool temporary = ends_with(entry->d_name, ".tmp");
        count += temporary;
        if (temporary && remove_temporary)
            unlink(in_folder(entry->d_name));
        if (!temporary && check)
            check(entry->d_name);
    }
    closedir(stream);
    return count;
}

static reel_context *make_context(void)
{
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    return reel_context_new(&o);
}

/* ---- A loop that saves ---- */

enum { NUMEL = 200000 };

static void save_for_ever(void)
{
    reel_context *c = make_context();
    reel_params *params = reel_params_new(c);
    reel_param *w = reel_param_new(params, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(NUMEL));
    for (int i = 1;; i++) {
        reel_init_constant(w, i);
        if (reel_save_safetensors(params, in_folder("model")) != REEL_OK)
            _exit(1);
    }
}

static void check_model(const char *name)
{
    reel_context *c = make_context();
    reel_params *params = reel_params_new(c);
    reel_param *w = reel_param_new(params, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(NUMEL));
    CHECK(reel_load_safetensors(params, in_folder(name), NULL) == REEL_OK, "%s", reel_error(c));
    const float *values = reel_param_data(w);
    for (int i = 0; i < NUMEL; i++)
        CHECK(values[i] == values[0] && values[i] >= 1, "%s: element %d is %g, the first %g", name, i,
              (double)values[i], (double)values[0]);
    reel_params_free(params);
    reel_context_free(c);
}

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* How long a process takes here until it has saved once. */
static double measure_start(void)
{
    double before = clock_seconds();
    pid_t child = fork();
    if (child == 0)
        save_for_ever();
    while (access(in_folder("model"), F_OK) != 0 && clock_seconds() < before + 60)
        usleep(1000);
    double seconds = clock_seconds() - before;
    kill_within(child, 0);
    walk(check_model, true);
    return seconds;
}

static void kill_savings(int kills)
{
    double window = measure_start() + 0.02;
    int left = 0, loaded = 0;
    for (int k = 0; k < kills; k++) {
        if (k % 10 == 0)
            unlink(in_folder("model"));
        pid_t child = fork();
        if (child == 0)
            save_for_ever();
        kill_within(child, window);
        int temporary = walk(check_model, true);
        CHECK(temporary <= 1, "one process left %d files", temporary);
        left += temporary;
        loaded += access(in_folder("model"), F_OK) == 0;
    }
    CHECK(loaded > 0, "no process lived long enough to save");
    printf("kills: %d of a saving loop, %d times the model was there, %d left a file that was not complete\n", kills,
           loaded, left);
}

/* ---- A loop that keeps checkpoints ---- */

struct kept {
    reel_context *c;
    reel_params *params;
    reel_param *w;
    reel_checkpoint *checkpoint;
    int64_t step;
};

/* Starts from the last one, if there is one. Its address is kept. */
static void kept_new(struct kept *k)
{
    k->step = 0;
    k->c = make_context();
    k->params = reel_params_new(k->c);
    k->w = reel_param_new(k->params, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(NUMEL));
    k->checkpoint = reel_checkpoint_new(k->c);
    reel_checkpoint_add_params(k->checkpoint, "model", k->params);
    reel_checkpoint_add_array(k->checkpoint, "step", REEL_INT64, &k->step, REEL_SCALAR);
    struct stat link;
    if (lstat(in_folder("latest"), &link) == 0)
        reel_checkpoint_load(k->checkpoint, in_folder("latest"));
}

static void keep_for_ever(void)
{
    struct kept k;
    kept_new(&k);
    for (k.step++;; k.step++) {
        reel_init_constant(k.w, (double)k.step);
        if (reel_checkpoint_save_in(k.checkpoint, folder, k.step, 2) != REEL_OK)
            _exit(1);
    }
}

/* The step that the link leads to, whose file is whole; 0 while there is no link. */
static int64_t check_latest(void)
{
    struct kept k;
    kept_new(&k);
    CHECK(reel_context_status(k.c) == REEL_OK, "%s", reel_error(k.c));
    const float *values = reel_param_data(k.w);
    for (int i = 0; i < NUMEL; i++)
        CHECK(values[i] == (float)k.step, "step %lld: element %d is %g", (long long)k.step, i, (double)values[i]);
    reel_checkpoint_free(k.checkpoint);
    reel_params_free(k.params);
    reel_context_free(k.c);
    return k.step;
}

static int found;

static void count_checkpoint(const char *name)
{
    found += strncmp(name, "checkpoint-", 11) == 0;
}

static int count_files(void)
{
    found = 0;
    walk(count_checkpoint, false);
    return found;
}

static void kill_keepers(int kills)
{
    double window = measure_start() + 0.02;
    int64_t step = 0;
    walk(NULL, true);
    unlink(in_folder("model"));
    for (int k = 0; k < kills; k++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            keep_for_ever();
        kill_within(child, window);
        int64_t now = check_latest();
        CHECK(now >= step, "step %lld follows %lld", (long long)now, (long long)step);
        step = now;
    }
    CHECK(step > 0, "no process lived long enough to save");
    /* One that ends removes what the others had no time to. */
    struct kept k;
    kept_new(&k);
    CHECK(reel_checkpoint_save_in(k.checkpoint, folder, step + 1, 2) == REEL_OK, "%s", reel_error(k.c));
    reel_checkpoint_free(k.checkpoint);
    reel_params_free(k.params);
    reel_context_free(k.c);
    CHECK(count_files() == 2 && walk(NULL, false) == 0, "%d checkpoints are there", count_files());
    printf("kills: %d of a loop that keeps checkpoints, which came to step %lld\n", kills, (long long)step);
}

/* ---- A training ---- */

static void put_bytes(const char *name, const void *head, size_t head_size, size_t zeros)
{
    static const char zero[64];
    FILE *file = fopen(in_folder(name), "wb");
    CHECK(file && fwrite(head, 1, head_size, file) == head_size && fwrite(zero, 1, zeros, file) == zeros &&
              fclose(file) == 0,
          "%s cannot be written", name);
}

/* The model can be read from its first byte to its last, the picture and the metrics have their ends. */
static void check_output(const char *name)
{
    unsigned char end[12] = {0};
    FILE *file = fopen(in_folder(name), "rb");
    CHECK(file, "%s cannot be opened", name);
    CHECK(fseek(file, ends_with(name, ".csv") ? -1 : -8, SEEK_END) == 0, "%s is empty", name);
    size_t got = fread(end, 1, sizeof end, file);
    fclose(file);
    if (ends_with(name, ".csv"))
        CHECK(got == 1 && end[0] == '\n', "%s ends in the middle of a line", name);
    if (ends_with(name, ".png"))
        CHECK(memcmp(end, "IEND\xae\x42\x60\x82", 8) == 0, "%s has no end", name);
    if (!ends_with(name, ".safetensors"))
        return;
    reel_context *c = make_context();
    reel_safetensors *model = reel_safetensors_open(c, in_folder(name));
    CHECK(model, "%s", reel_error(c));
    const char *weight = strcmp(name, "checkpoint.safetensors") == 0 ? "generator.model.8.weight" : "model.8.weight";
    CHECK(reel_safetensors_find(model, weight), "%s holds no generator", name);
    reel_safetensors_close(model);
    reel_context_free(c);
}

static pid_t start_training(const char *cgan, const char *data, const char *epochs)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDERR_FILENO);
        execl(cgan, "cgan", "train", "--network", "mlp", "--data", data, "--out", folder, "--batch", "2", "--epochs",
              epochs, "--minutes", "0", "--threads", "1", "--overwrite", (char *)NULL);
        _exit(127);
    }
    return child;
}

static void kill_trainings(int kills, const char *cgan)
{
    char data[48];
    snprintf(data, sizeof data, "%.40s", folder);
    put_bytes("train-images-idx3-ubyte", "\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\2", 16, 8);
    put_bytes("train-labels-idx1-ubyte", "\0\0\10\1\0\0\0\2", 8, 2);
    snprintf(folder, sizeof folder, "%s.out", data);

    /* How long an epoch takes here, so that kills fall into several. */
    double before = clock_seconds();
    int status;
    waitpid(start_training(cgan, data, "1"), &status, 0);
    double seconds = clock_seconds() - before;
    CHECK(status == 0, "a training of one epoch ends with %d", status);

    int left = 0;
    for (int k = 0; k < kills; k++) {
        pid_t child = start_training(cgan, data, "1000000");
        kill_within(child, 2 * seconds);
        int temporary = walk(check_output, false);
        CHECK(temporary <= 1, "%d files are left, the next training removes what was left before", temporary);
        left += temporary;
    }
    waitpid(start_training(cgan, data, "1"), &status, 0);
    CHECK(status == 0 && walk(check_output, true) == 0, "a training after all kills ends with %d", status);
    printf("kills: %d of a training, %d left a file that was not complete\n", kills, left);
    strcpy(folder, data);
}

int main(int argc, char **argv)
{
    int kills = argc > 1 ? atoi(argv[1]) : 100;
    CHECK(kills > 0, "the number of kills must be positive");
    strcpy(folder, "/tmp/reel-kills-XXXXXX");
    CHECK(mkdtemp(folder), "no folder");
    if (argc > 2)
        kill_trainings(kills, argv[2]);
    else {
        kill_savings(kills);
        kill_keepers(kills);
    }
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s %s.out", folder, folder);
    return system(command) == 0 ? 0 : 1;
}
