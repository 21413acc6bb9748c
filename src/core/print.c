/* Vars and params as text, in the layout of PyTorch. */
#include "core/params.h"
#include "core/tape.h"

#include "base/bfloat16.h"

#include <reel/print.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* PyTorch's default print options. */
enum { PRECISION = 4, THRESHOLD = 1000, EDGE_ITEMS = 3, LINE_WIDTH = 80 };

static const char prefix[] = "tensor(";

/* Where text goes: to a file or into a buffer. */
struct writer {
    FILE *file;
    char *text;
    size_t size, length;
    int column; /* characters in the last line */
    int indent; /* of the elements' lines */
    bool failed;
};

static void write_text(struct writer *w, const char *text)
{
    size_t n = strlen(text);
    if (w->file && fwrite(text, 1, n, w->file) != n)
        w->failed = true;
    if (w->length < w->size) {
        size_t room = w->size - w->length - 1, taken = n < room ? n : room;
        memcpy(w->text + w->length, text, taken);
        w->text[w->length + taken] = '\0';
    }
    w->length += n;
    const char *line = strrchr(text, '\n');
    w->column = line ? (int)strlen(line + 1) : w->column + (int)n;
}

static void write_repeated(struct writer *w, const char *text, int count)
{
    for (int i = 0; i < count; i++)
        write_text(w, text);
}

/* An array as it is shown: along an axis that is abridged, the first and the last EDGE_ITEMS. */
struct shown {
    const reel_array *array;
    int64_t count[REEL_MAX_NDIM];
    bool abridged[REEL_MAX_NDIM];
};

static struct shown shown_part(const reel_array *array)
{
    struct shown s = {.array = array};
    for (int i = 0; i < array->shape.ndim; i++) {
        s.abridged[i] = array->numel > THRESHOLD && array->shape.dim[i] > 2 * EDGE_ITEMS;
        s.count[i] = s.abridged[i] ? 2 * EDGE_ITEMS : array->shape.dim[i];
    }
    return s;
}

/* Where the element that is shown at `index` lies in the array. */
static int64_t position_of(const struct shown *s, const int64_t *index)
{
    int64_t position = 0;
    for (int i = 0; i < s->array->shape.ndim; i++) {
        int64_t dim = s->array->shape.dim[i];
        bool from_end = s->abridged[i] && index[i] >= EDGE_ITEMS;
        position = position * dim + (from_end ? dim - 2 * EDGE_ITEMS + index[i] : index[i]);
    }
    return position;
}

/* Steps to the next index over the first `axes` axes and gives the axis that moved, or -1 behind the last. */
static int next_index(const struct shown *s, int axes, int64_t *index)
{
    for (int i = axes - 1; i >= 0; i--) {
        if (++index[i] < s->count[i])
            return i;
        index[i] = 0;
    }
    return -1;
}

/* How elements are written: all in one way, right-aligned. */
struct style {
    bool whole, scientific; /* of reals */
    int width;
};

enum { ELEMENT_TEXT = 64 };

/* C writes the decimal point of the locale. */
static void use_point(char *text)
{
    size_t at = strspn(text, "-0123456789");
    size_t length = strcspn(text + at, "0123456789");
    if (text[at] == '\0' || text[at] == 'e' || text[at] == '.')
        return;
    text[at] = '.';
    memmove(text + at + 1, text + at + length, strlen(text + at + length) + 1);
}

static void real_text(const struct style *style, double value, char text[ELEMENT_TEXT])
{
    if (isnan(value)) {
        snprintf(text, ELEMENT_TEXT, "nan");
    } else if (isinf(value)) {
        snprintf(text, ELEMENT_TEXT, value < 0 ? "-inf" : "inf");
    } else if (style->scientific) {
        snprintf(text, ELEMENT_TEXT, "%.*e", PRECISION, value);
        use_point(text);
    } else if (style->whole) {
        snprintf(text, ELEMENT_TEXT, "%.0f.", value);
    } else {
        snprintf(text, ELEMENT_TEXT, "%.*f", PRECISION, value);
        use_point(text);
    }
}

static double real_at(const reel_array *array, int64_t i)
{
    return array->dtype == REEL_REAL ? (double)((const reel_real *)array->data)[i]
                                     : (double)reel_bfloat16_value(((const uint16_t *)array->data)[i]);
}

