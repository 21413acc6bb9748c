/* The texts of status codes. */
#include <reel/types.h>

const char *reel_status_text(reel_status status)
{
    switch (status) {
    case REEL_OK:
        return "ok";
    case REEL_ERROR_OUT_OF_MEMORY:
        return "out of memory";
    case REEL_ERROR_ARGUMENT:
        return "bad argument";
    case REEL_ERROR_SHAPE:
        return "shapes do not fit";
    case REEL_ERROR_DTYPE:
        return "wrong element type";
    case REEL_ERROR_INDEX:
        return "index out of range";
    case REEL_ERROR_STALE:
        return "stale var";
    case REEL_ERROR_STATE:
        return "not possible in this state";
    case REEL_ERROR_NO_RULE:
        return "no derivative";
    case REEL_ERROR_IO:
        return "input or output failed";
    case REEL_ERROR_FORMAT:
        return "malformed file";
    case REEL_ERROR_GRADIENT:
        return "wrong gradient";
    case REEL_ERROR_NOT_FINITE:
        return "not finite";
    case REEL_ERROR_PEER:
        return "no answer from a peer";
    }
    return "unknown status";
}
