/* Vocabularies: counts, the order of numbers, and what must be refused. */
#include "support/allocator.h"
#include "support/fixture.h"

TestSuite(vocabulary, .init = set_up, .fini = tear_down);

static void expect_error(reel_status status)
{
    cr_assert_eq(reel_context_status(c), status, "%s", reel_error(c));
    reel_clear_error(c);
}

static reel_vocabulary *numbered(const reel_vocabulary_options *o, const char *text)
{
    reel_vocabulary *v = reel_vocabulary_new(c, o);
    cr_assert_eq(reel_vocabulary_add_text(v, text, -1), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_vocabulary_number(v), REEL_OK, "%s", reel_error(c));
    return v;
}

static void holds(const reel_vocabulary *v, const char *const *tokens, const int64_t *counts, int64_t n)
{
    cr_assert_eq(reel_vocabulary_size(v), n);
    for (int64_t i = 0; i < n; i++) {
        cr_assert_str_eq(reel_vocabulary_token(v, i), tokens[i]);
        cr_assert_eq(reel_vocabulary_id(v, tokens[i], -1), i);
        cr_assert_eq(reel_vocabulary_counts(v)[i], counts[i], "%s", tokens[i]);
    }
    cr_assert_null(reel_vocabulary_token(v, n));
    cr_assert_null(reel_vocabulary_token(v, -1));
}

static const char *text = "the cat\tand the\r\n dog and  the <unk> zebra \xc3\xa9t\xc3\xa9 an \xc3\xa9t\xc3\xa9";

Test(vocabulary, tokens_are_ordered_by_count_and_then_by_bytes)
{
    const char *const tokens[] = {"the", "and", "\xc3\xa9t\xc3\xa9", "<unk>", "an", "cat", "dog", "zebra"};
    const int64_t counts[] = {3, 2, 2, 1, 1, 1, 1, 1};
    reel_vocabulary *v = numbered(NULL, text);
    holds(v, tokens, counts, 8);
    cr_assert_eq(reel_vocabulary_id(v, "do", -1), -1);
    cr_assert_eq(reel_vocabulary_id(v, "dogs", 3), 6);
    reel_vocabulary_free(v);
}

Test(vocabulary, special_tokens_come_first_and_rare_ones_have_no_number)
{
    static const char *const special[] = {"<pad>", "<unk>"};
    const char *const tokens[] = {"<pad>", "<unk>", "the", "and", "\xc3\xa9t\xc3\xa9"};
    const int64_t counts[] = {0, 1, 3, 2, 2}, ids[] = {1, 2, 1, 3, 77};
    int64_t got[] = {77, 77, 77, 77, 77};
    REEL_OPTIONS(vocabulary, o, o.min_count = 2, o.special = special, o.n_special = 2, o.unknown = 1);
    reel_vocabulary *v = numbered(&o, text);
    holds(v, tokens, counts, 5);
    cr_assert_eq(reel_vocabulary_ids(v, "dog the cat and", -1, got, 5), 4);
    cr_assert_arr_eq(got, ids, sizeof ids);
    got[2] = 77;
    cr_assert_eq(reel_vocabulary_ids(v, "dog the cat and", -1, got, 2), 4);
    cr_assert_eq(got[2], 77);
    reel_vocabulary_free(v);

    o.max_size = 4; /* with the special ones */
    v = numbered(&o, text);
    holds(v, tokens, counts, 4);
    cr_assert_eq(reel_vocabulary_id(v, tokens[4], -1), 1);
    reel_vocabulary_free(v);
}

Test(vocabulary, tokens_are_any_bytes)
{
    reel_vocabulary *v = reel_vocabulary_new(c, NULL);
    reel_vocabulary_add(v, "a\0b", 3);
    reel_vocabulary_add(v, "a\0c", 3);
    reel_vocabulary_add(v, "a\0c", 3);
    reel_vocabulary_add(v, "", 0);
    reel_vocabulary_add(v, "a b", -1);
    reel_vocabulary_number(v);
    cr_assert_eq(reel_vocabulary_size(v), 4);
    cr_assert_eq(reel_vocabulary_id(v, "a\0c", 3), 0);
    cr_assert_eq(reel_vocabulary_id(v, "", 0), 1);
    cr_assert_eq(reel_vocabulary_id(v, "a\0b", 3), 2);
    cr_assert_eq(reel_vocabulary_id(v, "a b", -1), 3);
    cr_assert_eq(reel_vocabulary_id(v, "a", -1), -1);
    reel_vocabulary_free(v);
}

