/* Bags of table rows: their sums and maxima, and the way back. */
#ifndef REEL_KERN_EMBEDDING_BAG_H
#define REEL_KERN_EMBEDDING_BAG_H

#include <reel/types.h>

/* Bag b has the entries starts[b]..starts[b + 1]-1, and entry i is row index[i] of the table [.., columns] times
 * weights[i]. Everything is inside its range. */
struct reel_kern_bags {
    int64_t count;         /* of bags */
    const int64_t *starts; /* count + 1 */
    const void *index;     /* int64_t (wide) or int32_t */
    bool wide;
    int64_t padding; /* entries of this row do not count; -1: none */
    int64_t columns;
    const reel_real *table;   /* NULL where only gradients are moved */
    const reel_real *weights; /* NULL: all 1 */
};

/* shares[b] = 1 / how many entries of bag b count, 0 when none does. */
void reel_kern_bag_shares(const struct reel_kern_bags *bags, reel_real *shares);

/* out[b, :] = the sum of the bag's entries, and with `mean` divided by how many count; 0 when none does. Blocks of 256
 * entries are summed in order, then the block sums in order. */
void reel_kern_bag_sum(const struct reel_kern_bags *bags, bool mean, reel_real *out, int threads);

/* out[b, j] = the largest of the bag's entries, NaN being the largest, and winners[b, j] = the first entry that has it;
 * 0 and -1 when none counts. */
void reel_kern_bag_max(const struct reel_kern_bags *bags, reel_real *out, int64_t *winners, int threads);

/* rows[i, :] = factors[i] (NULL: 1) * grad[the bag of i, :], whose rows are `stride` apart, for all entries that count;
 * with winners only where i is the winner, and 0 elsewhere. */
void reel_kern_bag_rows(const struct reel_kern_bags *bags, const int64_t *winners, const reel_real *factors,
                        const reel_real *grad, int64_t stride, reel_real *rows, int threads);

/* out[i] (+)= shares[the bag of i] (NULL: 1) times the product of grad[the bag of i, :] and the row of entry i, without
 * its weight; with winners, over the columns where i is the winner. 0 when i does not count. */
void reel_kern_bag_products(const struct reel_kern_bags *bags, const int64_t *winners, const reel_real *shares,
                            const reel_real *grad, int64_t stride, bool add, reel_real *out, int threads);

#endif
