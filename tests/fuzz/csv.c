/* The reader of tables of numbers: with and without a header, missing values and labels. */
#include "fuzz/target.h"

#include <reel/reel.h>

#include <math.h>

static void read_table(reel_context *c, const char *path, const reel_csv_options *o)
{
    reel_csv *table = reel_csv_open(c, path, o);
    FUZZ_CHECK((table == NULL) == (reel_context_status(c) != REEL_OK));
    for (int64_t i = 0; i < reel_csv_columns(table); i++)
        FUZZ_CHECK(reel_csv_find(table, reel_csv_name(table, i)) == i);
    for (int64_t i = 0; i < reel_csv_rows(table) * reel_csv_columns(table); i++)
        FUZZ_CHECK(o->missing || !isnan(reel_csv_values(table)[i]));
    for (int64_t k = 0; k < o->n_labels && table; k++)
        for (int64_t i = 0; i < reel_csv_rows(table); i++)
            FUZZ_CHECK(reel_csv_label(table, o->labels[k], reel_csv_ids(table, o->labels[k])[i]));
    reel_csv_close(table);
    reel_clear_error(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const labels[] = {"0", "b"};
    static struct memory_file input;
    fuzz_fill(&input, bytes, size);
    reel_context_options options = reel_context_defaults();
    options.num_threads = 1;
    reel_context *c = reel_context_new(&options);
    reel_csv_options o = reel_csv_defaults();
    read_table(c, input.path, &o);
    o.missing = false;
    read_table(c, input.path, &o);
    o.header = false;
    o.labels = labels;
    o.n_labels = 1;
    read_table(c, input.path, &o);
    o.header = true;
    o.labels = labels + 1;
    o.delimiter = '\t';
    read_table(c, input.path, &o);
    reel_context_free(c);
    return 0;
}
