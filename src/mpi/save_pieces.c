/* What may live here: rows between memory, where a rank has every n-th, and files, where it has a range of them. */
#include "save.h"

#include <string.h>

enum { PIECE = 4 << 20 }; /* bytes, or a row */
enum { APART_OFFSETS, APART_SIZES, LOCAL_OFFSETS, LOCAL_SIZES, LAYOUTS };

reel_status reel_mpi_pieces_begin(struct reel_mpi_pieces *p, reel_mpi *mpi, const struct reel_mpi_tensor *tensor)
{
    size_t row = reel_mpi_tensor_row(tensor);
    int64_t rows = tensor->shape.dim[0], most = reel_mpi_first_row(rows, mpi->ranks, 1);
    int64_t per_piece = row > 0 && row < PIECE ? (int64_t)(PIECE / row) : 1;
    per_piece = per_piece < most ? per_piece : most;
    *p = (struct reel_mpi_pieces){.tensor = tensor,
                                  .rows_per_piece = per_piece,
                                  .rounds = per_piece > 0 && row > 0 ? (most + per_piece - 1) / per_piece : 0,
                                  .row = row};
    if (reel_mpi_reserve(mpi->context, &p->layout, LAYOUTS * (size_t)mpi->ranks * sizeof(size_t)) == REEL_OK &&
        reel_mpi_reserve(mpi->context, &p->apart, (size_t)per_piece * row) == REEL_OK)
        reel_mpi_reserve(mpi->context, &p->piece, (size_t)per_piece * row);
    return reel_context_status(mpi->context);
}

void reel_mpi_pieces_end(struct reel_mpi_pieces *p)
{
    reel_mpi_release(&p->layout);
    reel_mpi_release(&p->apart);
    reel_mpi_release(&p->piece);
}

void reel_mpi_pieces_rows(const struct reel_mpi_pieces *p, int ranks, int k, int64_t round, int64_t *first,
                          int64_t *end)
{
    int64_t rows = p->tensor->shape.dim[0], last = reel_mpi_first_row(rows, ranks, k + 1);
    *first = reel_mpi_first_row(rows, ranks, k) + round * p->rows_per_piece;
    *end = *first + p->rows_per_piece;
    *end = *end < last ? *end : last;
    *first = *first < *end ? *first : *end;
}

static size_t *layout(const struct reel_mpi_pieces *p, const reel_mpi *mpi, int which)
{
    return (size_t *)p->layout.data + (size_t)which * (size_t)mpi->ranks;
}

/* What this rank has of every rank's piece, and every rank of this rank's. */
static void lay_out(struct reel_mpi_pieces *p, const reel_mpi *mpi, int64_t round)
{
    int64_t mine, mine_end;
    size_t sum = 0;
    reel_mpi_pieces_rows(p, mpi->ranks, mpi->rank, round, &mine, &mine_end);
    for (int r = 0; r < mpi->ranks; r++) {
        int64_t first, end;
        reel_mpi_pieces_rows(p, mpi->ranks, r, round, &first, &end);
        int64_t place = reel_mpi_place_from(first, mpi->ranks, mpi->rank);
        layout(p, mpi, LOCAL_OFFSETS)[r] = (size_t)place * p->row;
        layout(p, mpi, LOCAL_SIZES)[r] = (size_t)(reel_mpi_place_from(end, mpi->ranks, mpi->rank) - place) * p->row;
        size_t size =
            (size_t)(reel_mpi_place_from(mine_end, mpi->ranks, r) - reel_mpi_place_from(mine, mpi->ranks, r)) * p->row;
        layout(p, mpi, APART_OFFSETS)[r] = sum;
        layout(p, mpi, APART_SIZES)[r] = size;
        sum += size;
    }
}

/* Copies rows between `apart`, by owner, and `piece`, side by side. */
static void interleave(struct reel_mpi_pieces *p, const reel_mpi *mpi, int64_t round, bool to_piece)
{
    int64_t first, end;
    reel_mpi_pieces_rows(p, mpi->ranks, mpi->rank, round, &first, &end);
    for (int r = 0; r < mpi->ranks; r++) {
        char *apart = (char *)p->apart.data + layout(p, mpi, APART_OFFSETS)[r];
        int64_t row = reel_mpi_place_from(first, mpi->ranks, r) * mpi->ranks + r;
        for (; row < end; row += mpi->ranks, apart += p->row) {
            char *beside = (char *)p->piece.data + (size_t)(row - first) * p->row;
            memcpy(to_piece ? beside : apart, to_piece ? apart : beside, p->row);
        }
    }
}

reel_status reel_mpi_pieces_gather(struct reel_mpi_pieces *p, reel_mpi *mpi, int64_t round, const void *local)
{
    lay_out(p, mpi, round);
    if (!local) {
        local = memset(p->piece.data, 0, p->piece.size);
        memset(layout(p, mpi, LOCAL_OFFSETS), 0, (size_t)mpi->ranks * sizeof(size_t));
    }
    reel_status status = reel_mpi_all_to_all(mpi, local, layout(p, mpi, LOCAL_OFFSETS), layout(p, mpi, LOCAL_SIZES),
                                             p->apart.data, layout(p, mpi, APART_OFFSETS), layout(p, mpi, APART_SIZES));
    if (status == REEL_OK)
        interleave(p, mpi, round, true);
    return status;
}

reel_status reel_mpi_pieces_scatter(struct reel_mpi_pieces *p, reel_mpi *mpi, int64_t round, void *local)
{
    lay_out(p, mpi, round);
    interleave(p, mpi, round, false);
    return reel_mpi_all_to_all(mpi, p->apart.data, layout(p, mpi, APART_OFFSETS), layout(p, mpi, APART_SIZES), local,
                               layout(p, mpi, LOCAL_OFFSETS), layout(p, mpi, LOCAL_SIZES));
}
