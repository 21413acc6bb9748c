/* The progress bar. */
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 512, NARROWEST_BAR = 8, WIDEST_BAR = 30 };

static const double TERMINAL_INTERVAL = 0.1, PLAIN_INTERVAL = 10.0;

/* Seconds over which the speed is averaged, so that it neither jumps nor remembers the start for ever. */
static const double SPEED_MEMORY = 5.0;

double progress_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(struct progress *p, FILE *stream)
{
    const char *term = getenv("TERM");
    memset(p, 0, sizeof *p);
    p->stream = stream;
    p->rewrite = isatty(fileno(stream)) && term != NULL && strcmp(term, "dumb") != 0;
    p->begun = p->last = progress_clock();
    p->first_time = p->speed = -1;
}

double progress_seconds(const struct progress *p)
{
    return progress_clock() - p->begun;
}

bool progress_due(const struct progress *p)
{
    return progress_clock() - p->last >= (p->rewrite ? TERMINAL_INTERVAL : PLAIN_INTERVAL);
}

static int terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
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

static void sample_speed(struct progress *p, double now, double fraction, int64_t items)
{
    if (p->first_time < 0) {
        /* Work that another run did before has a fraction but took none of this run's time. The first report comes a
         * moment after the start, which is close enough to take as the origin. */
        p->first_time = p->sample_time = now;
        p->first = fraction;
        p->sample = items;
        return;
    }
    double passed = now - p->sample_time;
    if (passed < 0.05)
        return;
    double speed = (double)(items - p->sample) / passed;
    double keep = p->speed < 0 ? 0 : SPEED_MEMORY / (SPEED_MEMORY + passed);
    p->speed = keep * p->speed + (1 - keep) * speed;
    p->sample_time = now;
    p->sample = items;
}

/* Speed and time left, each with two spaces before it; empty while they are not known. */
static void format_tail(const struct progress *p, char *text, size_t size, double now, double fraction,
                        const char *item_name)
{
    int used = 0;
    text[0] = '\0';
    if (p->speed >= 0)
        used = snprintf(text, size, "  %.0f %s/s", p->speed, item_name);
    if (fraction > p->first && used >= 0 && (size_t)used < size) {
        char left[32];
        format_time(left, sizeof left, (now - p->first_time) * (1 - fraction) / (fraction - p->first));
        snprintf(text + used, size - (size_t)used, "  %s left", left);
    }
}

/* What stands between label and metrics in `width` columns: bar and percentage, or the percentage, or just a space. */
static void format_middle(char *text, size_t size, int width, double fraction)
{
    /* Rounded down: 100% is for what is done. */
    int percent = (int)(fraction * 100);
    int inside = width - 10 < WIDEST_BAR ? width - 10 : WIDEST_BAR;
    if (inside >= NARROWEST_BAR) {
        char bar[WIDEST_BAR + 1];
        int done = (int)(fraction * inside);
        memset(bar, '=', (size_t)done);
        memset(bar + done, ' ', (size_t)(inside - done));
        bar[inside] = '\0';
        if (done < inside)
            bar[done] = '>';
        snprintf(text, size, " [%s] %3d%%  ", bar, percent);
    } else if (width >= 7) {
        snprintf(text, size, " %3d%%  ", percent);
    } else {
        snprintf(text, size, "  ");
    }
}

static void write_line(struct progress *p, bool stays, double fraction, int64_t items, const char *item_name,
                       const char *label, const char *metrics)
{
    char tail[96], line[LINE_SIZE], middle[WIDEST_BAR + 32];
    double now = progress_clock();
    fraction = fraction > 0 ? fraction < 1 ? fraction : 1 : 0;
    sample_speed(p, now, fraction, items);
    format_tail(p, tail, sizeof tail, now, fraction, item_name);
    if (p->rewrite && !stays) {
        /* A terminal that wraps a full line would put the rest of the bar on a line of its own. */
        int room = terminal_width(p->stream) - 1;
        size_t text = strlen(label) + strlen(metrics) + strlen(tail);
        format_middle(middle, sizeof middle, text < (size_t)room ? room - (int)text : 0, fraction);
        snprintf(line, sizeof line, "%s%s%s%s", label, middle, metrics, tail);
        if (room < LINE_SIZE)
            line[room] = '\0';
        fprintf(p->stream, "\r%s\033[K", line);
    } else {
        fprintf(p->stream, "%s%s %3d%%  %s%s\n", p->rewrite ? "\r\033[K" : "", label, (int)(fraction * 100), metrics,
                tail);
    }
    fflush(p->stream);
    p->shown = p->rewrite && !stays;
    p->last = now;
}

void progress_report(struct progress *p, double fraction, int64_t items, const char *item_name, const char *label,
                     const char *metrics)
{
    if (progress_due(p))
        write_line(p, false, fraction, items, item_name, label, metrics);
    else if (p->first_time < 0)
        sample_speed(p, progress_clock(), fraction, items);
}

void progress_line(struct progress *p, double fraction, int64_t items, const char *item_name, const char *label,
                   const char *metrics)
{
    write_line(p, true, fraction, items, item_name, label, metrics);
}

void progress_end(struct progress *p)
{
    if (p->shown) {
        fputs("\r\033[K", p->stream);
        fflush(p->stream);
    }
    p->shown = false;
}

void watcher_tell(const struct watcher *watcher, int64_t items)
{
    if (watcher != NULL)
        watcher->tell(watcher->user, items);
}
