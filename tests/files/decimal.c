/* Numbers in text are the C library's, to the last bit. */
#include "files/decimal.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/* xorshift64* */
static uint64_t next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static int below(int n)
{
    return (int)((next() >> 33) % (uint64_t)n);
}

static void expect_same(const char *text, locale_t plain)
{
    double mine = 3, theirs;
    char *their_end;
    const char *end = reel_decimal(text, plain, &mine);
    theirs = strtod_l(text, &their_end, plain);
    cr_assert(end == their_end, "%s ends at %td, not at %td", text, end - text, their_end - text);
    cr_assert(end == text || memcmp(&mine, &theirs, sizeof mine) == 0, "%s is %a, not %a", text, mine, theirs);
}

/* Digits, as many as most numbers have, or up to 40; a point among them; an exponent in many ranges. */
static void make_number(char *text)
{
    int n = below(4) == 0 ? 1 + below(40) : 1 + below(19), point = below(n + 2) - 1;
    if (below(2) == 0)
        *text++ = below(4) == 0 ? '+' : '-';
    for (int i = 0; i < n; i++) {
        if (i == point)
            *text++ = '.';
        *text++ = (char)('0' + (below(6) == 0 ? 0 : below(10)));
    }
    int reach = below(3) == 0 ? 340 : 30;
    if (below(2) == 0)
        text += sprintf(text, "%c%d", below(2) ? 'e' : 'E', below(2 * reach) - reach);
    *text = '\0';
}

Test(decimal, random_numbers)
{
    enum { COUNT = 400000 };
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char text[128];
    state = 0x9e3779b97f4a7c15;
    for (int i = 0; i < COUNT; i++) {
        make_number(text);
        expect_same(text, plain);
    }
    freelocale(plain);
}

/* Doubles as they are written out, and decimals half way between two of them, which rounding decides. */
Test(decimal, doubles_and_ties)
{
    enum { COUNT = 200000 };
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char text[128];
    state = 1;
    for (int i = 0; i < COUNT; i++) {
        uint64_t bits = next();
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        sprintf(text, "%.*g", 15 + below(3), x);
        expect_same(text, plain);
        /* m + 1/2, for m of 54 to 60 bits, and its neighbours. */
        uint64_t m = next() >> (4 + below(7));
        sprintf(text, "%" PRIu64 "%s", m, below(3) == 0 ? ".5" : below(2) ? ".50000000000000000000001" : "");
        expect_same(text, plain);
        sprintf(text, "%.3fe%d", (double)(m >> 12) / 8, below(40) - 30);
        expect_same(text, plain);
    }
    freelocale(plain);
}

Test(decimal, odd_ones)
{
    static const char *const texts[] = {"",
                                        "-",
                                        ".",
                                        "-.",
                                        "e5",
                                        "1e",
                                        "1e+",
                                        "1.e5",
                                        ".5e1",
                                        "1..2",
                                        "--1",
                                        "inf",
                                        "INFINITY",
                                        "infinit",
                                        "-Inf",
                                        "+infinity",
                                        "1,5",
                                        " 1",
                                        "1 ",
                                        "00000000000000000000001",
                                        "0e99999999999999",
                                        "0.00000000000000000000000000000000000000001",
                                        "18446744073709551616",
                                        "18446744073709551615",
                                        "184467440737095516160",
                                        "-0",
                                        "-0.0e5",
                                        "1e309",
                                        "1e-5000",
                                        "9999999999999999999",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999"};
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*texts[i] != ' ')
            expect_same(texts[i], plain);
    /* What strtod would take too. */
    double x = 3;
    const char *hexadecimal = "0x1p3", *spaced = " 1", *nan = "nan";
    cr_assert(reel_decimal(hexadecimal, plain, &x) == hexadecimal + 1 && x == 0);
    cr_assert(reel_decimal(spaced, plain, &x) == spaced);
    cr_assert(reel_decimal(nan, plain, &x) == nan);
    freelocale(plain);
}
