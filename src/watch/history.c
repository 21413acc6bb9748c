/* Series by kind and name, and reading them back from events. */
#include "run.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double steady_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void *list_add(struct list *list, size_t item_size)
{
    if (list->n == list->capacity) {
        int64_t capacity = 2 * list->capacity + 8;
        void *grown = realloc(list->items, (size_t)capacity * item_size);
        if (!grown)
            return NULL;
        list->items = grown;
        list->capacity = capacity;
    }
    void *item = (char *)list->items + (size_t)list->n++ * item_size;
    return memset(item, 0, item_size);
}

/* ---- Series ---- */

static const size_t item_sizes[] = {[SERIES_SCALAR] = sizeof(struct point),
                                    [SERIES_IMAGE] = sizeof(struct grid),
                                    [SERIES_HISTOGRAM] = sizeof(struct distribution),
                                    [SERIES_TEXT] = sizeof(struct note)};

static void *item_at(const struct series *s, int64_t i)
{
    return (char *)s->items.items + (size_t)i * item_sizes[s->kind];
}

static void free_item(const struct series *s, void *item)
{
    if (s->kind == SERIES_IMAGE)
        free(((struct grid *)item)->png);
    if (s->kind == SERIES_TEXT)
        free(((struct note *)item)->text);
}

struct series *history_series(struct history *h, enum series_kind kind, const char *name)
{
    struct series *all = h->series.items;
    for (int64_t i = 0; i < h->series.n; i++)
        if (all[i].kind == kind && strcmp(all[i].name, name) == 0)
            return &all[i];
    char *copy = strdup(name);
    struct series *s = copy ? list_add(&h->series, sizeof *s) : NULL;
    if (!s) {
        free(copy);
        return NULL;
    }
    s->kind = kind;
    s->name = copy;
    s->every = 1;
    return s;
}

/* Drops the items that `keeps` does not want, in place. */
static void filter(struct series *s, bool (*keeps)(const struct series *s, int64_t i, int64_t limit), int64_t limit)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < s->items.n; i++) {
        void *item = item_at(s, i);
        if (keeps(s, i, limit))
            memmove(item_at(s, kept++), item, item_sizes[s->kind]);
        else
            free_item(s, item);
    }
    s->items.n = kept;
}

static bool is_before(const struct series *s, int64_t i, int64_t step)
{
    return ((const struct stamp *)item_at(s, i))->step < step;
}

void history_purge(struct history *h, int64_t step)
{
    struct series *all = h->series.items;
    for (int64_t i = 0; i < h->series.n; i++)
        filter(&all[i], is_before, step);
}

static bool is_even_or_last(const struct series *s, int64_t i, int64_t unused)
{
    (void)unused;
    return i % 2 == 0 || i == s->items.n - 1;
}

/* Whether the last item is one of those that stay: the others are there only as long as they are the last. */
static bool last_stays(const struct series *s)
{
    return (s->came - 1) % s->every == 0;
}

void *series_add(struct series *s, int64_t most)
{
    for (; last_stays(s) && s->items.n >= most; s->every *= 2)
        filter(s, is_even_or_last, 0);
    void *item;
    if (s->items.n > 0 && !last_stays(s)) {
        item = item_at(s, s->items.n - 1);
        free_item(s, item);
        memset(item, 0, item_sizes[s->kind]);
    } else if (!(item = list_add(&s->items, item_sizes[s->kind])))
        return NULL;
    s->came++;
    return item;
}

void history_free(struct history *h)
{
    struct series *all = h->series.items;
    for (int64_t i = 0; i < h->series.n; i++) {
        struct series *s = &all[i];
        for (int64_t k = 0; k < s->items.n; k++)
            free_item(s, item_at(s, k));
        for (int k = 0; k < s->n_labels; k++)
            free(s->labels[k]);
        free(s->labels);
        free(s->items.items);
        free(s->name);
    }
    free(all);
    free(h->name);
    *h = (struct history){0};
}

/* ---- Reading ---- */

struct reading {
    struct history *history;
    int64_t end;
    bool complete;
    double file_begun, before; /* this file's first time, and how long the files before it lasted */
};

static void take(void *user, const struct event *e)
{
    struct reading *r = user;
    if (r->file_begun <= 0)
        r->file_begun = e->wall_time;
    if (e->kind == EVENT_START)
        history_purge(r->history, e->step);
    if (e->kind == EVENT_START || e->kind == EVENT_VERSION || e->step >= r->end)
        return;
    static const enum series_kind kinds[] = {[EVENT_SCALAR] = SERIES_SCALAR,
                                             [EVENT_IMAGE] = SERIES_IMAGE,
                                             [EVENT_HISTOGRAM] = SERIES_HISTOGRAM,
                                             [EVENT_TEXT] = SERIES_TEXT};
    struct series *s = history_series(r->history, kinds[e->kind], e->name);
    void *item = s ? series_add(s, INT64_MAX) : NULL;
    if (!item) {
        r->complete = false;
        return;
    }
    double seconds = r->before + (e->wall_time > r->file_begun ? e->wall_time - r->file_begun : 0);
    *(struct stamp *)item = (struct stamp){e->step, seconds};
    r->history->seconds = seconds > r->history->seconds ? seconds : r->history->seconds;
    if (e->kind == EVENT_SCALAR) {
        ((struct point *)item)->value = e->scalar;
    } else if (e->kind == EVENT_HISTOGRAM) {
        ((struct distribution *)item)->histogram = e->histogram;
    } else if (e->kind == EVENT_IMAGE) {
        struct grid *grid = item;
        grid->size = e->image.size;
        grid->png = malloc(grid->size ? grid->size : 1);
        if (grid->png)
            memcpy(grid->png, e->image.png, grid->size);
        s->width = e->image.width;
        s->height = e->image.height;
    } else {
        ((struct note *)item)->text = strndup(e->text, e->text_size);
    }
    if ((e->kind == EVENT_IMAGE && !((struct grid *)item)->png) ||
        (e->kind == EVENT_TEXT && !((struct note *)item)->text)) {
        free_item(s, item);
        s->items.n--;
        r->complete = false;
    }
}

static bool read_file(struct reading *r, const char *path)
{
    struct buffer b = {0};
    if (!buffer_read(&b, path)) {
        buffer_free(&b);
        return false;
    }
    r->complete = r->complete && !b.incomplete;
    r->file_begun = 0;
    r->before = r->history->seconds;
    events_read(b.bytes, b.size, take, r);
    buffer_free(&b);
    return true;
}

static int is_events(const struct dirent *entry)
{
    return strstr(entry->d_name, "tfevents") != NULL;
}

int history_read(struct history *h, const char *folder, int64_t end, bool *complete)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_events, alphasort), files = 0;
    struct reading r = {.history = h, .end = end, .complete = true};
    for (int i = 0; i < n; i++) {
        struct buffer path = {0};
        buffer_format(&path, "%s/%s", folder, entries[i]->d_name);
        files += !path.incomplete && read_file(&r, path.bytes);
        r.complete = r.complete && !path.incomplete;
        buffer_free(&path);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    *complete = r.complete;
    return n < 0 ? -1 : files;
}
