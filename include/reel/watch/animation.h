/* Pictures that follow each other, as one file: an animated PNG (APNG, in the third edition of the PNG specification).
 *
 *     const char *const pictures[] = {"samples-0001.png", "samples-0002.png", "samples-0003.png"};
 *     REEL_OPTIONS(animation, o, o.seconds = 0.1);
 *     reel_animation_save(c, "training.png", pictures, 3, &o);
 *
 * Browsers and most viewers play it, for ever. Who knows no animations shows the last picture, which the file has a
 * second time for that, as the specification's default image. */
#ifndef REEL_WATCH_ANIMATION_H
#define REEL_WATCH_ANIMATION_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_animation_options {
    reel_options_mark mark;
    double seconds;      /* 0.25; how long a picture is shown, 0..65; thousandths count */
    double last_seconds; /* 2; the last one */
} reel_animation_options;
REEL_API reel_animation_options reel_animation_defaults(void);

/* Joins n >= 1 PNG files, such as reel_picture_save writes, of one size and kind of pixels (gray, colours, with or
 * without transparency; no palettes). Pixels are copied as they are compressed there, so that joining costs no more
 * than reading and writing; it takes memory for all. A file that is already there is replaced when the new one is
 * complete (<reel/atomic_file.h>). REEL_ERROR_IO when a file cannot be read or written, REEL_ERROR_FORMAT when one is
 * no whole PNG, or has a palette, REEL_ERROR_SHAPE when one has another size or kind than the last. */
REEL_API reel_status reel_animation_save(reel_context *context, const char *path, const char *const *pictures,
                                         int64_t n, const reel_animation_options *options);

#ifdef __cplusplus
}
#endif

#endif
