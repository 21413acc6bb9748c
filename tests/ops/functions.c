/* Functions that are made of operations, against PyTorch's numbers: values, gradients, second order. */
#include "support/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_up_threads(void)
{
    set_up();
    reel_set_num_threads(c, 2);
}

TestSuite(functions, .init = set_up_threads, .fini = tear_down);

enum { MOST = 8 };

#define OPTIONS(kind, ...) REEL_OPTIONS(kind, o, __VA_ARGS__)

/* CASE(name in functions.py, statements that make the outputs y of the inputs x). */
#define CASES(CASE)                                                                                                    \
    CASE(slice_rows, y[0] = reel_slice(t, x[0], 0, 1, 6, 2))                                                           \
    CASE(slice_columns_from_the_end, y[0] = reel_slice(t, x[0], 1, -5, -1, 3))                                         \
    CASE(slice_beyond, y[0] = reel_slice(t, x[0], -1, -100, INT64_MAX, 4))                                             \
    CASE(slice_nothing, y[0] = reel_slice(t, x[0], 0, 4, 2, 1))                                                        \
    CASE(slice_one_step, y[0] = reel_slice(t, x[0], 1, 1, INT64_MAX, 1))                                               \
    CASE(flip_two, y[0] = reel_flip(t, x[0], REEL_AXES(0, -1)))                                                        \
    CASE(flip_none, y[0] = reel_flip(t, x[0], REEL_AXES(1)))                                                           \
    CASE(roll_forwards, y[0] = reel_roll(t, x[0], 2, 1))                                                               \
    CASE(roll_backwards, y[0] = reel_roll(t, x[0], -7, 0))                                                             \
    CASE(roll_around, y[0] = reel_roll(t, x[0], 10, 0))                                                                \
    CASE(repeat_axes, y[0] = reel_repeat(t, x[0], REEL_SHAPE(2, 1, 3)))                                                \
    CASE(repeat_new_axes, y[0] = reel_repeat(t, x[0], REEL_SHAPE(2, 3, 1, 2)))                                         \
    CASE(repeat_none, y[0] = reel_repeat(t, x[0], REEL_SHAPE(2, 0)))                                                   \
    CASE(unbind_middle, reel_unbind(t, x[0], 1, 3, y))                                                                 \
    CASE(take_along_dim, y[0] = reel_take_along_dim(t, x[0], x[1], 1))                                                 \
    CASE(take_along_dim_of_one, y[0] = reel_take_along_dim(t, x[0], x[1], -1))                                         \
    CASE(scatter_larger_values, y[0] = reel_scatter(t, x[0], 0, x[1], x[2]))                                           \
    CASE(scatter_add_larger_values, y[0] = reel_scatter_add(t, x[0], 1, x[1], x[2]))                                   \
    CASE(round_halves, y[0] = reel_round(t, x[0]))                                                                     \
    CASE(floor_special, y[0] = reel_floor(t, x[0]))                                                                    \
    CASE(ceil_special, y[0] = reel_ceil(t, x[0]))                                                                      \
    CASE(trunc_special, y[0] = reel_trunc(t, x[0]))                                                                    \
    CASE(remainder_special, y[0] = reel_remainder(t, x[0], x[1]))                                                      \
    CASE(isnan, y[0] = reel_isnan(t, x[0]))                                                                            \
    CASE(isinf, y[0] = reel_isinf(t, x[0]))                                                                            \
    CASE(isfinite, y[0] = reel_isfinite(t, x[0]))                                                                      \
    CASE(isfinite_of_integers, y[0] = reel_isfinite(t, x[0]))                                                          \
    CASE(any_rows, y[0] = reel_any(t, x[0], REEL_AXES(1), false))                                                      \
    CASE(any_of_all, y[0] = reel_any(t, x[0], NULL, 0, false))                                                         \
    CASE(any_of_nothing, y[0] = reel_any(t, x[0], REEL_AXES(1), false))                                                \
    CASE(all_columns, y[0] = reel_all(t, x[0], REEL_AXES(0), true))                                                    \
    CASE(all_of_all, y[0] = reel_all(t, x[0], NULL, 0, false))                                                         \
    CASE(all_of_nothing, y[0] = reel_all(t, x[0], REEL_AXES(1), false))                                                \
    CASE(masked_fill, y[0] = reel_masked_fill(t, x[0], x[1], -1.5))                                                    \
    CASE(masked_fill_infinity, y[0] = reel_masked_fill(t, x[0], x[1], -INFINITY))                                      \
    CASE(masked_fill_integers, y[0] = reel_masked_fill(t, x[0], x[1], -100))                                           \
    CASE(tril, y[0] = reel_tril(t, x[0], 0))                                                                           \
    CASE(tril_above, y[0] = reel_tril(t, x[0], 2))                                                                     \
    CASE(tril_bools, y[0] = reel_tril(t, x[0], -1))                                                                    \
    CASE(triu_below, y[0] = reel_triu(t, x[0], -1))                                                                    \
    CASE(triu_far, y[0] = reel_triu(t, x[0], 9))                                                                       \
    CASE(triu_integers, y[0] = reel_triu(t, x[0], 0))                                                                  \
    CASE(one_hot, y[0] = reel_one_hot(t, x[0], 4))                                                                     \
    CASE(argsort, y[0] = reel_argsort(t, x[0], 1, false))                                                              \
    CASE(argsort_falling, y[0] = reel_argsort(t, x[0], 1, true))                                                       \
    CASE(topk_largest, reel_topk(t, x[0], 3, 1, true, &y[0], &y[1]))                                                   \
    CASE(topk_smallest, reel_topk(t, x[0], 2, 0, false, &y[0], &y[1]))                                                 \
    CASE(max_rows, reel_max(t, x[0], 1, false, &y[0], &y[1]))                                                          \
    CASE(max_keepdim, reel_max(t, x[0], 0, true, &y[0], &y[1]))                                                        \
    CASE(max_of_one, reel_max(t, x[0], 0, false, &y[0], &y[1]))                                                        \
    CASE(min_rows, reel_min(t, x[0], -1, false, &y[0], &y[1]))                                                         \
    CASE(prod_rows, y[0] = reel_prod(t, x[0], 1, false))                                                               \
    CASE(prod_with_zeros, y[0] = reel_prod(t, x[0], 1, false))                                                         \
    CASE(prod_columns_kept, y[0] = reel_prod(t, x[0], 0, true))                                                        \
    CASE(prod_of_one, y[0] = reel_prod(t, x[0], 0, false))                                                             \
    CASE(prod_of_nothing, y[0] = reel_prod(t, x[0], 1, false))                                                         \
    CASE(prod_of_all, y[0] = reel_prod_all(t, x[0]))                                                                   \
    CASE(std_rows, y[0] = reel_std(t, x[0], REEL_AXES(1), 1, false))                                                   \
    CASE(std_uncorrected, y[0] = reel_std(t, x[0], REEL_AXES(0, 2), 0, true))                                          \
    CASE(std_of_all, y[0] = reel_std(t, x[0], NULL, 0, 1, false))                                                      \
    CASE(std_without_freedom, y[0] = reel_std(t, x[0], REEL_AXES(1), 1, false))                                        \
    CASE(linspace, y[0] = reel_linspace(t, -1, 2, 7))                                                                  \
    CASE(linspace_one, y[0] = reel_linspace(t, 3, 2, 1))                                                               \
    CASE(linspace_none, y[0] = reel_linspace(t, 3, 2, 0))                                                              \
    CASE(eye, y[0] = reel_eye(t, 3, 5))                                                                                \
    CASE(huber, y[0] = reel_huber_loss(t, x[0], x[1]))                                                                 \
    CASE(huber_sum, OPTIONS(huber_loss, o.reduction = REEL_SUM, o.delta = 0.3);                                        \
         y[0] = reel_huber_loss_with(t, x[0], x[1], &o))                                                               \
    CASE(huber_none, OPTIONS(huber_loss, o.reduction = REEL_NONE, o.delta = 2.5);                                      \
         y[0] = reel_huber_loss_with(t, x[0], x[1], &o))                                                               \
    CASE(kl_div, y[0] = reel_kl_div_loss(t, x[0], x[1]))                                                               \
    CASE(kl_div_zeros, OPTIONS(kl_div_loss, o.reduction = REEL_NONE); y[0] = reel_kl_div_loss_with(t, x[0], x[1], &o)) \
    CASE(kl_div_batch_mean, OPTIONS(kl_div_loss, o.reduction = REEL_BATCH_MEAN);                                       \
         y[0] = reel_kl_div_loss_with(t, x[0], x[1], &o))                                                              \
    CASE(kl_div_log_target, OPTIONS(kl_div_loss, o.reduction = REEL_SUM, o.log_target = true);                         \
         y[0] = reel_kl_div_loss_with(t, x[0], x[1], &o))                                                              \
    CASE(soft_targets, y[0] = reel_cross_entropy_loss(t, x[0], x[1]))                                                  \
    CASE(soft_targets_smoothed, OPTIONS(cross_entropy_loss, o.label_smoothing = 0.25);                                 \
         y[0] = reel_cross_entropy_loss_with(t, x[0], x[1], &o))                                                       \
    CASE(soft_targets_weighted,                                                                                        \
         OPTIONS(cross_entropy_loss, o.weight = x[2], o.reduction = REEL_SUM, o.label_smoothing = 0.25);               \
         y[0] = reel_cross_entropy_loss_with(t, x[0], x[1], &o))                                                       \
    CASE(soft_targets_mean_weighted, OPTIONS(cross_entropy_loss, o.weight = x[2]);                                     \
         y[0] = reel_cross_entropy_loss_with(t, x[0], x[1], &o))                                                       \
    CASE(soft_targets_of_one, y[0] = reel_cross_entropy_loss(t, x[0], x[1]))                                           \
    CASE(soft_targets_of_planes, OPTIONS(cross_entropy_loss, o.reduction = REEL_NONE);                                 \
         y[0] = reel_cross_entropy_loss_with(t, x[0], x[1], &o))                                                       \
    CASE(triplet, y[0] = reel_triplet_margin_loss(t, x[0], x[1], x[2]))                                                \
    CASE(triplet_swap,                                                                                                 \
         OPTIONS(triplet_margin_loss, o.margin = 0.5, o.p = 3, o.eps = 0.125, o.swap = true, o.reduction = REEL_NONE); \
         y[0] = reel_triplet_margin_loss_with(t, x[0], x[1], x[2], &o))                                                \
    CASE(triplet_of_one, OPTIONS(triplet_margin_loss, o.margin = 4, o.reduction = REEL_SUM);                           \
         y[0] = reel_triplet_margin_loss_with(t, x[0], x[1], x[2], &o))                                                \
    CASE(margin_ranking, y[0] = reel_margin_ranking_loss(t, x[0], x[1], x[2]))                                         \
    CASE(margin_ranking_sum, OPTIONS(margin_loss, o.margin = 0.5, o.reduction = REEL_SUM);                             \
         y[0] = reel_margin_ranking_loss_with(t, x[0], x[1], x[2], &o))                                                \
    CASE(cosine_embedding, y[0] = reel_cosine_embedding_loss(t, x[0], x[1], x[2]))                                     \
    CASE(cosine_embedding_margin, OPTIONS(margin_loss, o.margin = -0.25, o.reduction = REEL_NONE);                     \
         y[0] = reel_cosine_embedding_loss_with(t, x[0], x[1], x[2], &o))                                              \
    CASE(cosine_embedding_of_one, OPTIONS(margin_loss, o.reduction = REEL_SUM);                                        \
         y[0] = reel_cosine_embedding_loss_with(t, x[0], x[1], x[2], &o))                                              \
    CASE(mish, y[0] = reel_mish(t, x[0]))                                                                              \
    CASE(mish_large, y[0] = reel_mish(t, x[0]))                                                                        \
    CASE(selu, y[0] = reel_selu(t, x[0]))                                                                              \
    CASE(selu_large, y[0] = reel_selu(t, x[0]))                                                                        \
    CASE(glu, y[0] = reel_glu(t, x[0], 1))                                                                             \
    CASE(glu_last, y[0] = reel_glu(t, x[0], -1))                                                                       \
    CASE(prelu, y[0] = reel_prelu(t, x[0], x[1]))                                                                      \
    CASE(prelu_one_slope, y[0] = reel_prelu(t, x[0], x[1]))                                                            \
    CASE(prelu_of_a_vector, y[0] = reel_prelu(t, x[0], x[1]))                                                          \
    CASE(masked_softmax_all, y[0] = reel_masked_softmax(t, x[0], x[1], -1))                                            \
    CASE(attention_matrices, y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], NULL))                      \
    CASE(attention_heads, y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], NULL))                         \
    CASE(attention_one_key, y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], NULL))                       \
    CASE(attention_no_batch, y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], NULL))                      \
    CASE(attention_broadcast, y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], NULL))                     \
    CASE(attention_long, y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], NULL))                          \
    CASE(attention_scale, OPTIONS(attention, o.scale = 1.5);                                                           \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_scale_zero, OPTIONS(attention, o.scale = 0);                                                        \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_causal, OPTIONS(attention, o.is_causal = true);                                                     \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_causal_more_keys, OPTIONS(attention, o.is_causal = true);                                           \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_causal_fewer_keys, OPTIONS(attention, o.is_causal = true);                                          \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_bool_mask, OPTIONS(attention, o.attn_mask = x[3]);                                                  \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_lengths, OPTIONS(attention, o.attn_mask = x[3]);                                                    \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_causal_lengths, OPTIONS(attention, o.attn_mask = x[3], o.is_causal = true);                         \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_real_mask, OPTIONS(attention, o.attn_mask = x[3]);                                                  \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_infinite_mask, OPTIONS(attention, o.attn_mask = x[3]);                                              \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_nothing_allowed, OPTIONS(attention, o.attn_mask = x[3]);                                            \
         y[0] = reel_scaled_dot_product_attention(t, x[0], x[1], x[2], &o))                                            \
    CASE(attention_weights_masked, OPTIONS(attention, o.attn_mask = x[2], o.is_causal = true);                         \
         y[0] = reel_attention_weights(t, x[0], x[1], &o))                                                             \
    CASE(sinusoidal_positions, y[0] = reel_sinusoidal_positions(t, 5, 6))                                              \
    CASE(sinusoidal_positions_odd, y[0] = reel_sinusoidal_positions(t, 4, 5))                                          \
    CASE(einsum_product, y[0] = reel_einsum(t, "ij,jk->ik", x, 2))                                                     \
    CASE(einsum_implicit, y[0] = reel_einsum(t, "ij,jk", x, 2))                                                        \
    CASE(einsum_order, y[0] = reel_einsum(t, "ba", x, 1))                                                              \
    CASE(einsum_capitals_first, y[0] = reel_einsum(t, "aB", x, 1))                                                     \
    CASE(einsum_trace, y[0] = reel_einsum(t, "ii", x, 1))                                                              \
    CASE(einsum_diagonal, y[0] = reel_einsum(t, "ii->i", x, 1))                                                        \
    CASE(einsum_diagonal_batch, y[0] = reel_einsum(t, "ibi->bi", x, 1))                                                \
    CASE(einsum_diagonal_three, y[0] = reel_einsum(t, "iii->i", x, 1))                                                 \
    CASE(einsum_diagonal_one, y[0] = reel_einsum(t, "ii->i", x, 1))                                                    \
    CASE(einsum_sum, y[0] = reel_einsum(t, "ijk->j", x, 1))                                                            \
    CASE(einsum_sum_all, y[0] = reel_einsum(t, "ij->", x, 1))                                                          \
    CASE(einsum_permute, y[0] = reel_einsum(t, "ijk -> kij", x, 1))                                                    \
    CASE(einsum_dot, y[0] = reel_einsum(t, "i,i->", x, 2))                                                             \
    CASE(einsum_outer, y[0] = reel_einsum(t, "i,j->ij", x, 2))                                                         \
    CASE(einsum_rows, y[0] = reel_einsum(t, "bi,bi->b", x, 2))                                                         \
    CASE(einsum_elements, y[0] = reel_einsum(t, "ij,ij->ij", x, 2))                                                    \
    CASE(einsum_batches, y[0] = reel_einsum(t, "bij,bjk->bik", x, 2))                                                  \
    CASE(einsum_transposed, y[0] = reel_einsum(t, "jbi,kjb->bik", x, 2))                                               \
    CASE(einsum_bilinear, y[0] = reel_einsum(t, "bi,kij,bj->bk", x, 3))                                                \
    CASE(einsum_chain, y[0] = reel_einsum(t, "ij,jk,kl->il", x, 3))                                                    \
    CASE(einsum_scores, y[0] = reel_einsum(t, "bqhd,bkhd->bhqk", x, 2))                                                \
    CASE(einsum_two_summed, y[0] = reel_einsum(t, "aijb,bjic->ac", x, 2))                                              \
    CASE(einsum_ellipsis, y[0] = reel_einsum(t, "...ij,...jk->...ik", x, 2))                                           \
    CASE(einsum_ellipsis_implicit, y[0] = reel_einsum(t, "...ij,...jk", x, 2))                                         \
    CASE(einsum_ellipsis_last, y[0] = reel_einsum(t, "i...->...i", x, 1))                                              \
    CASE(einsum_ellipsis_summed, y[0] = reel_einsum(t, "i...->i", x, 1))                                               \
    CASE(einsum_ellipsis_of_nothing, y[0] = reel_einsum(t, "...i,...i->...", x, 2))                                    \
    CASE(einsum_broadcast, y[0] = reel_einsum(t, "ij,ij->j", x, 2))                                                    \
    CASE(einsum_broadcast_summed, y[0] = reel_einsum(t, "ij,jk->ik", x, 2))                                            \
    CASE(einsum_alone_summed, y[0] = reel_einsum(t, "ij,kl->jl", x, 2))                                                \
    CASE(einsum_repeated_inside, y[0] = reel_einsum(t, "ii,ij->j", x, 2))                                              \
    CASE(einsum_nothing_to_sum, y[0] = reel_einsum(t, "ij,jk->ik", x, 2))                                              \
    CASE(einsum_scalars, y[0] = reel_einsum(t, ",ij->ij", x, 2))                                                       \
    CASE(einsum_shared_later, y[0] = reel_einsum(t, "ij,ij,i->j", x, 3))                                               \
    CASE(einsum_many, y[0] = reel_einsum(t, "a,b,c,d->bd", x, 4))                                                      \
    CASE(einsum_letters_at_the_ends, y[0] = reel_einsum(t, "aAzZ...->Z...zAa", x, 1))                                  \
    CASE(einsum_ellipsis_of_one, y[0] = reel_einsum(t, "i...", x, 1))                                                  \
    CASE(einsum_ellipsis_of_eight, y[0] = reel_einsum(t, "...", x, 1))                                                 \
    CASE(einsum_diagonal_last, y[0] = reel_einsum(t, "bii->bi", x, 1))                                                 \
    CASE(einsum_eight_axes, y[0] = reel_einsum(t, "abcd,efgh->hgabefcd", x, 2))                                        \
    CASE(pad_zeros, y[0] = reel_pad(t, x[0], REEL_SIZES(1, 2), REEL_PAD_CONSTANT, 0))                                  \
    CASE(pad_value, y[0] = reel_pad(t, x[0], REEL_SIZES(1, 0, 0, 2), REEL_PAD_CONSTANT, -1.5))                         \
    CASE(pad_cut, y[0] = reel_pad(t, x[0], REEL_SIZES(-1, 2, 1, -1), REEL_PAD_CONSTANT, 0))                            \
    CASE(pad_integers, y[0] = reel_pad(t, x[0], REEL_SIZES(2, 1), REEL_PAD_CONSTANT, 7))                               \
    CASE(pad_bools, y[0] = reel_pad(t, x[0], REEL_SIZES(0, 2), REEL_PAD_CONSTANT, 1))                                  \
    CASE(pad_empty, y[0] = reel_pad(t, x[0], REEL_SIZES(1, 1), REEL_PAD_CONSTANT, 0))                                  \
    CASE(pad_reflect, y[0] = reel_pad(t, x[0], REEL_SIZES(2, 1), REEL_PAD_REFLECT, 0))                                 \
    CASE(pad_reflect_planes, y[0] = reel_pad(t, x[0], REEL_SIZES(1, 2, 2, 0), REEL_PAD_REFLECT, 0))                    \
    CASE(pad_replicate, y[0] = reel_pad(t, x[0], REEL_SIZES(5, 1), REEL_PAD_REPLICATE, 0))                             \
    CASE(pad_replicate_planes, y[0] = reel_pad(t, x[0], REEL_SIZES(1, 2, 0, 4), REEL_PAD_REPLICATE, 0))                \
    CASE(pad_circular, y[0] = reel_pad(t, x[0], REEL_SIZES(4, 1), REEL_PAD_CIRCULAR, 0))                               \
    CASE(pad_circular_planes, y[0] = reel_pad(t, x[0], REEL_SIZES(1, 2, 2, 0), REEL_PAD_CIRCULAR, 0))                  \
    CASE(nearest_twice, y[0] = reel_interpolate(t, x[0], REEL_SIZES(6), REEL_INTERPOLATE_NEAREST, false))              \
    CASE(nearest_planes, y[0] = reel_interpolate(t, x[0], REEL_SIZES(6, 4), REEL_INTERPOLATE_NEAREST, false))          \
    CASE(nearest_odd, y[0] = reel_interpolate(t, x[0], REEL_SIZES(7, 2), REEL_INTERPOLATE_NEAREST, false))             \
    CASE(nearest_integers, y[0] = reel_interpolate(t, x[0], REEL_SIZES(4, 3), REEL_INTERPOLATE_NEAREST, false))        \
    CASE(linear, y[0] = reel_interpolate(t, x[0], REEL_SIZES(7), REEL_INTERPOLATE_LINEAR, false))                      \
    CASE(linear_smaller, y[0] = reel_interpolate(t, x[0], REEL_SIZES(3), REEL_INTERPOLATE_LINEAR, false))              \
    CASE(linear_aligned, y[0] = reel_interpolate(t, x[0], REEL_SIZES(7), REEL_INTERPOLATE_LINEAR, true))               \
    CASE(linear_to_one, y[0] = reel_interpolate(t, x[0], REEL_SIZES(1), REEL_INTERPOLATE_LINEAR, true))                \
    CASE(linear_of_one, y[0] = reel_interpolate(t, x[0], REEL_SIZES(3), REEL_INTERPOLATE_LINEAR, false))               \
    CASE(bilinear, y[0] = reel_interpolate(t, x[0], REEL_SIZES(6, 8), REEL_INTERPOLATE_LINEAR, false))                 \
    CASE(bilinear_aligned, y[0] = reel_interpolate(t, x[0], REEL_SIZES(2, 7), REEL_INTERPOLATE_LINEAR, true))          \
    CASE(trilinear, y[0] = reel_interpolate(t, x[0], REEL_SIZES(3, 4, 2), REEL_INTERPOLATE_LINEAR, false))             \
    CASE(max_pool1d, y[0] = reel_max_pool1d(t, x[0], 2, NULL, &y[1]))                                                  \
    CASE(max_pool1d_ties, OPTIONS(pool, o.stride[0] = 2, o.padding[0] = 1, o.ceil_mode = true);                        \
         y[0] = reel_max_pool1d(t, x[0], 3, &o, &y[1]))                                                                \
    CASE(max_pool1d_single, OPTIONS(pool, o.stride[0] = 2, o.padding[0] = 1, o.dilation[0] = 2);                       \
         y[0] = reel_max_pool1d(t, x[0], 3, &o, NULL))                                                                 \
    CASE(max_pool2d,                                                                                                   \
         OPTIONS(pool, o.stride[0] = 1, o.stride[1] = 2, o.padding[0] = 1, o.padding[1] = 0, o.ceil_mode = true);      \
         y[0] = reel_max_pool2d(t, x[0], 2, 3, &o, &y[1]))                                                             \
    CASE(max_pool2d_single, y[0] = reel_max_pool2d(t, x[0], 2, 2, NULL, &y[1]))                                        \
    CASE(avg_pool1d, OPTIONS(pool, o.stride[0] = 2, o.padding[0] = 1); y[0] = reel_avg_pool1d(t, x[0], 3, &o))         \
    CASE(avg_pool1d_ceil, OPTIONS(pool, o.ceil_mode = true); y[0] = reel_avg_pool1d(t, x[0], 2, &o))                   \
    CASE(avg_pool2d, OPTIONS(pool, o.stride[0] = 2, o.stride[1] = 1, o.padding[0] = 1, o.padding[1] = 0,               \
                             o.ceil_mode = true, o.count_include_pad = false);                                         \
         y[0] = reel_avg_pool2d(t, x[0], 3, 2, &o))                                                                    \
    CASE(avg_pool2d_divided, OPTIONS(pool, o.divisor_override = 3); y[0] = reel_avg_pool2d(t, x[0], 2, 2, &o))         \
    CASE(avg_pool2d_outside, OPTIONS(pool, o.stride[0] = 5, o.padding[0] = 1, o.ceil_mode = true);                     \
         y[0] = reel_avg_pool2d(t, x[0], 3, 3, &o))                                                                    \
    CASE(adaptive_max_pool1d, y[0] = reel_adaptive_max_pool1d(t, x[0], 4, &y[1]))                                      \
    CASE(adaptive_max_pool2d, y[0] = reel_adaptive_max_pool2d(t, x[0], 0, 3, &y[1]))                                   \
    CASE(adaptive_avg_pool1d, y[0] = reel_adaptive_avg_pool1d(t, x[0], 4))                                             \
    CASE(adaptive_avg_pool2d, y[0] = reel_adaptive_avg_pool2d(t, x[0], 2, 0))                                          \
    CASE(conv1d_circular, OPTIONS(conv, o.padding[0] = 2, o.padding_mode = REEL_PAD_CIRCULAR);                         \
         y[0] = reel_conv1d(t, x[0], x[1], x[2], &o))                                                                  \
    CASE(conv1d_reflect_same,                                                                                          \
         OPTIONS(conv, o.padding_same = true, o.dilation[0] = 2, o.padding_mode = REEL_PAD_REFLECT);                   \
         y[0] = reel_conv1d(t, x[0], x[1], x[2], &o))                                                                  \
    CASE(conv1d_replicate_single,                                                                                      \
         OPTIONS(conv, o.padding[0] = 1, o.stride[0] = 2, o.padding_mode = REEL_PAD_REPLICATE);                        \
         y[0] = reel_conv1d(t, x[0], x[1], x[2], &o))                                                                  \
    CASE(conv2d_replicate,                                                                                             \
         OPTIONS(conv, o.padding[0] = 2, o.padding[1] = 1, o.stride[0] = 2, o.padding_mode = REEL_PAD_REPLICATE);      \
         y[0] = reel_conv2d(t, x[0], x[1], x[2], &o))                                                                  \
    CASE(conv2d_reflect_same, OPTIONS(conv, o.padding_same = true, o.padding_mode = REEL_PAD_REFLECT);                 \
         y[0] = reel_conv2d(t, x[0], x[1], x[2], &o))                                                                  \
    CASE(rms_norm, y[0] = reel_rms_norm(t, x[0], 2, x[1], 0.125))                                                      \
    CASE(rms_norm_plain, y[0] = reel_rms_norm(t, x[0], 1, reel_null(), 1e-5))                                          \
    CASE(group_norm, y[0] = reel_group_norm(t, x[0], 2, x[1], x[2], 1e-5))                                             \
    CASE(group_norm_of_rows, y[0] = reel_group_norm(t, x[0], 3, x[1], reel_null(), 0.125))                             \
    CASE(group_norm_one, y[0] = reel_group_norm(t, x[0], 1, reel_null(), x[1], 1e-5))                                  \
    CASE(group_norm_plain, y[0] = reel_group_norm(t, x[0], 3, reel_null(), reel_null(), 1e-5))                         \
    CASE(group_norm_nothing, y[0] = reel_group_norm(t, x[0], 2, reel_null(), reel_null(), 1e-5))                       \
    CASE(instance_norm, y[0] = reel_instance_norm(t, x[0], x[1], x[2], 1e-5))                                          \
    CASE(instance_norm_planes, y[0] = reel_instance_norm(t, x[0], x[1], reel_null(), 0.5))                             \
    CASE(instance_norm_plain, y[0] = reel_instance_norm(t, x[0], reel_null(), reel_null(), 1e-5))

