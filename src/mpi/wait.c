/* Waiting for other ranks, with a deadline; messages in pieces; gathering and exchanging blocks. */
#include "ranks.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { DATA = 1, GIVEN_UP = 2 }; /* tags */
enum { IN_FLIGHT = REEL_MPI_IN_FLIGHT };

/* Seconds between the deadline and the judgement: ranks that are in time come to their deadlines within it. */
static const double grace = 2;

/* ---- Whose fault it is ---- */

/* Tells every rank that this one has given up, and listens for who says the same: they are not late. */
static void find_the_late(reel_mpi *mpi, char *text, size_t size)
{
    static const char token;
    double end = MPI_Wtime() + grace;
    bool *heard = mpi->texts.data; /* into which nothing is received */
    memset(heard, 0, (size_t)mpi->ranks * sizeof *heard);
    heard[mpi->rank] = true;
    int missing = mpi->ranks - 1;
    for (int r = 0; r < mpi->ranks; r++) {
        MPI_Request request;
        if (r != mpi->rank && MPI_Isend(&token, 1, MPI_BYTE, r, GIVEN_UP, mpi->comm, &request) == MPI_SUCCESS)
            MPI_Request_free(&request);
    }
    while (missing > 0 && MPI_Wtime() < end) {
        int there = 0;
        MPI_Status status;
        char got;
        if (MPI_Iprobe(MPI_ANY_SOURCE, GIVEN_UP, mpi->comm, &there, &status) != MPI_SUCCESS)
            break;
        if (!there) {
            sched_yield();
            continue;
        }
        MPI_Recv(&got, 1, MPI_BYTE, status.MPI_SOURCE, GIVEN_UP, mpi->comm, MPI_STATUS_IGNORE);
        missing -= !heard[status.MPI_SOURCE];
        heard[status.MPI_SOURCE] = true;
    }
    size_t used = 0;
    text[0] = '\0';
    for (int r = 0, named = 0; r < mpi->ranks && used + 16 < size; r++)
        if (!heard[r] && named++ < 8)
            used += (size_t)snprintf(text + used, size - used, "%s%d", used ? ", " : "", r);
}

static bool somebody_gave_up(reel_mpi *mpi)
{
    int there = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, GIVEN_UP, mpi->comm, &there, MPI_STATUS_IGNORE);
    return there;
}

/* What is still in flight must not write to memory that is used for something else. */
static void give_up(int n, MPI_Request *requests)
{
    for (int i = 0; i < n; i++)
        if (requests[i] != MPI_REQUEST_NULL) {
            MPI_Cancel(&requests[i]);
            MPI_Request_free(&requests[i]);
        }
}

static reel_status fail_late(reel_mpi *mpi, double waited, int n, MPI_Request *requests)
{
    char late[160];
    mpi->broken = true;
    find_the_late(mpi, late, sizeof late);
    give_up(n, requests);
    reel_clear_error(mpi->context);
    if (late[0])
        return reel_fail(mpi->context, REEL_ERROR_PEER, "mpi: rank %s did not answer rank %d within %.3g seconds", late,
                         mpi->rank, waited);
    return reel_fail(mpi->context, REEL_ERROR_PEER,
                     "mpi: rank %d and others have waited for each other for %.3g seconds; all of them answer now",
                     mpi->rank, waited);
}

static reel_status fail_code(reel_mpi *mpi, int code, int n, MPI_Request *requests)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    mpi->broken = true;
    give_up(n, requests);
    reel_clear_error(mpi->context);
    return reel_fail(mpi->context, REEL_ERROR_PEER, "mpi: rank %d: MPI says: %.300s", mpi->rank, text);
}

static reel_status refuse_broken(reel_mpi *mpi)
{
    return reel_fail(mpi->context, REEL_ERROR_PEER, "mpi: rank %d has lost a rank before", mpi->rank);
}

/* ---- Waiting ---- */

/* Until one more of them is complete, or none is left: then *done is MPI_UNDEFINED. */
static reel_status wait_for_one(reel_mpi *mpi, int n, MPI_Request *requests, int *done)
{
    double start = MPI_Wtime(), looked = start, now = start;
    int is_complete = 0;
    for (;;) {
        int code = MPI_Testany(n, requests, done, &is_complete, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS)
            return fail_code(mpi, code, n, requests);
        if (is_complete)
            break;
        /* Where ranks share a core, the one that is waited for needs it. */
        sched_yield();
        now = MPI_Wtime();
        if (now - looked > 0.01) {
            looked = now;
            if (now - start > mpi->timeout || somebody_gave_up(mpi)) {
                mpi->statistics.waiting += now - start;
                return fail_late(mpi, now - start, n, requests);
            }
        }
    }
    mpi->statistics.waiting += now - start;
    return REEL_OK;
}

reel_status reel_mpi_wait(reel_mpi *mpi, int n, MPI_Request *requests)
{
    int done = 0;
    if (mpi->broken)
        return refuse_broken(mpi);
    while (done != MPI_UNDEFINED)
        if (wait_for_one(mpi, n, requests, &done) != REEL_OK)
            return reel_context_status(mpi->context);
    return REEL_OK;
}

/* ---- Messages ---- */

/* The pieces of one direction: they are posted in order, and IN_FLIGHT of them are under way. */
struct pieces {
    size_t size, piece; /* of the message, of all pieces but the last */
    int64_t n, posted, done;
};

static struct pieces pieces_of(size_t size, size_t piece)
{
    return (struct pieces){size, piece, (int64_t)((size + piece - 1) / piece), 0, 0};
}

static size_t offset_of(const struct pieces *p, int64_t i)
{
    return (size_t)i * p->piece;
}

