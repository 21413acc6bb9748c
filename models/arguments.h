/* Command-line options: one table gives the parsing, the checks and the text of --help. */
#ifndef MODELS_ARGUMENTS_H
#define MODELS_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The exit code for a command line that cannot be understood. */
enum { ARGUMENTS_WRONG = 2 };

enum option_kind { OPTION_KIND_FLAG, OPTION_KIND_INTEGER, OPTION_KIND_NUMBER, OPTION_KIND_TEXT, OPTION_KIND_CHOICE };

/* One option. Write rows with the macros below: they pick the members and check the type of the target. What the target
 * holds before the parsing is the default, and --help shows it. */
struct option {
    const char *name; /* without the two dashes */
    enum option_kind kind;
    union {
        bool *flag;
        int64_t *integer;
        double *number;
        const char **text;
        int *choice;
    } target;
    union {
        struct {
            int64_t least, most;
        } integer;
        struct {
            double least, most;
        } number;
        const char *const *choices;
    } range;
    const char *placeholder; /* what the value is called in --help, such as N or FILE; NULL without a value */
    const char *help;        /* one line, without a full stop */
};

/* --name sets a bool. */
#define OPTION_FLAG(name_, target_, help_)                                                                             \
    {                                                                                                                  \
        .name = name_, .kind = OPTION_KIND_FLAG, .target.flag = target_, .help = help_                                 \
    }
/* --name N sets an int64_t to a decimal number in least..most. */
#define OPTION_INTEGER(name_, target_, least_, most_, placeholder_, help_)                                             \
    {                                                                                                                  \
        .name = name_, .kind = OPTION_KIND_INTEGER, .target.integer = target_, .range.integer = {least_, most_},       \
        .placeholder = placeholder_, .help = help_                                                                     \
    }
/* --name X sets a double to a number in least..most. NaN is refused, and infinity unless the range ends there. */
#define OPTION_NUMBER(name_, target_, least_, most_, placeholder_, help_)                                              \
    {                                                                                                                  \
        .name = name_, .kind = OPTION_KIND_NUMBER, .target.number = target_, .range.number = {least_, most_},          \
        .placeholder = placeholder_, .help = help_                                                                     \
    }
/* --name TEXT sets a const char * to the argument itself, which argv keeps owning; the empty text is refused. */
#define OPTION_TEXT(name_, target_, placeholder_, help_)                                                               \
    {                                                                                                                  \
        .name = name_, .kind = OPTION_KIND_TEXT, .target.text = target_, .placeholder = placeholder_, .help = help_    \
    }
/* --name WORD sets an int to the place of WORD in `choices`, a list of strings that ends with NULL. */
#define OPTION_CHOICE(name_, target_, choices_, placeholder_, help_)                                                   \
    {                                                                                                                  \
        .name = name_, .kind = OPTION_KIND_CHOICE, .target.choice = target_, .range.choices = choices_,                \
        .placeholder = placeholder_, .help = help_                                                                     \
    }

/* The command line of a program or of one of its commands. */
struct arguments {
    const char *usage;            /* what to type, such as "cgan train"; begins every message */
    const char *summary;          /* what it does: the lines of --help between usage and options */
    const struct option *options; /* --help and --version are understood without a row */
    size_t count;
};

/* Reads argv[1] to argv[argc-1] into the targets: --name VALUE, --name=VALUE, --flag, and -h or --help. Of an option
 * that comes twice the last counts. A value that begins with two dashes needs the = form. Words that belong to no
 * option are refused, so a program with commands passes argc - 1 and argv + 1 and names the command in `usage`. Returns
 * true to go on. Returns false to leave with *exit_code: 0 after --help or --version, whose text is on stdout (1 when
 * it could not be written), or ARGUMENTS_WRONG after one line on stderr, such as "cgan train: --batch: 0 is
 * outside 1..65536". */
bool arguments_parse(const struct arguments *a, int argc, char **argv, int *exit_code);

/* Writes the line of --version to stdout: the program's name, and the version of reel's headers. */
void arguments_print_version(const char *program);

#endif
