/* Tokens, their counts and numbers: a hash table over one pool of bytes. */
#include <reel/vocabulary.h>

#include "base/sort.h"
#include "base/text.h"
#include "core/context.h"

#include <string.h>

struct token {
    int64_t start, length; /* in the pool, where a zero byte follows */
    uint64_t hash;
    int64_t count;
};

struct reel_vocabulary {
    reel_context *context;
    reel_vocabulary_options options;
    char *pool;
    int64_t pool_size, pool_capacity;
    struct token *tokens; /* special ones first; once numbered, by number */
    int64_t n_tokens, tokens_capacity;
    int64_t *slots;  /* of the hash table: a token's place in `tokens`, or -1 */
    int64_t n_slots; /* a power of two, at least twice as many as tokens; or 0 */
    int64_t *counts; /* by number; NULL: there are no numbers yet */
};

reel_vocabulary_options reel_vocabulary_defaults(void)
{
    return (reel_vocabulary_options){.mark = REEL_OPTIONS_MARK(reel_vocabulary_options), .min_count = 1, .unknown = -1};
}

static reel_status usable(const reel_vocabulary *v)
{
    return v ? v->context->status : REEL_ERROR_ARGUMENT;
}

/* FNV-1a, and a last step that spreads what the upper bits know to the lower ones, which choose the slot. */
static uint64_t hash_of(const char *bytes, int64_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int64_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The slot of a token, or the empty one where it belongs. */
static int64_t *find_slot(const reel_vocabulary *v, const char *bytes, int64_t length, uint64_t hash)
{
    for (uint64_t at = hash;; at++) {
        int64_t *slot = &v->slots[at & (uint64_t)(v->n_slots - 1)];
        if (*slot < 0)
            return slot;
        const struct token *token = &v->tokens[*slot];
        if (token->hash == hash && token->length == length &&
            memcmp(v->pool + token->start, bytes, (size_t)length) == 0)
            return slot;
    }
}

static void fill_slots(reel_vocabulary *v)
{
    for (int64_t i = 0; i < v->n_slots; i++)
        v->slots[i] = -1;
    for (int64_t i = 0; i < v->n_tokens; i++) {
        const struct token *token = &v->tokens[i];
        *find_slot(v, v->pool + token->start, token->length, token->hash) = i;
    }
}

/* Makes room for one more token with so many bytes. */
static bool reserve(reel_vocabulary *v, int64_t length)
{
    enum { FEWEST = 64 };
    struct reel_memory *memory = &v->context->memory;
    int64_t tokens = v->n_tokens + 1, bytes = v->pool_size + length + 1;
    bool grown = reel_grow(memory, (void **)&v->tokens, v->n_tokens, &v->tokens_capacity, tokens, sizeof *v->tokens) &&
                 reel_grow(memory, (void **)&v->pool, v->pool_size, &v->pool_capacity, bytes, 1);
    if (grown && 2 * tokens > v->n_slots) {
        int64_t n_slots = v->n_slots ? 2 * v->n_slots : FEWEST;
        int64_t *slots = reel_allocate(memory, (size_t)n_slots * sizeof *slots);
        if (slots) {
            reel_free(memory, v->slots);
            v->slots = slots;
            v->n_slots = n_slots;
            fill_slots(v);
        }
        grown = slots != NULL;
    }
    if (!grown)
        reel_fail_memory(v->context, "a vocabulary", (size_t)bytes);
    return grown;
}

/* The token, added with a count of 0 if it is new; NULL when memory ran out. */
static struct token *intern(reel_vocabulary *v, const char *bytes, int64_t length)
{
    uint64_t hash = hash_of(bytes, length);
    if (v->n_slots > 0) {
        int64_t known = *find_slot(v, bytes, length, hash);
        if (known >= 0)
            return &v->tokens[known];
    }
    if (!reserve(v, length))
        return NULL;
    *find_slot(v, bytes, length, hash) = v->n_tokens;
    struct token *token = &v->tokens[v->n_tokens++];
    *token = (struct token){v->pool_size, length, hash, 0};
    if (length > 0)
        memcpy(v->pool + v->pool_size, bytes, (size_t)length);
    v->pool[v->pool_size + length] = '\0';
    v->pool_size += length + 1;
    return token;
}

static reel_status add_special(reel_vocabulary *v)
{
    char printable[REEL_PRINTABLE];
    const reel_vocabulary_options *o = &v->options;
    for (int64_t i = 0; i < o->n_special; i++) {
        const char *special = o->special[i];
        if (special && !intern(v, special, (int64_t)strlen(special)))
            break;
        if (!special || v->n_tokens != i + 1)
            return reel_fail(v->context, REEL_ERROR_ARGUMENT, "vocabulary: special token %lld, \"%s\", is %s",
                             (long long)i, special ? reel_printable(special, printable) : "",
                             special ? "there twice" : "NULL");
    }
    return v->context->status;
}

reel_vocabulary *reel_vocabulary_new(reel_context *context, const reel_vocabulary_options *options)
{
    reel_vocabulary_options o = reel_vocabulary_defaults();
    if (!context || reel_options_take(context, "vocabulary", options, &o) != REEL_OK)
        return NULL;
    if (o.min_count < 1 || o.n_special < 0 || (o.n_special > 0 && !o.special) || o.max_size < 0 ||
        (o.max_size > 0 && o.max_size < o.n_special)) {
        reel_fail(context, REEL_ERROR_ARGUMENT,
                  "vocabulary: min_count %lld must be at least 1, max_size %lld be 0 or at least the number of special "
                  "tokens, %lld, and these not be NULL",
                  (long long)o.min_count, (long long)o.max_size, (long long)o.n_special);
        return NULL;
    }
    reel_vocabulary *v = reel_allocate_zeroed(&context->memory, sizeof *v);
    if (!v) {
        reel_fail_memory(context, "a vocabulary", sizeof *v);
        return NULL;
    }
    v->context = context;
    v->options = o;
    if (add_special(v) != REEL_OK) {
        reel_vocabulary_free(v);
        return NULL;
    }
    v->options.special = NULL; /* the caller's */
    return v;
}

void reel_vocabulary_free(reel_vocabulary *vocabulary)
{
    if (!vocabulary)
        return;
    struct reel_memory *memory = &vocabulary->context->memory;
    reel_free(memory, vocabulary->pool);
    reel_free(memory, vocabulary->tokens);
    reel_free(memory, vocabulary->slots);
    reel_free(memory, vocabulary->counts);
    reel_free(memory, vocabulary);
}

static reel_status check_counting(const reel_vocabulary *v, const char *who, const char *text, int64_t length)
{
    if (usable(v) != REEL_OK)
        return usable(v);
    if (v->counts)
        return reel_fail(v->context, REEL_ERROR_STATE, "%s: the tokens have their numbers already", who);
    if (!text || length < -1)
        return reel_fail(v->context, REEL_ERROR_ARGUMENT, "%s: NULL, or a length of %lld", who, (long long)length);
    return REEL_OK;
}

reel_status reel_vocabulary_add(reel_vocabulary *vocabulary, const char *token, int64_t length)
{
    reel_status status = check_counting(vocabulary, "vocabulary_add", token, length);
    if (status != REEL_OK)
        return status;
    struct token *counted = intern(vocabulary, token, length < 0 ? (int64_t)strlen(token) : length);
    if (counted)
        counted->count++;
    return vocabulary->context->status;
}

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Moves *text to the next token before `end` and returns its length; 0 when there is none. */
static int64_t next_token(const char **text, const char *end)
{
    const char *at = *text;
    while (at < end && is_space(*at))
        at++;
    *text = at;
    while (at < end && !is_space(*at))
        at++;
    return at - *text;
}

reel_status reel_vocabulary_add_text(reel_vocabulary *vocabulary, const char *text, int64_t length)
{
    reel_status status = check_counting(vocabulary, "vocabulary_add_text", text, length);
    if (status != REEL_OK)
        return status;
    const char *end = text + (length < 0 ? (int64_t)strlen(text) : length);
    for (int64_t size; status == REEL_OK && (size = next_token(&text, end)) > 0; text += size)
        status = reel_vocabulary_add(vocabulary, text, size);
    return status;
}

/* ---- Numbers ---- */

static bool before(const void *user, int64_t a, int64_t b)
{
    const reel_vocabulary *v = user;
    const struct token *x = &v->tokens[a], *y = &v->tokens[b];
    if (x->count != y->count)
        return x->count > y->count;
    int64_t common = x->length < y->length ? x->length : y->length;
    int order = memcmp(v->pool + x->start, v->pool + y->start, (size_t)common);
    return order != 0 ? order < 0 : x->length < y->length;
}

reel_status reel_vocabulary_number(reel_vocabulary *vocabulary)
{
    reel_status status = check_counting(vocabulary, "vocabulary_number", "", 0);
    if (status != REEL_OK)
        return status;
    reel_vocabulary *v = vocabulary;
    struct reel_memory *memory = &v->context->memory;
    int64_t n = v->n_tokens, special = v->options.n_special;
    int64_t *order = reel_allocate(memory, (size_t)n * sizeof *order);
    struct token *numbered = order ? reel_allocate(memory, (size_t)n * sizeof *numbered) : NULL;
    int64_t *counts = numbered ? reel_allocate(memory, (size_t)n * sizeof *counts) : NULL;
    if (!counts) {
        reel_free(memory, order);
        reel_free(memory, numbered);
        return reel_fail_memory(v->context, "vocabulary_number", (size_t)n * sizeof *numbered);
    }
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    reel_heap_sort(order + special, n - special, before, v);
    int64_t size = 0, most = v->options.max_size > 0 ? v->options.max_size : n;
    while (size < n && size < most && (size < special || v->tokens[order[size]].count >= v->options.min_count)) {
        numbered[size] = v->tokens[order[size]];
        counts[size] = numbered[size].count;
        size++;
    }
    reel_free(memory, order);
    reel_free(memory, v->tokens);
    v->tokens = numbered;
    v->n_tokens = size;
    v->counts = counts;
    fill_slots(v);
    return REEL_OK;
}

int64_t reel_vocabulary_size(const reel_vocabulary *vocabulary)
{
    return vocabulary && vocabulary->counts ? vocabulary->n_tokens : 0;
}

int64_t reel_vocabulary_id(const reel_vocabulary *vocabulary, const char *token, int64_t length)
{
    if (!vocabulary)
        return -1;
    int64_t id = -1;
    if (token && reel_vocabulary_size(vocabulary) > 0) {
        length = length < 0 ? (int64_t)strlen(token) : length;
        id = *find_slot(vocabulary, token, length, hash_of(token, length));
    }
    return id >= 0 ? id : vocabulary->options.unknown;
}

int64_t reel_vocabulary_ids(const reel_vocabulary *vocabulary, const char *text, int64_t length, int64_t *ids,
                            int64_t room)
{
    if (!vocabulary || !text || (!ids && room > 0))
        return 0;
    const char *end = text + (length < 0 ? (int64_t)strlen(text) : length);
    int64_t count = 0;
    for (int64_t size; (size = next_token(&text, end)) > 0; text += size, count++)
        if (count < room)
            ids[count] = reel_vocabulary_id(vocabulary, text, size);
    return count;
}

const char *reel_vocabulary_token(const reel_vocabulary *vocabulary, int64_t id)
{
    if (id < 0 || id >= reel_vocabulary_size(vocabulary))
        return NULL;
    return vocabulary->pool + vocabulary->tokens[id].start;
}

const int64_t *reel_vocabulary_counts(const reel_vocabulary *vocabulary)
{
    return vocabulary ? vocabulary->counts : NULL;
}
