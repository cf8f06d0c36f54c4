// assembly/wide.ts in C: e^u and logarithms in float64, unfused in both builds.
#pragma once
#include "lanes.h"

static inline __m128d wide_load(const float *at) {
  return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)at)));
}

static inline void wide_store(float *at, __m128d v) {
  _mm_storel_epi64((__m128i *)at, _mm_castps_si128(_mm_cvtpd_ps(v)));
}

static inline __m128d madd(__m128d a, __m128d b, __m128d c) { return _mm_add_pd(_mm_mul_pd(a, b), c); }

// As WebAssembly has it, which SSE has not: the sign is added and taken off on either side of a logical shift.
static inline __m128i shift_right_signed(__m128i v, int bits) {
  const __m128i sign = _mm_set1_epi64x(INT64_MIN);
  return _mm_sub_epi64(_mm_srli_epi64(_mm_xor_si128(v, sign), bits), _mm_srli_epi64(sign, bits));
}

static inline __m128d wide_exp(__m128d u) {
  const __m128d magic = _mm_set1_pd(6755399441055744), one = _mm_set1_pd(1);
  const __m128d t = madd(u, _mm_set1_pd(1.4426950408889634), magic);
  const __m128d r = _mm_sub_pd(u, _mm_mul_pd(_mm_sub_pd(t, magic), _mm_set1_pd(0.6931471805599453)));
  const __m128d r2 = _mm_mul_pd(r, r);
  const __m128d r4 = _mm_mul_pd(r2, r2);
  const __m128d a = _mm_add_pd(r, one);
  const __m128d b = madd(r, _mm_set1_pd(0.16666666666666667), _mm_set1_pd(0.5));
  const __m128d c = madd(r, _mm_set1_pd(0.0083333333333333333), _mm_set1_pd(0.041666666666666667));
  const __m128d d = madd(r, _mm_set1_pd(0.00019841269841269841), _mm_set1_pd(0.0013888888888888889));
  const __m128d e = madd(r, _mm_set1_pd(0.0000027557319223985891), _mm_set1_pd(0.0000248015873015873));
  const __m128d low = madd(b, r2, a);
  const __m128d high = madd(madd(e, r2, d), r2, c);
  const __m128i field = _mm_add_epi64(_mm_castpd_si128(t), _mm_set1_epi64x(1023));
  return _mm_mul_pd(madd(high, r4, low), _mm_castsi128_pd(_mm_slli_epi64(field, 52)));
}

static inline __m128d wide_log(__m128d y) {
  const __m128d magic = _mm_set1_pd(6755399441055744), one = _mm_set1_pd(1);
  const __m128i sqrtHalf = _mm_set1_epi64x(0x3fe6a09e667f3bcd);
  const __m128i distance = _mm_sub_epi64(_mm_castpd_si128(y), sqrtHalf);
  const __m128i whole = _mm_add_epi64(shift_right_signed(distance, 52), _mm_castpd_si128(magic));
  const __m128d k = _mm_sub_pd(_mm_castsi128_pd(whole), magic);
  const __m128i mantissa = _mm_and_si128(distance, _mm_set1_epi64x(0x000fffffffffffff));
  const __m128d f = _mm_sub_pd(_mm_castsi128_pd(_mm_add_epi64(mantissa, sqrtHalf)), one);
  const __m128d s = _mm_div_pd(f, _mm_add_pd(f, _mm_set1_pd(2)));
  const __m128d z = _mm_mul_pd(s, s);
  const __m128d z2 = _mm_mul_pd(z, z);
  const __m128d a = madd(z, _mm_set1_pd(0.33333333333333333), one);
  const __m128d b = madd(z, _mm_set1_pd(0.14285714285714286), _mm_set1_pd(0.2));
  const __m128d c = madd(z, _mm_set1_pd(0.090909090909090909), _mm_set1_pd(0.11111111111111111));
  const __m128d q = madd(madd(madd(z2, _mm_set1_pd(0.076923076923076923), c), z2, b), z2, a);
  return madd(_mm_add_pd(s, s), q, _mm_mul_pd(k, _mm_set1_pd(0.6931471805599453)));
}

static inline __m128d wide_log1p(__m128d r) {
  const __m128d one = _mm_set1_pd(1);
  const __m128d y = _mm_add_pd(r, one);
  const __m128d lost = _mm_sub_pd(r, _mm_sub_pd(y, one));
  return _mm_add_pd(wide_log(y), _mm_div_pd(lost, y));
}

static inline double exp_of(double u) {
  double half = u * 0.5;
  half = half > 700 ? 700 : half < -700 ? -700 : half;
  half = _mm_cvtsd_f64(wide_exp(_mm_set1_pd(half)));
  return half * half;
}

static inline double log_of(double y) {
  if (y == 0) return -INFINITY;
  return y < INFINITY ? _mm_cvtsd_f64(wide_log(_mm_set1_pd(y))) : y;
}

static inline double log1p_of(double r) { return r < INFINITY ? _mm_cvtsd_f64(wide_log1p(_mm_set1_pd(r))) : r; }
