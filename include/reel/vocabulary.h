/* Words and their numbers, for embeddings of text: counted first, then numbered by how often they occur.
 *
 *     reel_vocabulary_options o = reel_vocabulary_defaults();
 *     o.min_count = 5;
 *     reel_vocabulary *v = reel_vocabulary_new(c, &o);
 *     char line[4096];
 *     while (fgets(line, sizeof line, stdin))
 *         reel_vocabulary_add_text(v, line, -1);
 *     reel_vocabulary_number(v);
 *     reel_module *words = reel_embedding_new(params, "words", reel_vocabulary_size(v), 100, NULL);
 *     reel_alias *negatives = reel_alias_new_of_counts(c, reel_vocabulary_counts(v), reel_vocabulary_size(v), 0.75);
 *
 * Tokens are any bytes, compared as bytes. Where a length is asked for, -1 stands for strlen. */
#ifndef REEL_VOCABULARY_H
#define REEL_VOCABULARY_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Words with their counts, and later with their numbers. */
typedef struct reel_vocabulary reel_vocabulary;

typedef struct reel_vocabulary_options {
    reel_options_mark mark;
    int64_t min_count; /* 1: tokens that occur less often get no number */
    int64_t max_size;  /* 0: no limit. The most tokens that get a number, special ones included */
    /* n_special tokens that get the first numbers, in this order and however often they occur: "<pad>", "<unk>".
     * Copied. */
    const char *const *special;
    int64_t n_special;
    int64_t unknown; /* -1: what reel_vocabulary_id gives for a token without a number */
} reel_vocabulary_options;
REEL_API reel_vocabulary_options reel_vocabulary_defaults(void);

/* A vocabulary that has counted nothing yet. NULL when the context is NULL or has an error, memory ran out, or an
 * option is outside its range: min_count < 1, max_size negative or below n_special, a special token twice
 * (REEL_ERROR_ARGUMENT). Owned by the caller; free it before the context. Every function below accepts NULL. */
REEL_API reel_vocabulary *reel_vocabulary_new(reel_context *context, const reel_vocabulary_options *options);
REEL_API void reel_vocabulary_free(reel_vocabulary *vocabulary);

/* Counts a token, or each token of a text, where spaces, tabs and ends of lines separate them. REEL_ERROR_STATE once
 * the tokens have numbers. When memory runs out in the middle of a text, the tokens before are counted. */
REEL_API reel_status reel_vocabulary_add(reel_vocabulary *vocabulary, const char *token, int64_t length);
REEL_API reel_status reel_vocabulary_add_text(reel_vocabulary *vocabulary, const char *text, int64_t length);

/* Gives the tokens their numbers: special ones first, then by falling count, and of equal counts by their bytes (the
 * order of torchtext.vocab.build_vocab_from_iterator). Others are forgotten. Once only (REEL_ERROR_STATE). */
REEL_API reel_status reel_vocabulary_number(reel_vocabulary *vocabulary);

/* How many tokens have a number; 0 before. */
REEL_API int64_t reel_vocabulary_size(const reel_vocabulary *vocabulary);

/* The number of a token, or options.unknown; that too while there are no numbers. */
REEL_API int64_t reel_vocabulary_id(const reel_vocabulary *vocabulary, const char *token, int64_t length);

/* The numbers of a text's tokens. Writes the first `room` of them to ids and returns how many tokens there are. 0 when
 * ids is NULL with room for some. */
REEL_API int64_t reel_vocabulary_ids(const reel_vocabulary *vocabulary, const char *text, int64_t length, int64_t *ids,
                                     int64_t room);

/* The token with a number, ending in a zero byte; NULL when there is none. It lives as long as the vocabulary. */
REEL_API const char *reel_vocabulary_token(const reel_vocabulary *vocabulary, int64_t id);

/* How often each token with a number occurred, by number. Lives as long as the vocabulary; NULL before. */
REEL_API const int64_t *reel_vocabulary_counts(const reel_vocabulary *vocabulary);

#ifdef __cplusplus
}
#endif

#endif
