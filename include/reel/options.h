/* Option structs. Zero is a legal value of most options (beta1, padding_idx, ignore_index), so that a struct whose
 * fields are named one by one, `{.lr = 0.1}`, would set all others to something that nobody meant. Options therefore
 * begin with the values of their reel_..._defaults() function, which also marks them; a function that takes options
 * refuses a struct without the mark (REEL_ERROR_ARGUMENT).
 *
 *     reel_adam_options o = reel_adam_defaults();
 *     o.lr = 2e-4;
 *     o.beta1 = 0.5;
 *     reel_optim *adam = reel_adam_new(params, &o);
 *
 * or, with the same meaning in C and in C++,
 *
 *     REEL_OPTIONS(adam, o, o.lr = 2e-4, o.beta1 = 0.5);
 *     reel_optim *adam = reel_adam_new(params, &o); */
#ifndef REEL_OPTIONS_H
#define REEL_OPTIONS_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first member of every option struct, called `mark`. Leave it as the ..._defaults() function made it; a copy of
 * the struct is as good as the struct. */
typedef struct reel_options_mark {
    uint32_t magic; /* REEL_OPTIONS_MAGIC */
    uint32_t size;  /* bytes of the struct, as the header that it was compiled with knows it */
} reel_options_mark;

/* Declares reel_<kind>_options `name` with the defaults of reel_<kind>_defaults(), then evaluates the assignments that
 * follow, at least one, in order. A declaration, so it stands where one may stand. */
#define REEL_OPTIONS(kind, name, ...)                                                                                  \
    reel_##kind##_options name = reel_##kind##_defaults();                                                             \
    (void)(__VA_ARGS__)

/* For options of your own: the mark that your ..._defaults() function gives a struct of this type, as an initialiser.
 */
#define REEL_OPTIONS_MAGIC 0x7265656cu
#define REEL_OPTIONS_MARK(type)                                                                                        \
    {                                                                                                                  \
        REEL_OPTIONS_MAGIC, (uint32_t)sizeof(type)                                                                     \
    }

/* For functions that take options: `options` holds the defaults, marked, and gets what the caller gave. NULL leaves the
 * defaults. A given struct without the mark is REEL_ERROR_ARGUMENT, in words that name reel_<kind>_defaults(). New
 * options are added at the end of a struct: of a smaller one, from an older header, the options that it lacks keep
 * their defaults; a larger one, whose last options would be ignored, is REEL_ERROR_ARGUMENT. The context's status, also
 * when it is that of an earlier failure; REEL_ERROR_ARGUMENT for a NULL context. */
REEL_API reel_status reel_options_take(reel_context *context, const char *kind, const void *given, void *options);

#ifdef __cplusplus
}
#endif

#endif
