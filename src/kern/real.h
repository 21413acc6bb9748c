/* The C library's functions for reel_real. */
#ifndef REEL_KERN_REAL_H
#define REEL_KERN_REAL_H

#include <reel/types.h>

#include <float.h>
#include <math.h>

#ifdef REEL_F64
#define REEL_FUNCTION(name) name
#define REEL_EPSILON DBL_EPSILON
#define REEL_REAL_MAX DBL_MAX
#define REEL_REAL_MIN DBL_MIN
#else
#define REEL_FUNCTION(name) name##f
#define REEL_EPSILON FLT_EPSILON
#define REEL_REAL_MAX FLT_MAX
#define REEL_REAL_MIN FLT_MIN
#endif

#define REEL_EXP(x) REEL_FUNCTION(exp)(x)
#define REEL_EXPM1(x) REEL_FUNCTION(expm1)(x)
#define REEL_LOG(x) REEL_FUNCTION(log)(x)
#define REEL_LOG1P(x) REEL_FUNCTION(log1p)(x)
#define REEL_SQRT(x) REEL_FUNCTION(sqrt)(x)
#define REEL_POW(x, y) REEL_FUNCTION(pow)(x, y)
#define REEL_SIN(x) REEL_FUNCTION(sin)(x)
#define REEL_COS(x) REEL_FUNCTION(cos)(x)
#define REEL_TANH(x) REEL_FUNCTION(tanh)(x)
#define REEL_ERF(x) REEL_FUNCTION(erf)(x)
#define REEL_ABS(x) REEL_FUNCTION(fabs)(x)
#define REEL_COPYSIGN(x, y) REEL_FUNCTION(copysign)(x, y)
#define REEL_NEXTAFTER(x, y) REEL_FUNCTION(nextafter)(x, y)
#define REEL_FLOOR(x) REEL_FUNCTION(floor)(x)
#define REEL_CEIL(x) REEL_FUNCTION(ceil)(x)
#define REEL_TRUNC(x) REEL_FUNCTION(trunc)(x)
#define REEL_RINT(x) REEL_FUNCTION(rint)(x)
#define REEL_FMOD(x, y) REEL_FUNCTION(fmod)(x, y)
#define REEL_FMA(x, y, z) REEL_FUNCTION(fma)(x, y, z)

#endif
