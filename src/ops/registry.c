/* The list of families, and what walks it: the rows, or the samples when compiled for those. */
#include "ops/family.h"

#include <string.h>

#define ADDRESS(family) &REEL_FAMILY(family),
static const struct reel_op_family *const families[] = {REEL_OP_FAMILIES(ADDRESS)};
enum { FAMILIES = sizeof families / sizeof *families };

static const reel_row *row_at(int i)
{
    for (int f = 0; i >= 0 && f < FAMILIES; f++) {
        if (i < families[f]->count)
            return families[f]->rows[i];
        i -= families[f]->count;
    }
    return NULL;
}

#ifndef REEL_SAMPLES
int reel_op_count(void)
{
    int count = 0;
    for (int f = 0; f < FAMILIES; f++)
        count += families[f]->count;
    return count;
}

const reel_op *reel_op_at(int i)
{
    return row_at(i);
}

const reel_op *reel_op_find(const char *name)
{
    for (int i = 0; name && i < reel_op_count(); i++)
        if (strcmp(reel_op_at(i)->name, name) == 0)
            return reel_op_at(i);
    return NULL;
}
#else
const reel_op_samples *reel_op_samples_at(int i)
{
    return row_at(i);
}
#endif
