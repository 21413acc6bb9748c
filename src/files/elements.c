/* Types of elements, and their conversion. */
#include "files/elements.h"

#include <math.h>
#include <string.h>

#define FLOAT_DTYPE(bits) (sizeof(reel_real) * 8 == (bits) ? (int)REEL_REAL : -1)
static const struct reel_tensor_type types[] = {
    {"F32", 32, FLOAT_DTYPE(32), REEL_CODED_FLOAT, 23, true},
    {"F64", 64, FLOAT_DTYPE(64), REEL_CODED_FLOAT, 52, true},
    {"F16", 16, -1, REEL_CODED_FLOAT, 10, true},
    {"BF16", 16, REEL_BFLOAT16, REEL_CODED_FLOAT, 7, true},
    {"F8_E5M2", 8, -1, REEL_CODED_FLOAT, 2, true},
    {"F8_E4M3", 8, -1, REEL_CODED_FLOAT, 3, false},
    {"I64", 64, REEL_INT64, REEL_CODED_SIGNED, 0, false},
    {"I32", 32, REEL_INT32, REEL_CODED_SIGNED, 0, false},
    {"I16", 16, -1, REEL_CODED_SIGNED, 0, false},
    {"I8", 8, -1, REEL_CODED_SIGNED, 0, false},
    {"U64", 64, -1, REEL_CODED_UNSIGNED, 0, false},
    {"U32", 32, -1, REEL_CODED_UNSIGNED, 0, false},
    {"U16", 16, -1, REEL_CODED_UNSIGNED, 0, false},
    {"U8", 8, -1, REEL_CODED_UNSIGNED, 0, false},
    {"BOOL", 8, REEL_BOOL, REEL_CODED_OTHERWISE, 0, false},
    {"C64", 64, -1, REEL_CODED_OTHERWISE, 0, false},
    {"F8_E8M0", 8, -1, REEL_CODED_OTHERWISE, 0, false},
    {"F8_E4M3FNUZ", 8, -1, REEL_CODED_OTHERWISE, 0, false},
    {"F8_E5M2FNUZ", 8, -1, REEL_CODED_OTHERWISE, 0, false},
    {"F6_E2M3", 6, -1, REEL_CODED_OTHERWISE, 0, false},
    {"F6_E3M2", 6, -1, REEL_CODED_OTHERWISE, 0, false},
    {"F4", 4, -1, REEL_CODED_OTHERWISE, 0, false},
};
enum { TYPES = sizeof types / sizeof *types };

const struct reel_tensor_type *reel_tensor_type_named(const char *name)
{
    for (int i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const char *reel_tensor_type_name(reel_dtype dtype)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i].dtype == (int)dtype)
            return types[i].name;
    return NULL;
}

bool reel_tensor_type_converts(const struct reel_tensor_type *type, reel_dtype dtype)
{
    if (!type || type->dtype == (int)dtype)
        return type != NULL;
    /* What reel has stays what it is, but for bfloat16, which only tables are. */
    if (type->coding == REEL_CODED_OTHERWISE || (type->dtype >= 0 && type->dtype != REEL_BFLOAT16))
        return false;
    if (type->coding == REEL_CODED_FLOAT)
        return dtype == REEL_REAL;
    return dtype == REEL_INT64 || (dtype == REEL_INT32 && type->bits < 32);
}

/* ---- Conversion ---- */

static uint64_t bits_at(const unsigned char *bytes, int size, bool swapped)
{
    uint64_t bits = 0;
    for (int i = 0; i < size; i++)
        bits = bits << 8 | bytes[swapped ? i : size - 1 - i];
    return bits;
}

static double float_of(uint64_t bits, const struct reel_tensor_type *type)
{
    if (type->bits == 64) {
        double x;
        memcpy(&x, &bits, sizeof x);
        return x;
    }
    if (type->bits == 32) {
        float x;
        uint32_t half = (uint32_t)bits;
        memcpy(&x, &half, sizeof x);
        return (double)x;
    }
    int exponent_bits = type->bits - 1 - type->mantissa, highest = (1 << exponent_bits) - 1, bias = highest / 2;
    int exponent = (int)(bits >> type->mantissa) & highest;
    int64_t whole = INT64_C(1) << type->mantissa, mantissa = (int64_t)bits & (whole - 1);
    double sign = bits >> (type->bits - 1) & 1 ? -1 : 1;
    /* Without infinities only the very last value is NaN. */
    if (exponent == highest && (type->infinite || mantissa == whole - 1))
        return type->infinite && mantissa == 0 ? sign * (double)INFINITY : sign * (double)NAN;
    return sign * (exponent == 0 ? ldexp((double)mantissa, 1 - bias - type->mantissa)
                                 : ldexp((double)(mantissa + whole), exponent - bias - type->mantissa));
}

/* Converts an element. false: it does not fit. */
static bool convert(const unsigned char *from, const struct reel_element_reading *r, void *out, int64_t i)
{
    const struct reel_tensor_type *type = r->type;
    uint64_t bits = bits_at(from, type->bits / 8, r->swapped);
    if (r->dtype == REEL_BFLOAT16) {
        uint16_t *halves = out;
        halves[i] = (uint16_t)bits;
        return true;
    }
    if (type->coding == REEL_CODED_FLOAT) {
        reel_real *reals = out;
        reals[i] = (reel_real)float_of(bits, type);
        return true;
    }
    uint64_t sign = type->coding == REEL_CODED_SIGNED ? UINT64_C(1) << (type->bits - 1) : 0;
    int64_t value = (int64_t)((bits ^ sign) - sign);
    if (r->dtype == REEL_INT32) {
        int32_t *integers = out;
        integers[i] = (int32_t)value;
    } else {
        int64_t *integers = out;
        integers[i] = value;
    }
    return sign || value >= 0;
}

/* Piece by piece. */
static int64_t read_converted(struct reel_source *from, const struct reel_element_reading *r, int64_t n, void *out)
{
    enum { PIECE = 8192 };
    unsigned char piece[PIECE];
    int64_t size = r->type->bits / 8, most = PIECE / size;
    for (int64_t at = 0; at < n;) {
        int64_t count = n - at < most ? n - at : most;
        if (from->read(from, piece, count * size) != REEL_OK)
            return at;
        for (int64_t i = 0; i < count; i++, at++)
            if (!convert(piece + i * size, r, out, at))
                return at;
    }
    return n;
}

int64_t reel_elements_read(struct reel_source *from, const struct reel_element_reading *r, int64_t n, void *out)
{
    if (r->type->dtype != (int)r->dtype || r->swapped)
        return read_converted(from, r, n, out);
    if (from->read(from, out, n * (r->type->bits / 8)) != REEL_OK)
        return 0;
    const unsigned char *bytes = out;
    for (int64_t i = 0; r->dtype == REEL_BOOL && i < n; i++)
        if (bytes[i] > 1)
            return i;
    return n;
}

const char *reel_element_misfit(const struct reel_element_reading *r)
{
    return r->dtype == REEL_BOOL ? "neither 0 nor 1" : "above the largest int64";
}
