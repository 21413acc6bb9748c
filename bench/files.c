/* What files.py asks for: one thing done with a file, in a process of its own, and how long that took.
 *
 *   files csv FILE           reads a table of numbers
 *   files save FILE ROWS     writes a table [ROWS, 64] as safetensors
 *   files load FILE ROWS     reads it into memory that is there
 *   files map FILE ROWS      sums 10,000 rows of it, mapped, at random
 *
 * Prints seconds of the clock, seconds of processor time, and the MiB that the process held more at its peak than
 * before. */
#include <reel/reel.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { COLUMNS = 64, LOOKED_UP = 10000 };

struct moment {
    double clock, processor;
    long peak; /* KiB */
};

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct moment now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct moment){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID), usage.ru_maxrss};
}

static float *make_table(int64_t rows)
{
    float *table = malloc((size_t)rows * COLUMNS * sizeof *table);
    for (int64_t i = 0; table && i < rows * COLUMNS; i++)
        table[i] = (float)(i % 1000003);
    return table;
}

static double sum_rows(reel_context *c, const char *path, int64_t rows)
{
    reel_safetensors *file = reel_safetensors_open(c, path);
    const float *table = reel_safetensors_map(file, "table", "F32");
    double sum = 0;
    uint64_t state = 1;
    for (int i = 0; table && i < LOOKED_UP; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        const float *row = table + (int64_t)(state >> 33) % rows * COLUMNS;
        for (int k = 0; k < COLUMNS; k++)
            sum += (double)row[k];
    }
    reel_safetensors_close(file);
    return sum;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: files csv|save|load|map FILE [ROWS]\n");
        return 2;
    }
    const char *what = argv[1], *path = argv[2];
    int64_t rows = argc > 3 ? atoll(argv[3]) : 0;
    reel_context_options one = reel_context_defaults();
    one.num_threads = 1;
    reel_context *c = reel_context_new(&one);
    bool saves = strcmp(what, "save") == 0, loads = strcmp(what, "load") == 0;
    float *table = saves || loads ? make_table(rows) : NULL;
    double result = 0;
    struct moment begin = now();
    if (saves) {
        const reel_named_array array = {"table", REEL_REAL, REEL_SHAPE(rows, COLUMNS), table};
        reel_safetensors_write(c, path, &array, 1);
    } else if (loads) {
        reel_safetensors *file = reel_safetensors_open(c, path);
        reel_safetensors_read(file, "table", REEL_REAL, table, rows * COLUMNS);
        reel_safetensors_close(file);
    } else if (strcmp(what, "map") == 0)
        result = sum_rows(c, path, rows);
    else {
        reel_csv *read = reel_csv_open(c, path, NULL);
        result = (double)reel_csv_rows(read);
        reel_csv_close(read);
    }
    struct moment end = now();
    if (reel_context_status(c) != REEL_OK) {
        fprintf(stderr, "%s\n", reel_error(c));
        return 1;
    }
    printf("%.4f %.4f %.1f %g\n", end.clock - begin.clock, end.processor - begin.processor,
           (double)(end.peak - begin.peak) / 1024, result);
    free(table);
    reel_context_free(c);
    return 0;
}