#define DEFINE(name, ...)                                                                                              \
    static void apply_##name(const reel_var *x, reel_var *y)                                                           \
    {                                                                                                                  \
        (void)x;                                                                                                       \
        __VA_ARGS__;                                                                                                   \
    }
CASES(DEFINE)
#define ENTRY(name, ...) {#name, apply_##name},
static const struct {
    const char *name;
    void (*apply)(const reel_var *x, reel_var *y);
} cases[] = {CASES(ENTRY)};
enum { COUNT = sizeof cases / sizeof *cases };

/* ---- The numbers of functions.py ---- */

static char *read_golden(void)
{
    FILE *file = fopen(REEL_GOLDEN_FOLDER "/functions.txt", "rb");
    cr_assert_not_null(file);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(1, size + 1);
    cr_assert_eq(fread(text, 1, size, file), size);
    fclose(file);
    return text;
}

/* The lines of a case: from behind its name to the next one. */
static char *find_case(const char *text, const char *name)
{
    char line[100];
    snprintf(line, sizeof line, "case %s\n", name);
    const char *start = strstr(text, line), *end = start ? strstr(start + 1, "\ncase ") : NULL;
    if (!start)
        return NULL;
    start += strlen(line);
    return end ? strndup(start, (size_t)(end + 1 - start)) : strdup(start);
}

