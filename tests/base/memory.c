/* Memory, arena and scratch heap. */
#include "base/arena.h"
#include "base/checked.h"
#include "base/poison.h"
#include "base/scratch.h"
#include "base/sort.h"
#include "support/allocator.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static struct counting counted;
static struct reel_memory memory;

static void set_up(void)
{
    reel_allocator allocator = counting_allocator(&counted);
    reel_memory_init(&memory, &allocator);
}

static void nothing_leaks(void)
{
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
    cr_expect_eq(counted.wrong_sizes, 0);
    cr_expect_eq(memory.statistics.bytes, 0);
    cr_expect_eq(memory.statistics.allocations, (uint64_t)counted.calls);
}

TestSuite(memory, .init = set_up, .fini = nothing_leaks);
TestSuite(arena, .init = set_up, .fini = nothing_leaks);
TestSuite(scratch, .init = set_up, .fini = nothing_leaks);

static bool is_aligned(const void *p, size_t alignment)
{
    return (uintptr_t)p % alignment == 0;
}

/* ---- Memory ---- */

Test(memory, is_aligned_and_counted)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 63, 64, 65, 1000, 100000};
    void *blocks[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        blocks[i] = i % 2 ? reel_allocate(&memory, sizes[i]) : reel_allocate_zeroed(&memory, sizes[i]);
        cr_assert(blocks[i] && is_aligned(blocks[i], REEL_ALIGNMENT));
        for (size_t k = 0; i % 2 == 0 && k < sizes[i]; k++)
            cr_assert_eq(((char *)blocks[i])[k], 0);
        memset(blocks[i], 0x5a, sizes[i]);
    }
    cr_expect_eq(memory.statistics.bytes, counted.bytes);
    cr_expect_geq(memory.statistics.peak_bytes, memory.statistics.bytes);
    size_t peak = memory.statistics.peak_bytes;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        reel_free(&memory, blocks[i]);
    reel_free(&memory, NULL);
    cr_expect_eq(memory.statistics.peak_bytes, peak);
}

Test(memory, sizes_that_do_not_fit_are_refused)
{
    size_t bytes;
    int64_t product;
    cr_expect_null(reel_allocate(&memory, SIZE_MAX));
    cr_expect_null(reel_allocate(&memory, SIZE_MAX - 32));
    cr_expect_not(reel_multiply_size(INT64_MAX, 4, &bytes));
    cr_expect_not(reel_multiply_int64(INT64_MAX / 2, 3, &product));
    cr_expect(reel_multiply_size(6, 7, &bytes) && bytes == 42);
    memory.statistics.allocations = (uint64_t)counted.calls; /* the hook was never asked */
}

Test(memory, arrays_grow_and_keep_their_elements)
{
    int64_t capacity = 0, *array = NULL;
    for (int64_t i = 0; i < 1000; i++) {
        cr_assert(reel_grow(&memory, (void **)&array, i, &capacity, i + 1, sizeof *array));
        array[i] = i;
    }
    cr_expect_lt(counted.calls, 10);
    counted.fail_at = counted.calls;
    int64_t before = capacity;
    cr_expect_not(reel_grow(&memory, (void **)&array, 1000, &capacity, 5000, sizeof *array));
    cr_expect_not(reel_grow(&memory, (void **)&array, 1000, &capacity, INT64_MAX, sizeof *array));
    cr_expect_eq(capacity, before);
    for (int64_t i = 0; i < 1000; i++)
        cr_assert_eq(array[i], i);
    reel_free(&memory, array);
}

#ifdef __linux__
/* Whether the mapping that holds the address was advised to have huge pages. */
static bool is_advised(const void *address)
{
    char line[512];
    bool inside = false, advised = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    while (file && fgets(line, sizeof line, file)) {
        unsigned long first, end;
        if (sscanf(line, "%lx-%lx ", &first, &end) == 2)
            inside = (uintptr_t)address >= first && (uintptr_t)address < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            advised = strstr(line, " hg") != NULL;
    }
    if (file)
        fclose(file);
    return advised;
}

