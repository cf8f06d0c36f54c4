// assembly/wide.ts in C: e^-x and logarithms in float64.
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

// e^-s / κ
#ifdef FUSED
static const double INVERSE[] = {0.008333334059346009,  -0.008333334059346009,  0.004166667040887784,
                                 -0.0013888890111366356, 0.0003472205719667018, -0.00006944426383702643,
                                 0.000011611368545798827, -0.0000016575818848643215};
#else
static const double INVERSE[] = {1, -1, 0.5000000013457735, -0.16666666681614276, 0.04166646500595841,
                                 -0.008333310934432448, 0.001393364104103859, -0.00019890980885439347};
#endif

static inline __m128i wide_bias(float m) { return _mm_castpd_si128(_mm_set1_pd((double)m + 6755399441056767)); }

// 2^m / κ · e^-x
static inline __m128d wide_inverse(__m128d x, __m128i bias, __m128d ln2) {
  const __m128d magic = _mm_set1_pd(6755399441055744);
  const __m128d t = nmadd(x, _mm_set1_pd(1.4426950408889634), magic);
  const __m128d s = madd(_mm_sub_pd(t, magic), ln2, x);
  const __m128d s2 = _mm_mul_pd(s, s);
  const __m128d a = madd(s, _mm_set1_pd(INVERSE[1]), _mm_set1_pd(INVERSE[0]));
  const __m128d b = madd(s, _mm_set1_pd(INVERSE[3]), _mm_set1_pd(INVERSE[2]));
  const __m128d c = madd(s, _mm_set1_pd(INVERSE[5]), _mm_set1_pd(INVERSE[4]));
  const __m128d d = madd(s, _mm_set1_pd(INVERSE[7]), _mm_set1_pd(INVERSE[6]));
  const __m128d p = madd(madd(madd(d, s2, c), s2, b), s2, a);
  const __m128i field = _mm_add_epi64(_mm_castpd_si128(t), bias);
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

static inline double inverse(double x, float m) {
  const int isFar = fabs((double)m * LN2 - x) > 690;
  const double half = x > 1400 ? 700 : x < -1400 ? -700 : x * 0.5;
  const __m128d v = _mm_set1_pd(isFar ? half : x);
  const double e = _mm_cvtsd_f64(wide_inverse(v, wide_bias(isFar ? 0 : m), _mm_set1_pd(LN2)));
  return isFar ? ldexp(1, (int)m) / INVERSE_KAPPA * e * e : e;
}

static inline double log_of(double y) {
  if (y == 0) return -INFINITY;
  return y < INFINITY ? _mm_cvtsd_f64(wide_log(_mm_set1_pd(y), _mm_set1_pd(LN2_WIDE))) : y;
}

static inline double log1p_of(double r) { return r < INFINITY ? _mm_cvtsd_f64(wide_log1p(_mm_set1_pd(r))) : r; }
