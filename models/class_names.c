/* Names of classes: from a file beside the data, in a model's metadata, on the command line. */
#include "class_names.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char fashion_mnist[] =
    "T-shirt/top\nTrouser\nPullover\nDress\nCoat\nSandal\nShirt\nSneaker\nBag\nAnkle boot\n";

/* Keeps the first `classes` lines; false when there are fewer, or one is empty or has control characters. */
static bool cut(char *text, int64_t classes)
{
    char *end = text;
    for (int64_t i = 0; i < classes; i++) {
        size_t length = strcspn(end, "\n");
        if (length == 0 || !end[length])
            return false;
        for (size_t k = 0; k < length; k++)
            if ((unsigned char)end[k] < ' ' || end[k] == 127)
                return false;
        end += length + 1;
    }
    *end = 0;
    return true;
}

void class_names_take(struct class_names *names, const char *text, int64_t classes)
{
    *names = (struct class_names){{0}};
    if (text && strlen(text) < sizeof names->text)
        strcpy(names->text, text);
    if (!cut(names->text, classes))
        *names = (struct class_names){{0}};
}

/* Whether the last part of the path is that name. */
static bool is_called(const char *folder, const char *name)
{
    size_t length = strlen(folder), wanted = strlen(name);
    while (length > 0 && folder[length - 1] == '/')
        length--;
    return length >= wanted && strncmp(folder + length - wanted, name, wanted) == 0 &&
           (length == wanted || folder[length - wanted - 1] == '/');
}

bool class_names_load(struct class_names *names, const char *folder, int64_t classes, char *error, size_t error_size)
{
    char path[PATH_MAX];
    *names = (struct class_names){{0}};
    if ((size_t)snprintf(path, sizeof path, "%s/labels.txt", folder) >= sizeof path) {
        snprintf(error, error_size, "the name of the data folder is longer than %d bytes", PATH_MAX - 16);
        return false;
    }
    FILE *file = fopen(path, "rb");
    if (!file && errno != ENOENT) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    if (!file) {
        if (is_called(folder, "fashion-mnist"))
            class_names_take(names, fashion_mnist, classes);
        return true;
    }
    /* Room for the end of a last line that has none. */
    size_t size = fread(names->text, 1, sizeof names->text - 1, file);
    bool whole = fgetc(file) == EOF && !ferror(file) && size < sizeof names->text - 1;
    fclose(file);
    if (whole && size > 0 && names->text[size - 1] != '\n')
        names->text[size] = '\n';
    if (whole && strlen(names->text) >= size && cut(names->text, classes))
        return true;
    snprintf(error, error_size, "%s: not a name of a class a line, for %lld classes, in less than %zu bytes", path,
             (long long)classes, sizeof names->text);
    return false;
}

int64_t class_names_find(const struct class_names *names, int64_t classes, const char *word)
{
    char *end;
    long number = strtol(word, &end, 10);
    if (*word && !*end)
        return number >= 0 && number < classes ? number : -1;
    const char *line = names->text;
    for (int64_t i = 0; *line; i++) {
        size_t length = strcspn(line, "\n");
        if (length == strlen(word) && strncasecmp(line, word, length) == 0)
            return i;
        line += length + 1;
    }
    return -1;
}

void class_names_split(const struct class_names *names, struct class_lines *lines)
{
    lines->count = 0;
    memcpy(lines->text, names->text, sizeof lines->text);
    for (char *line = lines->text; *line; lines->count++) {
        char *end = strchr(line, '\n');
        *end = 0;
        lines->line[lines->count] = line;
        line = end + 1;
    }
}
