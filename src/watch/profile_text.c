/* A profile for people and for other programs: the table, the trace, and what the report draws. */
#include "profiler.h"

#include "json.h"

#include <reel/context.h>
#include <stdlib.h>
#include <string.h>

static const struct profile_node *nodes_of(const reel_profiler *p)
{
    return p->nodes.items;
}

/* ---- The table ---- */

/* All nodes of an operation in a layer, or of a range. */
struct line {
    const reel_op *op;
    const char *name;
    int64_t counts[2]; /* forward and backward */
    uint64_t ticks[2]; /* without what ran inside */
    double flops, bytes;
};

static bool is_line_of(const struct line *line, const struct profile_node *node)
{
    return line->op == node->op && strcmp(line->name, node->name) == 0;
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    uint64_t first = x->ticks[0] + x->ticks[1], second = y->ticks[0] + y->ticks[1];
    return first > second ? -1 : first < second;
}

/* The lines, to be freed; *n of them. NULL when memory ran out, or there are none. */
static struct line *make_lines(const reel_profiler *p, int64_t *n)
{
    struct list lines = {0};
    const struct profile_node *nodes = nodes_of(p);
    for (int64_t i = 1; i < p->nodes.n; i++) {
        struct line *all = lines.items, *line = NULL;
        for (int64_t k = 0; k < lines.n && !line; k++)
            line = is_line_of(&all[k], &nodes[i]) ? &all[k] : NULL;
        if (!line && !(line = list_add(&lines, sizeof *line))) {
            free(lines.items);
            *n = 0;
            return NULL;
        }
        line->op = nodes[i].op;
        line->name = nodes[i].name;
        line->counts[nodes[i].phase] += nodes[i].count;
        line->ticks[nodes[i].phase] += profiler_own_ticks(p, i);
        line->flops += nodes[i].flops;
        line->bytes += nodes[i].bytes;
    }
    *n = lines.n;
    if (lines.n > 0)
        qsort(lines.items, (size_t)lines.n, sizeof(struct line), by_time);
    return lines.items;
}

static int64_t steps_of(const reel_profiler *p)
{
    return p->steps > 0 ? p->steps : 1;
}

/* A rate in billions a second, or nothing. */
static void put_rate(struct buffer *b, double work, double seconds)
{
    if (work > 0 && seconds > 0)
        buffer_format(b, " %8.2f", work / seconds * 1e-9);
    else
        buffer_format(b, " %8s", "");
}

static void put_table(const reel_profiler *p, struct buffer *b)
{
    int64_t n;
    struct line *lines = make_lines(p, &n);
    uint64_t all = profiler_ticks(p), known = 0;
    double steps = (double)steps_of(p);
    buffer_format(b, "%-24s %-20s %9s %11s %11s %6s %8s %8s\n", "layer or range", "operation", "calls", "forward us",
                  "backward us", "part", "GFLOP/s", "GB/s");
    for (int64_t i = 0; i < n; i++) {
        const struct line *line = &lines[i];
        uint64_t ticks = line->ticks[0] + line->ticks[1];
        double seconds = profiler_seconds(p, ticks);
        int64_t count = line->counts[line->counts[0] == 0];
        known += ticks;
        buffer_format(b, "%-24s %-20s %9.4g %11.1f %11.1f %5.1f%%", line->name, line->op ? line->op->name : "(range)",
                      (double)count / steps, 1e6 * profiler_seconds(p, line->ticks[0]) / steps,
                      1e6 * profiler_seconds(p, line->ticks[1]) / steps,
                      all > 0 ? 100 * (double)ticks / (double)all : 0);
        put_rate(b, line->flops, seconds);
        put_rate(b, line->bytes, seconds);
        buffer_text(b, "\n");
    }
    uint64_t rest = all > known ? all - known : 0;
    buffer_format(b, "%-24s %-20s %9s %11.1f %11s %5.1f%%\n", "", "(all else)", "",
                  1e6 * profiler_seconds(p, rest) / steps, "", all > 0 ? 100 * (double)rest / (double)all : 0);
    buffer_format(b, "%.1f us a step, over %lld step%s\n", 1e6 * profiler_seconds(p, all) / steps,
                  (long long)steps_of(p), steps_of(p) == 1 ? "" : "s");
    free(lines);
}