struct tensor {
    char kind;
    int number;
    reel_shape shape;
    int64_t numel;
    double *values; /* to be freed */
};

/* The next line, which *text then stands behind; false at the end. */
static bool next_tensor(char **text, struct tensor *tensor)
{
    char *at = *text;
    if (!*at)
        return false;
    tensor->kind = *at;
    tensor->number = (int)strtol(at + 1, &at, 10);
    tensor->shape.ndim = 0;
    while (*at == ' ')
        tensor->shape.dim[tensor->shape.ndim++] = strtoll(at, &at, 10);
    at++;
    tensor->numel = reel_shape_numel(&tensor->shape);
    tensor->values = malloc((size_t)(tensor->numel + 1) * sizeof(double));
    for (int64_t i = 0; i < tensor->numel; i++)
        tensor->values[i] = strtod(at, &at);
    *text = strchr(at, '\n') + 1;
    return true;
}

static reel_var var_of(const struct tensor *tensor)
{
    reel_dtype dtype = tensor->kind == 'n' ? REEL_INT64 : tensor->kind == 'b' ? REEL_BOOL : REEL_REAL;
    void *data = malloc((size_t)(tensor->numel + 1) * sizeof(int64_t));
    for (int64_t i = 0; i < tensor->numel; i++) {
        if (dtype == REEL_REAL)
            ((reel_real *)data)[i] = (reel_real)tensor->values[i];
        else if (dtype == REEL_INT64)
            ((int64_t *)data)[i] = (int64_t)tensor->values[i];
        else
            ((bool *)data)[i] = tensor->values[i] != 0;
    }
    reel_var v = reel_tensor_of(t, dtype, data, tensor->shape);
    free(data);
    return v;
}