Test(memory, large_blocks_ask_for_huge_pages)
{
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0)
        cr_skip_test("this kernel has none");
    struct reel_memory defaults;
    reel_memory_init(&defaults, NULL);
    const size_t sizes[] = {(size_t)4 << 20, (size_t)7 << 20, (size_t)50 << 20};
    for (int i = 0; i < 3; i++)
        for (int zeroed = 0; zeroed < 2; zeroed++) {
            char *block = (zeroed ? reel_allocate_zeroed : reel_allocate)(&defaults, sizes[i]);
            cr_assert(block);
            cr_expect(is_advised(block + sizes[i] / 2), "%zu bytes", sizes[i]);
            memset(block, 1, sizes[i]);
            reel_free(&defaults, block);
        }
    char *of_the_user = reel_allocate(&memory, sizes[2]);
    cr_expect(!is_advised(of_the_user + sizes[2] / 2), "another's allocator knows what it does");
    reel_free(&memory, of_the_user);
}

#ifndef REEL_ADDRESS_SANITIZER /* which fills its shadow memory */
/* The number after `key` in a file of /proc, in KiB; -1 when there is none. */
static long proc_number(const char *path, const char *key)
{
    char line[256];
    long number = -1;
    FILE *file = fopen(path, "r");
    while (file && number < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), "%ld", &number);
    if (file)
        fclose(file);
    return number;
}

/* Also where blocks of that size were used and freed before. */
Test(memory, large_zeroed_blocks_take_nothing_before_they_are_touched)
{
    struct reel_memory defaults;
    reel_memory_init(&defaults, NULL);
    const size_t size = (size_t)96 << 20;
    for (int round = 0; round < 3; round++) {
        long before = proc_number("/proc/self/status", "VmRSS:");
        char *block = reel_allocate_zeroed(&defaults, size);
        cr_assert(block && before > 0);
        long after = proc_number("/proc/self/status", "VmRSS:");
        cr_expect_lt(after - before, 4096, "round %d: %ld KiB", round, after - before);
        for (size_t i = 0; i < size; i += 4096)
            cr_assert_eq(block[i], 0);
        memset(block, 1, size);
        cr_expect_geq(proc_number("/proc/self/status", "VmRSS:") - before, (long)(size >> 10) - 4096);
        reel_free(&defaults, block);
    }
}
#endif
#endif

/* ---- Arena ---- */

