/* What the files of reel::mpi share: a group of ranks, its memory, waiting, messages, and agreeing. */
#ifndef REEL_MPI_RANKS_H
#define REEL_MPI_RANKS_H

#include <reel/context.h>
#include <reel/mpi.h>
#include <reel/params.h>

/* ---- Memory ---- */

/* A block that grows, from the context's allocator. Zeroed: {0}. */
struct reel_mpi_memory {
    reel_params *owner;
    void *data;
    size_t size;
};

/* Room for `size` bytes, 64-byte aligned. What was there is lost when it had to grow. REEL_ERROR_OUT_OF_MEMORY, with
 * the block as it was. Refused when the context has an error. */
reel_status reel_mpi_reserve(reel_context *context, struct reel_mpi_memory *memory, size_t size);
void reel_mpi_release(struct reel_mpi_memory *memory);

/* ---- A group ---- */

/* What a rank is about to do, so that ranks at different places find out. */
enum reel_mpi_place {
    REEL_MPI_AT_NEW,
    REEL_MPI_AT_BEGIN,
    REEL_MPI_AT_REDUCE,
    REEL_MPI_AT_BROADCAST,
    REEL_MPI_AT_AVERAGE,
    REEL_MPI_AT_SUM,
    REEL_MPI_AT_TABLE,
    REEL_MPI_AT_LOOKUP,
    REEL_MPI_AT_CLIP,
    REEL_MPI_AT_SAVE,
    REEL_MPI_AT_LOAD
};

/* What a rank says at an agreement. Filled with reel_mpi_record_of; the rest is the caller's. */
struct reel_mpi_record {
    uint64_t sequence; /* how many agreements came before */
    uint64_t layout;   /* a hash of what must be alike on all ranks: options, names, shapes */
    uint64_t replicas; /* a hash of params and generator; 0: not compared */
    double weight;     /* of the rank's samples */
    double waiting;    /* seconds that the rank has waited so far */
    int64_t number;    /* the caller's: a count, say */
    int32_t place;     /* of enum reel_mpi_place */
    int32_t status;    /* of the rank's context */
    int32_t is_out;    /* of data */
    int32_t reserved;
};

enum {
    REEL_MPI_TEXT = 512,   /* bytes of an error */
    REEL_MPI_IN_FLIGHT = 4 /* pieces under way in one direction */
};

enum reel_mpi_loop { REEL_MPI_LOOP_OVER, REEL_MPI_LOOP_READY, REEL_MPI_LOOP_RUNS };

struct reel_mpi {
    reel_context *context;
    MPI_Comm comm;
    int rank, ranks;
    int shards;                 /* of all ranks */
    int first_shard, end_shard; /* this rank's: first_shard..end_shard - 1 */
    double timeout;
    size_t segment;
    int check_every;
    bool broken; /* a rank is lost: MPI is not called any more */

    uint64_t sequence; /* agreements so far */
    uint64_t steps;    /* begun */

    reel_mpi_table *tables; /* the newest; each leads to the one before */
    reel_tape *serving;     /* for answering lookups, once there are tables */

    /* The loop over shards and its random numbers (shards.c). */
    enum reel_mpi_loop loop;
    bool have_data;        /* this rank, in this step */
    int shard;             /* in the loop: the current one */
    uint64_t seed;         /* of the run */
    uint64_t loops;        /* that could have begun so far: streams of random numbers are numbered by them */
    uint64_t common_draws; /* in the loop: what random numbers go on with behind it */
    unsigned char common[REEL_RNG_STATE_SIZE];
    reel_status failure; /* an error that the next agreement is to tell, though a reset may have cleared it */
    char failure_text[REEL_MPI_TEXT];

    struct reel_mpi_buffers *buffers; /* a list: what is averaged (buffers.h) */
    struct reel_mpi_set *sets;        /* a list: whose gradients were collected (sets.h) */

    reel_mpi_statistics statistics;
    struct reel_mpi_memory self;    /* where this lies */
    struct reel_mpi_memory records; /* [ranks]: the last agreement's, by rank */
    struct reel_mpi_memory texts;   /* [ranks][REEL_MPI_TEXT] */
    struct reel_mpi_memory turned;  /* for gathering */
    struct reel_mpi_memory scaled;  /* gradients, for clipping */
    struct reel_mpi_memory pieces;  /* messages that are looked at as they arrive */
};

/* ---- Waiting and messages ---- */

/* Waits until all requests are complete. REEL_ERROR_PEER when none is within the timeout, naming the ranks that
 * did not answer, or when MPI reports an error: then the group is broken and the requests are given up. All other
 * functions here, and all collective ones, return REEL_ERROR_PEER when the group is broken. */
reel_status reel_mpi_wait(reel_mpi *mpi, int n, MPI_Request *requests);

/* One message to a rank while another is received from a rank; sizes are known to both sides, 0 is no message. In
 * pieces of `segment` bytes. With `arrived` the pieces are not written to `receive` but given to it, in order, as they
 * come: `size` bytes at `offset` of the message; `element` divides their sizes then. */
struct reel_mpi_transfer {
    int to, from;
    const void *send;
    size_t send_size;
    void *receive;
    size_t receive_size;
    size_t element;
    void (*arrived)(void *user, size_t offset, const void *data, size_t size);
    void *user;
};
reel_status reel_mpi_transfer(reel_mpi *mpi, const struct reel_mpi_transfer *transfer);

/* all[r * size ..] = rank r's `size` bytes at `mine`. In ceil(log2 ranks) messages. */
reel_status reel_mpi_gather(reel_mpi *mpi, const void *mine, size_t size, void *all);

/* Every rank r gets send_sizes[r] bytes that begin at send + send_offsets[r], and receives likewise. Sizes are known to
 * both sides; the rank's own part is copied. */
reel_status reel_mpi_all_to_all(reel_mpi *mpi, const void *send, const size_t *send_offsets, const size_t *send_sizes,
                                void *receive, const size_t *receive_offsets, const size_t *receive_sizes);

/* ---- Agreeing ---- */

/* A record with the sequence, the place and the context's status, or that of an error that was noted. */
struct reel_mpi_record reel_mpi_record_of(reel_mpi *mpi, enum reel_mpi_place place);

/* Gathers the records of all ranks; afterwards they are in mpi->records. When the context of one has an error, all get
 * it, with the rank's number; the lowest rank's when there are several. REEL_ERROR_STATE when ranks are at different
 * places, or their replicas differ; REEL_ERROR_ARGUMENT when their layouts do. */
reel_status reel_mpi_agree(reel_mpi *mpi, const struct reel_mpi_record *mine);
const struct reel_mpi_record *reel_mpi_records(const reel_mpi *mpi);

/* Keeps the context's error for the next agreement, which a record_of puts back. */
void reel_mpi_note(reel_mpi *mpi);

/* Ends a loop over shards that was left, and gives the context its common random numbers again. */
void reel_mpi_leave_loop(reel_mpi *mpi);

/* A loop over shards may follow. */
void reel_mpi_allow_loop(reel_mpi *mpi);

/* A hash of bytes, behind another hash; begin with 1. */
uint64_t reel_mpi_hash(uint64_t hash, const void *bytes, size_t size);

#endif
