/* What the classes of a data set are called. */
#ifndef MODELS_CLASS_NAMES_H
#define MODELS_CLASS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names in the order of the labels, one a line; all zero: there are none. */
struct class_names {
    char text[4096];
};

/* The same as texts of their own, as pictures take them. */
struct class_lines {
    char text[4096];
    const char *line[256];
    int count;
};

/* Those of a data folder with so many classes: the first lines of its labels.txt; without one, of a folder called
 * fashion-mnist that data set's; else none. Returns false with one line in `error` when labels.txt cannot be read, is
 * too long, has fewer lines, or an empty one or control characters among them. */
bool class_names_load(struct class_names *names, const char *folder, int64_t classes, char *error, size_t error_size);

/* Takes names that a file brings, if they are such a text for so many classes; else there are none. */
void class_names_take(struct class_names *names, const char *text, int64_t classes);

/* The class of that name, in any case of its letters, or of that number; -1 when there is none. */
int64_t class_names_find(const struct class_names *names, int64_t classes, const char *word);

/* Fills `lines`, which point into themselves: not to be copied. */
void class_names_split(const struct class_names *names, struct class_lines *lines);

#endif