Test(arena, memory_is_aligned_and_separate)
{
    struct reel_arena arena;
    reel_arena_init(&arena, &memory);
    enum { COUNT = 4000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    uint32_t random = 1;
    for (int i = 0; i < COUNT; i++) {
        random = random * 1664525 + 1013904223;
        sizes[i] = random >> 22;
        blocks[i] = reel_arena_allocate(&arena, sizes[i]);
        cr_assert_not_null(blocks[i]);
        cr_assert(is_aligned(blocks[i], sizes[i] >= REEL_ALIGNMENT ? REEL_ALIGNMENT : 16));
        memset(blocks[i], i & 255, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            cr_assert_eq(blocks[i][k], i & 255, "block %d was written to", i);
    cr_expect_null(reel_arena_allocate(&arena, SIZE_MAX));
    cr_expect_null(reel_arena_allocate(&arena, SIZE_MAX - 100));
    memory.statistics.allocations = (uint64_t)counted.calls;
    reel_arena_free(&arena);
}

Test(arena, equal_steps_stop_allocating_after_the_second)
{
    struct reel_arena arena;
    reel_arena_init(&arena, &memory);
    int64_t calls = 0;
    for (int step = 0; step < 6; step++) {
        if (step == 2)
            calls = counted.calls;
        for (int i = 0; i < 300; i++)
            cr_assert_not_null(reel_arena_allocate(&arena, 1000 + (size_t)i));
        /* What is needed for a moment needs room too. */
        struct reel_arena_mark mark = reel_arena_mark(&arena);
        cr_assert_not_null(reel_arena_allocate(&arena, 1000000));
        reel_arena_rewind(&arena, mark);
        cr_assert_not_null(reel_arena_allocate(&arena, 500));
        reel_arena_reset(&arena);
    }
    cr_expect_eq(counted.calls, calls);
    reel_arena_free(&arena);
}

/* Neither the first step nor the later ones hold much more than what is in use at once. */
Test(arena, holds_what_is_used)
{
    struct reel_arena arena;
    reel_arena_init(&arena, &memory);
    const size_t moment = 900000, use = 3000 * 1024 + moment, before = counted.bytes;
    for (int step = 0; step < 4; step++) {
        for (int i = 0; i < 3000; i++) {
            if (i == 2999 || i == 100) {
                struct reel_arena_mark mark = reel_arena_mark(&arena);
                cr_assert_not_null(reel_arena_allocate(&arena, moment));
                reel_arena_rewind(&arena, mark);
            }
            cr_assert_not_null(reel_arena_allocate(&arena, 1024));
            size_t most = step < 2 ? use + use / 3 + (128 << 10) : use + use / 100;
            cr_assert_lt(counted.bytes - before, most, "step %d holds %zu bytes", step, counted.bytes - before);
        }
        reel_arena_reset(&arena);
    }
    reel_arena_free(&arena);
}

Test(arena, rewinding_keeps_what_was_before)
{
    struct reel_arena arena;
    reel_arena_init(&arena, &memory);
    struct reel_arena_mark empty = reel_arena_mark(&arena);
    char *first = reel_arena_allocate(&arena, 100);
    memset(first, 1, 100);
    struct reel_arena_mark mark = reel_arena_mark(&arena);
    char *second = reel_arena_allocate(&arena, 200);
    memset(second, 2, 200);
    reel_arena_rewind(&arena, mark);
    char *again = reel_arena_allocate(&arena, 200);
    cr_expect_eq(again, second);
    for (int round = 0; round < 3; round++) {
        mark = reel_arena_mark(&arena);
        memset(reel_arena_allocate(&arena, 300000), 3, 300000);
        memset(reel_arena_allocate(&arena, 900000), 3, 900000);
        reel_arena_rewind(&arena, mark);
    }
    for (int i = 0; i < 100; i++)
        cr_assert_eq(first[i], 1);
    reel_arena_rewind(&arena, empty);
    memset(reel_arena_allocate(&arena, 5000), 4, 5000);
    reel_arena_free(&arena);
}

Test(arena, failed_allocations_leave_it_usable)
{
    struct reel_arena arena;
    reel_arena_init(&arena, &memory);
    counted.fail_at = 0;
    cr_expect_null(reel_arena_allocate(&arena, 10));
    char *block = reel_arena_allocate(&arena, 10);
    cr_assert_not_null(block);
    memset(block, 7, 10);
    counted.fail_at = counted.calls;
    cr_expect_null(reel_arena_allocate(&arena, 1000000));
    cr_expect_not_null(reel_arena_allocate(&arena, 1000));
    cr_expect_eq(block[9], 7);
    reel_arena_free(&arena);
}

Test(arena, freed_memory_is_poisoned)
{
    struct reel_arena arena;
    reel_arena_init(&arena, &memory);
    char *block = reel_arena_allocate(&arena, 100);
    memset(block, 0, 100);
    reel_arena_reset(&arena);
#if defined(REEL_ADDRESS_SANITIZER)
    cr_expect(__asan_address_is_poisoned(block));
    cr_expect(__asan_address_is_poisoned(block + 99));
#elif !defined(NDEBUG)
    cr_expect_eq((unsigned char)block[0], 0xa5);
    cr_expect_eq((unsigned char)block[99], 0xa5);
#endif
    reel_arena_free(&arena);
}

/* ---- Scratch ---- */

struct block {
    unsigned char *bytes;
    size_t size;
    int holds;
    unsigned char pattern;
};

static void check_pattern(const struct block *b)
{
    for (size_t k = 0; k < b->size; k++)
        cr_assert_eq(b->bytes[k], b->pattern, "a block was written to");
}

Test(scratch, random_use_keeps_blocks_apart)
{
    enum { SLOTS = 64, STEPS = 40000 };
    static struct block blocks[SLOTS];
    struct reel_scratch scratch;
    reel_scratch_init(&scratch, &memory);
    uint32_t random = 12345;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        struct block *b = &blocks[random >> 26];
        uint32_t what = random >> 10 & 1023;
        if (b->holds == 0) {
            b->size = what < 50 ? what * 1000 : what % 300;
            b->bytes = reel_scratch_allocate(&scratch, b->size);
            cr_assert(b->bytes && is_aligned(b->bytes, REEL_ALIGNMENT));
            b->holds = 1;
            b->pattern = (unsigned char)step;
            memset(b->bytes, b->pattern, b->size);
        } else if (what % 4 == 0) {
            reel_scratch_hold(b->bytes);
            b->holds++;
        } else {
            if (what % 8 == 1)
                check_pattern(b);
            reel_scratch_release(&scratch, b->bytes);
            b->holds--;
        }
    }
    int64_t live = 0;
    for (int i = 0; i < SLOTS; i++)
        live += blocks[i].holds > 0;
    cr_expect_eq(scratch.live, live);
    reel_scratch_merge(&scratch); /* not while blocks are in use */
    for (int i = 0; i < SLOTS; i++)
        for (check_pattern(
                 &(struct block){blocks[i].bytes, blocks[i].holds ? blocks[i].size : 0, 0, blocks[i].pattern});
             blocks[i].holds > 0; blocks[i].holds--)
            reel_scratch_release(&scratch, blocks[i].bytes);
    cr_expect_eq(scratch.live, 0);
    reel_scratch_merge(&scratch);

    /* One chunk of the joint size, in which everything that is free has grown together again. */
    int64_t calls = counted.calls;
    void *small = reel_scratch_allocate(&scratch, 1);
    size_t all = counted.bytes;
    reel_scratch_release(&scratch, small);
    void *large = reel_scratch_allocate(&scratch, all - 1024);
    cr_expect_not_null(large);
    cr_expect_eq(counted.calls, calls + 1);
    reel_scratch_release(&scratch, large);
    reel_scratch_release(&scratch, NULL);
    reel_scratch_hold(NULL);
    reel_scratch_free(&scratch);
}

Test(scratch, equal_passes_stop_allocating)
{
    struct reel_scratch scratch;
    reel_scratch_init(&scratch, &memory);
    int64_t calls = 0;
    for (int step = 0; step < 6; step++) {
        void *blocks[40];
        if (step == 2)
            calls = counted.calls;
        for (int i = 0; i < 40; i++) {
            blocks[i] = reel_scratch_allocate(&scratch, 5000 * (size_t)(i + 1));
            cr_assert_not_null(blocks[i]);
            if (i % 3 == 2)
                reel_scratch_release(&scratch, blocks[i - 1]);
        }
        for (int i = 0; i < 40; i++)
            if (i % 3 != 1 || i == 39)
                reel_scratch_release(&scratch, blocks[i]);
        reel_scratch_merge(&scratch);
    }
    cr_expect_eq(scratch.live, 0);
    cr_expect_eq(counted.calls, calls);
    reel_scratch_free(&scratch);
}

Test(scratch, failed_allocations_leave_it_usable)
{
    struct reel_scratch scratch;
    reel_scratch_init(&scratch, &memory);
    counted.fail_at = 0;
    cr_expect_null(reel_scratch_allocate(&scratch, 10));
    cr_expect_null(reel_scratch_allocate(&scratch, SIZE_MAX));
    cr_expect_null(reel_scratch_allocate(&scratch, SIZE_MAX / 2));
    void *a = reel_scratch_allocate(&scratch, 10);
    counted.fail_at = counted.calls;
    cr_expect_null(reel_scratch_allocate(&scratch, 1000000));
    void *b = reel_scratch_allocate(&scratch, 1000);
    cr_expect(a && b && scratch.live == 2);
    reel_scratch_release(&scratch, a);
    reel_scratch_release(&scratch, b);
    memory.statistics.allocations = (uint64_t)counted.calls;
    reel_scratch_free(&scratch);
}

/* ---- Sorting ---- */

static bool comes_before(const void *user, int64_t a, int64_t b)
{
    const int *keys = user;
    return keys[a] != keys[b] ? keys[a] < keys[b] : a < b;
}

Test(sort, orders_items_of_any_count)
{
    enum { MOST = 300 };
    int keys[MOST];
    int64_t items[MOST];
    for (int i = 0; i < MOST; i++)
        keys[i] = i * i % 23;
    for (int64_t n = 0; n <= MOST; n += n < 20 ? 1 : 56) {
        for (int64_t i = 0; i < n; i++)
            items[i] = n - 1 - i;
        reel_heap_sort(items, n, comes_before, keys);
        for (int64_t i = 1; i < n; i++)
            cr_assert(comes_before(keys, items[i - 1], items[i]), "%lld items", (long long)n);
    }
}
