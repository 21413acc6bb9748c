/* Products against plain loops for every form that torch.matmul takes, and what they refuse. That the
 * gradients are derivatives is for the registry's tests, except through the forms that it does not see. */
#include "support/fixture.h"

#include <math.h>
#include <string.h>

static const double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-24 : 0x1p-53;

TestSuite(matmul, .init = set_up, .fini = tear_down);

/* ---- matmul ---- */

/* The position in an operand's data of the matrix that goes with the i-th batch of the result, whose batches are the
 * `ndim` first of dim. */
static int64_t matrix_of(const reel_shape *operand, int ndim, const int64_t *dim, int64_t i)
{
    int64_t stride = operand->dim[operand->ndim - 1] * operand->dim[operand->ndim - 2], position = 0;
    for (int axis = ndim - 1, own = operand->ndim - 3; own >= 0; axis--, own--) {
        position += operand->dim[own] == 1 ? 0 : i % dim[axis] * stride;
        stride *= operand->dim[own];
        i /= dim[axis];
    }
    return position;
}

static void check_values(reel_var a, reel_var b, reel_var y)
{
    reel_shape shape_a = reel_shape_of(t, a), shape_b = reel_shape_of(t, b), shape = reel_shape_of(t, y);
    if (shape_a.ndim == 1) {
        shape_a = REEL_SHAPE(1, shape_a.dim[0]);
        shape.dim[shape.ndim++] = 1; /* only the order of the axes of c changes, and none of its elements */
    }
    int batches = (shape_a.ndim > shape_b.ndim ? shape_a.ndim : shape_b.ndim) - 2;
    if (shape_b.ndim == 1) {
        shape_b = REEL_SHAPE(shape_b.dim[0], 1);
        batches = shape_a.ndim - 2;
    }
    int64_t m = shape_a.dim[shape_a.ndim - 2], k = shape_a.dim[shape_a.ndim - 1], n = shape_b.dim[shape_b.ndim - 1];
    const reel_real *from_a = reel_data_real(t, a), *from_b = reel_data_real(t, b), *to = reel_data_real(t, y);
    for (int64_t i = 0; i < reel_numel(t, y); i++) {
        const reel_real *left = from_a + matrix_of(&shape_a, batches, shape.dim, i / (m * n)) + i / n % m * k;
        const reel_real *right = from_b + matrix_of(&shape_b, batches, shape.dim, i / (m * n)) + i % n;
        long double want = 0, terms = 0;
        for (int64_t j = 0; j < k; j++) {
            want += (long double)left[j] * right[j * n];
            terms += fabsl((long double)left[j] * right[j * n]);
        }
        cr_assert(fabsl(to[i] - want) <= (double)(k + 1) * epsilon * terms, "element %d is %g, not %Lg", (int)i,
                  (double)to[i], want);
    }
}

/* Shapes as torch.matmul gives them. */
static const struct {
    reel_shape a, b, y;
} products[] = {
    {{1, {5}}, {1, {5}}, {0}},
    {{1, {0}}, {1, {0}}, {0}},
    {{1, {5}}, {2, {5, 3}}, {1, {3}}},
    {{2, {4, 5}}, {1, {5}}, {1, {4}}},
    {{2, {4, 5}}, {2, {5, 3}}, {2, {4, 3}}},
    {{2, {1, 5}}, {2, {5, 1}}, {2, {1, 1}}},
    {{2, {4, 0}}, {2, {0, 3}}, {2, {4, 3}}},
    {{2, {0, 5}}, {2, {5, 3}}, {2, {0, 3}}},
    {{1, {5}}, {3, {2, 5, 3}}, {2, {2, 3}}},
    {{1, {5}}, {4, {2, 3, 5, 1}}, {3, {2, 3, 1}}},
    {{3, {2, 4, 5}}, {1, {5}}, {2, {2, 4}}},
    {{4, {2, 3, 1, 5}}, {1, {5}}, {3, {2, 3, 1}}},
    {{3, {2, 4, 5}}, {2, {5, 3}}, {3, {2, 4, 3}}},
    {{2, {4, 5}}, {3, {2, 5, 3}}, {3, {2, 4, 3}}},
    {{3, {2, 4, 5}}, {3, {2, 5, 3}}, {3, {2, 4, 3}}},
    {{3, {1, 4, 5}}, {3, {6, 5, 3}}, {3, {6, 4, 3}}},
    {{3, {6, 4, 5}}, {3, {1, 5, 3}}, {3, {6, 4, 3}}},
    {{4, {2, 1, 4, 5}}, {3, {3, 5, 2}}, {4, {2, 3, 4, 2}}},
    {{3, {3, 4, 5}}, {4, {2, 1, 5, 2}}, {4, {2, 3, 4, 2}}},
    {{4, {1, 3, 4, 5}}, {4, {2, 1, 5, 2}}, {4, {2, 3, 4, 2}}},
    {{5, {2, 3, 2, 4, 5}}, {2, {5, 1}}, {5, {2, 3, 2, 4, 1}}},
    {{8, {2, 1, 2, 1, 2, 1, 3, 4}}, {8, {1, 2, 1, 2, 1, 2, 4, 2}}, {8, {2, 2, 2, 2, 2, 2, 3, 2}}},
    {{3, {0, 4, 5}}, {2, {5, 3}}, {3, {0, 4, 3}}},
    {{3, {0, 4, 5}}, {3, {1, 5, 3}}, {3, {0, 4, 3}}},
    {{3, {2, 4, 0}}, {1, {0}}, {2, {2, 4}}},
    {{3, {7, 150, 130}}, {3, {1, 130, 140}}, {3, {7, 150, 140}}},
};
enum { PRODUCTS = sizeof products / sizeof *products };

