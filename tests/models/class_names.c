/* Names of classes: which texts are taken, and what is found by them. */
#include "class_names.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128], error[4600];
static struct class_names names;

static void make_folder(void)
{
    strcpy(folder, "/tmp/reel-names-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/labels.txt", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(class_names, .init = make_folder, .fini = remove_folder);

static bool load(const char *text, size_t size, int64_t classes)
{
    FILE *file = fopen(path, "wb");
    fwrite(text, 1, size, file);
    fclose(file);
    return class_names_load(&names, folder, classes, error, sizeof error);
}

Test(class_names, lines_are_names)
{
    cr_assert(load("bag\nankle boot\n", 15, 2), "%s", error);
    cr_assert_eq(class_names_find(&names, 2, "Ankle Boot"), 1);
    cr_assert_eq(class_names_find(&names, 2, "ankle"), -1);
    cr_assert_eq(class_names_find(&names, 2, "0"), 0);
    cr_assert_eq(class_names_find(&names, 2, "2"), -1);
    cr_assert_eq(class_names_find(&names, 2, "-1"), -1);
    cr_assert_eq(class_names_find(&names, 2, ""), -1);
    cr_assert(load("bag\nboot", 8, 2), "%s", error);
    cr_assert_str_eq(names.text, "bag\nboot\n");
    cr_assert(load("bag\nboot\nhat\n", 13, 2), "%s", error);
    cr_assert_eq(class_names_find(&names, 2, "hat"), -1);
    static struct class_lines lines;
    class_names_split(&names, &lines);
    cr_assert_eq(lines.count, 2);
    cr_assert_str_eq(lines.line[0], "bag");
    cr_assert_str_eq(lines.line[1], "boot");
}

Test(class_names, other_texts_are_refused)
{
    const struct {
        const char *text;
        size_t size;
    } texts[] = {{"", 0}, {"bag\n", 4}, {"bag\n\nboot\n", 10}, {"bag\r\nboot\r\n", 11}, {"bag\nbo\0t\n", 9}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert(!load(texts[i].text, texts[i].size, 2), "%zu", i);
        cr_assert(strstr(error, path) == error, "%s", error);
        class_names_take(&names, texts[i].text, 2);
        cr_assert_str_empty(names.text);
    }
    static char longer[5000];
    memset(longer, 'x', sizeof longer);
    longer[10] = '\n';
    cr_assert(!load(longer, sizeof longer, 1));
}

Test(class_names, fashion_mnist_has_names_of_its_own)
{
    char inside[128];
    snprintf(inside, sizeof inside, "%s/fashion-mnist/", folder);
    mkdir(inside, 0700);
    cr_assert(class_names_load(&names, inside, 10, error, sizeof error), "%s", error);
    cr_assert_eq(class_names_find(&names, 10, "sneaker"), 7);
    cr_assert(class_names_load(&names, folder, 10, error, sizeof error), "%s", error);
    cr_assert_str_empty(names.text);
    class_names_take(&names, NULL, 10);
    cr_assert_str_empty(names.text);
    rmdir(inside);
}
