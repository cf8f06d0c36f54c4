// assembly/wide.ts in C: e^u and logarithms in float64.
#pragma once
#include "lanes.h"

static inline __m128d wide_load(const float *at) {
  return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)at)));
}

static inline void wide_store(float *at, __m128d v) {
  _mm_storel_epi64((__m128i *)at, _mm_castps_si128(_mm_cvtpd_ps(v)));
}

static const double LN2_WIDE = 0.6931471805599453;

// a · b + c and c - a · b
#ifdef FUSED
static inline __m128d madd(__m128d a, __m128d b, __m128d c) { return _mm_fmadd_pd(a, b, c); }
static inline __m128d nmadd(__m128d a, __m128d b, __m128d c) { return _mm_fnmadd_pd(a, b, c); }
#else
static inline __m128d madd(__m128d a, __m128d b, __m128d c) { return _mm_add_pd(_mm_mul_pd(a, b), c); }
static inline __m128d nmadd(__m128d a, __m128d b, __m128d c) { return _mm_sub_pd(c, _mm_mul_pd(a, b)); }
#endif

// (1 + a) (1 + b) - 1
static inline __m128d either(__m128d a, __m128d b) { return _mm_add_pd(_mm_add_pd(a, b), _mm_mul_pd(a, b)); }

// As WebAssembly has it, which SSE has not: the sign is added and taken off on either side of a logical shift.
static inline __m128i shift_right_signed(__m128i v, int bits) {
  const __m128i sign = _mm_set1_epi64x(INT64_MIN);
  return _mm_sub_epi64(_mm_srli_epi64(_mm_xor_si128(v, sign), bits), _mm_srli_epi64(sign, bits));
}

static inline __m128d wide_exp(__m128d u, __m128d ln2) {
  const __m128d magic = _mm_set1_pd(6755399441055744), one = _mm_set1_pd(1);
  const __m128d t = madd(u, _mm_set1_pd(1.4426950408889634), magic);
  const __m128d r = nmadd(_mm_sub_pd(t, magic), ln2, u);
  const __m128d r2 = _mm_mul_pd(r, r);
  const __m128d a = _mm_add_pd(r, one);
  const __m128d b = madd(r, _mm_set1_pd(0.16666666681614276), _mm_set1_pd(0.5000000013457735));
  const __m128d c = madd(r, _mm_set1_pd(0.008333310934432448), _mm_set1_pd(0.04166646500595841));
  const __m128d d = madd(r, _mm_set1_pd(0.00019890980885439347), _mm_set1_pd(0.001393364104103859));
  const __m128d p = madd(madd(madd(d, r2, c), r2, b), r2, a);
  const __m128i field = _mm_add_epi64(_mm_castpd_si128(t), _mm_set1_epi64x(1023));
  return _mm_mul_pd(p, _mm_castsi128_pd(_mm_slli_epi64(field, 52)));
}

static inline __m128d wide_log(__m128d y, __m128d ln2) {
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
  const __m128d a = madd(z, _mm_set1_pd(0.33333333277246274), one);
  const __m128d b = madd(z, _mm_set1_pd(0.14275410197209099), _mm_set1_pd(0.20000060921760893));
  const __m128d q = madd(madd(_mm_set1_pd(0.11665239343487069), z2, b), z2, a);
  return madd(_mm_add_pd(s, s), q, _mm_mul_pd(k, ln2));
}

static inline __m128d wide_log1p(__m128d r) {
  const __m128d one = _mm_set1_pd(1);
  const __m128d y = _mm_add_pd(r, one);
  const __m128d lost = _mm_sub_pd(r, _mm_sub_pd(y, one));
  return _mm_add_pd(wide_log(y, _mm_set1_pd(LN2_WIDE)), _mm_div_pd(lost, y));
}

static inline double scaled_exp(double scale, double u, double ln2) {
  const int isFar = fabs(u) > 700;
  const double half = u > 1400 ? 700 : u < -1400 ? -700 : u * 0.5;
  const double e = _mm_cvtsd_f64(wide_exp(_mm_set1_pd(isFar ? half : u), _mm_set1_pd(ln2)));
  return isFar ? scale * e * e : scale * e;
}

static inline double log_of(double y) {
  if (y == 0) return -INFINITY;
  return y < INFINITY ? _mm_cvtsd_f64(wide_log(_mm_set1_pd(y), _mm_set1_pd(LN2_WIDE))) : y;
}

static inline double log1p_of(double r) { return r < INFINITY ? _mm_cvtsd_f64(wide_log1p(_mm_set1_pd(r))) : r; }
