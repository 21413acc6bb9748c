/* A group of ranks: its options, making and freeing it, what it has cost. */
#include "ranks.h"

#include "buffers.h"
#include "table.h"

#include <reel/tape.h>

#include <string.h>

enum { MAX_SHARDS = 1 << 20, LEAST_SEGMENT = 64, MOST_SEGMENT = 1 << 30 };

reel_mpi_options reel_mpi_defaults(void)
{
    return (reel_mpi_options){.mark = REEL_OPTIONS_MARK(reel_mpi_options),
                              .shards = 0,
                              .timeout = 600,
                              .segment = 256 * 1024,
                              .check_every = 1000};
}

/* Takes the options of this rank; shards is 0 when there are as many as needed. */
static reel_status take_options(reel_context *context, const reel_mpi_options *given, int ranks, reel_mpi_options *o)
{
    *o = reel_mpi_defaults();
    reel_status status = reel_options_take(context, "mpi", given, o);
    if (status != REEL_OK)
        return status;
    if (o->shards == 0)
        for (o->shards = 1; o->shards < ranks;)
            o->shards *= 2;
    if (o->shards < ranks || o->shards > MAX_SHARDS || (o->shards & (o->shards - 1)) != 0)
        return reel_fail(context, REEL_ERROR_ARGUMENT,
                         "mpi: %d shards for %d ranks; a power of two that is at least the number of ranks is possible",
                         o->shards, ranks);
    if (!(o->timeout > 0))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "mpi: timeout is %g, it must be above 0", o->timeout);
    if (o->segment < LEAST_SEGMENT || o->segment > MOST_SEGMENT)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "mpi: segment is %zu, %d..%d bytes are possible", o->segment,
                         LEAST_SEGMENT, MOST_SEGMENT);
    if (o->check_every < 0)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "mpi: check_every is %d, it must not be negative",
                         o->check_every);
    return REEL_OK;
}

/* The first memory, which the first agreement needs: without it a rank cannot even say that it has none. */
static reel_mpi *allocate(reel_context *context, int ranks)
{
    struct reel_mpi_memory self = {0}, records = {0}, texts = {0}, turned = {0};
    reel_mpi_reserve(context, &self, sizeof(reel_mpi));
    reel_mpi_reserve(context, &records, (size_t)ranks * sizeof(struct reel_mpi_record));
    reel_mpi_reserve(context, &texts, (size_t)ranks * REEL_MPI_TEXT);
    if (reel_mpi_reserve(context, &turned, (size_t)ranks * REEL_MPI_TEXT) != REEL_OK) {
        reel_mpi_release(&self);
        reel_mpi_release(&records);
        reel_mpi_release(&texts);
        reel_mpi_release(&turned);
        return NULL;
    }
    reel_mpi *mpi = self.data;
    *mpi = (reel_mpi){.context = context,
                      .self = self,
                      .records = records,
                      .texts = texts,
                      .turned = turned,
                      .timeout = reel_mpi_defaults().timeout,
                      .segment = reel_mpi_defaults().segment,
                      .statistics = {.slowest_rank = -1}};
    return mpi;
}

/* Rank 0's, so that shards draw the same whichever rank has them. */
static reel_status take_seed(reel_mpi *mpi)
{
    uint64_t seed, *seeds = mpi->texts.data;
    reel_status status = reel_get_rng_state(mpi->context, mpi->common);
    if (status != REEL_OK)
        return status;
    memcpy(&seed, mpi->common, sizeof seed); /* what the state begins with */
    status = reel_mpi_gather(mpi, &seed, sizeof seed, seeds);
    mpi->seed = seeds[0];
    return status;
}

