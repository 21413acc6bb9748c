/* A tape as a graph for Graphviz. */
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(dot, .init = set_up, .fini = tear_down);

static char *text;

static reel_status print(reel_var root, reel_param *const *params, int n)
{
    size_t size;
    free(text);
    FILE *file = open_memstream(&text, &size);
    reel_status status = reel_print_dot(file, t, root, params, n);
    fclose(file);
    return status;
}

#define RED "color=\"#c03020\", penwidth=2.5"
#define FILLED "style=filled, fillcolor=\"#e8eef8\""

/* The way to the first weight goes through the product and not through the mask, which has no derivative; the second
 * weight is not on it, and what nothing of it needs is not drawn. */
Test(dot, shows_operations_params_and_the_way_to_those_chosen)
{
    reel_param *a = reel_param_new(p, "a\"b", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3));
    reel_param *b = reel_param_new(p, "b", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3));
    reel_var va = reel_param_var(t, a), vb = reel_param_var(t, b);
    reel_var z = reel_randn(t, REEL_SHAPE(2, 3)), unused = reel_exp(t, z);
    reel_var mask = reel_gt_scalar(t, va, 0), product = reel_mul(t, z, va);
    reel_var detached = reel_detach(t, unused), chosen = reel_where(t, mask, product, vb);
    reel_var sum = reel_sum_all(t, reel_add(t, chosen, detached));
    cr_assert_eq(print(sum, &a, 1), REEL_OK, "%s", reel_error(c));
    cr_expect_str_eq(text, "digraph tape {\n"
                           "  node [fontname=\"sans-serif\", fontsize=11];\n"
                           "  v0 [shape=box, label=\"a\\\"b\\n[3]\", " FILLED ", " RED "];\n"
                           "  v1 [shape=box, label=\"b\\n[3]\", " FILLED "];\n"
                           "  v2 [shape=box, label=\"randn\\n[2, 3]\"];\n"
                           "  v4 [label=\"gt_scalar\\n[3] bool\"];\n"
                           "  v0 -> v4;\n"
                           "  v5 [label=\"mul\\n[2, 3]\", " RED "];\n"
                           "  v2 -> v5;\n"
                           "  v0 -> v5 [" RED "];\n"
                           "  v6 [shape=box, label=\"detached\\n[2, 3]\"];\n"
                           "  v7 [label=\"where\\n[2, 3]\", " RED "];\n"
                           "  v4 -> v7;\n"
                           "  v5 -> v7 [" RED "];\n"
                           "  v1 -> v7;\n"
                           "  v8 [label=\"add\\n[2, 3]\", " RED "];\n"
                           "  v7 -> v8 [" RED "];\n"
                           "  v6 -> v8;\n"
                           "  v9 [label=\"sum\\n[]\", " RED "];\n"
                           "  v8 -> v9 [" RED "];\n"
                           "}\n");
    cr_assert_eq(print(reel_null(), NULL, 0), REEL_OK, "%s", reel_error(c));
    cr_expect(strstr(text, "v3 [label=\"exp\\n[2, 3]\"];\n"), "all of the tape: %s", text);
    cr_expect_null(strstr(text, "penwidth"));
}

/* An operation is one node, whichever of its outputs is used. */
Test(dot, operations_with_several_outputs_are_one_node)
{
    reel_var x = reel_ones(t, REEL_SHAPE(4, 3)), values, indices;
    reel_sort(t, x, 0, false, &values, &indices);
    cr_assert_eq(print(reel_to_real(t, indices), NULL, 0), REEL_OK, "%s", reel_error(c));
    cr_expect_str_eq(text, "digraph tape {\n"
                           "  node [fontname=\"sans-serif\", fontsize=11];\n"
                           "  v0 [shape=box, label=\"constant\\n[4, 3]\"];\n"
                           "  v1 [label=\"sort\\n[4, 3]\\n[4, 3] int64\"];\n"
                           "  v0 -> v1;\n"
                           "  v3 [label=\"to_real\\n[4, 3]\"];\n"
                           "  v1 -> v3;\n"
                           "}\n");
}

Test(dot, what_cannot_be_written_is_an_error)
{
    reel_var x = reel_ones(t, REEL_SHAPE(4));
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    cr_expect_eq(reel_print_dot(full, t, x, NULL, 0), REEL_ERROR_IO);
    fclose(full);
    reel_clear_error(c);
    cr_expect_eq(print(x, NULL, 1), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_print_dot(NULL, t, x, NULL, 0), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    reel_tape_reset(t);
    cr_expect_eq(print(x, NULL, 0), REEL_ERROR_STALE);
    reel_clear_error(c);
    free(text);
}
