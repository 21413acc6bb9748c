/* Numbers in decimal notation, correctly rounded: with integers of 128 bits where these are enough, which is nearly
 * always, and strtod where they are not. */
#include "files/decimal.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LARGEST_POWER = 27 }; /* of five, below 2^63 */

static const uint64_t powers_of_five[LARGEST_POWER + 1] = {1,
                                                           5,
                                                           25,
                                                           125,
                                                           625,
                                                           3125,
                                                           15625,
                                                           78125,
                                                           390625,
                                                           1953125,
                                                           9765625,
                                                           48828125,
                                                           244140625,
                                                           1220703125,
                                                           6103515625,
                                                           30517578125,
                                                           152587890625,
                                                           762939453125,
                                                           3814697265625,
                                                           19073486328125,
                                                           95367431640625,
                                                           476837158203125,
                                                           2384185791015625,
                                                           11920928955078125,
                                                           59604644775390625,
                                                           298023223876953125,
                                                           1490116119384765625,
                                                           7450580596923828125};

/* 2^exponent for an exponent of normal numbers. */
static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* digits * 10^exponent, rounded once. digits > 0, |exponent| <= LARGEST_POWER: no intermediate is a subnormal number.
 */
static double scale(uint64_t digits, int exponent)
{
    typedef unsigned __int128 wide;
    if (exponent >= 0)
        return (double)((wide)digits * powers_of_five[exponent]) * power_of_two(exponent);
    /* Both moved up to their highest bit, the quotient has 63 bits or 64. What remains decides ties only. */
    uint64_t five = powers_of_five[-exponent];
    int up = __builtin_clzll(digits), five_up = __builtin_clzll(five);
    wide numerator = (wide)(digits << up) << 63;
    uint64_t denominator = five << five_up, quotient = (uint64_t)(numerator / denominator);
    if ((wide)quotient * denominator != numerator)
        quotient |= 1;
    return (double)quotient * power_of_two(exponent - 63 - up + five_up);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Behind "inf" or "infinity", or text. */
static const char *infinity(const char *text)
{
    if (strncasecmp(text, "inf", 3) != 0)
        return text;
    return text + (strncasecmp(text, "infinity", 8) == 0 ? 8 : 3);
}

/* How many digits there are from the first on that is not 0. */
static int64_t significant(const char *first, const char *end)
{
    while (first < end && (*first == '0' || *first == '.'))
        first++;
    return end - first - (memchr(first, '.', (size_t)(end - first)) != NULL);
}

/* What stands behind the digits, or 0; *at moves behind it. */
static int64_t read_exponent(const char **at)
{
    enum { FAR = 100000 };
    if (**at != 'e' && **at != 'E')
        return 0;
    const char *e = *at + 1;
    bool down = *e == '-';
    e += down || *e == '+';
    if (!is_digit(*e))
        return 0;
    int64_t written = 0;
    for (; is_digit(*e); e++)
        written = written < FAR ? written * 10 + (*e - '0') : written;
    *at = e;
    return down ? -written : written;
}

const char *reel_decimal(const char *text, locale_t plain, double *value)
{
    enum { MOST_DIGITS = 19, LARGEST_EXACT = 22 };
    static const double tens[LARGEST_EXACT + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *at = text;
    bool negative = *at == '-';
    at += negative || *at == '+';
    const char *first = at;
    uint64_t digits = 0;
    for (; is_digit(*at); at++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    int64_t count = at - first, exponent = 0;
    if (*at == '.') {
        const char *behind = ++at;
        for (; is_digit(*at); at++)
            digits = digits * 10 + (uint64_t)(*at - '0');
        exponent = behind - at;
        count -= exponent;
    }
    if (count == 0) {
        const char *end = infinity(first);
        if (end == first)
            return text;
        *value = negative ? -(double)INFINITY : (double)INFINITY;
        return end;
    }
    bool fits = count <= MOST_DIGITS || significant(first, at) <= MOST_DIGITS;
    exponent += read_exponent(&at);
    double x;
    if (fits && digits <= UINT64_C(1) << 53 && exponent >= -LARGEST_EXACT && exponent <= LARGEST_EXACT)
        /* Both are exact, so that one rounding is all. */
        x = exponent < 0 ? (double)digits / tens[-exponent] : (double)digits * tens[exponent];
    else if (fits && digits == 0)
        x = 0;
    else if (fits && exponent >= -LARGEST_POWER && exponent <= LARGEST_POWER)
        x = scale(digits, (int)exponent);
    else {
        *value = strtod_l(text, NULL, plain);
        return at;
    }
    *value = negative ? -x : x;
    return at;
}

bool reel_is_missing(const char *text)
{
    static const char *const missing[] = {"",     "#N/A",   "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN",
                                          "-nan", "1.#IND", "1.#QNAN",  "<NA>", "N/A",     "NA",       "NULL",
                                          "NaN",  "None",   "n/a",      "nan",  "null"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (strcmp(text, missing[i]) == 0)
            return true;
    return false;
}
