/* Joining, agreeing and messages, at any number of ranks. */
#include "helpers.h"

#include "ranks.h"

static reel_context *c;
static reel_mpi *mpi;
static int rank, ranks;

static bool last(void)
{
    return rank == ranks - 1;
}

static void refused(const reel_mpi_options *options, const char *text)
{
    CHECK(!reel_mpi_new(c, MPI_COMM_WORLD, options), "taken instead of: %s", text);
    expect_error(c, REEL_ERROR_ARGUMENT, text);
}

/* What is wrong on the last rank is refused on every one. */
static void joining(void)
{
    char text[64];
    snprintf(text, sizeof text, "rank %d: mpi: ", ranks - 1);
    reel_mpi_options o = reel_mpi_defaults();
    o.timeout = last() ? 0 : 10;
    refused(&o, text);
    o = reel_mpi_defaults();
    o.segment = last() ? 63 : 64;
    refused(&o, text);
    o = reel_mpi_defaults();
    o.check_every = last() ? -1 : 0;
    refused(&o, text);
    o = reel_mpi_defaults();
    o.shards = 2 * ranks + 1;
    refused(&o, "a power of two");
    o.shards = 1;
    if (ranks > 1)
        refused(&o, "1 shards for");
    memset(&o, 0, sizeof o);
    refused(&o, "reel_mpi_defaults");
    o = reel_mpi_defaults();
    o.check_every = last() ? 1 : 2;
    if (ranks > 1)
        refused(&o, "other options");
    CHECK(!reel_mpi_new(c, MPI_COMM_NULL, NULL), "no communicator is one");
    expect_error(c, REEL_ERROR_ARGUMENT, "no communicator");
    CHECK(!reel_mpi_new(NULL, MPI_COMM_WORLD, NULL), "no context is one");
    if (last())
        reel_fail(c, REEL_ERROR_IO, "a file is missing");
    CHECK(!reel_mpi_new(c, MPI_COMM_WORLD, NULL), "joined with an error");
    expect_error(c, last() ? REEL_ERROR_IO : REEL_ERROR_PEER, last() ? "a file is missing" : "another rank");
}

static void agreeing(void)
{
    char text[80];
    for (int step = 0; step < 3; step++)
        CHECK(reel_mpi_begin(mpi, rank >= step) == (step < ranks), "step %d", step);
    CHECK(reel_context_status(c) == REEL_OK, "%s", reel_error(c));
    for (int bad = 0; bad < ranks; bad++) {
        if (rank >= bad)
            reel_fail(c, REEL_ERROR_INDEX, "index %d is outside", rank);
        CHECK(!reel_mpi_begin(mpi, true), "a step with an error");
        snprintf(text, sizeof text, "rank %d: index %d is outside", bad, bad);
        expect_error(c, REEL_ERROR_INDEX, text);
    }
    CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
    struct reel_mpi_record record = reel_mpi_record_of(mpi, last() && ranks > 1 ? REEL_MPI_AT_REDUCE : REEL_MPI_AT_SUM);
    reel_mpi_agree(mpi, &record);
    snprintf(text, sizeof text, "rank %d is at reel_mpi_reduce and rank 0 at reel_mpi_sum", ranks - 1);
    if (ranks > 1)
        expect_error(c, REEL_ERROR_STATE, text);
    record = reel_mpi_record_of(mpi, REEL_MPI_AT_BROADCAST);
    record.layout = last();
    reel_mpi_agree(mpi, &record);
    if (ranks > 1)
        expect_error(c, REEL_ERROR_ARGUMENT, "other names, kinds, types or shapes");
    record = reel_mpi_record_of(mpi, REEL_MPI_AT_BEGIN);
    record.replicas = last();
    reel_mpi_agree(mpi, &record);
    if (ranks > 1)
        expect_error(c, REEL_ERROR_STATE, "are not those of rank 0");
}

struct arrivals {
    size_t next;
    int wrong;
};

static unsigned char byte_of(int from, int to, size_t i)
{
    return (unsigned char)((size_t)(from * 31 + to * 7) + i * 13);
}

