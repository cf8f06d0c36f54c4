// assembly/exp.ts in C: there stand the mathematics and the bounds.
#pragma once
#include <math.h>
#include "lanes.h"

#ifdef FUSED
static const float LN2_HIGH = 0.693147182f;
static const double LN2 = 0.693147182464599609375;
#else
static const float LN2_HIGH = 0.693115234375f;
static const float LN2_REST = 3.19461849e-5f;
static const double LN2 = 0.69314718055829871446;
#endif
static const float LOG2E = 1.44269504f;
static const float C5 = 0.00830905512f, C4 = 0.041917935f, C3 = 0.16667445f, C2 = 0.499988675f, C1 = 0.999999642f;
static const double LOG_KAPPA = -7.400722198e-8;
static const float MAGIC = 12582912, HEADROOM = 8, FAR = 512;

static inline float shift_of(float max) { return fabsf(max) < FAR || max == -INFINITY ? 0 : max; }

static inline float reference(float max) {
  float near = max == -INFINITY ? 0 : max - shift_of(max);
  __m128 n = _mm_set_ss(near * LOG2E);
  return _mm_cvtss_f32(_mm_round_ss(n, n, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)) - HEADROOM;
}

static inline double log_reference(float max) { return (double)reference(max) * LN2 - LOG_KAPPA; }

static inline __m128 exp_bias(__m128 m) { return _mm_sub_ps(_mm_set1_ps(MAGIC + 127), m); }

static inline __m128 exp_lowest(__m128 m) {
  return _mm_mul_ps(_mm_sub_ps(m, _mm_set1_ps(127)), _mm_set1_ps(0.693147182f));
}

// e^x · 2^-m of four lanes
static inline __m128 exp_step(__m128 x, __m128 bias, __m128 lowest) {
  const __m128 log2e = _mm_set1_ps(LOG2E), ln2 = _mm_set1_ps(LN2_HIGH);
  const __m128 c5 = _mm_set1_ps(C5), c4 = _mm_set1_ps(C4), c3 = _mm_set1_ps(C3), c2 = _mm_set1_ps(C2);
  const __m128 c1 = _mm_set1_ps(C1), c0 = _mm_set1_ps(1);
  x = pmax(x, lowest);
#ifdef FUSED
  const __m128 t = _mm_fmadd_ps(x, log2e, bias);
  const __m128 r = _mm_fnmadd_ps(_mm_sub_ps(t, bias), ln2, x);
  __m128 q = _mm_fmadd_ps(c5, r, c4);
  q = _mm_fmadd_ps(q, r, c3);
  q = _mm_fmadd_ps(q, r, c2);
  q = _mm_fmadd_ps(q, r, c1);
  q = _mm_fmadd_ps(q, r, c0);
#else
  const __m128 t = _mm_add_ps(_mm_mul_ps(x, log2e), bias);
  const __m128 n = _mm_sub_ps(t, bias);
  const __m128 r = _mm_sub_ps(_mm_sub_ps(x, _mm_mul_ps(n, ln2)), _mm_mul_ps(n, _mm_set1_ps(LN2_REST)));
  const __m128 r2 = _mm_mul_ps(r, r);
  const __m128 high = _mm_add_ps(_mm_mul_ps(c5, r), c4);
  const __m128 middle = _mm_add_ps(_mm_mul_ps(c3, r), c2);
  const __m128 low = _mm_add_ps(_mm_mul_ps(c1, r), c0);
  const __m128 q = _mm_add_ps(_mm_mul_ps(_mm_add_ps(_mm_mul_ps(high, r2), middle), r2), low);
#endif
  return _mm_mul_ps(q, _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(t), 23)));
}
