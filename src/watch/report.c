/* report.html: a page with its style, its script, and what the run remembers as JSON. */
#include "report.h"

#include "json.h"
#include "run.h"

#include <math.h>
#include <string.h>

/* A comma before all but the first. */
static void put_comma(struct buffer *b, int64_t i)
{
    if (i > 0)
        buffer_text(b, ",");
}

static void put_base64(struct buffer *b, const char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = (const unsigned char *)bytes;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned three = (unsigned)from[i] << 16 | (left > 1 ? (unsigned)from[i + 1] << 8 : 0) |
                         (left > 2 ? (unsigned)from[i + 2] : 0);
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63], left > 1 ? digits[three >> 6 & 63] : '=',
                        left > 2 ? digits[three & 63] : '='};
        buffer_add(b, four, sizeof four);
    }
}

/* ---- Scalars ---- */

enum { MOST_POINTS = 2000 };

static void put_point(struct buffer *b, const struct point *p, int64_t *written)
{
    put_comma(b, (*written)++);
    buffer_format(b, "[%lld,%.2f,", (long long)p->stamp.step, p->stamp.seconds);
    json_number(b, p->value);
    buffer_text(b, "]");
}

/* All points, or of as many pieces as fit the least and the largest, so that no peak is lost. */
static void put_points(struct buffer *b, const struct point *points, int64_t n)
{
    int64_t pieces = MOST_POINTS / 2, written = 0;
    for (int64_t i = 0; n <= MOST_POINTS && i < n; i++)
        put_point(b, &points[i], &written);
    for (int64_t k = 0; n > MOST_POINTS && k < pieces; k++) {
        int64_t first = k * n / pieces, end = (k + 1) * n / pieces, low = first, high = first;
        for (int64_t i = first; i < end; i++) {
            low = points[i].value < points[low].value ? i : low;
            high = points[i].value > points[high].value ? i : high;
        }
        put_point(b, &points[low < high ? low : high], &written);
        if (low != high)
            put_point(b, &points[low < high ? high : low], &written);
    }
}

static void put_scalars(struct buffer *b, const struct history *h, int64_t run)
{
    const struct series *all = h->series.items;
    int64_t written = 0;
    put_comma(b, run);
    buffer_text(b, "{\"name\":");
    json_string(b, h->name);
    buffer_text(b, ",\"scalars\":{");
    for (int64_t i = 0; i < h->series.n; i++) {
        if (all[i].kind != SERIES_SCALAR || all[i].items.n == 0)
            continue;
        put_comma(b, written++);
        json_string(b, all[i].name);
        buffer_text(b, ":[");
        put_points(b, all[i].items.items, all[i].items.n);
        buffer_text(b, "]");
    }
    buffer_text(b, "}}\n");
}

/* ---- The rest ---- */

static void put_image(struct buffer *b, const struct series *s)
{
    const struct grid *grids = s->items.items;
    buffer_format(b, ",\"width\":%lld,\"height\":%lld,\"rows\":%lld,\"gap\":%lld,\"labels\":[", (long long)s->width,
                  (long long)s->height, (long long)s->rows, (long long)s->gap);
    for (int i = 0; i < s->n_labels; i++) {
        put_comma(b, i);
        json_string(b, s->labels[i]);
    }
    buffer_text(b, "],\"items\":[");
    for (int64_t i = 0; i < s->items.n; i++) {
        put_comma(b, i);
        buffer_format(b, "[%lld,\"", (long long)grids[i].stamp.step);
        put_base64(b, grids[i].png, grids[i].size);
        buffer_text(b, "\"]\n");
    }
    buffer_text(b, "]");
}

static void put_histograms(struct buffer *b, const struct series *s)
{
    const struct distribution *all = s->items.items;
    buffer_text(b, ",\"items\":[");
    for (int64_t i = 0; i < s->items.n; i++) {
        const struct histogram *h = &all[i].histogram;
        put_comma(b, i);
        buffer_format(b, "[%lld,[", (long long)all[i].stamp.step);
        for (int k = 0; k < h->buckets; k++) {
            put_comma(b, k);
            json_number(b, h->limits[k]);
        }
        buffer_text(b, "],[");
        for (int k = 0; k < h->buckets; k++) {
            put_comma(b, k);
            json_number(b, h->counts[k]);
        }
        buffer_text(b, "]]\n");
    }
    buffer_text(b, "]");
}