static void element_text(const struct style *style, const reel_array *array, int64_t i, char text[ELEMENT_TEXT])
{
    switch (array->dtype) {
    case REEL_REAL:
    case REEL_BFLOAT16:
        real_text(style, real_at(array, i), text);
        break;
    case REEL_INT64:
        snprintf(text, ELEMENT_TEXT, "%" PRId64, ((const int64_t *)array->data)[i]);
        break;
    case REEL_INT32:
        snprintf(text, ELEMENT_TEXT, "%" PRId32, ((const int32_t *)array->data)[i]);
        break;
    case REEL_BOOL:
        snprintf(text, ELEMENT_TEXT, ((const bool *)array->data)[i] ? "True" : "False");
        break;
    }
}

/* Scientific notation when sizes differ much or are extreme; no digits after the point when all are whole. */
static struct style style_of(const struct shown *s)
{
    struct style style = {.whole = true, .scientific = false, .width = 1};
    const reel_array *array = s->array;
    bool real = array->dtype == REEL_REAL || array->dtype == REEL_BFLOAT16;
    int64_t index[REEL_MAX_NDIM] = {0};
    double smallest = INFINITY, largest = 0;
    if (real) {
        do {
            double value = real_at(array, position_of(s, index)), size = fabs(value);
            if (!isfinite(value) || value == 0)
                continue;
            smallest = size < smallest ? size : smallest;
            largest = size > largest ? size : largest;
            style.whole = style.whole && value == ceil(value);
        } while (next_index(s, array->shape.ndim, index) >= 0);
        style.scientific = largest > 0 && (largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4);
    }
    do {
        int64_t i = position_of(s, index);
        if (real && (!isfinite(real_at(array, i)) || real_at(array, i) == 0))
            continue; /* PyTorch makes no room for these */
        char text[ELEMENT_TEXT];
        element_text(&style, array, i, text);
        int width = (int)strlen(text);
        style.width = width > style.width ? width : style.width;
    } while (next_index(s, array->shape.ndim, index) >= 0);
    return style;
}

static void write_element(struct writer *w, const struct style *style, const reel_array *array, int64_t i)
{
    char text[ELEMENT_TEXT];
    element_text(style, array, i, text);
    write_repeated(w, " ", style->width - (int)strlen(text));
    write_text(w, text);
}

/* The last axis, broken into lines; index[ndim - 1] is 0 and stays so. */
static void write_row(struct writer *w, const struct style *style, const struct shown *s, int64_t *index)
{
    int last = s->array->shape.ndim - 1, indent = w->indent + last;
    int per_line = (LINE_WIDTH - indent) / (style->width + 2);
    per_line = per_line > 1 ? per_line : 1;
    int64_t written = 0;
    write_text(w, "[");
    for (index[last] = 0; index[last] < s->count[last]; index[last]++) {
        for (int dots = s->abridged[last] && index[last] == EDGE_ITEMS; dots >= 0; dots--) {
            if (written > 0 && written % per_line == 0) {
                write_text(w, ",\n");
                write_repeated(w, " ", indent + 1);
            } else if (written > 0) {
                write_text(w, ", ");
            }
            if (dots > 0)
                write_text(w, " ...");
            else
                write_element(w, style, s->array, position_of(s, index));
            written++;
        }
    }
    index[last] = 0;
    write_text(w, "]");
}

static void write_separator(struct writer *w, int ndim, int axis)
{
    write_text(w, ",");
    write_repeated(w, "\n", ndim - axis - 1);
    write_repeated(w, " ", w->indent + axis + 1);
}

static void write_elements(struct writer *w, const reel_array *array)
{
    if (array->numel == 0) {
        write_text(w, "[]");
        return;
    }
    struct shown s = shown_part(array);
    struct style style = style_of(&s);
    int ndim = array->shape.ndim;
    if (ndim == 0) {
        write_element(w, &style, array, 0);
        return;
    }
    int64_t index[REEL_MAX_NDIM] = {0};
    int moved = 0;
    write_repeated(w, "[", ndim - 1);
    while (moved >= 0) {
        write_row(w, &style, &s, index);
        moved = next_index(&s, ndim - 1, index);
        write_repeated(w, "]", ndim - 1 - (moved + 1));
        if (moved < 0)
            break;
        write_separator(w, ndim, moved);
        if (s.abridged[moved] && index[moved] == EDGE_ITEMS) {
            write_text(w, "...");
            write_separator(w, ndim, moved);
        }
        write_repeated(w, "[", ndim - 1 - (moved + 1));
    }
}

