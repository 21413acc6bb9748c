/* The loop over a rank's shards, and the random numbers of each. */
#include "buffers.h"

void reel_mpi_allow_loop(reel_mpi *mpi)
{
    mpi->loop = REEL_MPI_LOOP_READY;
    mpi->loops++;
}

void reel_mpi_leave_loop(reel_mpi *mpi)
{
    if (mpi->loop == REEL_MPI_LOOP_RUNS) {
        /* With an error the generator is not to be had. */
        reel_mpi_note(mpi);
        reel_clear_error(mpi->context);
        reel_set_rng_state(mpi->context, mpi->common);
        reel_set_philox_draws(mpi->context, mpi->common_draws);
        reel_mpi_buffers_restore(mpi);
    }
    mpi->loop = REEL_MPI_LOOP_OVER;
}

/* Different numbers for different numbers (MurmurHash3's last step, Appleby 2011). */
static uint32_t scatter(uint32_t x)
{
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

/* The generator takes the low 32 bits of a seed alone: among 2^32 shards of a run no two have the same. Dropout takes
 * all 64. */
static uint64_t seed_of(const reel_mpi *mpi)
{
    uint64_t number = mpi->loops * (uint64_t)mpi->shards + (uint64_t)mpi->shard;
    uint32_t low = scatter(scatter((uint32_t)number) ^ (uint32_t)mpi->seed);
    return (reel_mpi_hash(mpi->seed, &number, sizeof number) & ~UINT64_C(0xffffffff)) | low;
}

int reel_mpi_next_shard(reel_mpi *mpi)
{
    if (!mpi || mpi->loop == REEL_MPI_LOOP_OVER)
        return -1;
    bool starts = mpi->loop == REEL_MPI_LOOP_READY;
    reel_mpi_note(mpi);
    if (starts && mpi->have_data && mpi->failure == REEL_OK) {
        reel_get_rng_state(mpi->context, mpi->common);
        mpi->common_draws = reel_philox_draws(mpi->context);
        mpi->loop = REEL_MPI_LOOP_RUNS;
        mpi->shard = mpi->first_shard - 1;
        reel_mpi_buffers_take(mpi);
    }
    if (mpi->loop != REEL_MPI_LOOP_RUNS || mpi->failure != REEL_OK || ++mpi->shard == mpi->end_shard) {
        reel_mpi_leave_loop(mpi);
        return -1;
    }
    if (!starts)
        reel_mpi_buffers_restore(mpi);
    reel_manual_seed(mpi->context, seed_of(mpi));
    return mpi->shard;
}
