/* Memory of reel::mpi: blocks from the context's allocator, so that they are counted as its own are. */
#include "ranks.h"

/* What public headers give of the allocator are elements of params: a block is a buffer in a set of its own. */
reel_status reel_mpi_reserve(reel_context *context, struct reel_mpi_memory *memory, size_t size)
{
    reel_status status = reel_context_status(context);
    if (status != REEL_OK || size <= memory->size)
        return status;
    reel_params *owner = reel_params_new(context);
    reel_param *block =
        reel_param_new(owner, "memory", REEL_PARAM_BUFFER, REEL_BOOL, REEL_SHAPE((int64_t)(size < 64 ? 64 : size)));
    if (!block) {
        status = reel_context_status(context);
        reel_params_free(owner);
        return status;
    }
    reel_mpi_release(memory);
    *memory = (struct reel_mpi_memory){owner, reel_param_write(block), size};
    return REEL_OK;
}

void reel_mpi_release(struct reel_mpi_memory *memory)
{
    reel_params_free(memory->owner);
    *memory = (struct reel_mpi_memory){0};
}
