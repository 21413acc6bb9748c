/* For the programs of tests/mpi, which run in several processes: says what is wrong and ends all of them. */
#ifndef TESTS_MPI_HELPERS_H
#define TESTS_MPI_HELPERS_H

#include <reel/mpi.h>
#include <reel/reel.h>

#include <string.h>

#define CHECK_FAILED() (MPI_Abort(MPI_COMM_WORLD, 1), exit(1))
#include "../support/check.h"

/* The context has this status, and a text with this in it, on this rank; both are cleared. */
static inline void expect_error(reel_context *c, reel_status status, const char *text)
{
    CHECK(reel_context_status(c) == status && strstr(reel_error(c), text), "\"%s\" (%s) instead of \"%s\" (%s)",
          reel_error(c), reel_status_text(reel_context_status(c)), text, reel_status_text(status));
    reel_clear_error(c);
}

#endif