reel_status reel_profiler_print(reel_profiler *p, FILE *file)
{
    if (!p)
        return REEL_ERROR_ARGUMENT;
    if (!file)
        return reel_fail(p->context, REEL_ERROR_ARGUMENT, "profiler: the file is NULL");
    struct buffer b = {0};
    put_table(p, &b);
    if (b.incomplete)
        reel_fail(p->context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a table");
    else if (fwrite(b.bytes, 1, b.size, file) != b.size || fflush(file) != 0)
        reel_fail(p->context, REEL_ERROR_IO, "profiler: the file does not take the table");
    buffer_free(&b);
    return reel_context_status(p->context);
}

/* ---- The trace ---- */

/* "layer: operation", or the range's name. */
static void put_name(struct buffer *b, const struct profile_node *node)
{
    struct buffer name = {0};
    if (node->op)
        buffer_format(&name, "%s%s%s", node->name, node->name[0] ? ": " : "", node->op->name);
    else
        buffer_text(&name, node->name);
    buffer_add(&name, "", 1);
    json_string(b, name.bytes ? name.bytes : "");
    b->incomplete = b->incomplete || name.incomplete;
    buffer_free(&name);
}

static const char *category_of(const struct profile_node *node)
{
    return !node->op ? "range" : node->phase == REEL_CALL_FORWARD ? "forward" : "backward";
}

reel_status reel_profiler_save_trace(reel_profiler *p, const char *path)
{
    if (!p)
        return REEL_ERROR_ARGUMENT;
    if (!path)
        return reel_fail(p->context, REEL_ERROR_ARGUMENT, "profiler: the path is NULL");
    struct buffer b = {0};
    const struct profile_event *events = p->events.items;
    buffer_text(&b, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    for (int64_t i = 0; i < p->events.n; i++) {
        const struct profile_node *node = &nodes_of(p)[events[i].node];
        buffer_text(&b, i > 0 ? ",\n{\"name\":" : "{\"name\":");
        put_name(&b, node);
        buffer_format(&b, ",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":1,\"tid\":1}",
                      category_of(node), 1e6 * profiler_seconds(p, events[i].begin - p->begin_ticks),
                      1e6 * profiler_seconds(p, events[i].end - events[i].begin));
    }
    buffer_text(&b, "\n]}\n");
    buffer_save(&b, p->context, path);
    buffer_free(&b);
    return reel_context_status(p->context);
}

/* ---- The report ---- */

void profiler_put_json(const reel_profiler *p, struct buffer *b)
{
    double steps = (double)steps_of(p);
    buffer_format(b, "{\"steps\":%lld,\"us\":%.3f,\"nodes\":[", (long long)steps_of(p),
                  1e6 * profiler_seconds(p, profiler_ticks(p)) / steps);
    for (int64_t i = 1; i < p->nodes.n; i++) {
        const struct profile_node *node = &nodes_of(p)[i];
        buffer_format(b, "%s[%d,\"%s\",", i > 1 ? "," : "", node->parent, category_of(node));
        json_string(b, node->name);
        buffer_text(b, ",");
        json_string(b, node->op ? node->op->name : "");
        buffer_format(b, ",%.6g,%.3f,%.6g,%.6g]", (double)node->count / steps,
                      1e6 * profiler_seconds(p, profiler_node_ticks(p, i)) / steps, node->flops / steps,
                      node->bytes / steps);
    }
    buffer_text(b, "]}");
}

reel_status reel_run_set_profile(reel_run *run, reel_profiler *p)
{
    if (!run || !p)
        return REEL_ERROR_ARGUMENT;
    if (run->context != p->context)
        return reel_fail(run->context, REEL_ERROR_ARGUMENT, "run: the profiler is of another context");
    buffer_free(&run->profile);
    profiler_put_json(p, &run->profile);
    return run->profile.incomplete ? reel_fail(run->context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a profile")
                                   : reel_context_status(run->context);
}
