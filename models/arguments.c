/* Reading the command line of a program. */
#include "arguments.h"

#include "process.h"

#include <reel/types.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(const struct arguments *a, const struct option *o, const char *text, const char *what)
{
    fprintf(stderr, "%s: --%s: \"%s\" is not %s\n", a->usage, o->name, text, what);
    return false;
}

static bool parse_integer(const struct arguments *a, const struct option *o, const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0]))
        return refuse(a, o, text, "an integer");
    if (errno == ERANGE || value < o->range.integer.least || value > o->range.integer.most) {
        fprintf(stderr, "%s: --%s: %s is outside %" PRId64 "..%" PRId64 "\n", a->usage, o->name, text,
                o->range.integer.least, o->range.integer.most);
        return false;
    }
    *o->target.integer = value;
    return true;
}

static bool parse_number(const struct arguments *a, const struct option *o, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0]))
        return refuse(a, o, text, "a number");
    /* Written so that NaN is outside. */
    if (!(value >= o->range.number.least && value <= o->range.number.most)) {
        fprintf(stderr, "%s: --%s: %s is outside %g..%g\n", a->usage, o->name, text, o->range.number.least,
                o->range.number.most);
        return false;
    }
    *o->target.number = value;
    return true;
}

static void print_choices(FILE *stream, const struct option *o)
{
    for (const char *const *choice = o->range.choices; *choice != NULL; choice++)
        fprintf(stream, "%s%s", choice == o->range.choices ? "" : ", ", *choice);
}

static bool parse_choice(const struct arguments *a, const struct option *o, const char *text)
{
    for (int i = 0; o->range.choices[i] != NULL; i++) {
        if (strcmp(text, o->range.choices[i]) == 0) {
            *o->target.choice = i;
            return true;
        }
    }
    fprintf(stderr, "%s: --%s: \"%s\" is none of ", a->usage, o->name, text);
    print_choices(stderr, o);
    fputc('\n', stderr);
    return false;
}

static bool parse_value(const struct arguments *a, const struct option *o, const char *text)
{
    if (text[0] == '\0') {
        fprintf(stderr, "%s: --%s: the value is empty\n", a->usage, o->name);
        return false;
    }
    switch (o->kind) {
    case OPTION_KIND_INTEGER:
        return parse_integer(a, o, text);
    case OPTION_KIND_NUMBER:
        return parse_number(a, o, text);
    case OPTION_KIND_CHOICE:
        return parse_choice(a, o, text);
    case OPTION_KIND_TEXT:
        *o->target.text = text;
        return true;
    case OPTION_KIND_FLAG:
        break;
    }
    return false;
}

static void print_default(const struct option *o)
{
    switch (o->kind) {
    case OPTION_KIND_INTEGER:
        printf(" (%" PRId64 ")", *o->target.integer);
        break;
    case OPTION_KIND_NUMBER:
        printf(" (%g)", *o->target.number);
        break;
    case OPTION_KIND_CHOICE:
        fputs(": ", stdout);
        print_choices(stdout, o);
        printf(" (%s)", o->range.choices[*o->target.choice]);
        break;
    case OPTION_KIND_TEXT:
        if (*o->target.text != NULL)
            printf(" (%s)", *o->target.text);
        break;
    case OPTION_KIND_FLAG:
        break;
    }
}

static void print_help(const struct arguments *a)
{
    printf("usage: %s [options]\n%s\n\noptions (defaults in brackets):\n", a->usage, a->summary);
    for (size_t i = 0; i < a->count; i++) {
        const struct option *o = &a->options[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->placeholder == NULL ? "" : " ",
                 o->placeholder == NULL ? "" : o->placeholder);
        printf("  %-20s %s", left, o->help);
        print_default(o);
        putchar('\n');
    }
    printf("  %-20s %s\n", "--help", "print this text");
    printf("  %-20s %s\n", "--version", "print the version");
}

void arguments_print_version(const char *program)
{
    printf("%s (reel) %d.%d.%d\n", program, REEL_VERSION_MAJOR, REEL_VERSION_MINOR, REEL_VERSION_PATCH);
}

/* The row whose name is the `length` characters at `name`; NULL when there is none. */
static const struct option *find_option(const struct arguments *a, const char *name, size_t length)
{
    for (size_t i = 0; i < a->count; i++)
        if (strlen(a->options[i].name) == length && memcmp(a->options[i].name, name, length) == 0)
            return &a->options[i];
    return NULL;
}

/* Reads the option at argv[*i] and leaves *i at the last word that belongs to it. */
static bool parse_option(const struct arguments *a, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0') {
        fprintf(stderr, "%s: unexpected \"%s\" (--help lists the options)\n", a->usage, word);
        return false;
    }
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t length = equals == NULL ? strlen(name) : (size_t)(equals - name);
    const struct option *o = find_option(a, name, length);
    if (o == NULL) {
        fprintf(stderr, "%s: there is no option --%.*s (--help lists the options)\n", a->usage, (int)length, name);
        return false;
    }
    if (o->kind == OPTION_KIND_FLAG) {
        if (equals != NULL) {
            fprintf(stderr, "%s: --%s takes no value\n", a->usage, o->name);
            return false;
        }
        *o->target.flag = true;
        return true;
    }
    if (equals != NULL)
        return parse_value(a, o, equals + 1);
    if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) {
        fprintf(stderr, "%s: --%s needs a value\n", a->usage, o->name);
        return false;
    }
    return parse_value(a, o, argv[++*i]);
}

bool arguments_parse(const struct arguments *a, int argc, char **argv, int *exit_code)
{
    /* First, so that the defaults are still there to be shown. */
    for (int i = 1; i < argc; i++) {
        bool version = strcmp(argv[i], "--version") == 0;
        if (version || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            if (version)
                arguments_print_version(a->usage);
            else
                print_help(a);
            *exit_code = process_flush(a->usage) ? 0 : 1;
            return false;
        }
    }
    for (int i = 1; i < argc; i++) {
        if (!parse_option(a, argc, argv, &i)) {
            *exit_code = ARGUMENTS_WRONG;
            return false;
        }
    }
    *exit_code = 0;
    return true;
}
