// assembly/lanes.ts in C, and the WebAssembly instructions that are no single intrinsic.
#pragma once
#include <immintrin.h>
#include <stdint.h>

// a and b swapped: the instruction gives its second operand where a comparison with NaN fails, `pmax` its first.
static inline __m128 pmax(__m128 a, __m128 b) { return _mm_max_ps(b, a); }

static inline __m128 pmin(__m128 a, __m128 b) { return _mm_min_ps(b, a); }

// How many floats ahead loops touch the memory, and how many there must be behind the last one.
#define AHEAD 512
#define TOUCHED (AHEAD + 128)

// Touches a line of the cache ahead, or eight: loads, since a prefetch gives up where the page is not known yet.
static inline void touch_line(const float *at) {
  const volatile float *ahead = at + AHEAD;
  (void)ahead[0];
}

static inline void touch(const float *at) {
  for (int i = 0; i < 128; i += 16) touch_line(at + i);
}

static inline float lanes_max(__m128 v) {
  v = pmax(v, _mm_shuffle_ps(v, v, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm_cvtss_f32(pmax(v, _mm_shuffle_ps(v, v, _MM_SHUFFLE(2, 3, 0, 1))));
}

static inline __m128d promote_high(__m128 v) { return _mm_cvtps_pd(_mm_movehl_ps(v, v)); }

static inline __m128d widen_sum(__m128 a, __m128 b, __m128 c, __m128 d) {
  const __m128 v = _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
  return _mm_cvtps_pd(_mm_add_ps(v, _mm_movehl_ps(v, v)));
}

static inline double sum_f64(__m128d v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