static void put_texts(struct buffer *b, const struct series *s)
{
    const struct note *notes = s->items.items;
    buffer_text(b, ",\"items\":[");
    for (int64_t i = 0; i < s->items.n; i++) {
        put_comma(b, i);
        buffer_format(b, "[%lld,", (long long)notes[i].stamp.step);
        json_string(b, notes[i].text);
        buffer_text(b, "]");
    }
    buffer_text(b, "]");
}

static void put_kind(struct buffer *b, const struct history *h, enum series_kind kind, const char *key,
                     void (*put)(struct buffer *b, const struct series *s))
{
    const struct series *all = h->series.items;
    int64_t written = 0;
    buffer_format(b, ",\"%s\":[", key);
    for (int64_t i = 0; i < h->series.n; i++) {
        if (all[i].kind != kind || all[i].items.n == 0)
            continue;
        put_comma(b, written++);
        buffer_text(b, "{\"name\":");
        json_string(b, all[i].name);
        put(b, &all[i]);
        buffer_text(b, "}\n");
    }
    buffer_text(b, "]");
}

/* A list of pairs that grows line by line. */
struct pairs {
    struct buffer *to;
    int64_t written;
};

static void put_pair(void *user, const char *name, const char *value)
{
    struct pairs *pairs = user;
    put_comma(pairs->to, pairs->written++);
    buffer_text(pairs->to, "[");
    json_string(pairs->to, name);
    buffer_text(pairs->to, ",");
    json_string(pairs->to, value);
    buffer_text(pairs->to, "]");
}

static void put_data(struct buffer *b, const reel_run *run)
{
    double seconds = run->before + steady_clock() - run->begun;
    struct pairs configuration = {.to = b}, machine = {.to = b};
    const struct config *configs = run->configs.items;
    const struct history *others = run->others.items;
    buffer_text(b, "{\"title\":");
    json_string(b, run->title);
    buffer_text(b, ",\"step\":");
    json_string(b, run->step_name);
    buffer_format(b, ",\"begun\":%.0f,\"written\":%.0f,\"seconds\":%.2f,\"ended\":%s", run->begun_wall, wall_clock(),
                  seconds, run->ended ? "true" : "false");
    if (run->unit) {
        buffer_text(b, ",\"unit\":");
        json_string(b, run->unit);
        buffer_format(b, ",\"counted\":%lld,\"counting\":%.2f", (long long)run->counted, seconds - run->before);
    }
    buffer_text(b, ",\"configuration\":[");
    for (int64_t i = 0; i < run->configs.n; i++)
        put_pair(&configuration, configs[i].name, configs[i].value);
    buffer_text(b, "],\"machine\":[");
    machine_describe(put_pair, &machine);
    buffer_text(b, "],\"runs\":[");
    put_scalars(b, &run->history, 0);
    for (int64_t i = 0; i < run->others.n; i++)
        put_scalars(b, &others[i], i + 1);
    buffer_text(b, "]");
    put_kind(b, &run->history, SERIES_IMAGE, "images", put_image);
    put_kind(b, &run->history, SERIES_HISTOGRAM, "histograms", put_histograms);
    put_kind(b, &run->history, SERIES_TEXT, "texts", put_texts);
    if (run->profile.size > 0) {
        buffer_text(b, ",\"profile\":");
        buffer_add(b, run->profile.bytes, run->profile.size);
    }
    buffer_text(b, "}");
}

/* ---- The page ---- */

static void put_html(struct buffer *b, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '<')
            buffer_text(b, "&lt;");
        else if (*c == '&')
            buffer_text(b, "&amp;");
        else
            buffer_add(b, c, 1);
    }
}

void report_write(const reel_run *run, struct buffer *b)
{
    buffer_text(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n"
                   /* Without it a browser would ask a server for one. */
                   "<link rel=\"icon\" href=\"data:,\">\n<title>");
    put_html(b, run->title);
    buffer_text(b, "</title>\n<style>\n");
    buffer_text(b, (const char *)report_css);
    buffer_text(b, "</style>\n<body>\n<noscript>This report draws itself with JavaScript.</noscript>\n<main></main>\n"
                   "<script type=\"application/json\" id=\"data\">\n");
    put_data(b, run);
    buffer_text(b, "\n</script>\n<script>\n");
    buffer_text(b, (const char *)report_js);
    buffer_text(b, "</script>\n");
}
