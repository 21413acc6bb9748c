/* What a checkpoint of a group of ranks consists of, and where its parts are in files. */
#ifndef REEL_MPI_SAVE_H
#define REEL_MPI_SAVE_H

#include "table.h"
#include "table_rows.h"

#include <reel/checkpoint.h>
#include <reel/optimizer.h>

#include <limits.h>

/* The files of a checkpoint: those that PyTorch's HuggingFaceStorageReader reads, with the params, beside a folder with
 * files of the same kind for the optimizer and one of reel_checkpoint for the rest. */
#define REEL_MPI_FILE "shard-%05d-model-00001-of-00001.safetensors"
#define REEL_MPI_RUN "run"
#define REEL_MPI_REST "checkpoint.safetensors"
#define REEL_MPI_GROUP "group.safetensors"
#define REEL_MPI_LATEST "latest"

/* An array that is saved. */
struct reel_mpi_tensor {
    const char *name;
    reel_dtype dtype;
    bool is_double;   /* F64 in either library: a number of an optimizer's group */
    reel_shape shape; /* of the whole */
    /* The table over whose rows it is spread; NULL: it is the same on every rank. */
    reel_mpi_table *table;
    const void *data; /* this rank's part; NULL: zeros */
    bool is_held;     /* some rank has data */
    reel_param *param;
    const char *state;  /* of the param; NULL: the param itself */
    const char *option; /* of the group */
    int group;
};

/* All of it: first `model` tensors for the params, then those of the optimizer. The same list on every rank. */
struct reel_mpi_contents {
    reel_mpi *mpi;
    reel_params *params;
    reel_optim *optim; /* or NULL */
    struct reel_mpi_tensor *tensors;
    int model, count;
    struct reel_mpi_memory memory, names, numbers, held;
};

/* Lists what there is; what an exact optimizer has put off is made up for. On failure the list is empty. Release it in
 * any case. */
reel_status reel_mpi_contents_make(struct reel_mpi_contents *contents, reel_mpi *mpi, reel_params *params,
                                   reel_optim *optim);
void reel_mpi_contents_release(struct reel_mpi_contents *contents);

/* A hash of names, types and shapes. */
uint64_t reel_mpi_contents_hash(const struct reel_mpi_contents *contents);

/* "F32", "I64", ..., and the bytes of an element. */
const char *reel_mpi_tensor_type(const struct reel_mpi_tensor *tensor);
size_t reel_mpi_tensor_element(const struct reel_mpi_tensor *tensor);

/* Bytes of a row, of a tensor that has axes. */
size_t reel_mpi_tensor_row(const struct reel_mpi_tensor *tensor);

/* In files rows lie side by side: part k of n begins with this row. */
static inline int64_t reel_mpi_first_row(int64_t rows, int n, int k)
{
    /* Without a product that might not fit. */
    return rows / n * k + (rows % n < k ? rows % n : k);
}

/* In memory, of rank `rank` of `ranks`: the place of the first of its rows that is not before `row`. */
static inline int64_t reel_mpi_place_from(int64_t row, int ranks, int rank)
{
    return row > rank ? (row - rank + ranks - 1) / ranks : 0;
}

/* A tensor that is spread goes piece by piece, in the same number of rounds on every rank: in each, every rank has some
 * rows that lie side by side in the file, and every other rank's share of them. */
struct reel_mpi_pieces {
    const struct reel_mpi_tensor *tensor;
    int64_t rows_per_piece, rounds;
    size_t row;                    /* bytes */
    struct reel_mpi_memory layout; /* [4][ranks] sizes and offsets */
    struct reel_mpi_memory apart;  /* the rows of a piece, by owner */
    struct reel_mpi_memory piece;  /* and side by side */
};
reel_status reel_mpi_pieces_begin(struct reel_mpi_pieces *pieces, reel_mpi *mpi, const struct reel_mpi_tensor *tensor);
void reel_mpi_pieces_end(struct reel_mpi_pieces *pieces);

/* The rows first..end - 1 that rank k has in its piece of a round; none when first == end. */
void reel_mpi_pieces_rows(const struct reel_mpi_pieces *pieces, int ranks, int k, int64_t round, int64_t *first,
                          int64_t *end);

/* From memory to pieces, and from pieces to memory. `local` is this rank's part; NULL: zeros. Collective. */
reel_status reel_mpi_pieces_gather(struct reel_mpi_pieces *pieces, reel_mpi *mpi, int64_t round, const void *local);
reel_status reel_mpi_pieces_scatter(struct reel_mpi_pieces *pieces, reel_mpi *mpi, int64_t round, void *local);

/* Writes this rank's file of tensors first..end - 1 of the contents: rows of those that are spread, and on rank 0 the
 * others. Collective; goes on with the others when it fails here. */
void reel_mpi_write_file(const struct reel_mpi_contents *contents, int first, int end, const char *path);

/* Writes the index of the files of the first `model` tensors, on one rank. */
void reel_mpi_write_index(const struct reel_mpi_contents *contents, const char *path);

/* "path/name" into `text`; REEL_ERROR_IO when it does not fit. */
reel_status reel_mpi_join_path(reel_context *context, char text[PATH_MAX], const char *path, const char *name);

/* Agreements on the way: whether all is well everywhere, which every rank then returns. */
reel_status reel_mpi_agree_at(reel_mpi *mpi, enum reel_mpi_place place, uint64_t layout, int64_t number);

#endif
