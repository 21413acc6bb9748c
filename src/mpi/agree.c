/* The agreement of all ranks, and the step that begins with one. */
#include "sets.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

static const char *place_name(int32_t place)
{
    static const char *const names[] = {[REEL_MPI_AT_NEW] = "reel_mpi_new",
                                        [REEL_MPI_AT_BEGIN] = "reel_mpi_begin",
                                        [REEL_MPI_AT_REDUCE] = "reel_mpi_reduce",
                                        [REEL_MPI_AT_BROADCAST] = "reel_mpi_broadcast",
                                        [REEL_MPI_AT_AVERAGE] = "reel_mpi_average_buffers",
                                        [REEL_MPI_AT_SUM] = "reel_mpi_sum",
                                        [REEL_MPI_AT_TABLE] = "reel_mpi_table_new",
                                        [REEL_MPI_AT_LOOKUP] = "reel_mpi_embedding",
                                        [REEL_MPI_AT_CLIP] = "reel_mpi_clip_grad_norm",
                                        [REEL_MPI_AT_SAVE] = "reel_mpi_save",
                                        [REEL_MPI_AT_LOAD] = "reel_mpi_load"};
    return place >= 0 && place < (int32_t)(sizeof names / sizeof names[0]) ? names[place] : "nowhere";
}

uint64_t reel_mpi_hash(uint64_t hash, const void *bytes, size_t size)
{
    /* Eight bytes at a time, multiplied by 2^64 divided by the golden ratio. */
    const char *from = bytes;
    for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), from += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, from, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    for (; size > 0; size--, from++)
        hash = (hash ^ (unsigned char)*from) * UINT64_C(0x9e3779b97f4a7c15);
    return hash;
}

/* Who ends its step answers the lookups of others (reel_mpi_tables_serve). */
static bool goes_with(int32_t a, int32_t b)
{
    return a == b || (a == REEL_MPI_AT_REDUCE && b == REEL_MPI_AT_LOOKUP) ||
           (a == REEL_MPI_AT_LOOKUP && b == REEL_MPI_AT_REDUCE);
}

const struct reel_mpi_record *reel_mpi_records(const reel_mpi *mpi)
{
    return mpi->records.data;
}

void reel_mpi_note(reel_mpi *mpi)
{
    if (mpi->failure != REEL_OK || reel_context_status(mpi->context) == REEL_OK)
        return;
    mpi->failure = reel_context_status(mpi->context);
    snprintf(mpi->failure_text, sizeof mpi->failure_text, "%s", reel_error(mpi->context));
}

struct reel_mpi_record reel_mpi_record_of(reel_mpi *mpi, enum reel_mpi_place place)
{
    if (mpi->failure != REEL_OK)
        reel_fail(mpi->context, mpi->failure, "%s", mpi->failure_text);
    mpi->failure = REEL_OK;
    return (struct reel_mpi_record){.sequence = mpi->sequence,
                                    .waiting = mpi->statistics.waiting,
                                    .place = (int32_t)place,
                                    .status = (int32_t)reel_context_status(mpi->context)};
}

/* The error of the lowest rank that has one. Texts travel only now. One that ranks have agreed on before has its rank
 * in it. */
static reel_status take_error(reel_mpi *mpi, int who)
{
    char mine[REEL_MPI_TEXT];
    snprintf(mine, sizeof mine, "%s", reel_error(mpi->context));
    if (reel_mpi_gather(mpi, mine, sizeof mine, mpi->texts.data) != REEL_OK)
        return reel_context_status(mpi->context);
    const char *text = (const char *)mpi->texts.data + (size_t)who * REEL_MPI_TEXT;
    reel_status status = (reel_status)reel_mpi_records(mpi)[who].status;
    reel_clear_error(mpi->context);
    if (strncmp(text, "rank ", 5) == 0)
        return reel_fail(mpi->context, status, "%s", text);
    return reel_fail(mpi->context, status, "rank %d: %.450s", who, text);
}

reel_status reel_mpi_agree(reel_mpi *mpi, const struct reel_mpi_record *mine)
{
    reel_context *c = mpi->context;
    struct reel_mpi_record *all = mpi->records.data;
    if (reel_mpi_gather(mpi, mine, sizeof *mine, all) != REEL_OK)
        return reel_context_status(c);
    mpi->sequence++;
    mpi->statistics.agreements++;
    int slowest = 0, failed = -1, elsewhere = -1, different = -1, drifted = -1;
    for (int r = mpi->ranks - 1; r >= 0; r--) {
        slowest = all[r].waiting <= all[slowest].waiting ? r : slowest;
        failed = all[r].status != REEL_OK ? r : failed;
        elsewhere = all[r].sequence != all[0].sequence || !goes_with(all[r].place, all[0].place) ? r : elsewhere;
        different = all[r].layout != all[0].layout ? r : different;
        drifted = all[r].replicas != all[0].replicas ? r : drifted;
    }
    mpi->statistics.slowest_rank = slowest;
    if (failed >= 0)
        return take_error(mpi, failed);
    if (elsewhere >= 0)
        return reel_fail(c, REEL_ERROR_STATE, "mpi: rank %d is at %s and rank 0 at %s", elsewhere,
                         place_name(all[elsewhere].place), place_name(all[0].place));
    if (different >= 0)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "mpi: %s is called with other %s on rank %d than on rank 0",
                         place_name(all[0].place),
                         all[0].place == REEL_MPI_AT_NEW ? "options (or for the other of float and double)"
                                                         : "names, kinds, types or shapes of params",
                         different);
    if (drifted >= 0)
        return reel_fail(c, REEL_ERROR_STATE, "mpi: params or random numbers of rank %d are not those of rank 0",
                         drifted);
    return REEL_OK;
}

bool reel_mpi_begin(reel_mpi *mpi, bool have_data)
{
    if (!mpi)
        return false;
    reel_mpi_leave_loop(mpi);
    reel_mpi_empty_sets(mpi);
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_BEGIN);
    record.is_out = !have_data;
    if (reel_mpi_agree(mpi, &record) != REEL_OK)
        return false;
    mpi->steps++;
    reel_mpi_tables_begin(mpi);
    mpi->have_data = have_data;
    reel_mpi_allow_loop(mpi);
    for (int r = 0; r < mpi->ranks; r++)
        if (!reel_mpi_records(mpi)[r].is_out)
            return true;
    return false;
}
