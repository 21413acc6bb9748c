/* reel::mpi: training by several processes, on one machine or many, over MPI. A library of its own (libreel_mpi, and
 * libreel_mpi_f64 beside libreel_f64) on the calls of MPI 3.1.
 *
 *     #include <reel/mpi.h>
 *
 *     REEL_OPTIONS(mpi, o, o.shards = 8);
 *     reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, &o);
 *     while (reel_mpi_begin(mpi, step < steps)) {
 *         while (reel_mpi_next_shard(mpi) >= 0) {
 *             reel_var noise = reel_randn(t, REEL_SHAPE(64, 10)); // another one in every shard
 *             loss = reel_mean_all(t, reel_square(t, reel_forward(t, module, noise)));
 *             reel_zero_grad(params);
 *             reel_backward(t, loss, params);
 *             reel_mpi_collect(mpi, params, 64); // a mean over 64 samples
 *             reel_tape_reset(t);
 *         }
 *         if (reel_mpi_reduce(mpi, params) == REEL_OK)
 *             reel_optim_step(adam);
 *         step++;
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

#include <reel/checkpoint.h>
#include <reel/optim.h>
#include <reel/options.h>
#include <reel/params.h>
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

/* ---- Data parallel training ----
 *
 * A step is cut into a fixed number of logical shards, each with a batch of its own. Shards, not ranks, are what
 * results depend on: a shard has its own random numbers, and gradients are summed in a binary tree over shards. With a
 * number of ranks that is a power of two each computes aligned subtrees, so params have the same bits for 1, 2, 4, ...
 * ranks (same binary, libraries and kind of processor). Any other number gives the same bits as itself, run again.
 *
 * What was read (a batch, say) belongs to a shard, too: that of number s is the same data whichever rank has it. */

/* How many shards a step has; 0 for NULL. */
REEL_API int reel_mpi_shards(const reel_mpi *mpi);

/* The next of this rank's shards, ascending; -1 when there is none left, when the rank has no data (reel_mpi_begin),
 * and after an error. Not collective. Until then the context's random numbers are the shard's own: generator and
 * dropout begin with a seed made of the seed that rank 0's context had when the group was made, the number of the loop,
 * and the shard; no two shards of a run have the same. At -1 they are again what they were before the first shard,
 * alike on all ranks. One loop follows each reel_mpi_begin and each reel_mpi_reduce (for a GAN, say: the
 * discriminator's and the generator's); there may be none. Leave it by -1 alone. */
REEL_API int reel_mpi_next_shard(reel_mpi *mpi);

/* Takes the gradients of the set as those of the current shard. `weight` is that of the shard, the number of samples if
 * the loss is a mean over samples; at least 0. A shard whose gradients are not collected, or with weight 0, is empty.
 * What the gradients were summed of (several backward passes, a penalty) does not matter, and each set is collected by
 * itself. With one shard a rank gradients may be left where they are, and stay untouched until reel_mpi_reduce. Not
 * collective. An error of the context is kept for the next agreement, so that a reset may clear it, and nothing is
 * collected. REEL_ERROR_STATE outside of the loop over shards, and when the shard was collected before;
 * REEL_ERROR_ARGUMENT; REEL_ERROR_NOT_FINITE when a gradient is NaN or infinite (not looked at when there is one
 * shard). */
REEL_API reel_status reel_mpi_collect(reel_mpi *mpi, reel_params *params, double weight);

/* Gives every rank the gradient of the step: that of every trained param becomes the sum over shards of weight times
 * gradient, divided by the sum of the weights; a param without a gradient in all shards has none. Row-sparse gradients
 * stay so: all rows that a shard touched, whether rows travelled or, where that takes fewer bytes, the whole table; the
 * bits are the same. Then clip and step as with one process. Collective, after the loop over shards. The same error on
 * all ranks, with the rank's number, when a shard of any failed, and nothing has changed: no gradient was exchanged. In
 * every check_every-th step dense params and the generator are compared between ranks first, REEL_ERROR_STATE when they
 * differ.
 *
 * Each rank sends 2 (R - 1) / R times the bytes of the dense gradients (R: the largest power of two up to the number of
 * ranks), and (R - 1) / R times those of its rows and of all rows of the step. */
REEL_API reel_status reel_mpi_reduce(reel_mpi *mpi, reel_params *params);

