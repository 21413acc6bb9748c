/* The check that every option struct goes through. */
#include <reel/options.h>

#include <reel/context.h>

#include <string.h>

reel_status reel_options_take(reel_context *context, const char *kind, const void *given, void *options)
{
    reel_status status = reel_context_status(context);
    if (status == REEL_OK && (!kind || !options))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "options_take: kind or options is NULL");
    if (!given || status != REEL_OK)
        return status;
    reel_options_mark theirs, ours;
    memcpy(&theirs, given, sizeof theirs);
    memcpy(&ours, options, sizeof ours);
    if (theirs.magic != REEL_OPTIONS_MAGIC || theirs.size < sizeof theirs)
        return reel_fail(context, REEL_ERROR_ARGUMENT,
                         "%s: the options did not come from reel_%s_defaults(), so that those nobody set would be 0",
                         kind, kind);
    if (theirs.size > ours.size)
        return reel_fail(context, REEL_ERROR_ARGUMENT,
                         "%s: the options have %u bytes and this library knows the first %u, it is older than the "
                         "header they come from",
                         kind, (unsigned)theirs.size, (unsigned)ours.size);
    memcpy(options, given, theirs.size);
    memcpy(options, &ours, sizeof ours);
    return REEL_OK;
}