static reel_var simple_numbers(int salt, reel_shape shape)
{
    int64_t n = reel_shape_numel(&shape);
    reel_real *values = malloc((size_t)(n + 1) * sizeof *values);
    for (int64_t j = 0; j < n; j++)
        values[j] = (reel_real)((double)((37 * j + 11 * salt) % 64 * 2 - 63) / 64);
    reel_var v = reel_tensor(t, values, shape);
    free(values);
    return v;
}

static double element_at(reel_var v, int64_t i)
{
    const void *data = reel_data(t, v);
    switch (reel_dtype_of(t, v)) {
    case REEL_REAL:
        return (double)((const reel_real *)data)[i];
    case REEL_INT64:
        return (double)((const int64_t *)data)[i];
    case REEL_INT32:
        return (double)((const int32_t *)data)[i];
    default:
        return (double)((const bool *)data)[i];
    }
}

/* Reals agree to 64 units in the last place of the largest element, or of 1. */
static void compare(const char *name, const struct tensor *want, reel_var got)
{
    const double epsilon = sizeof(reel_real) == sizeof(float) ? (double)FLT_EPSILON : DBL_EPSILON;
    double largest = 1;
    if (!reel_is_null(got)) {
        reel_shape shape = reel_shape_of(t, got);
        cr_expect(reel_shape_equal(&shape, &want->shape), "%s: %c%d has another shape", name, want->kind, want->number);
        if (!reel_shape_equal(&shape, &want->shape))
            return;
    }
    for (int64_t i = 0; i < want->numel; i++)
        if (isfinite(want->values[i]))
            largest = fmax(largest, fabs(want->values[i]));
    for (int64_t i = 0; i < want->numel; i++) {
        double value = reel_is_null(got) ? 0 : element_at(got, i), other = want->values[i];
        if (value == other || (isnan(value) && isnan(other)) || fabs(value - other) <= 64 * epsilon * largest)
            continue;
        cr_expect_fail("%s: element %lld of %c%d is %.17g, not %.17g", name, (long long)i, want->kind, want->number,
                       value, other);
        return;
    }
}

