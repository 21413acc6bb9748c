/* Event files: checksums as TFRecord has them, and what is written is read back, up to where a file was damaged. */
#include "watch/events.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* RFC 3720 (iSCSI), B.4, has the plain checksums. */
Test(events, checksums)
{
    unsigned char bytes[32];
    static const struct {
        int kind;
        uint32_t crc;
    } cases[] = {{0, 0x8a9136aau}, {1, 0x62a8ab43u}, {2, 0x46dd794eu}, {3, 0x113fdb5cu}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        for (int i = 0; i < 32; i++)
            bytes[i] = (unsigned char)(cases[k].kind == 0   ? 0
                                       : cases[k].kind == 1 ? 0xff
                                       : cases[k].kind == 2 ? i
                                                            : 31 - i);
        uint32_t masked = (cases[k].crc >> 15 | cases[k].crc << 17) + 0xa282ead8u;
        cr_expect_eq(masked_crc32c(bytes, sizeof bytes), masked);
    }
}

enum { EVENTS = 7 };
static const char png[] = {'\x89', 'P', 'N', 'G', '\0', 'x'};

static const struct event *all_events(void)
{
    static struct event e[EVENTS];
    e[0] = (struct event){.kind = EVENT_VERSION, .wall_time = 1e9};
    e[1] = (struct event){.kind = EVENT_START, .wall_time = 1e9 + 0.5, .step = 7};
    e[2] = (struct event){.kind = EVENT_SCALAR, .wall_time = 1e9 + 1, .step = 1, .name = "loss/D", .scalar = 0.25};
    e[3] = (struct event){.kind = EVENT_SCALAR, .wall_time = 1e9 + 2, .step = INT64_MAX, .name = "", .scalar = NAN};
    e[4] = (struct event){
        .kind = EVENT_IMAGE, .wall_time = 1e9 + 3, .step = 300, .name = "s", .image = {2, 3, 1, png, sizeof png}};
    e[5] = (struct event){.kind = EVENT_HISTOGRAM,
                          .wall_time = 1e9 + 4,
                          .step = 2,
                          .name = "h",
                          .histogram = {-1, 2, 3, 4, 5, 2, {0.5, 2}, {1, 2}}};
    e[6] = (struct event){
        .kind = EVENT_TEXT, .wall_time = 1e9 + 5, .step = 2, .name = "t", .text = "ein Wörtchen", .text_size = 13};
    return e;
}

static int n_taken;

static void compare(void *user, const struct event *e)
{
    (void)user;
    const struct event *wanted = &all_events()[n_taken++];
    cr_assert_leq(n_taken, EVENTS);
    cr_expect_eq(e->kind, wanted->kind);
    cr_expect_eq(e->wall_time, wanted->wall_time);
    cr_expect_eq(e->step, wanted->step);
    if (e->kind != EVENT_VERSION && e->kind != EVENT_START)
        cr_expect_str_eq(e->name, wanted->name);
    if (e->kind == EVENT_SCALAR)
        cr_expect(e->scalar == wanted->scalar || (isnan(e->scalar) && isnan(wanted->scalar)));
    if (e->kind == EVENT_IMAGE) {
        cr_expect(e->image.height == 2 && e->image.width == 3 && e->image.channels == 1);
        cr_assert_eq(e->image.size, sizeof png);
        cr_expect_arr_eq(e->image.png, png, sizeof png);
    }
    if (e->kind == EVENT_HISTOGRAM) {
        const struct histogram *h = &e->histogram;
        cr_expect(h->min == -1 && h->max == 2 && h->n == 3 && h->sum == 4 && h->sum_of_squares == 5);
        cr_expect(h->buckets == 2 && h->limits[0] == 0.5 && h->limits[1] == 2 && h->counts[0] == 1 &&
                  h->counts[1] == 2);
    }
    if (e->kind == EVENT_TEXT) {
        cr_assert_eq(e->text_size, wanted->text_size);
        cr_expect_arr_eq(e->text, wanted->text, wanted->text_size);
    }
}

static void count(void *user, const struct event *e)
{
    (void)e;
    ++*(int *)user;
}

Test(events, are_read_as_they_were_written)
{
    struct buffer b = {0};
    size_t ends[EVENTS];
    for (int i = 0; i < EVENTS; i++) {
        event_write(&b, &all_events()[i]);
        ends[i] = b.size;
    }
    cr_assert_not(b.incomplete);
    cr_expect_eq(events_read(b.bytes, b.size, compare, NULL), b.size);
    cr_expect_eq(n_taken, EVENTS);

    /* A file that ends anywhere has the records that are whole. */
    for (size_t size = 0; size <= b.size; size++) {
        int taken = 0, whole = 0;
        while (whole < EVENTS && ends[whole] <= size)
            whole++;
        char *copy = malloc(size ? size : 1);
        memcpy(copy, b.bytes, size);
        cr_expect_eq(events_read(copy, size, count, &taken), whole ? ends[whole - 1] : 0);
        cr_expect_eq(taken, whole);
        free(copy);
    }
    /* A bit that is another one ends it before the record that it is in. */
    for (size_t i = 0; i < b.size; i++) {
        int taken = 0, before = 0;
        while (ends[before] <= i)
            before++;
        b.bytes[i] ^= 0x10;
        events_read(b.bytes, b.size, count, &taken);
        cr_expect_eq(taken, before);
        b.bytes[i] ^= 0x10;
    }
    buffer_free(&b);
}

/* Messages that are no messages, under a checksum that is right, are gone through without harm. */
Test(events, broken_messages_do_no_harm)
{
    struct buffer b = {0};
    event_write(&b, &all_events()[5]);
    size_t length = b.size - 16;
    for (size_t i = 0; i < length; i++)
        for (int value = 0; value < 256; value += 5) {
            char saved = b.bytes[12 + i];
            b.bytes[12 + i] = (char)value;
            uint32_t crc = masked_crc32c(b.bytes + 12, length);
            for (int k = 0; k < 4; k++)
                b.bytes[12 + length + (size_t)k] = (char)(unsigned char)(crc >> 8 * k);
            int taken = 0;
            cr_expect_eq(events_read(b.bytes, b.size, count, &taken), b.size);
            b.bytes[12 + i] = saved;
        }
    buffer_free(&b);
}
