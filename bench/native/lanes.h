// assembly/lanes.ts in C, and the WebAssembly instructions that are no single intrinsic.
#pragma once
#include <immintrin.h>
#include <stdint.h>

// a and b swapped: the instruction gives its second operand where a comparison with NaN fails, `pmax` its first.
static inline __m128 pmax(__m128 a, __m128 b) { return _mm_max_ps(b, a); }

static inline __m128 pmin(__m128 a, __m128 b) { return _mm_min_ps(b, a); }

static inline __m128 load_tail(const float *at, int count, float fill) {
  __m128 v = _mm_set1_ps(fill);
  v = _mm_blend_ps(v, _mm_load_ss(at), 1);
  if (count > 1) v = _mm_insert_ps(v, _mm_load_ss(at + 1), 0x10);
  if (count > 2) v = _mm_insert_ps(v, _mm_load_ss(at + 2), 0x20);
  return v;
}

static inline float lanes_max(__m128 v) {
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}

static inline __m128d promote_high(__m128 v) { return _mm_cvtps_pd(_mm_movehl_ps(v, v)); }

static inline __m128d widen_sum(__m128 v) { return _mm_add_pd(_mm_cvtps_pd(v), promote_high(v)); }

static inline double sum_f64(__m128d v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