/* `line` is the length of the last line as PyTorch counts it. */
static void write_suffix(struct writer *w, int *line, const char *suffix)
{
    int length = (int)strlen(suffix);
    if (*line + length + 2 > LINE_WIDTH) {
        write_text(w, ",\n");
        write_repeated(w, " ", w->indent);
        *line = w->indent + length;
    } else {
        write_text(w, ", ");
        *line += length + 2;
    }
    write_text(w, suffix);
}

enum { SIZE_TEXT = REEL_MAX_NDIM * 24 + 16 };

static void size_text(const reel_shape *shape, char text[SIZE_TEXT])
{
    int used = snprintf(text, SIZE_TEXT, "size=(");
    for (int i = 0; i < shape->ndim; i++)
        used += snprintf(text + used, SIZE_TEXT - (size_t)used, "%s%" PRId64, i ? ", " : "", shape->dim[i]);
    snprintf(text + used, SIZE_TEXT - (size_t)used, shape->ndim == 1 ? ",)" : ")");
}

/* with_type: what PyTorch leaves out inside a sparse tensor. */
static void write_array(struct writer *w, const reel_array *array, bool with_type)
{
    char suffix[SIZE_TEXT];
    write_text(w, prefix);
    w->indent = w->column;
    write_elements(w, array);
    int line = w->column + 2;
    bool single = array->dtype == REEL_REAL && sizeof(reel_real) == sizeof(float), empty = array->numel == 0;
    if (empty && array->shape.ndim != 1) {
        size_text(&array->shape, suffix);
        write_suffix(w, &line, suffix);
    }
    if (with_type && !single && (empty || (array->dtype != REEL_INT64 && array->dtype != REEL_BOOL))) {
        snprintf(suffix, sizeof suffix, "dtype=torch.%s", reel_dtype_name(array->dtype));
        write_suffix(w, &line, suffix);
    }
    write_text(w, ")");
}

reel_status reel_print(FILE *file, reel_tape *tape, reel_var v)
{
    struct reel_node *node = reel_tape_node(tape, v, "print");
    if (!node)
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    if (!file)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "print: the file is NULL");
    struct writer w = {.file = file};
    reel_node_elements(node);
    write_array(&w, &node->array, true);
    write_text(&w, "\n");
    return w.failed ? reel_fail(tape->context, REEL_ERROR_IO, "print: the file does not take the text") : REEL_OK;
}

size_t reel_format(reel_tape *tape, reel_var v, char *text, size_t size)
{
    struct writer w = {.text = text, .size = size};
    if (!text && size > 0) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "format: text is NULL, for %zu bytes", size);
        return 0;
    }
    if (size > 0)
        *text = '\0';
    struct reel_node *node = reel_tape_node(tape, v, "format");
    if (node) {
        reel_node_elements(node);
        write_array(&w, &node->array, true);
    }
    return w.length;
}

static void write_row_grad(struct writer *w, const reel_param *param, const reel_row_grad *grad)
{
    const reel_array rows = {(void *)(uintptr_t)grad->rows, REEL_INT64, grad->count, {2, {1, grad->count}}};
    reel_array values = {(void *)(uintptr_t)grad->values, REEL_REAL, grad->count * grad->columns, param->shape};
    char size[SIZE_TEXT], rest[64];
    values.shape.dim[0] = grad->count;
    size_text(&param->shape, size);
    snprintf(rest, sizeof rest, ", nnz=%" PRId64 "%s, layout=torch.sparse_coo)", grad->count,
             sizeof(reel_real) == sizeof(float) ? "" : ", dtype=torch.float64");
    write_text(w, "tensor(indices=");
    write_array(w, &rows, false);
    write_text(w, ",\n       values=");
    write_array(w, &values, false);
    write_text(w, ",\n       ");
    write_text(w, size);
    write_text(w, rest);
}

reel_status reel_print_grad(FILE *file, reel_param *param)
{
    if (!param || param->set->context->status != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = param->set->context;
    if (!file)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "print_grad: the file is NULL");
    struct writer w = {.file = file};
    enum reel_gradient_kind kind = reel_param_gradient_kind(param);
    if (kind == REEL_GRADIENT_DENSE) {
        const reel_array array = {reel_param_gradient_dense(param), REEL_REAL, param->numel, param->shape};
        write_array(&w, &array, true);
    } else if (kind == REEL_GRADIENT_ROWS) {
        reel_row_grad grad;
        if (reel_param_row_grad(param, &grad) != REEL_OK)
            return c->status;
        write_row_grad(&w, param, &grad);
    } else {
        write_text(&w, "None");
    }
    write_text(&w, "\n");
    return w.failed ? reel_fail(c, REEL_ERROR_IO, "print_grad: the file does not take the text") : REEL_OK;
}
