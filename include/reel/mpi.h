/* reel::mpi: training by several processes, on one machine or many, over MPI. A library of its own (libreel_mpi, and
 * libreel_mpi_f64 beside libreel_f64) on the calls of MPI 3.1.
 *
 *     #include <reel/mpi.h>
 *
 *     reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, NULL);
 *     while (reel_mpi_begin(mpi, true)) {
 *         // ... a step of the training
 *     }
 *     if (reel_context_status(c)) {
 *         fprintf(stderr, "%s\n", reel_error(c));
 *         MPI_Abort(MPI_COMM_WORLD, 1);
 *     }
 *     reel_mpi_free(mpi);
 *
 * A function that is *collective* is called by every rank, in the same order. What fails on one rank fails on all: they
 * return the same status, and the text names the rank. reel never ends a process: where a rank is late past the
 * deadline, or dead, the others get REEL_ERROR_PEER, after which only MPI_Abort is left. */
#ifndef REEL_MPI_H
#define REEL_MPI_H

#include <reel/options.h>
#include <reel/types.h>

#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one rank has of the group of processes. */
typedef struct reel_mpi reel_mpi;

typedef struct reel_mpi_options {
    reel_options_mark mark;
    int shards;      /* that a step is cut into: a power of two, at least the number of ranks; 0: the least there is */
    double timeout;  /* seconds that one waits for another rank before it counts as lost; above 0, INFINITY: for ever */
    size_t segment;  /* bytes of a message at most, 64..2^30; larger ones are sent in pieces */
    int check_every; /* steps after which params are compared between ranks; 0: never */
} reel_mpi_options;

/* As many shards as are needed, 600 seconds, 256 KiB, every 1000 steps. */
REEL_API reel_mpi_options reel_mpi_defaults(void);

/* Joins the ranks of `comm`, which is duplicated. Collective, and without a deadline until all have come; MPI is
 * initialised before, by the program, and never by reel (MPI_Init will do: only the thread of the context calls MPI).
 * NULL options: defaults. NULL on every rank when options are outside their range on one, or differ between them
 * (REEL_ERROR_ARGUMENT), MPI is not running (REEL_ERROR_STATE), or memory runs out, or the context of one has an error
 * already. Owned by the caller, freed before the context and before MPI_Finalize. */
REEL_API reel_mpi *reel_mpi_new(reel_context *context, MPI_Comm comm, const reel_mpi_options *options);

/* Collective, but for a group that has lost a rank: then it sends nothing. */
REEL_API void reel_mpi_free(reel_mpi *mpi);

/* This process's number among its peers, 0..reel_mpi_ranks - 1, and how many there are; -1 and 0 for NULL. */
REEL_API int reel_mpi_rank(const reel_mpi *mpi);
REEL_API int reel_mpi_ranks(const reel_mpi *mpi);

/* Begins a step: all ranks agree on whether there is one. Collective. `have_data`: whether this rank has something left
 * to train on. False when no rank has, and when something failed on any of them since the last agreement (then
 * reel_context_status says what, everywhere). An error that one rank has met is therefore best left alone until here:
 * who leaves the loop by itself lets the others wait for the deadline. */
REEL_API bool reel_mpi_begin(reel_mpi *mpi, bool have_data);

/* What the exchange has cost this rank so far. */
typedef struct reel_mpi_statistics {
    uint64_t bytes_sent, bytes_received; /* of messages */
    uint64_t messages;                   /* sent */
    uint64_t agreements;                 /* of all ranks */
    double waiting;                      /* seconds spent waiting for others */
    int slowest_rank; /* the rank that has waited least for others, as of the last agreement; -1: none yet */
} reel_mpi_statistics;
REEL_API reel_mpi_statistics reel_mpi_stats(const reel_mpi *mpi);

#ifdef __cplusplus
}
#endif

#endif