Test(matmul, forms_of_torch)
{
    for (int i = 0; i < PRODUCTS; i++) {
        reel_var a = reel_randn(t, products[i].a), b = reel_randn(t, products[i].b), y = reel_matmul(t, a, b);
        cr_assert_eq(reel_context_status(c), REEL_OK, "product %d: %s", i, reel_error(c));
        reel_shape shape = reel_shape_of(t, y);
        cr_assert(reel_shape_equal(&shape, &products[i].y), "product %d", i);
        check_values(a, b, y);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

/* sum(g y), whose derivative along da is sum(g (da b)), and along db sum(g (a db)): a product is linear in each. */
Test(matmul, gradients_of_all_forms)
{
    for (int i = 0; i + 1 < PRODUCTS; i++)
        for (unsigned flags = 0; flags <= REEL_GRAD_CREATE_GRAPH; flags += REEL_GRAD_CREATE_GRAPH) {
            reel_var x[] = {reel_randn(t, products[i].a), reel_randn(t, products[i].b)}, grads[2];
            reel_var y = reel_matmul(t, x[0], x[1]), g = reel_randn(t, products[i].y);
            cr_assert_eq(reel_vjp(t, y, g, x, 2, flags, grads), REEL_OK, "product %d: %s", i, reel_error(c));
            reel_var da = reel_randn(t, products[i].a), db = reel_randn(t, products[i].b);
            reel_var moved[] = {reel_matmul(t, da, x[1]), reel_matmul(t, x[0], db)}, moves[] = {da, db};
            for (int k = 0; k < 2; k++) {
                reel_shape shape = reel_shape_of(t, grads[k]), own = reel_shape_of(t, x[k]);
                cr_assert(reel_shape_equal(&shape, &own), "product %d", i);
                double along = reel_item(t, reel_sum_all(t, reel_mul(t, g, moved[k])));
                double by_gradient = reel_item(t, reel_sum_all(t, reel_mul(t, grads[k], moves[k])));
                cr_assert(fabs(along - by_gradient) <= 1e3 * epsilon * (1 + fabs(along)), "product %d: %g and %g", i,
                          along, by_gradient);
            }
            cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
            cr_assert_eq(reel_tape_reset(t), REEL_OK);
        }
}

/* A gradient that arrives as columns of a wider one. */
Test(matmul, gradients_that_are_columns_of_another)
{
    reel_var a = reel_randn(t, REEL_SHAPE(3, 4, 5)), b = reel_randn(t, REEL_SHAPE(3, 5, 6)), grads[2][2];
    reel_var weight = reel_randn(t, REEL_SHAPE(6, 5)), bias = reel_randn(t, REEL_SHAPE(6));
    reel_var ys[] = {reel_matmul(t, a, b), reel_linear(t, a, weight, bias)};
    reel_var g = reel_randn(t, REEL_SHAPE(3, 4, 12)), left = reel_narrow(t, g, -1, 0, 6),
             right = reel_narrow(t, g, -1, 6, 6);
    reel_var both = reel_cat(t, ys, 2, -1), first[] = {a, b}, second[] = {weight, bias};
    cr_assert_eq(reel_vjp(t, both, g, first, 2, REEL_GRAD_DEFAULT, grads[0]), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_vjp(t, ys[0], left, first, 2, REEL_GRAD_DEFAULT, grads[1]), REEL_OK, "%s", reel_error(c));
    reel_var alone;
    cr_assert_eq(reel_vjp(t, ys[1], right, &a, 1, REEL_GRAD_DEFAULT, &alone), REEL_OK, "%s", reel_error(c));
    reel_var sum = reel_add(t, grads[1][0], alone);
    for (int i = 0; i < 60; i++)
        cr_assert_float_eq(reel_data_real(t, grads[0][0])[i], reel_data_real(t, sum)[i], 64 * epsilon);
    for (int i = 0; i < 90; i++)
        cr_assert_float_eq(reel_data_real(t, grads[0][1])[i], reel_data_real(t, grads[1][1])[i], 64 * epsilon);
    cr_assert_eq(reel_vjp(t, both, g, second, 2, REEL_GRAD_DEFAULT, grads[0]), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_vjp(t, ys[1], right, second, 2, REEL_GRAD_DEFAULT, grads[1]), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 30; i++)
        cr_assert_float_eq(reel_data_real(t, grads[0][0])[i], reel_data_real(t, grads[1][0])[i], 64 * epsilon);
    for (int i = 0; i < 6; i++)
        cr_assert_float_eq(reel_data_real(t, grads[0][1])[i], reel_data_real(t, grads[1][1])[i], 64 * epsilon);
}

/* ---- Errors ---- */

Test(matmul, errors_name_the_shapes)
{
    reel_var vector = reel_ones(t, REEL_SHAPE(3)), matrix = reel_ones(t, REEL_SHAPE(2, 3)),
             batch = reel_ones(t, REEL_SHAPE(2, 3, 4)), scalar = reel_ones(t, REEL_SCALAR);
    expect_refused(reel_matmul(t, matrix, matrix), REEL_ERROR_SHAPE,
                   "matmul: shapes [2, 3] and [2, 3] do not fit: inner sizes 3 and 2");
    expect_refused(reel_matmul(t, scalar, matrix), REEL_ERROR_SHAPE, "matmul: a is a scalar");
    expect_refused(reel_matmul(t, vector, scalar), REEL_ERROR_SHAPE, "matmul: b is a scalar");
    expect_refused(reel_matmul(t, batch, reel_ones(t, REEL_SHAPE(3, 4, 2))), REEL_ERROR_SHAPE,
                   "matmul: shapes [2] and [3] do not broadcast: axis 0 has 2 and 3");
    cr_assert(reel_is_null(reel_matmul(t, matrix, reel_full_int64(t, REEL_SHAPE(3, 2), 1))));
    cr_assert_eq(reel_context_status(c), REEL_ERROR_DTYPE);
    reel_clear_error(c);
    cr_assert_not(reel_is_null(reel_matmul(t, matrix, vector)));
}

/* The messages name what was given, not what it became on the way. */
Test(matmul, errors_with_vectors_and_batches)
{
    reel_var vector = reel_ones(t, REEL_SHAPE(4)), matrix = reel_ones(t, REEL_SHAPE(2, 3)),
             batch = reel_ones(t, REEL_SHAPE(5, 2, 3));
    expect_refused(reel_matmul(t, matrix, vector), REEL_ERROR_SHAPE,
                   "matmul: shapes [2, 3] and [4] do not fit: inner sizes 3 and 4");
    expect_refused(reel_matmul(t, vector, matrix), REEL_ERROR_SHAPE,
                   "matmul: shapes [4] and [2, 3] do not fit: inner sizes 4 and 2");
    expect_refused(reel_matmul(t, batch, matrix), REEL_ERROR_SHAPE,
                   "matmul: shapes [5, 2, 3] and [2, 3] do not fit: inner sizes 3 and 2");
    expect_refused(reel_matmul(t, matrix, batch), REEL_ERROR_SHAPE,
                   "matmul: shapes [2, 3] and [5, 2, 3] do not fit: inner sizes 3 and 2");
}
