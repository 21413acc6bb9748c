/* The progress bar. */
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 1024, NARROWEST_BAR = 8, WIDEST_BAR = 30 };

static const double TERMINAL_INTERVAL = 0.1, PLAIN_INTERVAL = 10.0;

/* Seconds over which the rate is averaged, so that it neither jumps nor remembers the start for ever. */
static const double RATE_MEMORY = 5.0;

double progress_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- What is known ---- */

reel_progress *reel_progress_new(FILE *stream, const char *unit, int64_t total)
{
    reel_progress *p = stream && unit ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    const char *term = getenv("TERM");
    p->stream = stream;
    p->rewrite = isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
    snprintf(p->unit, sizeof p->unit, "%s", unit);
    p->total = total > 0 ? total : 0;
    p->begun = p->last = p->sample_time = progress_clock();
    p->fraction = p->rate = -1;
    return p;
}

static double fraction_of(const reel_progress *p)
{
    double fraction = p->fraction >= 0 ? p->fraction : p->total > 0 ? (double)p->done / (double)p->total : 0;
    return fraction < 1 ? fraction : 1;
}

double reel_progress_seconds(const reel_progress *p)
{
    return p ? progress_clock() - p->begun : 0;
}

void reel_progress_set_initial(reel_progress *p, int64_t done)
{
    if (!p)
        return;
    p->done = p->sample = done;
    p->first = fraction_of(p);
}

void reel_progress_set_label(reel_progress *p, const char *label)
{
    if (p)
        snprintf(p->label, sizeof p->label, "%s", label ? label : "");
}

void reel_progress_set_metric(reel_progress *p, const char *name, double value)
{
    if (!p || !name)
        return;
    int i = 0;
    while (i < p->n_metrics && strncmp(p->metrics[i].name, name, sizeof p->metrics[i].name - 1) != 0)
        i++;
    if (i == PROGRESS_METRICS)
        return;
    if (i == p->n_metrics)
        snprintf(p->metrics[p->n_metrics++].name, sizeof p->metrics[i].name, "%s", name);
    p->metrics[i].value = value;
}

void reel_progress_set_fraction(reel_progress *p, double fraction)
{
    if (!p)
        return;
    bool begins = p->fraction < 0 && p->done == p->sample;
    p->fraction = fraction > 0 ? fraction : 0;
    if (begins)
        p->first = fraction_of(p);
}

/* ---- What is shown ---- */

static int terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* Appends to a text of LINE_SIZE bytes, of which `used` are taken; what does not fit is left out whole. */
static int append(char *text, int used, const char *more)
{
    int length = (int)strlen(more);
    if (used + length >= LINE_SIZE)
        return used;
    memcpy(text + used, more, (size_t)length + 1);
    return used + length;
}

