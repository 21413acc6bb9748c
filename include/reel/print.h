/* Vars as text, as PyTorch prints a tensor with its default options; and a tape as a graph.
 *
 *     reel_print(stdout, t, x);
 *     reel_print_grad(stdout, reel_params_find(params, "label.weight"));
 *     FILE *graph = fopen("graph.dot", "w");
 *     reel_print_dot(graph, t, loss, NULL, 0); // dot -Tsvg graph.dot */
#ifndef REEL_PRINT_H
#define REEL_PRINT_H

#include <reel/types.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes what print(tensor.detach()) writes, the new line at the end included: four digits after the point or
 * scientific notation, aligned columns, lines of 80, more than 1000 elements abridged. REEL_ERROR_IO when the file does
 * not take it. */
REEL_API reel_status reel_print(FILE *file, reel_tape *tape, reel_var v);

/* The same without the new line at the end, as text: at most size - 1 bytes and a NUL are written, and the length of
 * the whole text is returned, as snprintf does. size 0: text may be NULL. 0 on error (no var has an empty text). */
REEL_API size_t reel_format(reel_tape *tape, reel_var v, char *text, size_t size);

/* What print(param.grad) writes, the new line at the end included: a dense gradient, a row-sparse one as the coalesced
 * sparse tensor that it is, or None. Errors as for reel_print, and out of memory while a row gradient is summed. */
REEL_API reel_status reel_print_grad(FILE *file, reel_param *param);

/* Writes a graph in the language of Graphviz (dot -Tsvg) of what root was computed from, or of all of the tape when
 * root is the null var: operations with the shapes of what they give, params and constants as boxes. The ways on which
 * gradients reach those of the n params given are red and thick; n 0: none. What detach, no_grad or a scope cut off is
 * a box, too. A param that max_norm changed in the step is where it was used before and after. REEL_ERROR_IO when the
 * file does not take it. */
REEL_API reel_status reel_print_dot(FILE *file, reel_tape *tape, reel_var root, reel_param *const *params, int n);

#ifdef __cplusplus
}
#endif

#endif
