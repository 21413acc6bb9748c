/* arguments_parse: values, and the one line that says what is wrong. */
#include "arguments.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <math.h>
#include <reel/types.h>
#include <stdio.h>
#include <string.h>

static const char *const recipes[] = {"best", "reference", NULL};

static struct {
    bool quick;
    int64_t batch, seed;
    double rate;
    const char *out;
    int recipe;
} values;

static const struct option options[] = {
    OPTION_FLAG("quick", &values.quick, "stop early"),
    OPTION_INTEGER("batch", &values.batch, 1, 65536, "N", "images in a batch"),
    OPTION_INTEGER("seed", &values.seed, INT64_MIN, INT64_MAX, "N", "seed of the random numbers"),
    OPTION_NUMBER("lr", &values.rate, 0, 10, "X", "learning rate"),
    OPTION_TEXT("out", &values.out, "DIR", "folder of the results"),
    OPTION_CHOICE("recipe", &values.recipe, recipes, "NAME", "way to train"),
};

static const struct arguments command = {"cgan train", "Trains.", options, sizeof options / sizeof *options};

static void set_defaults(void)
{
    memset(&values, 0, sizeof values);
    values.batch = 64;
    values.rate = 2e-4;
    values.out = "build/cgan";
    cr_redirect_stdout();
    cr_redirect_stderr();
}

TestSuite(arguments, .init = set_defaults);

/* Parses the words up to the NULL. */
static bool parse(char **words, int *exit_code)
{
    int count = 0;
    while (words[count] != NULL)
        count++;
    return arguments_parse(&command, count, words, exit_code);
}

#define PARSE(...) parse((char *[]){"train", __VA_ARGS__, NULL}, &exit_code)

Test(arguments, reads_every_kind)
{
    int exit_code;
    cr_assert(PARSE("--quick", "--batch", "1", "--batch=128", "--seed", "-9223372036854775808", "--lr=1e-3", "--out",
                    "a b", "--recipe", "reference"));
    cr_expect(values.quick);
    cr_expect_eq(values.batch, 128);
    cr_expect_eq(values.seed, INT64_MIN);
    cr_expect_eq(values.rate, 1e-3);
    cr_expect_str_eq(values.out, "a b");
    cr_expect_eq(values.recipe, 1);
}

Test(arguments, says_what_is_wrong)
{
    static const struct {
        char *words[4];
        const char *message;
    } cases[] = {
        {{"train", "--batch", "0"}, "cgan train: --batch: 0 is outside 1..65536\n"},
        {{"train", "--batch", "99999999999999999999"},
         "cgan train: --batch: 99999999999999999999 is outside 1..65536\n"},
        {{"train", "--batch", "12x"}, "cgan train: --batch: \"12x\" is not an integer\n"},
        {{"train", "--batch", " 12"}, "cgan train: --batch: \" 12\" is not an integer\n"},
        {{"train", "--batch="}, "cgan train: --batch: the value is empty\n"},
        {{"train", "--batch"}, "cgan train: --batch needs a value\n"},
        {{"train", "--out", "--quick"}, "cgan train: --out needs a value\n"},
        {{"train", "--lr", "nan"}, "cgan train: --lr: nan is outside 0..10\n"},
        {{"train", "--lr", "-1e-9"}, "cgan train: --lr: -1e-9 is outside 0..10\n"},
        {{"train", "--lr", "fast"}, "cgan train: --lr: \"fast\" is not a number\n"},
        {{"train", "--recipe", "wurst"}, "cgan train: --recipe: \"wurst\" is none of best, reference\n"},
        {{"train", "--quick=1"}, "cgan train: --quick takes no value\n"},
        {{"train", "--qui"}, "cgan train: there is no option --qui (--help lists the options)\n"},
        {{"train", "-x"}, "cgan train: unexpected \"-x\" (--help lists the options)\n"},
        {{"train", "more"}, "cgan train: unexpected \"more\" (--help lists the options)\n"},
    };
    char all[4096] = "";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int exit_code = -1;
        cr_expect_not(parse((char **)cases[i].words, &exit_code));
        cr_expect_eq(exit_code, ARGUMENTS_WRONG);
        strcat(all, cases[i].message);
    }
    fflush(stderr);
    cr_expect_stderr_eq_str(all);
    cr_expect_eq(values.batch, 64);
    cr_expect_eq(values.rate, 2e-4);
}

Test(arguments, help_lists_options_and_defaults)
{
    int exit_code = -1;
    cr_expect_not(PARSE("--batch", "7", "--help"));
    cr_expect_eq(exit_code, 0);
    fflush(stdout);
    cr_expect_stdout_eq_str("usage: cgan train [options]\n"
                            "Trains.\n"
                            "\n"
                            "options (defaults in brackets):\n"
                            "  --quick              stop early\n"
                            "  --batch N            images in a batch (64)\n"
                            "  --seed N             seed of the random numbers (0)\n"
                            "  --lr X               learning rate (0.0002)\n"
                            "  --out DIR            folder of the results (build/cgan)\n"
                            "  --recipe NAME        way to train: best, reference (best)\n"
                            "  --help               print this text\n"
                            "  --version            print the version\n");
}

Test(arguments, version_is_that_of_the_headers)
{
    int exit_code = -1;
    char line[64];
    snprintf(line, sizeof line, "cgan train (reel) %d.%d.%d\n", REEL_VERSION_MAJOR, REEL_VERSION_MINOR,
             REEL_VERSION_PATCH);
    cr_expect_not(PARSE("--batch", "7", "--version"));
    cr_expect_eq(exit_code, 0);
    fflush(stdout);
    cr_expect_stdout_eq_str(line);
}
