/* TensorBoard's event files: records of TFRecord, each a message Event of protobuf. */
#ifndef REEL_WATCH_EVENTS_H
#define REEL_WATCH_EVENTS_H

#include "buffer.h"

/* Buckets of a histogram: counts[i] values lie in (limits[i - 1], limits[i]]. */
enum { HISTOGRAM_BUCKETS = 32 };
struct histogram {
    double min, max, n, sum, sum_of_squares;
    int buckets;
    double limits[HISTOGRAM_BUCKETS], counts[HISTOGRAM_BUCKETS];
};

struct event_image {
    int64_t height, width, channels;
    const char *png;
    size_t size;
};

/* One event. Which of the values it has says `kind`; `name` and what pointers lead to belong to the caller, or while it
 * is read to the reader. */
enum event_kind { EVENT_VERSION, EVENT_START, EVENT_SCALAR, EVENT_IMAGE, EVENT_HISTOGRAM, EVENT_TEXT };
struct event {
    enum event_kind kind;
    double wall_time; /* seconds since 1970 */
    int64_t step;     /* of EVENT_START: what was said of this step and later ones before counts no longer */
    const char *name;
    double scalar;
    struct event_image image;
    struct histogram histogram;
    const char *text;
    size_t text_size;
};

/* CRC-32C (Castagnoli's polynomial), as TFRecord rotates and shifts it. */
uint32_t masked_crc32c(const void *bytes, size_t size);

/* Appends an event as a record. */
void event_write(struct buffer *b, const struct event *event);

/* Calls `take` with each event that it knows in the bytes of a file, in order, and ends before the first record that is
 * not whole. Returns how many bytes were good. */
size_t events_read(const char *bytes, size_t size, void (*take)(void *user, const struct event *event), void *user);

#endif