static int size_of(const struct pieces *p, int64_t i)
{
    return (int)(i < p->n - 1 ? p->piece : p->size - offset_of(p, i));
}

static char *place_of(reel_mpi *mpi, const struct reel_mpi_transfer *t, const struct pieces *in, int64_t i)
{
    if (t->arrived)
        return (char *)mpi->pieces.data + (size_t)(i % IN_FLIGHT) * in->piece;
    return (char *)t->receive + offset_of(in, i);
}

/* Posts what there is room for. */
static int post(reel_mpi *mpi, const struct reel_mpi_transfer *t, struct pieces *in, struct pieces *out,
                MPI_Request *requests)
{
    int code = MPI_SUCCESS;
    for (; in->posted < in->n && in->posted < in->done + IN_FLIGHT && code == MPI_SUCCESS; in->posted++)
        code = MPI_Irecv(place_of(mpi, t, in, in->posted), size_of(in, in->posted), MPI_BYTE, t->from, DATA, mpi->comm,
                         &requests[in->posted % IN_FLIGHT]);
    for (; out->posted < out->n && out->posted < out->done + IN_FLIGHT && code == MPI_SUCCESS; out->posted++) {
        code = MPI_Isend((const char *)t->send + offset_of(out, out->posted), size_of(out, out->posted), MPI_BYTE,
                         t->to, DATA, mpi->comm, &requests[IN_FLIGHT + out->posted % IN_FLIGHT]);
        mpi->statistics.messages++;
    }
    return code;
}

reel_status reel_mpi_transfer(reel_mpi *mpi, const struct reel_mpi_transfer *transfer)
{
    if (mpi->broken)
        return refuse_broken(mpi);
    size_t piece = mpi->segment;
    if (transfer->arrived)
        piece -= piece % transfer->element;
    struct pieces in = pieces_of(transfer->receive_size, piece), out = pieces_of(transfer->send_size, piece);
    MPI_Request requests[2 * IN_FLIGHT];
    for (int i = 0; i < 2 * IN_FLIGHT; i++)
        requests[i] = MPI_REQUEST_NULL;
    while (in.done < in.n || out.done < out.n) {
        int code = post(mpi, transfer, &in, &out, requests), done = 0;
        if (code != MPI_SUCCESS)
            return fail_code(mpi, code, 2 * IN_FLIGHT, requests);
        if (wait_for_one(mpi, 2 * IN_FLIGHT, requests, &done) != REEL_OK)
            return reel_context_status(mpi->context);
        /* No request is active any more; SimGrid's MPI leaves some as they were then. */
        for (int i = 0; i < 2 * IN_FLIGHT && done == MPI_UNDEFINED; i++)
            requests[i] = MPI_REQUEST_NULL;
        for (; out.done < out.posted && requests[IN_FLIGHT + out.done % IN_FLIGHT] == MPI_REQUEST_NULL;)
            out.done++;
        for (; in.done < in.posted && requests[in.done % IN_FLIGHT] == MPI_REQUEST_NULL; in.done++)
            if (transfer->arrived)
                transfer->arrived(transfer->user, offset_of(&in, in.done), place_of(mpi, transfer, &in, in.done),
                                  (size_t)size_of(&in, in.done));
    }
    mpi->statistics.bytes_sent += transfer->send_size;
    mpi->statistics.bytes_received += transfer->receive_size;
    return REEL_OK;
}

reel_status reel_mpi_gather(reel_mpi *mpi, const void *mine, size_t size, void *all)
{
    if (mpi->broken)
        return refuse_broken(mpi);
    /* Bruck et al. 1997, "Efficient algorithms for all-to-all communications": block j is that of rank + j. */
    char *turned = mpi->turned.data;
    memcpy(turned, mine, size);
    for (int known = 1; known < mpi->ranks; known *= 2) {
        int more = known < mpi->ranks - known ? known : mpi->ranks - known;
        const struct reel_mpi_transfer transfer = {.to = (mpi->rank - known + mpi->ranks) % mpi->ranks,
                                                   .from = (mpi->rank + known) % mpi->ranks,
                                                   .send = turned,
                                                   .send_size = (size_t)more * size,
                                                   .receive = turned + (size_t)known * size,
                                                   .receive_size = (size_t)more * size};
        if (reel_mpi_transfer(mpi, &transfer) != REEL_OK)
            return reel_context_status(mpi->context);
    }
    size_t before = (size_t)mpi->rank * size, behind = (size_t)(mpi->ranks - mpi->rank) * size;
    memcpy((char *)all + before, turned, behind);
    memcpy(all, turned + behind, before);
    return REEL_OK;
}

reel_status reel_mpi_all_to_all(reel_mpi *mpi, const void *send, const size_t *send_offsets, const size_t *send_sizes,
                                void *receive, const size_t *receive_offsets, const size_t *receive_sizes)
{
    if (mpi->broken)
        return refuse_broken(mpi);
    int own = mpi->rank;
    if (send_sizes[own] > 0)
        memcpy((char *)receive + receive_offsets[own], (const char *)send + send_offsets[own], send_sizes[own]);
    for (int step = 1; step < mpi->ranks; step++) {
        int to = (own + step) % mpi->ranks, from = (own - step + mpi->ranks) % mpi->ranks;
        const struct reel_mpi_transfer transfer = {.to = to,
                                                   .from = from,
                                                   .send = (const char *)send + send_offsets[to],
                                                   .send_size = send_sizes[to],
                                                   .receive = (char *)receive + receive_offsets[from],
                                                   .receive_size = receive_sizes[from]};
        if (reel_mpi_transfer(mpi, &transfer) != REEL_OK)
            return reel_context_status(mpi->context);
    }
    return REEL_OK;
}