static reel_var weighed(reel_var sum, reel_var v, int salt)
{
    reel_var part = reel_sum_all(t, reel_mul(t, v, simple_numbers(salt, reel_shape_of(t, v))));
    return reel_is_null(sum) ? part : reel_add(t, sum, part);
}

/* Makes the inputs, and gives the text behind them. */
static char *make_inputs(char *text, reel_var *x, bool *differentiated)
{
    struct tensor tensor;
    for (char *next = text; next_tensor(&next, &tensor); text = next) {
        bool is_input = strchr("xrnb", tensor.kind) != NULL;
        if (is_input) {
            x[tensor.number] = var_of(&tensor);
            differentiated[tensor.number] = tensor.kind == 'x';
        }
        free(tensor.values);
        if (!is_input)
            break;
    }
    return text;
}

/* The gradients, null where there are none, of the sum of the vars weighed. */
static void gradients(reel_var loss, const reel_var *x, const bool *differentiated, unsigned flags, reel_var *g)
{
    reel_var wanted[MOST], given[MOST];
    int n = 0;
    for (int k = 0; k < MOST; k++)
        if (differentiated[k])
            wanted[n++] = x[k];
    if (n == 0 || reel_is_null(loss))
        return;
    reel_grad(t, loss, wanted, n, flags | REEL_GRAD_ALLOW_UNUSED, given);
    for (int k = MOST - 1; k >= 0; k--)
        if (differentiated[k])
            g[k] = given[--n];
}