/* Gives every rank the params and buffers that rank 0 has in the set, bit for bit; tables whose rows are spread over
 * ranks stay as they are. Names, kinds, types and shapes are compared first (REEL_ERROR_ARGUMENT). Collective, between
 * steps. Not needed where every rank makes the set from the same seed, or loads the same file. */
REEL_API reel_status reel_mpi_broadcast(reel_mpi *mpi, reel_params *params);

/* From now on, buffers of the set that move in a shard (running statistics of a batch norm) are averaged over shards:
 * each begins with those that the step began with, and every reel_mpi_reduce leaves the mean of what the shards made of
 * them, weighted as their gradients; integers, which count batches, grow by the mean. So they have the same bits for 1,
 * 2, 4, ... ranks, too, whichever set is reduced (the discriminator's step moves the generator's statistics). A shard
 * that nothing was collected of does not count. Collective; buffers must be alike, REEL_ERROR_STATE. The set outlives
 * the group. */
REEL_API reel_status reel_mpi_average_buffers(reel_mpi *mpi, reel_params *params);

/* reel_clip_grad_norm with norm_type 2 (torch.nn.utils.clip_grad_norm_), after reel_mpi_reduce: params that every rank
 * has count once, rows that are spread over ranks count where they are. *total_norm, unless NULL, is the same on all
 * ranks. A sum over spread rows does not depend on where they are: it has the same bits at every number of ranks.
 * Collective. */
REEL_API reel_status reel_mpi_clip_grad_norm(reel_mpi *mpi, reel_params *params, double max_norm, double *total_norm);

/* The sum over ranks of x, real, of the same shape on all: a var of the tape, whose gradient is the sum over ranks of
 * theirs, so that it can be differentiated to any order (torch.distributed.nn.functional.all_reduce). The order of the
 * sum is that of the tree. For statistics of a batch that is spread over ranks, such as those of a synchronised batch
 * norm. Collective, and so is every backward pass through it: ranks go forward and backward through their sums in the
 * same order. */
REEL_API reel_var reel_mpi_sum(reel_mpi *mpi, reel_tape *tape, reel_var x);

/* ---- Tables whose rows are spread over ranks ---- */

/* A table [rows, columns] of which every rank holds the rows row % ranks == rank, in this order, as an ordinary param
 * with row-sparse gradients. Whatever works row by row works as on one machine: optimizers, lazy and exact, averages,
 * max_norm. Those whose update needs the whole param (LAMB) refuse it by name. Saving such a param, looking at it, and
 * clipping by the norm of a set see the rows of this rank alone.
 *
 *     reel_mpi_table *words = reel_mpi_table_new(mpi, params, "words", 100000000, 64, NULL);
 *     reel_var rows = reel_mpi_embedding(t, words, index); // [64, 20] -> [64, 20, 64]
 *
 * A step sends, for u different rows that a rank looks up in a shard, of which (ranks - 1) / ranks are of others, 8 u
 * bytes with their numbers and, to answer others, as many rows as they ask for; and at its end, for the w different
 * rows that the rank's shards looked up together, 8 w bytes of numbers and w rows of gradients, of which again
 * (ranks - 1) / ranks go to others. */
typedef struct reel_mpi_table reel_mpi_table;

typedef struct reel_mpi_table_options {
    reel_options_mark mark;
    double max_norm, norm_type; /* as for reel_embedding_new: INFINITY, 2 */
    bool init;                  /* draw initial values; else they are zeros, for reel_param_write to fill */
} reel_mpi_table_options;
REEL_API reel_mpi_table_options reel_mpi_table_defaults(void); /* no max_norm, initial values */

/* Adds a table under the name "<name>.weight" to a set. Its initial values are those of reel_embedding_new for the
 * whole table, bit for bit, whatever the number of ranks: every rank draws all of them, some 10 ns each, and keeps its
 * own. Collective; NULL on every rank when the name, the sizes or the options are refused on one or differ
 * (REEL_ERROR_ARGUMENT, REEL_ERROR_SHAPE), or memory runs out; the set may have the param then. Freed with the group;
 * not to be used after the set was freed. */
REEL_API reel_mpi_table *reel_mpi_table_new(reel_mpi *mpi, reel_params *params, const char *name, int64_t rows,
                                            int64_t columns, const reel_mpi_table_options *options);

