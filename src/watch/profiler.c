/* The profiler: a tree of what ran in what, with times and counts. */
#include "profiler.h"

#include <reel/context.h>
#include <stdlib.h>
#include <string.h>

reel_profiler_options reel_profiler_defaults(void)
{
    return (reel_profiler_options){.mark = REEL_OPTIONS_MARK(reel_profiler_options), .max_events = 100000, .every = 8};
}

/* The processor's counter where there is one, which is quicker to read than any clock. What a tick is follows from both
 * clocks at the beginning and at the end. */
static inline uint64_t read_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return (uint64_t)(steady_clock() * 1e9);
#endif
}

uint64_t profiler_ticks(const reel_profiler *p)
{
    return (p->stopped ? p->end_ticks : read_ticks()) - p->begin_ticks;
}

double profiler_seconds(const reel_profiler *p, uint64_t ticks)
{
    uint64_t all = profiler_ticks(p);
    double seconds = (p->stopped ? p->end_seconds : steady_clock()) - p->begin_seconds;
    return all > 0 ? (double)ticks * (seconds / (double)all) : 0;
}

/* ---- The tree ---- */

static struct profile_node *node_at(const reel_profiler *p, int i)
{
    return (struct profile_node *)p->nodes.items + i;
}

/* Names are compared, too: a layer may have gone, and another one's name lie there now. */
static bool is_call(const struct profile_node *node, const reel_op *op, const char *layer, reel_call_phase phase)
{
    return node->op == op && node->layer == layer && node->phase == phase &&
           (!layer || strncmp(node->name, layer, PROFILER_NAME - 1) == 0);
}

static bool is_range(const struct profile_node *node, const char *name)
{
    return !node->op && strncmp(node->name, name, PROFILER_NAME - 1) == 0;
}

static int add_node(reel_profiler *p, int parent, const reel_op *op, const char *layer, const char *name,
                    reel_call_phase phase)
{
    int place = (int)p->nodes.n;
    struct profile_node *node = list_add(&p->nodes, sizeof *node), *outer = node_at(p, parent);
    if (!node)
        return -1;
    *node = (struct profile_node){.op = op, .layer = layer, .phase = phase, .parent = parent};
    strncpy(node->name, name ? name : "", PROFILER_NAME - 1);
    if (outer->last_child)
        node_at(p, outer->last_child)->next = place;
    else
        outer->first_child = place;
    outer->last_child = place;
    return place;
}

static unsigned hash(int parent, const reel_op *op, const char *layer, reel_call_phase phase)
{
    uintptr_t mixed =
        ((uintptr_t)op >> 4) * 31 + ((uintptr_t)layer >> 4) * 17 + (uintptr_t)parent * 7 + (uintptr_t)phase;
    return (unsigned)(mixed % PROFILER_FOUND);
}

/* The child for a call, or with no op for a range; -1 when memory ran out. */
static int find_child(reel_profiler *p, int parent, const reel_op *op, const char *layer, const char *name,
                      reel_call_phase phase)
{
    struct profile_node *nodes = node_at(p, 0);
    int *found = op ? &p->found[hash(parent, op, layer, phase)] : NULL;
    if (found && *found && nodes[*found].parent == parent && is_call(&nodes[*found], op, layer, phase))
        return *found;
    int child = nodes[parent].first_child;
    while (child && !(op ? is_call(&nodes[child], op, layer, phase) : is_range(&nodes[child], name)))
        child = nodes[child].next;
    if (!child)
        child = add_node(p, parent, op, layer, name, phase);
    if (found && child > 0)
        *found = child;
    return child;
}

/* A range is timed always, and a call that never ran. */
static void open_node(reel_profiler *p, int node)
{
    if (node < 0 || p->depth + 1 == PROFILER_DEPTH || p->lost > 0) {
        p->incomplete = p->incomplete || node < 0;
        p->lost++;
        return;
    }
    struct profile_open *open = &p->open[++p->depth];
    open->node = node;
    open->timing = p->timing;
    if (p->timing != TIMED_WHOLE && (!node_at(p, node)->op || node_at(p, node)->count == 0))
        open->timing = TIMED_WHOLE;
    if (open->timing != TIMED_NOT)
        open->begin = read_ticks();
}

static void keep_event(reel_profiler *p, int node, uint64_t begin, uint64_t end)
{
    struct profile_event *event = p->events.n < p->events.capacity
                                      ? (struct profile_event *)p->events.items + p->events.n++
                                      : list_add(&p->events, sizeof *event);
    p->incomplete = p->incomplete || !event;
    if (event)
        *event = (struct profile_event){node, begin, end};
}

/* The node that ends, or NULL when it found no room at its beginning. */
static struct profile_node *close_node(reel_profiler *p)
{
    if (p->lost > 0) {
        p->lost--;
        return NULL;
    }
    const struct profile_open *open = &p->open[p->depth--];
    struct profile_node *node = node_at(p, open->node);
    node->count++;
    if (open->timing == TIMED_NOT)
        return node;
    uint64_t now = read_ticks();
    struct profile_time *time = open->timing == TIMED_WHOLE ? &node->whole : &node->sampled;
    time->count++;
    time->ticks += now - open->begin;
    if (p->events.n < p->options.max_events)
        keep_event(p, open->node, open->begin, now);
    return node;
}

uint64_t profiler_node_ticks(const reel_profiler *p, int64_t i)
{
    const struct profile_node *node = node_at(p, (int)i);
    const struct profile_time *known = node->sampled.count > 0 ? &node->sampled : &node->whole;
    int64_t others = node->count - node->whole.count;
    return node->whole.ticks +
           (others > 0 ? (uint64_t)((double)known->ticks * (double)others / (double)known->count) : 0);
}

