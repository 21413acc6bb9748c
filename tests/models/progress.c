/* The progress bar on a pseudo-terminal of a known width, and its plain lines in a file. */
#include "progress.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Puts the last writing so many seconds into the past, so that no test depends on how fast it runs. */
static void set_age(struct progress *p, double seconds)
{
    p->last = progress_clock() - seconds;
}

/* What one report shows on a terminal of so many columns, without the "\r" before and the "\033[K" after it. */
static char *bar_at_width(unsigned short columns, const char *metrics)
{
    static char shown[4096];
    setenv("TERM", "xterm", 1);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    FILE *terminal = fopen(ptsname(master), "w");
    cr_assert_not_null(terminal);
    struct winsize size = {24, columns, 0, 0};
    cr_assert_eq(ioctl(fileno(terminal), TIOCSWINSZ, &size), 0);

    struct progress p;
    progress_begin(&p, terminal);
    set_age(&p, -60);
    progress_report(&p, 0, 0, "images", "epoch 1/2", "unseen");
    p.first_time -= 1;
    p.sample_time -= 1;
    set_age(&p, 0.11);
    progress_report(&p, 0.5, 6400, "images", "epoch 1/2", metrics);
    set_age(&p, -60);
    progress_report(&p, 0.6, 6401, "images", "epoch 1/2", "unseen");
    ssize_t length = read(master, shown, sizeof shown - 1);
    cr_assert_geq(length, 4);
    shown[length] = '\0';
    cr_expect_eq(shown[0], '\r');
    cr_expect_str_eq(shown + length - 3, "\033[K");
    cr_expect_null(strstr(shown, "unseen"), "redrawn before it was due");
    shown[length - 3] = '\0';

    progress_end(&p);
    char erased[16];
    cr_expect_eq(read(master, erased, sizeof erased), 4);
    fclose(terminal);
    close(master);
    return shown + 1;
}

Test(progress, bar_fits_the_terminal)
{
    char *shown = bar_at_width(120, "D 0.5 G 1.0");
    cr_expect_eq(strncmp(shown, "epoch 1/2 [===============>              ]  50%  D 0.5 G 1.0  ", 60), 0, "%s", shown);
    cr_expect_not_null(strstr(shown, " images/s  0:01 left"), "%s", shown);
    for (unsigned short columns = 1; columns < 120; columns++) {
        if (columns > 3 && columns % 16 != 0)
            continue;
        shown = bar_at_width(columns, "D 0.5 G 1.0");
        cr_expect_lt(strlen(shown), columns, "%s", shown);
        cr_expect_eq(strncmp(shown, "epoch 1/2", columns < 9 ? columns - 1 : 9), 0, "%s", shown);
    }
}

Test(progress, long_text_is_cut)
{
    char metrics[2000];
    memset(metrics, 'x', sizeof metrics - 1);
    metrics[sizeof metrics - 1] = '\0';
    cr_expect_eq(strlen(bar_at_width(60, metrics)), 59);
    cr_expect_lt(strlen(bar_at_width(3000, metrics)), 3000);
}

Test(progress, plain_lines_elsewhere)
{
    FILE *file = tmpfile();
    struct progress p;
    progress_begin(&p, file);
    progress_report(&p, 0.1, 10, "images", "epoch 1/2", "unseen");
    set_age(&p, 9);
    cr_expect_not(progress_due(&p));
    set_age(&p, 11);
    cr_expect(progress_due(&p));
    progress_line(&p, 0.5, 50, "images", "epoch 1/2", "D 0.5");
    progress_line(&p, 7, 100, "images", "epoch 2/2", "D 0.4");
    progress_end(&p);
    rewind(file);
    char line[256];
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_expect_eq(strncmp(line, "epoch 1/2  50%  D 0.5", 21), 0, "%s", line);
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_expect_eq(strncmp(line, "epoch 2/2 100%  D 0.4", 21), 0, "%s", line);
    cr_expect_null(fgets(line, sizeof line, file));
    fclose(file);
}