/* The rows of this rank [(rows - rank + ranks - 1) / ranks, columns]: row i is row i * ranks + rank of the table. Owned
 * by the set; NULL for NULL. */
REEL_API reel_param *reel_mpi_table_param(const reel_mpi_table *table);

/* reel_embedding of the whole table (torch.nn.functional.embedding): index [...], int64 or int32, gives [..., columns].
 * Collective, also in evaluation, with an index of no elements where there is nothing to look up. In training, ranks
 * with fewer shards than others, or without data, need not: in reel_mpi_reduce they answer until all are there. Ranks
 * that look up in a step look up in the same order. A row is sent once however often the index names it. An index
 * outside the table on one rank is REEL_ERROR_INDEX on all, before anything is read.
 *
 * A backward pass puts the gradient aside in the table, not in the param: what came since the last reel_mpi_collect
 * belongs to the shard that is collected next, and reel_mpi_reduce makes the sums over all shards the row gradient of
 * the param, where they were looked up. The order of the sums is that of the tree of shards, so that they have the same
 * bits for every number of ranks that is a power of two. Gradients that are themselves differentiated are
 * REEL_ERROR_NO_RULE. Not to be called inside a segment of reel_recompute. */
REEL_API reel_var reel_mpi_embedding(reel_tape *tape, reel_mpi_table *table, reel_var index);

/* The same in two steps: the different rows that the index names [n, columns], by owner and number, and in *inverse,
 * for each element of the index, which of them it is (int64, of the index's shape; torch.unique's return_inverse). For
 * bags, and for whatever reads rows where they lie:
 *
 *     reel_var inverse, rows = reel_mpi_rows(t, words, index, &inverse);
 *     reel_var bags = reel_embedding_bag(t, rows, inverse, offsets, reel_null(), NULL); */
REEL_API reel_var reel_mpi_rows(reel_tape *tape, reel_mpi_table *table, reel_var index, reel_var *inverse);

/* ---- Checkpoints ---- */

/* Saves params, buffers and the state of an optimizer (NULL: none) between two steps, with tables in parts: every rank
 * writes a range of their rows, and none holds more than its own rows and some MiB of others'. `rest` is what is the
 * same on every rank: schedules, numbers, a loader whose order is that of all ranks. NULL: the generator alone. Its
 * params and optimizers are not to be these. Collective.
 *
 * FOLDER/checkpoint-N, N = 1, 2, ..., is filled under another name, renamed when it is complete and on the disk, and
 * then the link FOLDER/latest leads to it; the one before is removed after that. Whoever is killed on the way leaves
 * the last one whole, and a folder whose name ends in .tmp, which the next save removes. All ranks must see one file
 * system. In a checkpoint are
 *
 *     shard-00001-model-00001-of-00001.safetensors  and so on, one of each rank, with what state_dict would hold
 *     model.safetensors.index.json                  names, and the (first) file of each
 *     run/shard-...safetensors                      optim/state/PARAM/STATE, optim/group/PARAM, optim/groups/I/OPTION
 *     run/checkpoint.safetensors                    of reel_checkpoint_save: the generator, and `rest`
 *     run/group.safetensors                         what the random numbers of shards depend on: seed, loops
 *
 * The first two are what torch.distributed.checkpoint's HuggingFaceStorageReader loads: tables by rows, which follow
 * each other in the order of the files' names, everything else in the first file. */
REEL_API reel_status reel_mpi_save(reel_mpi *mpi, reel_params *params, reel_optim *optim, reel_checkpoint *rest,
                                   const char *folder);

/* Loads FOLDER/latest, or a checkpoint's own folder, at any number of ranks: params, state and generator have the bits
 * that were saved. Also files with params alone, as HuggingFaceStorageWriter writes them with save_distributed and
 * tables sharded by rows: then without an optimizer. Names, shapes and groups must be those of the set and the
 * optimizer (REEL_ERROR_FORMAT), options and learning rates are the file's. All that headers tell is checked before the
 * first value changes; a file that cannot be read then (REEL_ERROR_IO) leaves part loaded. Collective. */
REEL_API reel_status reel_mpi_load(reel_mpi *mpi, reel_params *params, reel_optim *optim, reel_checkpoint *rest,
                                   const char *folder);

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
