/* reel::watch: what one looks at while a model trains, and afterwards. A library of its own (libreel_watch), which
 * serves reel and reel_f64. */
#ifndef REEL_WATCH_H
#define REEL_WATCH_H

#include <reel/watch/animation.h>
#include <reel/watch/picture.h>
#include <reel/watch/profiler.h>
#include <reel/watch/progress.h>
#include <reel/watch/run.h>
#include <reel/watch/summary.h>

#endif