static void arrive(void *user, size_t offset, const void *data, size_t size)
{
    struct arrivals *a = user;
    const unsigned char *bytes = data;
    a->wrong += offset != a->next || offset % 12 != 0;
    for (size_t i = 0; i < size; i++)
        a->wrong += bytes[i] != byte_of((rank + 1) % ranks, rank, offset + i);
    a->next += size;
}

/* Sizes around those of pieces, of which several are under way. */
static void messages(void)
{
    enum { MOST = 1200 };
    unsigned char out[MOST], in[MOST];
    for (size_t size = 0; size < MOST; size += 12) {
        int to = (rank - 1 + ranks) % ranks, from = (rank + 1) % ranks;
        for (size_t i = 0; i < size; i++)
            out[i] = byte_of(rank, to, i);
        memset(in, 0, sizeof in);
        struct arrivals arrivals = {0, 0};
        struct reel_mpi_transfer transfer = {
            .to = to, .from = from, .send = out, .send_size = size, .receive = in, .receive_size = size};
        CHECK(reel_mpi_transfer(mpi, &transfer) == REEL_OK, "%s", reel_error(c));
        for (size_t i = 0; i < size; i++)
            CHECK(in[i] == byte_of(from, rank, i), "byte %zu of %zu", i, size);
        transfer.arrived = arrive;
        transfer.user = &arrivals;
        transfer.element = 12;
        CHECK(reel_mpi_transfer(mpi, &transfer) == REEL_OK && arrivals.next == size && arrivals.wrong == 0,
              "%zu of %zu bytes arrived, %d wrong", arrivals.next, size, arrivals.wrong);
    }
}

/* Rank r gives 3 r + 5 to bytes to rank `to`. */
static void exchanging(void)
{
    size_t send_offsets[16], receive_offsets[16], send_sizes[16], receive_sizes[16], sent = 0, received = 0;
    unsigned char out[16 * 256], in[16 * 256];
    int all[16], mine = rank * rank;
    CHECK(ranks <= 16 && reel_mpi_gather(mpi, &mine, sizeof mine, all) == REEL_OK, "%s", reel_error(c));
    for (int r = 0; r < ranks; r++) {
        CHECK(all[r] == r * r, "rank %d gathered %d of rank %d", rank, all[r], r);
        send_offsets[r] = sent;
        receive_offsets[r] = received;
        sent += send_sizes[r] = (size_t)(3 * rank + 5 * r);
        received += receive_sizes[r] = (size_t)(3 * r + 5 * rank);
        for (size_t i = 0; i < send_sizes[r]; i++)
            out[send_offsets[r] + i] = byte_of(rank, r, i);
    }
    CHECK(reel_mpi_all_to_all(mpi, out, send_offsets, send_sizes, in, receive_offsets, receive_sizes) == REEL_OK, "%s",
          reel_error(c));
    for (int r = 0; r < ranks; r++)
        for (size_t i = 0; i < receive_sizes[r]; i++)
            CHECK(in[receive_offsets[r] + i] == byte_of(r, rank, i), "byte %zu from rank %d", i, r);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    REEL_OPTIONS(context, options, options.num_threads = 1);
    c = reel_context_new(&options);
    CHECK(c, "no context");
    joining();
    reel_mpi_options o = reel_mpi_defaults();
    o.timeout = 60;
    o.segment = 64;
    mpi = reel_mpi_new(c, MPI_COMM_WORLD, &o);
    CHECK(mpi, "%s", reel_error(c));
    CHECK(reel_mpi_rank(mpi) == rank && reel_mpi_ranks(mpi) == ranks, "it is another rank");
    CHECK(reel_mpi_rank(NULL) == -1 && reel_mpi_ranks(NULL) == 0 && !reel_mpi_begin(NULL, true), "NULL");
    CHECK(reel_mpi_stats(NULL).slowest_rank == -1 && reel_mpi_stats(mpi).agreements == 1, "statistics");
    uint64_t before = reel_memory(c).allocations;
    agreeing();
    messages();
    exchanging();
    CHECK(reel_memory(c).allocations == before, "it allocates");
    reel_mpi_free(mpi);
    reel_mpi_free(NULL);
    reel_context_free(c);
    MPI_Finalize();
    return 0;
}