Test(vocabulary, many_tokens)
{
    enum { N = 30000 };
    reel_vocabulary *v = reel_vocabulary_new(c, NULL);
    char token[16];
    for (int round = 1; round <= 3; round++)
        for (int i = 0; i < N; i += round) {
            snprintf(token, sizeof token, "t%05d", i);
            cr_assert_eq(reel_vocabulary_add(v, token, -1), REEL_OK);
        }
    cr_assert_eq(reel_vocabulary_number(v), REEL_OK);
    cr_assert_eq(reel_vocabulary_size(v), N);
    int64_t seen[4] = {0}, previous = 3;
    for (int64_t id = 0; id < N; id++) {
        int i = atoi(reel_vocabulary_token(v, id) + 1);
        int64_t count = reel_vocabulary_counts(v)[id];
        cr_assert_eq(count, 1 + (i % 2 == 0) + (i % 3 == 0));
        cr_assert_leq(count, previous);
        cr_assert_eq(reel_vocabulary_id(v, reel_vocabulary_token(v, id), -1), id);
        previous = count;
        seen[count]++;
    }
    cr_assert_eq(seen[3], N / 6);
    reel_vocabulary_free(v);
}

/* Every allocation fails once; counting the token again is enough. */
Test(vocabulary, out_of_memory_loses_nothing)
{
    for (int fail_at = 0, failed = 1; failed; fail_at++) {
        struct counting counts;
        reel_context *context = counting_context(&counts, 1);
        counts.calls = 0;
        counts.fail_at = fail_at;
        failed = 0;
#define UNTIL_OK(call)                                                                                                 \
    while (call, reel_context_status(context) != REEL_OK) {                                                            \
        cr_assert_eq(reel_context_status(context), REEL_ERROR_OUT_OF_MEMORY);                                          \
        reel_clear_error(context);                                                                                     \
        failed = 1;                                                                                                    \
    }
        static const char *const special[] = {"<pad>"};
        REEL_OPTIONS(vocabulary, o, o.special = special, o.n_special = 1);
        reel_vocabulary *v;
        UNTIL_OK(v = reel_vocabulary_new(context, &o));
        char token[16];
        for (int i = 0; i < 200; i++) {
            snprintf(token, sizeof token, "t%d", i % 150);
            UNTIL_OK(reel_vocabulary_add(v, token, -1));
        }
        UNTIL_OK(reel_vocabulary_number(v));
        cr_assert_eq(reel_vocabulary_size(v), 151);
        cr_assert_eq(reel_vocabulary_counts(v)[50], 2);
        cr_assert_eq(reel_vocabulary_counts(v)[51], 1);
        reel_vocabulary_free(v);
        reel_context_free(context);
        cr_assert_eq(counts.live, 0);
    }
}

Test(vocabulary, what_does_not_fit_is_refused)
{
    static const char *const twice[] = {"<pad>", "<pad>"};
    reel_vocabulary_options o = reel_vocabulary_defaults();
    o.min_count = 0;
    cr_assert_null(reel_vocabulary_new(c, &o));
    expect_error(REEL_ERROR_ARGUMENT);
    o.min_count = 1;
    o.special = twice;
    o.n_special = 2;
    cr_assert_null(reel_vocabulary_new(c, &o));
    cr_assert_str_eq(reel_error(c), "vocabulary: special token 1, \"<pad>\", is there twice");
    expect_error(REEL_ERROR_ARGUMENT);
    o.max_size = 1;
    cr_assert_null(reel_vocabulary_new(c, &o));
    expect_error(REEL_ERROR_ARGUMENT);
    reel_vocabulary *v = reel_vocabulary_new(c, NULL);
    cr_assert_eq(reel_vocabulary_add(v, NULL, 0), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_vocabulary_add(v, "a", -2), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT);
    reel_vocabulary_add(v, "a", -1);
    cr_assert_eq(reel_vocabulary_id(v, "a", -1), -1, "there are no numbers yet");
    cr_assert_eq(reel_vocabulary_size(v), 0);
    cr_assert_null(reel_vocabulary_counts(v));
    reel_vocabulary_number(v);
    cr_assert_eq(reel_vocabulary_add(v, "a", -1), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE);
    cr_assert_eq(reel_vocabulary_number(v), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE);
    reel_vocabulary_free(v);
    cr_assert_eq(reel_vocabulary_add(NULL, "a", -1), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_vocabulary_id(NULL, "a", -1), -1);
}
