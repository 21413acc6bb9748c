/* The progress bar on a pseudo-terminal of a known width, and its plain lines in a file. */
#include "watch/progress.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Puts the last writing so many seconds into the past, so that no test depends on how fast it runs. */
static void set_age(reel_progress *p, double seconds)
{
    p->last = progress_clock() - seconds;
}

/* What is shown on a terminal of so many columns half-way through 12,800 images, a second after the beginning, without
 * the "\r" before and the "\033[K" after it. */
static char *bar_at_width(unsigned short columns, double loss)
{
    static char shown[4096];
    setenv("TERM", "xterm", 1);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    FILE *terminal = fopen(ptsname(master), "w");
    cr_assert_not_null(terminal);
    struct winsize size = {24, columns, 0, 0};
    cr_assert_eq(ioctl(fileno(terminal), TIOCSWINSZ, &size), 0);

    reel_progress *p = reel_progress_new(terminal, "img", 12800);
    reel_progress_set_label(p, "epoch 1/2");
    set_age(p, -60);
    reel_progress_advance(p, 1);
    p->begun = p->sample_time -= 1;
    set_age(p, 0.11);
    reel_progress_set_metric(p, "D", loss);
    reel_progress_set_metric(p, "G", 1);
    reel_progress_advance(p, 6399);
    set_age(p, -60);
    reel_progress_set_label(p, "unseen");
    reel_progress_advance(p, 1);
    ssize_t length = read(master, shown, sizeof shown - 1);
    cr_assert_geq(length, 4);
    shown[length] = '\0';
    cr_expect_eq(shown[0], '\r');
    cr_expect_str_eq(shown + length - 3, "\033[K");
    cr_expect_null(strstr(shown, "unseen"), "redrawn before it was due");
    shown[length - 3] = '\0';

    reel_progress_free(p);
    char erased[16];
    cr_expect_eq(read(master, erased, sizeof erased), 4);
    fclose(terminal);
    close(master);
    return shown + 1;
}

Test(progress, bar_fits_the_terminal)
{
    char *shown = bar_at_width(120, 0.5);
    cr_expect_eq(strncmp(shown, "epoch 1/2   50% [===============>              ]  D 0.500  G 1.000  ", 67), 0, "%s",
                 shown);
    cr_expect_not_null(strstr(shown, " img/s  0:01 left"), "%s", shown);
    /* Less and less of it: the bar, the second metric, the first, the rate. */
    cr_expect_null(strchr(bar_at_width(67, 0.5), '['));
    cr_expect_not_null(strstr(bar_at_width(67, 0.5), "G 1.000"));
    shown = bar_at_width(55, 0.5);
    cr_expect(strstr(shown, "D 0.500") && !strstr(shown, "G 1.000"), "%s", shown);
    shown = bar_at_width(40, 0.5);
    cr_expect(!strstr(shown, "D ") && strstr(shown, "img/s"), "%s", shown);
    shown = bar_at_width(30, 0.5);
    cr_expect_str_eq(shown, "epoch 1/2   50%  0:01 left");
    for (unsigned short columns = 1; columns < 120; columns++) {
        if (columns > 3 && columns % 16 != 0)
            continue;
        shown = bar_at_width(columns, 0.5);
        cr_expect_lt(strlen(shown), columns, "%s", shown);
        cr_expect_eq(strncmp(shown, "epoch 1/2", columns < 9 ? columns - 1 : 9), 0, "%s", shown);
    }
}

/* Numbers of any usual size are as wide, so that nothing moves. */
Test(progress, line_stands_still)
{
    static const double values[] = {0, 0.001, 0.5, 9.9994, 9.9996, 42.123, 99.994, 99.996, 123.45, 999.94, 1234, 99999};
    size_t width = strlen(bar_at_width(100, 1));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_expect_eq(strlen(bar_at_width(100, values[i])), width, "%s", bar_at_width(100, values[i]));
    cr_expect_not_null(strstr(bar_at_width(100, 1e-9), "D 1.0e-09"));
}

Test(progress, plain_lines_elsewhere)
{
    FILE *file = tmpfile();
    reel_progress *p = reel_progress_new(file, "images", 0);
    reel_progress_set_label(p, "epoch 1/2");
    reel_progress_set_fraction(p, 0.1);
    reel_progress_set_metric(p, "D", 0.25);
    set_age(p, 9);
    reel_progress_advance(p, 10);
    cr_expect_eq(ftell(file), 0, "written before it was due");
    reel_progress_set_fraction(p, 0.5);
    set_age(p, 11);
    reel_progress_advance(p, 40);
    reel_progress_set_label(p, "epoch 2/2");
    reel_progress_set_metric(p, "D", 0.4);
    reel_progress_set_fraction(p, 7);
    reel_progress_line(p);
    reel_progress_free(p);
    rewind(file);
    char line[256];
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_expect_eq(strncmp(line, "epoch 1/2   50%  D 0.250", 24), 0, "%s", line);
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_expect_eq(strncmp(line, "epoch 2/2  100%  D 0.400", 24), 0, "%s", line);
    cr_expect_null(fgets(line, sizeof line, file));
    fclose(file);
}

/* What a run before this one did counts neither for the rate nor for the time that is left. */
Test(progress, resumed_work_is_not_this_runs)
{
    FILE *file = tmpfile();
    reel_progress *p = reel_progress_new(file, "step", 1000);
    reel_progress_set_initial(p, 800);
    p->begun = p->sample_time -= 10;
    reel_progress_advance(p, 100);
    reel_progress_line(p);
    reel_progress_free(p);
    rewind(file);
    char line[256];
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_expect_not_null(strstr(line, " 90%"), "%s", line);
    cr_expect_not_null(strstr(line, "  10 step/s  0:10 left\n"), "%s", line);
    fclose(file);
}

Test(progress, nobody_watches)
{
    cr_expect_null(reel_progress_new(NULL, "step", 1));
    reel_progress_set_label(NULL, "label");
    reel_progress_set_metric(NULL, "loss", 1);
    reel_progress_set_initial(NULL, 1);
    reel_progress_set_fraction(NULL, 1);
    reel_progress_advance(NULL, 1);
    reel_progress_line(NULL);
    reel_progress_clear(NULL);
    cr_expect_eq(reel_progress_seconds(NULL), 0);
    reel_progress_free(NULL);
}