/* 1:05, or 2:01:05 from an hour on. */
static void format_time(char *text, size_t size, double seconds)
{
    long long s = (long long)(seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds + 0.5);
    if (s < 3600)
        snprintf(text, size, "%lld:%02lld", s / 60, s % 60);
    else
        snprintf(text, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

/* Always five characters between 0.0005 and 99999, and one more for a minus, so that the line stands still. */
static void format_number(char *text, size_t size, double value)
{
    double magnitude = fabs(value);
    if (value == 0 || (magnitude >= 0.0005 && magnitude < 99999.5))
        snprintf(text, size, "%.*f",
                 magnitude < 9.9995   ? 3
                 : magnitude < 99.995 ? 2
                 : magnitude < 999.95 ? 1
                                      : 0,
                 value);
    else
        snprintf(text, size, "%.1e", value);
}

static void format_metrics(const reel_progress *p, int n, char *text)
{
    int used = 0;
    text[0] = '\0';
    for (int i = 0; i < n; i++) {
        char number[40], metric[96];
        format_number(number, sizeof number, p->metrics[i].value);
        snprintf(metric, sizeof metric, "%s%s %5s", i > 0 ? "  " : "", p->metrics[i].name, number);
        used = append(text, used, metric);
    }
}

/* Rate and time left, each with two spaces before it; empty while they are not known. */
static void format_rate(const reel_progress *p, char *text, size_t size)
{
    text[0] = '\0';
    if (p->rate <= 0)
        return;
    if (p->rate >= 9.95)
        snprintf(text, size, "  %.0f %s/s", p->rate, p->unit);
    else if (p->rate >= 1)
        snprintf(text, size, "  %.1f %s/s", p->rate, p->unit);
    else
        snprintf(text, size, "  %.1f s/%s", 1 / p->rate, p->unit);
}

static void format_left(const reel_progress *p, double now, double fraction, char *text, size_t size)
{
    text[0] = '\0';
    if (p->rate < 0 || fraction <= p->first)
        return;
    char left[32];
    format_time(left, sizeof left, (now - p->begun) * (1 - fraction) / (fraction - p->first));
    snprintf(text, size, "  %s left", left);
}

/* " [====>     ]" in at most `width` columns, or nothing. */
static void format_bar(char text[WIDEST_BAR + 4], int width, double fraction)
{
    int inside = width - 3 < WIDEST_BAR ? width - 3 : WIDEST_BAR;
    text[0] = '\0';
    if (inside < NARROWEST_BAR)
        return;
    int done = (int)(fraction * inside);
    memcpy(text, " [", 2);
    memset(text + 2, '=', (size_t)done);
    memset(text + 2 + done, ' ', (size_t)(inside - done));
    if (done < inside)
        text[2 + done] = '>';
    strcpy(text + 2 + inside, "]");
}

static void sample_rate(reel_progress *p, double now)
{
    double passed = now - p->sample_time;
    if (passed < 0.05)
        return;
    double rate = (double)(p->done - p->sample) / passed;
    double keep = p->rate < 0 ? 0 : RATE_MEMORY / (RATE_MEMORY + passed);
    p->rate = keep * p->rate + (1 - keep) * rate;
    p->sample_time = now;
    p->sample = p->done;
}

/* What there is: how far, and for work without an end how many. */
static void format_done(const reel_progress *p, double fraction, char *text, size_t size)
{
    const char *space = p->label[0] ? "  " : "";
    if (p->total > 0 || p->fraction >= 0) /* rounded down: 100% is for what is done */
        snprintf(text, size, "%s%3d%%", space, (int)(fraction * 100));
    else
        snprintf(text, size, "%s%lld %s", space, (long long)p->done, p->unit);
}

/* The line in at most `room` columns: what comes last here is left out first, but for the time left. */
static void format_line(const reel_progress *p, double now, int room, bool bar, char line[LINE_SIZE])
{
    char done[64], rate[64], left[64], metrics[LINE_SIZE], middle[WIDEST_BAR + 4] = "";
    double fraction = fraction_of(p);
    format_done(p, fraction, done, sizeof done);
    format_rate(p, rate, sizeof rate);
    format_left(p, now, fraction, left, sizeof left);
    int fixed = (int)(strlen(p->label) + strlen(done) + strlen(left));
    if (fixed + (int)strlen(rate) > room)
        rate[0] = '\0';
    fixed += (int)strlen(rate);
    int n = p->n_metrics;
    do
        format_metrics(p, n, metrics);
    while (fixed + 2 + (int)strlen(metrics) > room && n-- > 0);
    fixed += metrics[0] ? 2 + (int)strlen(metrics) : 0;
    if (bar && (p->total > 0 || p->fraction >= 0))
        format_bar(middle, room - fixed, fraction);
    const char *const parts[] = {p->label, done, middle, metrics[0] ? "  " : "", metrics, rate, left};
    int used = 0;
    line[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        used = append(line, used, parts[i]);
    if (used > room)
        line[room] = '\0';
}

static void write_line(reel_progress *p, bool stays)
{
    char line[LINE_SIZE];
    double now = progress_clock();
    sample_rate(p, now);
    if (p->rewrite && !stays) {
        /* A terminal that wraps a full line would put the rest of the bar on a line of its own. */
        format_line(p, now, terminal_width(p->stream) - 1, true, line);
        fprintf(p->stream, "\r%s\033[K", line);
    } else {
        format_line(p, now, LINE_SIZE, false, line);
        fprintf(p->stream, "%s%s\n", p->rewrite ? "\r\033[K" : "", line);
    }
    fflush(p->stream);
    p->shown = p->rewrite && !stays;
    p->last = now;
}

void reel_progress_advance(reel_progress *p, int64_t n)
{
    if (!p)
        return;
    p->done += n;
    if (progress_clock() - p->last >= (p->rewrite ? TERMINAL_INTERVAL : PLAIN_INTERVAL))
        write_line(p, false);
}

void reel_progress_line(reel_progress *p)
{
    if (p)
        write_line(p, true);
}

void reel_progress_clear(reel_progress *p)
{
    if (!p || !p->shown)
        return;
    fputs("\r\033[K", p->stream);
    fflush(p->stream);
    p->shown = false;
}

void reel_progress_free(reel_progress *p)
{
    reel_progress_clear(p);
    free(p);
}
