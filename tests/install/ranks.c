/* A program outside the project that trains by several processes, in C and in C++: says how many there are, and with
 * how many bits a number. */
#include <reel/mpi.h>
#include <reel/reel.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    reel_context *c = reel_context_new(NULL);
    reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, NULL);
    int goes_on = reel_mpi_begin(mpi, true);
    printf("%d ranks, %d bits%s%s\n", reel_mpi_ranks(mpi), (int)(8 * sizeof(reel_real)), *reel_error(c) ? ": " : "",
           reel_error(c));
    reel_mpi_free(mpi);
    reel_context_free(c);
    MPI_Finalize();
    return !goes_on;
}