static void compare_case(int i, char *text)
{
    reel_var x[MOST] = {{0}}, y[MOST] = {{0}}, g[MOST] = {{0}}, fast[MOST] = {{0}}, s[MOST] = {{0}};
    bool differentiated[MOST] = {false};
    reel_var loss = reel_null(), second = reel_null();
    text = make_inputs(text, x, differentiated);
    cases[i].apply(x, y);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s: %s", cases[i].name, reel_error(c));
    for (int k = 0; k < MOST && !reel_is_null(y[k]); k++)
        if (reel_dtype_of(t, y[k]) == REEL_REAL)
            loss = weighed(loss, y[k], k);
    gradients(loss, x, differentiated, 0, fast);
    gradients(loss, x, differentiated, REEL_GRAD_CREATE_GRAPH, g);
    for (int k = 0; k < MOST; k++)
        if (!reel_is_null(g[k]))
            second = weighed(second, g[k], 8 + k);
    gradients(second, x, differentiated, 0, s);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s: %s", cases[i].name, reel_error(c));
    struct tensor want;
    int outputs = 0;
    while (next_tensor(&text, &want)) {
        compare(cases[i].name, &want, (want.kind == 'y' ? y : want.kind == 'g' ? g : s)[want.number]);
        if (want.kind == 'g')
            compare(cases[i].name, &want, fast[want.number]);
        outputs += want.kind == 'y';
        free(want.values);
    }
    cr_expect(outputs > 0 && !reel_is_null(y[outputs - 1]) && (outputs == MOST || reel_is_null(y[outputs])),
              "%s: there should be %d outputs", cases[i].name, outputs);
    reel_tape_reset(t);
}

Test(functions, give_what_pytorch_gives)
{
    char *text = read_golden();
    int found = 0, all = 0;
    for (const char *at = text; (at = strstr(at, "case ")); at++)
        all += at == text || at[-1] == '\n';
    for (int i = 0; i < COUNT; i++) {
        char *lines = find_case(text, cases[i].name);
        cr_expect_not_null(lines, "%s is not in functions.txt: functions.py writes it", cases[i].name);
        if (lines)
            compare_case(i, lines);
        found += lines != NULL;
        free(lines);
    }
    cr_expect_eq(found, all, "functions.txt has %d cases, %d of them are here", all, found);
    free(text);
}

Test(functions, allocate_nothing_from_the_third_step_on)
{
    char *text = read_golden();
    for (int i = 0; i < COUNT; i++) {
        uint64_t before = 0;
        char *lines = find_case(text, cases[i].name);
        for (int step = 0; lines && step < 5; step++) {
            reel_var x[MOST] = {{0}}, y[MOST] = {{0}}, g[MOST], loss = reel_null();
            bool differentiated[MOST] = {false};
            make_inputs(lines, x, differentiated);
            cases[i].apply(x, y);
            for (int k = 0; k < MOST && !reel_is_null(y[k]); k++)
                if (reel_dtype_of(t, y[k]) == REEL_REAL)
                    loss = weighed(loss, y[k], k);
            gradients(loss, x, differentiated, 0, g);
            reel_tape_reset(t);
            if (step < 3)
                before = reel_memory(c).allocations;
        }
        cr_expect_eq(reel_memory(c).allocations, before, "%s allocates in every step", cases[i].name);
        free(lines);
    }
    free(text);
}

/* ---- Refusals ---- */

Test(functions, refuse_what_they_cannot_do)
{
    reel_var m = reel_ones(t, REEL_SHAPE(2, 3)), out[3];
    expect_refused(reel_slice(t, m, 0, 0, 2, 0), REEL_ERROR_ARGUMENT, "slice: step 0 is not at least 1");
    expect_refused(reel_slice(t, m, 2, 0, 2, 1), REEL_ERROR_ARGUMENT, "slice: axis 2 is outside -2..1");
    expect_refused(reel_flip(t, m, REEL_AXES(1, -1)), REEL_ERROR_ARGUMENT, "flip: axis 1 is given twice");
    expect_refused(reel_flip(t, m, NULL, 1), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_roll(t, m, 1, -3), REEL_ERROR_ARGUMENT, "roll: axis -3 is outside -2..1");
    expect_refused(reel_repeat(t, m, REEL_SHAPE(2)), REEL_ERROR_SHAPE,
                   "repeat: 1 repeats for [2, 3]; each axis takes one, and none is negative");
    expect_refused(reel_repeat(t, reel_zeros(t, REEL_SHAPE(0, 2)), REEL_SHAPE(1, INT64_MAX)), REEL_ERROR_SHAPE,
                   "repeat: 9223372036854775807 repeats of axis 1 do not fit 64 bits");
    expect_refused(reel_repeat(t, m, REEL_SHAPE(2, -1)), REEL_ERROR_SHAPE, NULL);
    out[0] = m;
    cr_expect_eq(reel_unbind(t, m, 1, 2, out), REEL_ERROR_ARGUMENT);
    cr_expect_str_eq(reel_error(c), "unbind: room for 2 vars, axis 1 has 3 slices");
    cr_expect_eq(out[0].number, m.number);
    reel_clear_error(c);
    expect_refused(reel_take_along_dim(t, m, reel_randint(t, 0, 2, REEL_SHAPE(2)), 0), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_take_along_dim(t, m, reel_randint(t, 0, 2, REEL_SHAPE(2, 2)), 0), REEL_ERROR_SHAPE,
                   "take_along_dim: shapes [1, 3] and [1, 2] do not broadcast: axis 1 has 3 and 2");
    expect_refused(reel_masked_fill(t, m, reel_gt_scalar(t, reel_ones(t, REEL_SHAPE(2, 2, 3)), 0), 0), REEL_ERROR_SHAPE,
                   "masked_fill: the mask [2, 2, 3] does not broadcast to [2, 3], the shape of x");
    reel_var integers = reel_randint(t, 0, 2, REEL_SHAPE(3)), all = reel_ge_scalar(t, integers, 0);
    expect_refused(reel_masked_fill(t, integers, all, 0.5), REEL_ERROR_ARGUMENT, "masked_fill: 0.5 is no int64");
    expect_refused(reel_masked_fill(t, integers, all, 1e300), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_tril(t, integers, 0), REEL_ERROR_SHAPE, "tril: x has 1 axes, it needs two");
    expect_refused(reel_one_hot(t, integers, 0), REEL_ERROR_ARGUMENT, "one_hot: num_classes 0 is not at least 1");
    expect_refused(reel_one_hot(t, reel_full_int64(t, REEL_SHAPE(2), 5), 4), REEL_ERROR_INDEX, NULL);
    reel_var value = m, place = m;
    cr_expect_eq(reel_topk(t, m, 4, 1, true, &value, &place), REEL_ERROR_ARGUMENT);
    cr_expect(reel_is_null(value) && reel_is_null(place));
    reel_clear_error(c);
    cr_expect_eq(reel_topk(t, m, -1, 1, true, &value, &place), REEL_ERROR_ARGUMENT);
    cr_expect_str_eq(reel_error(c), "topk: k -1 is negative");
    reel_clear_error(c);
    cr_expect_eq(reel_sort(t, m, 1, true, NULL, &place), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_max(t, reel_ones(t, REEL_SHAPE(2, 0)), 1, false, &value, &place), REEL_ERROR_SHAPE);
    cr_expect(reel_is_null(value) && reel_is_null(place));
    reel_clear_error(c);
    expect_refused(reel_prod(t, integers, 0, false), REEL_ERROR_DTYPE, "prod: x is int64, it must be real");
    expect_refused(reel_linspace(t, 0, INFINITY, 3), REEL_ERROR_ARGUMENT, "linspace: 3 numbers from 0 to inf");
    expect_refused(reel_eye(t, -1, 3), REEL_ERROR_SHAPE, NULL);
}

