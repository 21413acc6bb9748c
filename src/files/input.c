/* Opening, reading and mapping files. */
#include "files/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

reel_status reel_input_fail(const struct reel_input *input, reel_status status, const char *format, ...)
{
    char text[sizeof input->context->error], path[REEL_PRINTABLE];
    va_list arguments;
    va_start(arguments, format);
    reel_format_text(text, sizeof text, format, arguments);
    va_end(arguments);
    return reel_fail(input->context, status, "\"%s\": %s", reel_printable(input->path, path), text);
}

static reel_status fail_system(const struct reel_input *input, const char *what)
{
    return reel_input_fail(input, REEL_ERROR_IO, "cannot %s: %s", what, reel_system_text(errno));
}

reel_status reel_input_open(struct reel_input *input, reel_context *context, const char *format, const char *path)
{
    *input = (struct reel_input){.context = context, .fd = -1};
    if (!path)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: the path is NULL", format);
    size_t length = strlen(path) + 1;
    input->path = reel_allocate(&context->memory, length);
    if (!input->path)
        return reel_fail_memory(context, "the name of a file", length);
    memcpy(input->path, path, length);
    /* Without O_NONBLOCK, opening a pipe would wait for a writer. */
    do
        input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (input->fd < 0 && errno == EINTR);
    struct stat about;
    if (input->fd < 0 || fstat(input->fd, &about) != 0)
        return fail_system(input, "open it");
    if (!S_ISREG(about.st_mode))
        return reel_input_fail(input, REEL_ERROR_IO, "not a regular file");
    input->size = about.st_size;
    return REEL_OK;
}

void reel_input_close(struct reel_input *input)
{
    if (input->map)
        munmap(input->map, (size_t)input->size);
    if (input->fd >= 0)
        close(input->fd);
    reel_free(&input->context->memory, input->path);
    *input = (struct reel_input){.context = input->context, .fd = -1};
}

/* Through system calls: the buffer of a FILE would not come from the context's allocator. */
reel_status reel_input_read(const struct reel_input *input, void *out, int64_t size, int64_t from)
{
    enum { PIECE = 1 << 30 };
    char *to = out;
    while (size > 0) {
        ssize_t got = pread(input->fd, to, (size_t)(size < PIECE ? size : PIECE), from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_system(input, "read it");
        if (got == 0)
            return reel_input_fail(input, REEL_ERROR_IO, "it became shorter while it was read");
        to += got;
        from += got;
        size -= got;
    }
    return REEL_OK;
}

const unsigned char *reel_input_map(struct reel_input *input)
{
    if (!input->map) {
        void *map = mmap(NULL, (size_t)input->size, PROT_READ, MAP_PRIVATE, input->fd, 0);
        if (map == MAP_FAILED)
            fail_system(input, "map it");
        else
            input->map = map;
    }
    return input->map;
}

static reel_status read_part(struct reel_source *source, void *out, int64_t size)
{
    struct reel_input_part *part = (struct reel_input_part *)source;
    if (size > part->input->size - part->at)
        return reel_input_fail(part->input, REEL_ERROR_FORMAT, "it is cut short after %lld bytes",
                               (long long)part->input->size);
    reel_status status = out ? reel_input_read(part->input, out, size, part->at) : REEL_OK;
    part->at += size;
    return status;
}

struct reel_input_part reel_input_part(const struct reel_input *input, int64_t at)
{
    return (struct reel_input_part){{read_part}, input, at};
}
