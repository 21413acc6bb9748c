/* What machine this is. */
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The value of the first line "name : value" of a file in /proc. */
static bool find_line(const char *path, const char *name, char *value, size_t size)
{
    FILE *file = fopen(path, "r");
    char line[512];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) != 0 || !colon)
            continue;
        colon++;
        colon += strspn(colon, " \t");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(value, size, "%s", colon);
        found = true;
    }
    if (file)
        fclose(file);
    return found;
}

void machine_describe(void (*say)(void *user, const char *name, const char *value), void *user)
{
    char value[512];
    if (find_line("/proc/cpuinfo", "model name", value, sizeof value))
        say(user, "processor", value);
    long cores = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (cores > 0) {
        snprintf(value, sizeof value, "%ld", cores);
        say(user, "cores", value);
    }
    if (pages > 0 && size > 0) {
        snprintf(value, sizeof value, "%.1f GiB", (double)pages * (double)size / (1 << 30));
        say(user, "memory", value);
    }
    struct utsname system;
    if (uname(&system) == 0) {
        snprintf(value, sizeof value, "%s %s, %s", system.sysname, system.release, system.machine);
        say(user, "system", value);
    }
    snprintf(value, sizeof value, "%d.%d.%d", REEL_VERSION_MAJOR, REEL_VERSION_MINOR, REEL_VERSION_PATCH);
    say(user, "reel", value);
}
