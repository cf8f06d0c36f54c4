// assembly/exp.ts in C: there stand the mathematics and the bounds.
#pragma once
#include <math.h>
#include <string.h>
#include "lanes.h"

#ifdef FUSED
static const float LN2_HIGH = 2907270, C4 = 5.02927971f, C3 = 20.000185f, C2 = 59.9987144f, C0 = 120, HEADROOM = 1;
static const double LN2 = 0.693147182464599609375, LOG_KAPPA = 4.787491655660529, INVERSE_KAPPA = 0.008333334059346009;
#else
static const float LN2_HIGH = 2907136, LN2_REST = 133.992004f, C2 = -0.0027660122f, C1 = 0.16666618f, C0 = 2;
static const float HEADROOM = 8;
static const double LN2 = 0.69314718055829871446, LOG_KAPPA = 0, INVERSE_KAPPA = 1;
#endif
static const float HALF_LOG2E = 0.721347521f, LOG2E_ULP = 3.43965297e-7f, ULP = 2.384185791015625e-7f, FAR = 512;

static inline float shift_of(float max) { return fabsf(max) < FAR || max == -INFINITY ? 0 : max; }

static inline float even_turns(float x) {
  const __m128 n = _mm_set_ss(x * HALF_LOG2E);
  return _mm_cvtss_f32(_mm_round_ss(n, n, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)) * 2;
}

static inline float reference(float max) {
  return even_turns(max == -INFINITY ? 0 : max - shift_of(max)) - HEADROOM;
}

static inline double log_reference(float max) { return (double)reference(max) * LN2 - LOG_KAPPA; }

static inline double drift(double sum) {
#ifdef FUSED
  int64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  return (double)((int64_t)((uint64_t)bits >> 52) - 1023) * (LN2 - 0.69314718055994530942);
#else
  (void)sum;
  return 0;
#endif
}

static inline __m128 exp_bias(__m128 m) {
  return _mm_add_ps(_mm_set1_ps(2), _mm_mul_ps(_mm_sub_ps(_mm_set1_ps(127), m), _mm_set1_ps(ULP)));
}

static inline __m128 exp_lowest(__m128 m) {
  return _mm_mul_ps(_mm_sub_ps(m, _mm_set1_ps(126.75f)), _mm_set1_ps(0.693147182f));
}

// t
static inline __m128 exp_turns(__m128 x, __m128 bias) {
#ifdef FUSED
  return _mm_fmadd_ps(x, _mm_set1_ps(LOG2E_ULP), bias);
#else
  return _mm_add_ps(_mm_mul_ps(x, _mm_set1_ps(LOG2E_ULP)), bias);
#endif
}

// e^r
static inline __m128 exp_rest(__m128 x, __m128 t, __m128 bias) {
  const __m128 c2 = _mm_set1_ps(C2), c0 = _mm_set1_ps(C0), ln2 = _mm_set1_ps(LN2_HIGH);
  const __m128 n = _mm_sub_ps(t, bias);
#ifdef FUSED
  const __m128 r = _mm_fnmadd_ps(n, ln2, x);
  __m128 q = _mm_fmadd_ps(_mm_add_ps(r, _mm_set1_ps(C4)), r, _mm_set1_ps(C3));
  q = _mm_fmadd_ps(q, r, c2);
  q = _mm_fmadd_ps(q, r, c0);
  return _mm_fmadd_ps(q, r, c0);
#else
  const __m128 r = _mm_sub_ps(_mm_sub_ps(x, _mm_mul_ps(n, ln2)), _mm_mul_ps(n, _mm_set1_ps(LN2_REST)));
  const __m128 r2 = _mm_mul_ps(r, r);
  const __m128 p = _mm_add_ps(_mm_mul_ps(_mm_add_ps(_mm_mul_ps(c2, r2), _mm_set1_ps(C1)), r2), c0);
  return _mm_div_ps(_mm_add_ps(p, r), _mm_sub_ps(p, r));
#endif
}

// 2^(n - m)
static inline __m128 exp_power(__m128 t) { return _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(t), 23)); }

// e^x · 2^-m of four lanes, clamped from below
static inline __m128 exp_step(__m128 x, __m128 bias, __m128 lowest) {
  x = pmax(x, lowest);
  const __m128 t = exp_turns(x, bias);
  return _mm_mul_ps(exp_rest(x, t, bias), exp_power(t));
}

// sum + e^r · 2^(n - m)
static inline __m128 exp_add(__m128 sum, __m128 rest, __m128 power) {
#ifdef FUSED
  return _mm_fmadd_ps(rest, power, sum);
#else
  return _mm_add_ps(sum, _mm_mul_ps(rest, power));
#endif
}

// Whether the t's were what they must be, or'ed together.
static inline int is_right(__m128 turns) {
  return _mm_testz_si128(_mm_castps_si128(turns), _mm_set1_epi32(~0x400000ff));
}
