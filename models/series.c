/* series train|sample|eval|data: conditional GANs for time series. */
#include "series.h"

#include "process.h"

#include <string.h>

int series_fail(const char *command, const char *message)
{
    fprintf(stderr, "series %s: %s\n", command, message);
    return 1;
}

static void usage(FILE *stream)
{
    fputs("usage: series train|sample|eval|data [options]\n"
          "  train   trains a conditional GAN on time series\n"
          "  sample  draws series from a trained model\n"
          "  eval    measures how good a trained model is\n"
          "  data    says what is in a set of series\n"
          "series COMMAND --help lists the options of a command, series --version prints the version.\n",
          stream);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
    } commands[] = {{"train", series_train}, {"sample", series_sample}, {"eval", series_eval}, {"data", series_data}};
    process_begin();
    process_choose_kernels(argv);
    if (argc >= 2) {
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
            if (strcmp(argv[1], commands[i].name) == 0)
                return commands[i].run(argc - 1, argv + 1);
        bool version = strcmp(argv[1], "--version") == 0;
        if (version || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
            if (version)
                arguments_print_version("series");
            else
                usage(stdout);
            return process_flush("series") ? 0 : 1;
        }
        fprintf(stderr, "series: there is no command \"%s\"\n", argv[1]);
    }
    usage(stderr);
    return ARGUMENTS_WRONG;
}