Test(functions, refuse_equations_that_are_none)
{
    static const struct {
        const char *equation;
        int n;
        reel_status status;
        const char *why;
    } refused[] = {
        {"ij,jk->il", 2, REEL_ERROR_ARGUMENT, "a letter of the result is there twice, or in no operand"},
        {"ij,jk->ii", 2, REEL_ERROR_ARGUMENT, "a letter of the result is there twice, or in no operand"},
        {"ij,jk->ik,", 2, REEL_ERROR_ARGUMENT, "something behind the result"},
        {"ij,jk->ik->", 2, REEL_ERROR_ARGUMENT, "something behind the result"},
        {"ij,jk-ik", 2, REEL_ERROR_ARGUMENT, "- is no arrow"},
        {"ij,j1->ik", 2, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow"},
        {"@j,jk", 2, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow"},
        {"[j,jk", 2, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow"},
        {"`j,jk", 2, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow"},
        {"{j,jk", 2, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow"},
        {"ij,..jk", 2, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow"},
        {"......,ij", 2, REEL_ERROR_ARGUMENT, "neither letters, an ellipsis, a comma nor an arrow"},
        {"ij", 2, REEL_ERROR_ARGUMENT, "fewer operands in it than are given"},
        {"ij,jk", 1, REEL_ERROR_ARGUMENT, "more operands in it than are given"},
        {"ijk,jk", 2, REEL_ERROR_SHAPE, "an operand has another number of axes than letters"},
        {"i,jk", 2, REEL_ERROR_SHAPE, "an operand has another number of axes than letters"},
        {"...ijk,jk", 2, REEL_ERROR_SHAPE, "an operand has fewer axes than letters"},
        {"ij,ij", 2, REEL_ERROR_SHAPE, "axes with the same letter have different sizes"},
        {"ii,ij", 2, REEL_ERROR_SHAPE, "a letter is repeated for axes of different sizes"},
        {"abcdefghi,jk", 2, REEL_ERROR_SHAPE, "more than 8 axes"},
        {"ab,cd,ef,gh,ij->abcdefghij", 5, REEL_ERROR_SHAPE, "more than 8 axes"},
        {"ab,cd,ef,gh,ij", 5, REEL_ERROR_SHAPE, "more than 8 axes"},
        {"ab,cd,ef,gh,ij,abcd,efghij->a", 5, REEL_ERROR_ARGUMENT, "more operands in it than are given"},
    };
    reel_var a = reel_ones(t, REEL_SHAPE(2, 3)), b = reel_ones(t, REEL_SHAPE(3, 4));
    const reel_var x[] = {a, b, a, a, a};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[200];
        snprintf(text, sizeof text, "einsum \"%s\": %s", refused[i].equation, refused[i].why);
        expect_refused(reel_einsum(t, refused[i].equation, x, refused[i].n), refused[i].status, text);
    }
    reel_var integers = reel_full_int64(t, REEL_SHAPE(2, 3), 1);
    expect_refused(reel_einsum(t, "ij,jk", REEL_VARS(integers, b)), REEL_ERROR_DTYPE, NULL);
    reel_var scalar = reel_ones(t, REEL_SCALAR);
    expect_refused(reel_einsum(t, "i", &scalar, 1), REEL_ERROR_SHAPE, NULL);
    reel_var five = reel_ones(t, REEL_SHAPE(2, 1, 2, 1, 2)), three = reel_ones(t, REEL_SHAPE(1, 1, 1));
    expect_refused(reel_einsum(t, "abcde,fghij,abf,cgh,dij->e", REEL_VARS(five, five, three, three, three)),
                   REEL_ERROR_SHAPE,
                   "einsum \"abcde,fghij,abf,cgh,dij->e\": a product on the way has more than 8 axes");
    expect_refused(reel_einsum(t, "ij", x, 0), REEL_ERROR_ARGUMENT,
                   "einsum: 0 operands, it takes 1 to 16, and an equation");
    expect_refused(reel_einsum(t, "ij", x, 17), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_einsum(t, NULL, x, 1), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_einsum(t, "ij", NULL, 1), REEL_ERROR_ARGUMENT, NULL);
}

Test(functions, refuse_attention_that_does_not_fit)
{
    reel_var q = reel_ones(t, REEL_SHAPE(2, 3)), k = reel_ones(t, REEL_SHAPE(4, 3)), v = reel_ones(t, REEL_SHAPE(4, 2)),
             row = reel_ones(t, REEL_SHAPE(3)), batch = reel_ones(t, REEL_SHAPE(1, 4, 3)),
             integers = reel_full_int64(t, REEL_SHAPE(4, 3), 1);
    expect_refused(reel_scaled_dot_product_attention(t, q, v, k, NULL), REEL_ERROR_SHAPE,
                   "scaled_dot_product_attention: query [..., L, E] and key [..., S, E]: [2, 3] and [4, 2] do not fit");
    expect_refused(reel_scaled_dot_product_attention(t, q, k, q, NULL), REEL_ERROR_SHAPE,
                   "scaled_dot_product_attention: key [..., S, E] and value [..., S, V]: [4, 3] and [2, 3] do not fit");
    expect_refused(reel_scaled_dot_product_attention(t, q, batch, batch, NULL), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_scaled_dot_product_attention(t, q, k, batch, NULL), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_attention_weights(t, row, row, NULL), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_attention_weights(t, q, integers, NULL), REEL_ERROR_DTYPE, NULL);
    REEL_OPTIONS(attention, o, o.attn_mask = reel_gt_scalar(t, k, 0));
    expect_refused(reel_attention_weights(t, q, k, &o), REEL_ERROR_SHAPE, NULL);
    o.attn_mask = reel_full_int64(t, REEL_SHAPE(2, 4), 1);
    expect_refused(reel_attention_weights(t, q, k, &o), REEL_ERROR_DTYPE, NULL);
    o.attn_mask = reel_null();
    o.dropout_p = 1.5;
    expect_refused(reel_attention_weights(t, q, k, &o), REEL_ERROR_ARGUMENT, "dropout: p 1.5 is outside 0..1");
    expect_refused(reel_sinusoidal_positions(t, -1, 4), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_sinusoidal_positions(t, 4, -1), REEL_ERROR_ARGUMENT,
                   "sinusoidal_positions: 4 positions of -1 features");
}

Test(functions, refuse_losses_and_activations)
{
    reel_var m = reel_ones(t, REEL_SHAPE(2, 3)), other = reel_ones(t, REEL_SHAPE(2, 1)),
             v = reel_ones(t, REEL_SHAPE(3));
    OPTIONS(huber_loss, o.delta = 0);
    expect_refused(reel_huber_loss_with(t, m, m, &o), REEL_ERROR_ARGUMENT,
                   "huber_loss: delta is 0, it must be above 0");
    expect_refused(reel_huber_loss(t, m, other), REEL_ERROR_SHAPE,
                   "huber_loss: [2, 3] and [2, 1] must have the same shape (reshape or expand one)");
    expect_refused(reel_kl_div_loss(t, m, other), REEL_ERROR_SHAPE, NULL);
    REEL_OPTIONS(loss, batch, batch.reduction = REEL_BATCH_MEAN);
    expect_refused(reel_mse_loss_with(t, m, m, &batch), REEL_ERROR_ARGUMENT, NULL);
    REEL_OPTIONS(cross_entropy_loss, ignoring, ignoring.ignore_index = 0);
    expect_refused(reel_cross_entropy_loss_with(t, m, m, &ignoring), REEL_ERROR_ARGUMENT, NULL);
    REEL_OPTIONS(cross_entropy_loss, smoothing, smoothing.label_smoothing = 1.5);
    expect_refused(reel_cross_entropy_loss_with(t, m, m, &smoothing), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_cross_entropy_loss(t, m, other), REEL_ERROR_SHAPE, NULL);
    REEL_OPTIONS(triplet_margin_loss, triplet, triplet.margin = 0);
    expect_refused(reel_triplet_margin_loss_with(t, m, m, m, &triplet), REEL_ERROR_ARGUMENT,
                   "triplet_margin_loss: margin is 0, it must be above 0");
    expect_refused(reel_triplet_margin_loss(t, m, m, other), REEL_ERROR_SHAPE, NULL);
    REEL_OPTIONS(margin_loss, margin, margin.reduction = REEL_BATCH_MEAN);
    expect_refused(reel_margin_ranking_loss_with(t, m, m, m, &margin), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_margin_ranking_loss(t, m, m, v), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_cosine_embedding_loss(t, m, m, m), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_glu(t, m, 1), REEL_ERROR_SHAPE, "glu: axis 1 has 3 elements, an odd number");
    expect_refused(reel_prelu(t, m, reel_ones(t, REEL_SHAPE(2))), REEL_ERROR_SHAPE,
                   "prelu: the weight is [2], it must be one slope or one for each of 3 channels");
}

Test(functions, refuse_what_cannot_be_padded)
{
    reel_var m = reel_ones(t, REEL_SHAPE(2, 3)), image = reel_ones(t, REEL_SHAPE(1, 1, 2, 2));
    expect_refused(reel_pad(t, m, REEL_SIZES(1), REEL_PAD_CONSTANT, 0), REEL_ERROR_ARGUMENT,
                   "pad: 1 numbers for 2 axes; it takes two for each axis that is padded");
    expect_refused(reel_pad(t, m, REEL_SIZES(1, 1, 1, 1, 1, 1), REEL_PAD_CONSTANT, 0), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_pad(t, m, NULL, 2, REEL_PAD_CONSTANT, 0), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_pad(t, m, REEL_SIZES(-2, -2), REEL_PAD_CONSTANT, 0), REEL_ERROR_SHAPE,
                   "pad: -2 and -2 elements of axis 1, which has 3");
    expect_refused(reel_pad(t, m, REEL_SIZES(INT64_MAX, 0), REEL_PAD_REPLICATE, 0), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_pad(t, m, REEL_SIZES(3, 0), REEL_PAD_REFLECT, 0), REEL_ERROR_SHAPE,
                   "pad: axis 1 has too few elements, 3, to make 3 and 0 of them");
    expect_refused(reel_pad(t, m, REEL_SIZES(0, 4), REEL_PAD_CIRCULAR, 0), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_pad(t, reel_ones(t, REEL_SHAPE(0)), REEL_SIZES(1, 0), REEL_PAD_REPLICATE, 0), REEL_ERROR_SHAPE,
                   NULL);
    expect_refused(reel_pad(t, m, REEL_SIZES(-1, 0), REEL_PAD_REFLECT, 0), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_pad(t, m, REEL_SIZES(1, 0), (reel_pad_mode)9, 0), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_pad(t, reel_full_int64(t, REEL_SHAPE(3), 1), REEL_SIZES(1, 0), REEL_PAD_CONSTANT, 0.5),
                   REEL_ERROR_ARGUMENT, "pad: 0.5 is no int64");
    expect_refused(reel_interpolate(t, image, REEL_SIZES(4), REEL_INTERPOLATE_NEAREST, false), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_interpolate(t, image, REEL_SIZES(4, 0), REEL_INTERPOLATE_NEAREST, false), REEL_ERROR_ARGUMENT,
                   NULL);
    expect_refused(reel_interpolate(t, image, REEL_SIZES(4, 4), REEL_INTERPOLATE_NEAREST, true), REEL_ERROR_ARGUMENT,
                   NULL);
    expect_refused(
        reel_interpolate(t, reel_ones(t, REEL_SHAPE(1, 1, 0)), REEL_SIZES(4), REEL_INTERPOLATE_LINEAR, false),
        REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_interpolate(t, image, NULL, 2, REEL_INTERPOLATE_LINEAR, false), REEL_ERROR_ARGUMENT, NULL);
}
