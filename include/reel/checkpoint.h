/* Checkpoints: a whole run in one file, so that a run that is resumed has the bits of one that was never stopped.
 *
 *     reel_checkpoint *k = reel_checkpoint_new(c);
 *     reel_checkpoint_add_params(k, "model", params);
 *     reel_checkpoint_add_optim(k, "adam", adam);
 *     reel_checkpoint_add_schedule(k, "lr", schedule);
 *     reel_checkpoint_add_loader(k, "train", loader);
 *     reel_checkpoint_add_array(k, "step", REEL_INT64, &step, REEL_SCALAR);
 *     if (resume && reel_checkpoint_load(k, "run/latest"))
 *         fputs(reel_checkpoint_differences(k), stderr);
 *     ...
 *     reel_checkpoint_save_in(k, "run", step, 3);
 *
 * Saved are, beside what is added, the context's generator and the count that dropout masks follow. Not saved is what a
 * program builds again: modules, training or evaluation mode, which params are frozen or sparse, a loader's arrays,
 * indices, weights and augmentation; and gradients, so that the place for saving is between two steps.
 *
 * The file is safetensors. Params and buffers have the names that they have in their set, which are those of
 * PyTorch's state_dict; with more than one set, those with the set's name and a dot in front. All other names have a
 * slash in them (NAME is what was given to the function that added it):
 *
 *     rng/state                        U8 [5056]   torch.set_rng_state takes it
 *     rng/draws                        I64         calls of dropout since the seed
 *     optim/NAME/state/PARAM/STATE                 as reel_optim_state_at gives them: exp_avg, step, ...
 *     optim/NAME/group/PARAM           I64         the group that a param is in
 *     optim/NAME/groups/I/OPTION       F64         learning rate and options, and initial_lr
 *     schedule/NAME/STATE              F64         as reel_schedule_state_at gives them
 *     schedule/NAME/milestones/I       I64 [n]     of a multi-step schedule, the I-th of a chain
 *     ema/NAME/average/PARAM                       the averages; of params with sparse gradients those of the rows'
 *                                                  last changes, which take part in the updates since then:
 *     ema/NAME/rows/PARAM/updates      U32 [rows]  how many updates a row has had,
 *     ema/NAME/rows/PARAM/first        I64 [n]     where in the updates a decay begins,
 *     ema/NAME/rows/PARAM/decay        F64 [n]     and the decay
 *     ema/NAME/rows/PARAM/done         I64 [2]     updates before the first of these, and in all
 *     ema/NAME/rows/PARAM/one_by_one   BOOL        whether they are made one after the other
 *     ema/NAME/decay, ema/NAME/updated F64, BOOL   of the next update; whether there was one
 *     loader/NAME/...                              the members of reel_loader_position, and to be compared:
 *     loader/NAME/OPTION               I64         samples_taking_part, batch_size, shuffle, weighted (0 or 1), and
 *                                                  drop_last; not in files that were written before reel saved them
 *     user/NAME                                    numbers (F64) and arrays of the user
 *
 * The metadata hold "reel_checkpoint", the version of all this ("1"), and what optimizers and schedules are, by the
 * names "optim/NAME" and "schedule/NAME". Files of every earlier version can be loaded. */
#ifndef REEL_CHECKPOINT_H
#define REEL_CHECKPOINT_H

#include <reel/ema.h>
#include <reel/loader.h>
#include <reel/optim.h>
#include <reel/params.h>
#include <reel/schedule.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a run consists of, to be saved and loaded any number of times. NULL when the context is NULL or has an error, or
 * memory ran out. Owned by the caller; free it before the context. Saving or loading after
 * something that was added was freed is REEL_ERROR_STATE; numbers and arrays of the user must live. NULL is accepted
 * everywhere below. */
typedef struct reel_checkpoint reel_checkpoint;
REEL_API reel_checkpoint *reel_checkpoint_new(reel_context *context);
REEL_API void reel_checkpoint_free(reel_checkpoint *checkpoint);

/* Adds a part under a name, which is not empty, UTF-8 and without a slash, and which no other part of its kind has.
 * REEL_ERROR_ARGUMENT for another name, and for NULL and parts of another context. */
REEL_API reel_status reel_checkpoint_add_params(reel_checkpoint *checkpoint, const char *name, reel_params *params);
REEL_API reel_status reel_checkpoint_add_optim(reel_checkpoint *checkpoint, const char *name, reel_optim *optim);
REEL_API reel_status reel_checkpoint_add_schedule(reel_checkpoint *checkpoint, const char *name,
                                                  reel_schedule *schedule);
REEL_API reel_status reel_checkpoint_add_ema(reel_checkpoint *checkpoint, const char *name, reel_ema *ema);
REEL_API reel_status reel_checkpoint_add_loader(reel_checkpoint *checkpoint, const char *name, reel_loader *loader);

/* The user's own: what the pointer holds is saved, and loaded to it. The types are those of reel_dtype. */
REEL_API reel_status reel_checkpoint_add_number(reel_checkpoint *checkpoint, const char *name, double *number);
REEL_API reel_status reel_checkpoint_add_array(reel_checkpoint *checkpoint, const char *name, reel_dtype dtype,
                                               void *data, reel_shape shape);

/* Writes the file, as reel_save_safetensors does: the old one or the new one is there, whole. Nothing is copied on the
 * way, and no later bit of the run changes. REEL_ERROR_STATE while an average is swapped. */
REEL_API reel_status reel_checkpoint_save(reel_checkpoint *checkpoint, const char *path);

/* Loads what was saved. The parts must be those of the file, by their names: neither may have one that the other lacks,
 * so functions of the user (algorithms of optimizers, factors of reel_lambda_lr_new) must be given again. Shapes and
 * types of tensors, algorithms, groups of params, schedules with their constants, and what loaders have under OPTION
 * above must be the same; options of optimizers and learning rates are the file's. Everything is checked, and read
 * once, before the first value changes: REEL_ERROR_FORMAT names the first difference and says how many there are, and
 * nothing has changed then, nor after REEL_ERROR_OUT_OF_MEMORY. (If the file cannot be read a second time,
 * REEL_ERROR_IO, part may be loaded.) REEL_ERROR_STATE when a set is shared (reel_params_share). */
REEL_API reel_status reel_checkpoint_load(reel_checkpoint *checkpoint, const char *path);

/* All differences that the last reel_checkpoint_load found, one a line; "" when there were none. Valid until the next
 * load. */
REEL_API const char *reel_checkpoint_differences(const reel_checkpoint *checkpoint);

/* Saves to FOLDER/checkpoint-STEP.safetensors, making the folder if need be, and keeps the last ones: of the files of
 * steps up to this one, `keep` >= 1; those of later steps stay. A link FOLDER/latest leads to the one that was saved
 * last; it is replaced when the new file is there, and the file that it leads to is never removed, so at any moment it
 * leads to a whole one. step >= 0. A file that cannot be removed is no error. */
REEL_API reel_status reel_checkpoint_save_in(reel_checkpoint *checkpoint, const char *folder, int64_t step, int keep);

#ifdef __cplusplus
}
#endif

#endif
