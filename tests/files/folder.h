/* A file in a folder of its own, its bytes, and what a failure says. */
#ifndef TESTS_FILES_FOLDER_H
#define TESTS_FILES_FOLDER_H

#include <reel/context.h>

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128];

static inline void make_folder(void)
{
    strcpy(folder, "/tmp/reel-files-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static inline void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static inline void put_file(const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    cr_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static inline size_t get_file(unsigned char *bytes, size_t room)
{
    int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0);
    ssize_t size = read(fd, bytes, room);
    cr_assert(size >= 0);
    close(fd);
    return (size_t)size;
}

/* How many entries the folder has. */
static inline int files_in_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
    FILE *pipe = popen(command, "r");
    int count = -1;
    cr_assert(pipe && fscanf(pipe, "%d", &count) == 1);
    pclose(pipe);
    return count;
}

/* The status, and a piece of the text; then clears it. */
static inline void expect_error(reel_context *c, reel_status status, const char *piece)
{
    cr_assert_eq(reel_context_status(c), status, "\"%s\" should be %s", reel_error(c), reel_status_text(status));
    cr_assert(strstr(reel_error(c), piece), "\"%s\" should say: %s", reel_error(c), piece);
    cr_assert_null(strchr(reel_error(c), '\n'));
    reel_clear_error(c);
}

#endif
