/* A file in memory, with a path for readers that take one. */
#ifndef TESTS_SUPPORT_MEMORY_FILE_H
#define TESTS_SUPPORT_MEMORY_FILE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory_file {
    int descriptor;
    char path[32];
};

static inline bool memory_file_make(struct memory_file *file)
{
    file->descriptor = memfd_create("input", MFD_CLOEXEC);
    snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->descriptor);
    return file->descriptor >= 0;
}

/* Makes these bytes its content. */
static inline bool memory_file_fill(const struct memory_file *file, const void *bytes, size_t size)
{
    return ftruncate(file->descriptor, 0) == 0 && pwrite(file->descriptor, bytes, size, 0) == (ssize_t)size;
}

#endif
