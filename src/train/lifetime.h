/* Objects that others point to. */
#ifndef REEL_TRAIN_LIFETIME_H
#define REEL_TRAIN_LIFETIME_H

#include <stdbool.h>
#include <stdint.h>

/* A member of an object that its owner frees while others may still point to it. What it holds goes at once, the object
 * itself with the last of these, so that they can see that it was freed and refuse to use it. */
struct reel_lifetime {
    int64_t holders;
    bool is_freed;
};

/* The owner frees it, and a holder lets go: whether the object itself goes now. */
static inline bool reel_lifetime_end(struct reel_lifetime *lifetime)
{
    lifetime->is_freed = true;
    return lifetime->holders == 0;
}

static inline bool reel_lifetime_let_go(struct reel_lifetime *lifetime)
{
    return --lifetime->holders == 0 && lifetime->is_freed;
}

#endif