uint64_t profiler_own_ticks(const reel_profiler *p, int64_t i)
{
    uint64_t all = profiler_node_ticks(p, i), inside = 0;
    for (int child = node_at(p, (int)i)->first_child; child; child = node_at(p, child)->next)
        inside += profiler_node_ticks(p, child);
    return all > inside ? all - inside : 0;
}

static void begin_call(const reel_call *call, reel_call_phase phase, int n_gradients, void *user)
{
    (void)n_gradients;
    reel_profiler *p = user;
    open_node(p, find_child(p, p->open[p->depth].node, call->op, call->layer, call->layer, phase));
}

static void end_call(const reel_call *call, reel_call_phase phase, int n_gradients, void *user)
{
    struct profile_node *node = close_node(user);
    if (!node || !call->op->cost)
        return;
    /* The sizes of a product's two factors and of its result give all three of its dimensions. */
    int64_t a = call->n_inputs > 0 ? call->in[0]->numel : 0, b = call->n_inputs > 1 ? call->in[1]->numel : 0;
    int64_t out = call->out[0]->numel;
    if (node->sizes[0] != a || node->sizes[1] != b || node->sizes[2] != out || node->count == 1) {
        node->sizes[0] = a;
        node->sizes[1] = b;
        node->sizes[2] = out;
        node->cost = call->op->cost(call);
    }
    /* A rule does forward's work once for a gradient and twice for more: the third is a bias's. */
    int times = phase == REEL_CALL_FORWARD || n_gradients == 1 ? 1 : n_gradients > 1 ? 2 : 0;
    node->flops += node->cost.flops * times;
    node->bytes += node->cost.bytes * times;
}

/* ---- Beginning and ending ---- */

reel_profiler *reel_profiler_new(reel_context *context, const reel_profiler_options *options)
{
    reel_profiler_options o = reel_profiler_defaults();
    if (reel_options_take(context, "profiler", options, &o) != REEL_OK)
        return NULL;
    if (o.max_events < 0 || o.every < 1) {
        reel_fail(context, REEL_ERROR_ARGUMENT, "profiler: max_events is %lld and every %lld", (long long)o.max_events,
                  (long long)o.every);
        return NULL;
    }
    reel_profiler *p = calloc(1, sizeof *p);
    if (!p || !list_add(&p->nodes, sizeof(struct profile_node))) {
        free(p);
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a profiler");
        return NULL;
    }
    p->context = context;
    p->options = o;
    p->timing = TIMED_WHOLE;
    p->random = 1;
    const reel_call_hook hook = {begin_call, end_call, p};
    if (reel_set_call_hook(context, &hook) != REEL_OK) {
        p->stopped = true;
        reel_profiler_free(p);
        return NULL;
    }
    p->begin_seconds = steady_clock();
    p->begin_ticks = read_ticks();
    return p;
}

reel_status reel_profiler_stop(reel_profiler *p)
{
    if (!p)
        return REEL_ERROR_ARGUMENT;
    if (p->stopped)
        return reel_context_status(p->context);
    reel_set_call_hook(p->context, NULL);
    p->end_ticks = read_ticks();
    p->end_seconds = steady_clock();
    p->stopped = true;
    if (p->incomplete)
        return reel_fail(p->context, REEL_ERROR_OUT_OF_MEMORY, "profiler: out of memory for some of what it saw");
    if (p->depth > 0)
        return reel_fail(p->context, REEL_ERROR_STATE, "profiler: the range \"%s\" was not left",
                         node_at(p, p->open[p->depth].node)->name);
    return reel_context_status(p->context);
}

void reel_profiler_free(reel_profiler *p)
{
    if (!p)
        return;
    if (!p->stopped)
        reel_set_call_hook(p->context, NULL);
    free(p->nodes.items);
    free(p->events.items);
    free(p);
}

reel_status reel_profiler_enter(reel_profiler *p, const char *name)
{
    if (!p)
        return REEL_ERROR_ARGUMENT;
    if (!name || !*name)
        return reel_fail(p->context, REEL_ERROR_ARGUMENT, "profiler: a range without a name");
    if (p->stopped)
        return reel_context_status(p->context);
    if (p->depth + 1 == PROFILER_DEPTH || p->lost > 0)
        return reel_fail(p->context, REEL_ERROR_STATE, "profiler: %d ranges are open", p->depth);
    open_node(p, find_child(p, p->open[p->depth].node, NULL, NULL, name, REEL_CALL_FORWARD));
    return reel_context_status(p->context);
}

reel_status reel_profiler_leave(reel_profiler *p)
{
    if (!p)
        return REEL_ERROR_ARGUMENT;
    if (p->stopped)
        return reel_context_status(p->context);
    if (p->depth + p->lost == 0)
        return reel_fail(p->context, REEL_ERROR_STATE, "profiler: there is no range to leave");
    close_node(p);
    return reel_context_status(p->context);
}

void reel_profiler_step(reel_profiler *p)
{
    if (!p || p->stopped)
        return;
    p->steps++;
    int64_t every = p->options.every, after = p->steps - PROFILER_WHOLE_STEPS;
    if (after < 0 || every == 1)
        return;
    /* One of each `every` steps, and not always the same: what a training does in every fourth step, say, is seen. */
    if (after % every == 0) {
        p->random = p->random * 1664525 + 1013904223;
        p->sampled_step = (int64_t)((uint64_t)(p->random >> 8) % (uint64_t)every);
    }
    p->timing = after % every == p->sampled_step ? TIMED_SAMPLED : TIMED_NOT;
}