/* All that can be refused by one rank alone is put off until they agree, in pieces of the default size. */
static reel_status join(reel_mpi *mpi, const reel_mpi_options *given)
{
    reel_mpi_options o;
    if (take_options(mpi->context, given, mpi->ranks, &o) == REEL_OK) {
        mpi->shards = o.shards;
        mpi->timeout = o.timeout;
        mpi->check_every = o.check_every;
        reel_mpi_reserve(mpi->context, &mpi->pieces, REEL_MPI_IN_FLIGHT * o.segment);
    }
    /* Aligned blocks of shards, when both numbers are powers of two. */
    mpi->first_shard = (int)((int64_t)mpi->shards * mpi->rank / mpi->ranks);
    mpi->end_shard = (int)((int64_t)mpi->shards * (mpi->rank + 1) / mpi->ranks);
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_NEW);
    const int64_t alike[] = {sizeof(reel_real), mpi->shards, (int64_t)o.segment, mpi->check_every};
    record.layout = reel_mpi_hash(1, alike, sizeof alike);
    reel_status status = reel_mpi_agree(mpi, &record);
    mpi->segment = o.segment;
    return status == REEL_OK ? take_seed(mpi) : status;
}

/* Whether every rank has its memory. Blocking: who does not come cannot be waited for with a deadline before there is a
 * communicator of the group's own. */
static bool everybody(MPI_Comm comm, bool ready)
{
    int mine = ready, all = 0;
    return MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, comm) == MPI_SUCCESS && all;
}

reel_mpi *reel_mpi_new(reel_context *context, MPI_Comm comm, const reel_mpi_options *options)
{
    if (!context)
        return NULL;
    int is_running = 0, is_over = 0, ranks = 0;
    MPI_Initialized(&is_running);
    MPI_Finalized(&is_over);
    if (!is_running || is_over) {
        reel_fail(context, REEL_ERROR_STATE, "mpi: MPI is not running; call MPI_Init first");
        return NULL;
    }
    if (comm == MPI_COMM_NULL || MPI_Comm_size(comm, &ranks) != MPI_SUCCESS) {
        reel_fail(context, REEL_ERROR_ARGUMENT, "mpi: there is no communicator");
        return NULL;
    }
    reel_mpi *mpi = allocate(context, ranks);
    MPI_Comm own = MPI_COMM_NULL;
    bool joined = everybody(comm, mpi != NULL) && MPI_Comm_dup(comm, &own) == MPI_SUCCESS;
    if (!joined)
        reel_fail(context, REEL_ERROR_PEER, "mpi: another rank has no memory, an error, or cannot be reached");
    if (!mpi)
        return NULL;
    mpi->comm = own;
    mpi->broken = !joined;
    mpi->ranks = ranks;
    if (joined) {
        MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN);
        MPI_Comm_rank(own, &mpi->rank);
    }
    if (!joined || join(mpi, options) != REEL_OK) {
        reel_mpi_free(mpi);
        return NULL;
    }
    return mpi;
}

void reel_mpi_free(reel_mpi *mpi)
{
    if (!mpi)
        return;
    if (!mpi->broken)
        MPI_Comm_free(&mpi->comm);
    while (mpi->tables) {
        reel_mpi_table *table = mpi->tables;
        mpi->tables = table->next;
        reel_mpi_table_release(table);
    }
    reel_tape_free(mpi->serving);
    reel_mpi_free_buffers(mpi);
    reel_mpi_free_sets(mpi);
    reel_mpi_release(&mpi->scaled);
    reel_mpi_release(&mpi->pieces);
    reel_mpi_release(&mpi->turned);
    reel_mpi_release(&mpi->texts);
    reel_mpi_release(&mpi->records);
    struct reel_mpi_memory self = mpi->self;
    reel_mpi_release(&self);
}

int reel_mpi_rank(const reel_mpi *mpi)
{
    return mpi ? mpi->rank : -1;
}

int reel_mpi_ranks(const reel_mpi *mpi)
{
    return mpi ? mpi->ranks : 0;
}

int reel_mpi_shards(const reel_mpi *mpi)
{
    return mpi ? mpi->shards : 0;
}

reel_mpi_statistics reel_mpi_stats(const reel_mpi *mpi)
{
    return mpi ? mpi->statistics : (reel_mpi_statistics){.slowest_rank = -1};
}
