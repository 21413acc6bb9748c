/* A dense gradient summed by simulated ranks, for simulate.sh: what a reduction takes, beside what its bytes and the
 * latency of the network take. simulated ELEMENTS BYTES_PER_SECOND LATENCY */
#include <reel/mpi.h>
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 3 };

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (argc != 4)
        MPI_Abort(MPI_COMM_WORLD, 2);
    int64_t n = atoll(argv[1]);
    REEL_OPTIONS(context, o, o.num_threads = 1);
    reel_context *c = reel_context_new(&o);
    reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, NULL);
    reel_params *params = reel_params_new(c);
    reel_param *x = reel_param_new(params, "x", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(n));
    double best = HUGE_VAL;
    for (int step = 0; step < STEPS && reel_mpi_begin(mpi, true); step++) {
        while (reel_mpi_next_shard(mpi) >= 0) {
            reel_param_set_grad(x, reel_param_data(x));
            reel_mpi_collect(mpi, params, 1);
        }
        MPI_Barrier(MPI_COMM_WORLD);
        double start = MPI_Wtime();
        reel_mpi_reduce(mpi, params);
        MPI_Barrier(MPI_COMM_WORLD);
        best = fmin(best, MPI_Wtime() - start);
    }
    if (reel_context_status(c) != REEL_OK) {
        fprintf(stderr, "%s\n", reel_error(c));
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    int ranks = reel_mpi_ranks(mpi);
    double bound =
        2.0 * (ranks - 1) / ranks * (double)n * sizeof(reel_real) / atof(argv[2]) + 2 * log2(ranks) * atof(argv[3]);
    if (reel_mpi_rank(mpi) == 0)
        printf("| %d | %.3f | %.3f | %.2f |\n", ranks, 1e3 * best, 1e3 * bound, bound > 0 ? best / bound : 0);
    reel_mpi_free(mpi);
    reel_params_free(params);
    reel_context_free(c);
    MPI_Finalize();
    return 0;
}
