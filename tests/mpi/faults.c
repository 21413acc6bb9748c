/* A rank that is killed, ends, or stops in the middle of a training, for faults.sh:
 * faults kill|exit|stop TIMEOUT FILE, which is made just before. */
#include "helpers.h"

#include <signal.h>
#include <unistd.h>

enum { STEPS = 1000, LAST = 3, LOST = 1 };

static void go_wrong(const char *how, const char *file)
{
    FILE *made = fopen(file, "w");
    CHECK(made && fclose(made) == 0, "%s", file);
    if (strcmp(how, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(how, "stop") == 0)
        raise(SIGSTOP);
    _exit(0);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    REEL_OPTIONS(context, of_context, of_context.num_threads = 1);
    reel_context *c = reel_context_new(&of_context);
    REEL_OPTIONS(mpi, o, o.timeout = argc > 2 ? atof(argv[2]) : 3);
    reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, &o);
    CHECK(mpi && argc > 3, "%s", reel_error(c));
    reel_params *params = reel_params_new(c);
    reel_param *x = reel_param_new(params, "x", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(4));
    int step = 0;
    for (; step < STEPS && reel_mpi_begin(mpi, true); step++) {
        while (reel_mpi_next_shard(mpi) >= 0) {
            const reel_real ones[4] = {1, 1, 1, 1};
            reel_param_set_grad(x, ones);
            reel_mpi_collect(mpi, params, 1);
        }
        if (step == LAST && reel_mpi_rank(mpi) == LOST)
            go_wrong(argv[1], argv[3]);
        reel_mpi_reduce(mpi, params);
    }
    /* What a program does then. */
    CHECK(reel_context_status(c) == REEL_ERROR_PEER, "%d steps: %s", step, reel_error(c));
    CHECK(reel_mpi_reduce(mpi, params) == REEL_ERROR_PEER && !reel_mpi_begin(mpi, true), "it goes on");
    fprintf(stderr, "rank %d: %s\n", reel_mpi_rank(mpi), reel_error(c));
    reel_mpi_free(mpi);
    reel_params_free(params);
    reel_context_free(c);
    MPI_Abort(MPI_COMM_WORLD, 3);
}
