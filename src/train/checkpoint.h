/* What the files of checkpoints share: the parts of a run, and all that it holds as a list of tensors. */
#ifndef REEL_TRAIN_CHECKPOINT_H
#define REEL_TRAIN_CHECKPOINT_H

#include "base/arena.h"
#include "core/context.h"
#include "files/safetensors.h"
#include "train/loader.h"
#include "train/optim.h"

#include <reel/checkpoint.h>

#define REEL_CHECKPOINT_KEY "reel_checkpoint" /* of the metadata */
#define REEL_CHECKPOINT_VERSION "1"

/* ---- The parts ---- */

enum reel_part_kind {
    REEL_PART_PARAMS,
    REEL_PART_OPTIM,
    REEL_PART_SCHEDULE,
    REEL_PART_EMA,
    REEL_PART_LOADER,
    REEL_PART_NUMBER,
    REEL_PART_ARRAY
};

struct reel_part {
    enum reel_part_kind kind;
    char *name;
    void *object;     /* what was added; of an array the elements */
    reel_dtype dtype; /* of an array */
    reel_shape shape;
};

struct reel_checkpoint {
    reel_context *context;
    struct reel_part *parts;
    int64_t count, capacity;
    char *differences; /* of the last load */
    int64_t size, differences_capacity;
    int64_t n_differences;
};

/* NULL for NULL. */
reel_context *reel_checkpoint_context(const reel_checkpoint *checkpoint);

/* "params", "optim", ... */
const char *reel_part_kind_name(enum reel_part_kind kind);

/* REEL_ERROR_STATE when a part was freed. */
reel_status reel_checkpoint_expect_parts(const reel_checkpoint *checkpoint);

/* ---- What they hold ---- */

/* How a tensor gets to where it belongs. */
enum reel_way {
    REEL_WAY_DIRECT, /* `data` is the place */
    REEL_WAY_PARAM,  /* of `param`, whose change is counted */
    REEL_WAY_STATE,  /* `slot` of `entry`; without data: zeros, and not in the file */
    REEL_WAY_STAGED, /* `data` is a copy, which is checked before the part takes it */
    REEL_WAY_NEWER,  /* staged, and not in the files that were written before it was saved */
    REEL_WAY_RUNS,   /* staged at *place, with as many elements as the file has */
};

struct reel_run_tensor {
    enum reel_way way;
    struct reel_tensor_source source; /* name, type, shape, and the data that are saved */
    void *data;                       /* what is loaded */
    reel_param *param;
    reel_optim *optim;
    struct reel_optim_entry *entry;
    int slot;
    void **place;
    int64_t *length;
};

/* Copies of what a part holds that is no array, or is checked first. */
struct reel_staged_optim {
    double *options; /* [groups][options + 1]: the last is initial_lr */
    int64_t *groups; /* of its entries */
};
struct reel_staged_rows {
    int64_t done[2]; /* updates before the first of the history, and all */
    bool one_by_one;
    int64_t n_first, n_decay;
    void *first, *decay; /* int64_t and double */
};
struct reel_staged_ema {
    double decay;
    bool updated;
    struct reel_staged_rows *rows; /* of each average */
};
struct reel_staged_schedule {
    double *states;
    int64_t **milestones; /* of each of the chain */
};
struct reel_staged_loader {
    reel_loader_position position;
    int64_t options[REEL_LOADER_OPTIONS];
};
union reel_staged {
    struct reel_staged_optim optim;
    struct reel_staged_ema ema;
    struct reel_staged_schedule schedule;
    struct reel_staged_loader loader;
    double number;
};

/* All of it, as it is now. */
struct reel_run {
    reel_checkpoint *checkpoint;
    reel_context *context;
    struct reel_arena arena; /* names and copies */
    struct reel_run_tensor *tensors;
    int64_t count, capacity;
    reel_metadata *metadata;
    int n_metadata;
    union reel_staged **staged; /* of each part */
    unsigned char generator[REEL_RNG_STATE_SIZE];
    int64_t draws;
};

/* Describes the run as it is; on failure the context has the error. End it in any case. */
reel_status reel_run_begin(struct reel_run *run, reel_checkpoint *checkpoint);
void reel_run_end(struct reel_run *run);

/* Zeros until the end; NULL with the error recorded. */
void *reel_run_allocate(struct reel_run *run, int64_t count, size_t element_size);

#endif
