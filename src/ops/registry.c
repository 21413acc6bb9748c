#include "ops/family.h"

#include <string.h>

static const struct reel_op_family *const families[] = {
    &reel_elementwise_family,   &reel_scalar_family,        &reel_unary_family,   &reel_compare_family,
    &reel_view_family,          &reel_join_family,          &reel_permute_family, &reel_gather_family,
    &reel_reduce_family,        &reel_statistics_family,    &reel_softmax_family, &reel_matmul_family,
    &reel_linear_family,        &reel_normalize_family,     &reel_dropout_family, &reel_loss_family,
    &reel_cross_entropy_family, &reel_embedding_bag_family,
};
enum { FAMILIES = sizeof families / sizeof *families };

int reel_op_count(void)
{
    int count = 0;
    for (int f = 0; f < FAMILIES; f++)
        count += families[f]->count;
    return count;
}

const reel_op *reel_op_at(int i)
{
    for (int f = 0; i >= 0 && f < FAMILIES; f++) {
        if (i < families[f]->count)
            return families[f]->ops[i];
        i -= families[f]->count;
    }
    return NULL;
}

const reel_op *reel_op_find(const char *name)
{
    for (int i = 0; name && i < reel_op_count(); i++)
        if (strcmp(reel_op_at(i)->name, name) == 0)
            return reel_op_at(i);
    return NULL;
}
