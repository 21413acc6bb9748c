/* Buffers that are averaged over shards. */
#ifndef REEL_MPI_BUFFERS_H
#define REEL_MPI_BUFFERS_H

#include "sets.h"

/* Of a set: all but those of type bool. */
struct reel_mpi_buffers {
    struct reel_mpi_buffers *next;
    struct reel_mpi_memory self;
    reel_params *params;
    int64_t numel;
    struct reel_mpi_memory common; /* what shards begin with, one behind the other */
    struct reel_mpi_memory staged; /* [numel + 1]: what a shard left, and 1, of which the sum is the weight of all */
    struct reel_mpi_set sums;      /* over shards, of `staged` */
};

/* A loop over shards begins; every further shard, and what comes behind, begins with what there was then. */
void reel_mpi_buffers_take(reel_mpi *mpi);
void reel_mpi_buffers_restore(reel_mpi *mpi);

/* Those of the current shard, the place-th of this rank, into the sums. */
reel_status reel_mpi_buffers_collect(reel_mpi *mpi, int place, double weight);

/* Room for the sum of all ranks; then the sum. */
reel_status reel_mpi_buffers_settle(reel_mpi *mpi);
reel_status reel_mpi_buffers_reduce(reel_mpi *mpi);

void reel_mpi_buffers_empty(reel_mpi *mpi);
void reel_mpi_free_buffers(reel_mpi *mpi);

#endif
