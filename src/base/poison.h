/* Marks memory that nobody may touch: AddressSanitizer reports uses of it, and debug builds without it fill it with
 * a pattern (a signalling-looking float and a wild pointer) so that a stale read shows. */
#ifndef REEL_BASE_POISON_H
#define REEL_BASE_POISON_H

#include <stddef.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define REEL_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REEL_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef REEL_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

static inline void reel_poison(void *memory, size_t size)
{
#if !defined(NDEBUG) && !defined(REEL_ADDRESS_SANITIZER)
    memset(memory, 0xa5, size);
#endif
#ifdef REEL_ADDRESS_SANITIZER
    ASAN_POISON_MEMORY_REGION(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

static inline void reel_unpoison(void *memory, size_t size)
{
#ifdef REEL_ADDRESS_SANITIZER
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

#endif
