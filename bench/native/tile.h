// assembly/tile.ts and tile-*.ts, log-softmax-tile.ts and cross-entropy-tile.ts in C: many rows at once, which lie next to
// each other here, and so make one stretch; or long ones, which are summed where they are.
#pragma once
#include "rows.h"

#define VALUES 8192
#define ENOUGH 256
#define LONG 256
#define LONG_VALUES 32768
#define LONG_RESULTS 4096
#define SUMMED 4
#define LARGEST 0x1p120
#define LEAST_INVERSE 0x1p-82
#define LARGEST_INVERSE 0x1p-8
#define FARTHEST 700
#define LEAST_OF_ALL 256.0
#define LEAST_ODDS 0x1p-80
#define LARGEST_ODDS 0x1p40
#define REACH 124.0f
#define FARTHER 600.0f
#define ROOM_FOR_TARGETS 38.0f
#define ROOM_FOR_MAXIMA 58.0f
#define ROOM_ALONE 22.0f
#define TINY 0x1p-126

static _Alignas(64) float TILE[VALUES + 4 + TOUCHED];
static _Alignas(64) float OWN[ENOUGH + 4], FACTORS[ENOUGH + 4], GRADIENTS[ENOUGH + 4], NEAR[ENOUGH + 4], REST[ENOUGH + 4];
static _Alignas(64) int32_t AT[ENOUGH + 4], KEPT[ENOUGH + 4];

// Which rows of a tile that comes again need not, and how many it has.
static int DONE[ENOUGH], AGAIN;
static _Alignas(64) double SUMS[ENOUGH + 4], ODDS[ENOUGH + 32], INVERSES[ENOUGH + 4];

// What takes the reference off logits, between what they are clamped, m, and 2^m.
static __m128 BIAS, LOWEST, HIGHEST;
static float EXPONENT;
static double UNIT;

static int tile_count(int left, int classes, int longValues) {
  const int most = left < ENOUGH ? left : ENOUGH;
  const int few = classes > LONG_RESULTS ? 1 : LONG_RESULTS / classes;
  const int fitting = classes < LONG ? VALUES / classes : longValues == LONG_RESULTS ? few : longValues / classes / few * few;
  return fitting < 1 ? 1 : most < fitting ? most : fitting;
}

static void tile_refer(float logit, float room, int isAgain) {
  const int isNear = fabsf(logit) < (isAgain ? FARTHER : FAR);
  const float m = even_turns(isNear ? logit : 0) - HEADROOM - (isAgain ? ROOM_ALONE : room);
  const __m128 v = _mm_set1_ps(m);
  EXPONENT = m;
  UNIT = ldexp(1, (int)m);
  BIAS = exp_bias(v);
  LOWEST = exp_lowest(v);
  HIGHEST = _mm_set1_ps((m + REACH) * 0.693147182f);
}

static inline __m128 tail_of(const float *at, int left, float fill) {
  return _mm_set_ps(fill, left > 2 ? at[2] : fill, left > 1 ? at[1] : fill, at[0]);
}

static inline __m128 get(const float *at, int left, float fill) {
  return left < 4 ? tail_of(at, left, fill) : _mm_loadu_ps(at);
}

static inline void put(float *to, int left, __m128 v) {
  if (left >= 4) {
    _mm_storeu_ps(to, v);
    return;
  }
  _Alignas(16) float lanes[4];
  _mm_store_ps(lanes, v);
  for (int i = 0; i < left; i++) to[i] = lanes[i];
}

// Where results will be written once the sums are known, NULL for nowhere: its lines are touched by the way.
static const float *EXPECTED;

static int exponentials(const float *from, int n) {
  const volatile float *results = EXPECTED == NULL ? TILE : EXPECTED;
  const __m128 bias = BIAS;
  __m128 turns = _mm_setzero_ps();
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    touch_line(from + i);
    (void)results[i];
    const __m128 x = _mm_loadu_ps(from + i), y = _mm_loadu_ps(from + i + 4);
    const __m128 s = exp_turns(x, bias), t = exp_turns(y, bias);
    turns = _mm_or_ps(turns, _mm_or_ps(s, t));
    _mm_store_ps(TILE + i, _mm_mul_ps(exp_rest(x, s, bias), exp_power(s)));
    _mm_store_ps(TILE + i + 4, _mm_mul_ps(exp_rest(y, t, bias), exp_power(t)));
  }
  for (; i < n; i += 4) {
    const __m128 x = get(from + i, n - i, _mm_cvtss_f32(LOWEST));
    const __m128 t = exp_turns(x, bias);
    turns = _mm_or_ps(turns, t);
    _mm_store_ps(TILE + i, _mm_mul_ps(exp_rest(x, t, bias), exp_power(t)));
  }
  return is_right(turns);
}

static void tile_exp(const float *logits, int n) {
  if (exponentials(logits, n)) return;
  for (int i = 0; i < n; i += 4) {
    _mm_store_ps(TILE + i, pmin(pmax(get(logits + i, n - i, 0), LOWEST), HIGHEST));
  }
  exponentials(TILE, n);
}

static void tile_sum(int count, int n) {
  static const int32_t LEADING[] = {-1, 0, 0, 0, -1, -1, 0, 0, -1, -1, -1, 0, -1, -1, -1, -1};
  const int before = (n - 1) & ~3;
  const __m128 last = _mm_loadu_ps((const float *)(LEADING + 4 * ((n - 1) & 3)));
  const float *a = TILE;
  for (int q = 0; q < count; q += 4) {
    const float *b = q + 1 < count ? a + n : a, *d = q + 2 < count ? b + n : b, *e = q + 3 < count ? d + n : d;
    __m128 x = _mm_and_ps(_mm_loadu_ps(a + before), last), y = _mm_and_ps(_mm_loadu_ps(b + before), last);
    __m128 z = _mm_and_ps(_mm_loadu_ps(d + before), last), w = _mm_and_ps(_mm_loadu_ps(e + before), last);
    __m128d low = _mm_setzero_pd(), high = low;
    for (int i = 0;;) {
      const int end = i + 4 * SUMMED < before ? i + 4 * SUMMED : before;
      for (; i < end; i += 4) {
        x = _mm_add_ps(x, _mm_loadu_ps(a + i));
        y = _mm_add_ps(y, _mm_loadu_ps(b + i));
        z = _mm_add_ps(z, _mm_loadu_ps(d + i));
        w = _mm_add_ps(w, _mm_loadu_ps(e + i));
      }
      const __m128 p = _mm_add_ps(_mm_unpacklo_ps(x, y), _mm_unpackhi_ps(x, y));
      const __m128 r = _mm_add_ps(_mm_unpacklo_ps(z, w), _mm_unpackhi_ps(z, w));
      const __m128 sums = _mm_add_ps(_mm_movelh_ps(p, r), _mm_movehl_ps(r, p));
      low = _mm_add_pd(low, _mm_cvtps_pd(sums));
      high = _mm_add_pd(high, promote_high(sums));
      if (i >= before) break;
      x = y = z = w = _mm_setzero_ps();
    }
    _mm_store_pd(SUMS + q, low);
    _mm_store_pd(SUMS + q + 2, high);
    a = e + n;
  }
}

static int tile_is_near(int count) {
  const __m128d least = _mm_set1_pd(LEAST_OF_ALL), most = _mm_set1_pd(LARGEST);
  __m128d near = _mm_castsi128_pd(_mm_set1_epi64x(-1));
  for (int q = 0; q < count; q += 2) {
    const __m128d sum = q + 1 < count ? _mm_load_pd(SUMS + q) : _mm_set1_pd(SUMS[q]);
    near = _mm_and_pd(near, _mm_and_pd(_mm_cmpge_pd(sum, least), _mm_cmple_pd(sum, most)));
  }
  return _mm_movemask_pd(near) == 3;
}

// Row by row: what the last vector of a row has too many, the next row overwrites.
static void tile_scale(int count, int n, float *to) {
  for (int q = 0; q < count; q++, to += n) {
    const __m128 f = _mm_set1_ps(FACTORS[q]);
    const float *e = TILE + q * n;
    if (q + 1 < count && n > 1) {
      for (int i = 0; i < n; i += 4) _mm_storeu_ps(to + i, _mm_mul_ps(_mm_loadu_ps(e + i), f));
    } else {
      for (int i = 0; i < n; i += 4) put(to + i, n - i, _mm_mul_ps(_mm_loadu_ps(e + i), f));
    }
  }
}

static int take_all(const float *logits, float *out, int count, int n, int isAgain) {
  tile_refer(isAgain ? row_max(logits, n) : row_top(logits, count * n), ROOM_FOR_MAXIMA, isAgain);
  if (n >= LONG) {
    LATER = EXPECTED == NULL ? 0 : EXPECTED - logits;
    for (int q = 0; q < count; q++) SUMS[q] = exp_from(logits + q * n, out == NULL ? NULL : out + q * n, n, EXPONENT, 0);
    LATER = 0;
    finish();
  } else {
    tile_exp(logits, count * n);
    tile_sum(count, n);
  }
  return tile_is_near(count);
}

// The rows' log-sum-exp as float32, and what that rounds off.
static void compute_logarithms(int count) {
  for (int q = 0; q < count; q += 2) {
    const __m128d sum = _mm_mul_pd(_mm_set1_pd(UNIT), _mm_load_pd(SUMS + q));
    const __m128d lse = _mm_sub_pd(wide_log(sum, _mm_set1_pd(LN2)), _mm_set1_pd(LOG_KAPPA));
    const __m128 rounded = _mm_cvtpd_ps(lse);
    _mm_storel_epi64((__m128i *)(NEAR + q), _mm_castps_si128(rounded));
    wide_store(REST + q, _mm_sub_pd(lse, _mm_cvtps_pd(rounded)));
  }
}

// Row by row, as tile_scale.
static void subtract_logarithms(const float *logits, int count, int n, float *out) {
  const __m128 zero = _mm_setzero_ps();
  for (int q = 0; q < count; q++, logits += n, out += n) {
    const __m128 a = _mm_set1_ps(NEAR[q]), b = _mm_set1_ps(REST[q]);
    if (q + 1 < count && n > 1) {
      for (int i = 0; i < n; i += 4) {
        _mm_storeu_ps(out + i, pmin(_mm_sub_ps(_mm_sub_ps(_mm_loadu_ps(logits + i), a), b), zero));
      }
    } else {
      for (int i = 0; i < n; i += 4) {
        put(out + i, n - i, pmin(_mm_sub_ps(_mm_sub_ps(get(logits + i, n - i, 0), a), b), zero));
      }
    }
  }
}

// Rows whose sums are not within bounds come again by themselves: so many of a tile's rows are left.
#define FOR_TILES(longValues)                                                                                          \
  for (int row = 0, alone = 0, count; row < rows; row += count, alone--)                                               \
    if (count = tile_count(alone > 0 ? 1 : rows - row, classes, longValues), alone <= 0 || !DONE[AGAIN - alone])

#define IS_AGAIN (alone > 0)

#define COME_AGAIN (AGAIN = count, alone = count + 1, count = 0)

static void none_is_done(int count) { memset(DONE, 0, (size_t)count * sizeof *DONE); }

static void near_are_done(int count) {
  for (int q = 0; q < count; q++) DONE[q] = SUMS[q] >= LEAST_OF_ALL && SUMS[q] < LARGEST;
}

static void log_sum_exp_forward(float *logits, float *lse, int rows, int classes) {
  EXPECTED = NULL;
  FOR_TILES(LONG_VALUES) {
    float *x = logits + row * classes;
    const int isNear = take_all(x, NULL, count, classes, IS_AGAIN);
    if (isNear || !IS_AGAIN) {
      compute_logarithms(count);
      memcpy(lse + row, NEAR, (size_t)count * sizeof(float));
      if (!isNear) near_are_done(count), COME_AGAIN;
    } else {
      lse[row] = row_log_sum_exp(x, classes);
    }
  }
}

static void log_softmax_forward(float *logits, float *logProbs, int rows, int classes) {
  FOR_TILES(LONG_RESULTS) {
    float *x = logits + row * classes;
    EXPECTED = logProbs + row * classes;
    const int isNear = take_all(x, NULL, count, classes, IS_AGAIN);
    if (isNear || !IS_AGAIN) {
      compute_logarithms(count);
      subtract_logarithms(x, count, classes, logProbs + row * classes);
      if (!isNear) near_are_done(count), COME_AGAIN;
    } else {
      log_softmax_of_row(x, logProbs + row * classes, classes);
    }
  }
}

static void softmax_forward(float *logits, float *probs, int rows, int classes) {
  FOR_TILES(LONG_RESULTS) {
    float *x = logits + row * classes;
    EXPECTED = probs + row * classes;
    const int isNear = take_all(x, probs + row * classes, count, classes, IS_AGAIN);
    if (isNear || !IS_AGAIN) {
      for (int q = 0; q < count; q += 2) {
        wide_store(FACTORS + q, _mm_div_pd(_mm_set1_pd(1), _mm_load_pd(SUMS + q)));
      }
      if (classes < LONG) tile_scale(count, classes, probs + row * classes);
      else let_wait(probs + row * classes, count, classes, FACTORS, NULL, NULL);
      if (!isNear) finish(), near_are_done(count), COME_AGAIN;
    } else {
      softmax_of_row(x, probs + row * classes, classes);
    }
  }
  finish();
}

static float read_targets(const float *logits, const int32_t *targets, int count, int n, int32_t ignoreIndex) {
  float first = 0;
  for (int q = count - 1; q >= 0; q--) {
    const int kept = targets[q] != ignoreIndex;
    const int at = q * n + (kept ? targets[q] : 0);
    AT[q] = at;
    KEPT[q] = -kept;
    OWN[q] = logits[at];
    if (kept) first = OWN[q];
  }
  KEPT[count] = 0;
  OWN[count] = 0;
  return first;
}

static int invert(int count) {
  const __m128d ln2 = _mm_set1_pd(LN2);
  const __m128i bias = wide_bias(EXPONENT);
  const __m128 sign = _mm_set1_ps(-0.0f);
  __m128 far = _mm_setzero_ps();
  for (int q = 0; q < count; q += 2) {
    const __m128 own = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(OWN + q)));
    far = _mm_or_ps(far, _mm_cmpnlt_ps(_mm_andnot_ps(sign, own), _mm_set1_ps(FARTHEST)));
    _mm_store_pd(INVERSES + q, wide_inverse(_mm_cvtps_pd(own), bias, ln2));
  }
  return _mm_movemask_ps(far) == 0;
}

static void invert_targets(int count) {
  if (invert(count)) return;
  for (int q = 0; q < count; q++) {
    if (!(fabsf(OWN[q]) < FARTHEST)) OWN[q] = NAN;
  }
  invert(count);
}

static __m128d kept_of(int q) { return _mm_castsi128_pd(_mm_cvtepi32_epi64(_mm_loadl_epi64((__m128i *)(KEPT + q)))); }

static int compute_odds(int count) {
  const __m128d leastInverse = _mm_set1_pd(LEAST_INVERSE), largestInverse = _mm_set1_pd(LARGEST_INVERSE);
  const __m128d leastOdds = _mm_set1_pd(LEAST_ODDS), largestOdds = _mm_set1_pd(LARGEST_ODDS);
  const __m128d all = _mm_castsi128_pd(_mm_set1_epi64x(-1));
  __m128d good = all;
  int q = 0;
  for (; q < count; q += 2) {
    const __m128d inverse = _mm_load_pd(INVERSES + q), kept = kept_of(q);
    const __m128d odds = _mm_mul_pd(_mm_load_pd(SUMS + q), inverse);
    const __m128d isNear = _mm_and_pd(_mm_cmpge_pd(inverse, leastInverse), _mm_cmplt_pd(inverse, largestInverse));
    const __m128d isOrdinary = _mm_and_pd(_mm_cmpge_pd(odds, leastOdds), _mm_cmplt_pd(odds, largestOdds));
    good = _mm_and_pd(good, _mm_or_pd(_mm_and_pd(isNear, isOrdinary), _mm_xor_pd(kept, all)));
    _mm_store_pd(ODDS + q, _mm_and_pd(odds, kept));
  }
  for (; q & 31; q += 2) _mm_store_pd(ODDS + q, _mm_setzero_pd());
  return _mm_movemask_pd(good) == 3;
}

// Takes rows that are not within bounds for ignored, and all others for done.
static void set_aside(int count) {
  for (int q = 0; q < count; q++) {
    const double inverse = INVERSES[q], odds = ODDS[q];
    const int isNear = inverse >= LEAST_INVERSE && inverse < LARGEST_INVERSE;
    const int isOrdinary = odds >= LEAST_ODDS && odds < LARGEST_ODDS;
    DONE[q] = !KEPT[q] || (isNear && isOrdinary);
    if (DONE[q]) continue;
    SUMS[q] = 0;
    INVERSES[q] = 0;
    ODDS[q] = 0;
  }
}

// The exponentials of the others and the odds; whether these are good.
static int take_others(float *logits, float *out, const int32_t *targets, int count, int n, int32_t ignoreIndex,
                       int isAgain) {
  tile_refer(read_targets(logits, targets, count, n, ignoreIndex), ROOM_FOR_TARGETS, isAgain);
  if (n >= LONG) {
    invert_targets(count);
    const float low = _mm_cvtss_f32(exp_lowest(_mm_set_ss(EXPONENT)));
    for (int q = 0; q < count; q++) {
      if (!KEPT[q]) continue;
      const float own = exchange(logits + AT[q], low);
      SUMS[q] = exp_from(logits + q * n, out == NULL ? NULL : out + q * n, n, EXPONENT, 0);
      exchange(logits + AT[q], own);
    }
    finish();
  } else {
    tile_exp(logits, count * n);
    for (int q = 0; q < count; q++) TILE[AT[q]] = 0;
    invert_targets(count);
    tile_sum(count, n);
  }
  return compute_odds(count);
}

// One after another, as the rows of those with gradients are.
static double add_long_losses(int count, double total) {
  for (int q = 0; q < count; q += 2) {
    const __m128d losses = wide_log1p(_mm_load_pd(ODDS + q));
    total += _mm_cvtsd_f64(losses);
    total += _mm_cvtsd_f64(_mm_unpackhi_pd(losses, losses));
  }
  return total;
}

static double sum_of_losses(int count) {
  __m128d sum = _mm_setzero_pd();
  for (int q = 0; q < count;) {
    __m128d odds = _mm_setzero_pd();
    for (const int end = q + 32; q < end; q += 8) {
      const __m128d a = either(_mm_load_pd(ODDS + q), _mm_load_pd(ODDS + q + 2));
      const __m128d b = either(_mm_load_pd(ODDS + q + 4), _mm_load_pd(ODDS + q + 6));
      odds = either(odds, either(a, b));
    }
    sum = _mm_add_pd(sum, wide_log1p(odds));
  }
  return sum_f64(sum);
}

static double add_losses(int count, int n, double total) {
  return n < LONG ? total + sum_of_losses(count) : add_long_losses(count, total);
}

static int compute_gradients(int count, double scale) {
  const __m128d one = _mm_set1_pd(1), zero = _mm_setzero_pd(), tiniest = _mm_set1_pd(TINY), sign = _mm_set1_pd(-0.0);
  __m128d tiny = zero;
  for (int q = 0; q < count; q += 2) {
    const __m128d error = _mm_mul_pd(_mm_set1_pd(scale), _mm_load_pd(INVERSES + q));
    const __m128d factor = _mm_div_pd(error, _mm_add_pd(one, _mm_load_pd(ODDS + q)));
    const __m128d size = _mm_andnot_pd(sign, factor);
    const __m128d lost = _mm_and_pd(_mm_cmplt_pd(size, tiniest), _mm_cmpgt_pd(size, zero));
    tiny = _mm_or_pd(tiny, _mm_and_pd(lost, kept_of(q)));
    wide_store(FACTORS + q, factor);
    wide_store(GRADIENTS + q, _mm_sub_pd(zero, _mm_mul_pd(factor, _mm_load_pd(SUMS + q))));
  }
  return _mm_movemask_pd(tiny) == 0;
}

static void write_gradients(float *grad, int count, int n) {
  if (n >= LONG) {
    for (int q = 0; q < count; q++) {
      if (KEPT[q]) continue;
      memset(grad + q * n, 0, (size_t)n * sizeof(float));
      FACTORS[q] = 1;
      GRADIENTS[q] = 0;
    }
    let_wait(grad, count, n, FACTORS, GRADIENTS, AT);
    return;
  }
  tile_scale(count, n, grad);
  for (int q = 0; q < count; q++) {
    if (KEPT[q]) grad[AT[q]] = GRADIENTS[q];
    else memset(grad + q * n, 0, (size_t)n * sizeof(float));
  }
}

static double cross_entropy_forward(float *logits, const int32_t *targets, int rows, int classes,
                                         int32_t ignoreIndex) {
  EXPECTED = NULL;
  double total = 0;
  FOR_TILES(LONG_VALUES) {
    float *x = logits + row * classes;
    const int isGood = take_others(x, NULL, targets + row, count, classes, ignoreIndex, IS_AGAIN);
    if (isGood || !IS_AGAIN) {
      if (!isGood) set_aside(count);
      total = add_losses(count, classes, total);
      if (!isGood) COME_AGAIN;
    } else {
      total += row_cross_entropy(x, targets[row], 0, NULL, classes);
    }
  }
  return total;
}

static double cross_entropy_forward_backward(float *logits, const int32_t *targets, double scale, float *grad,
                                                  int rows, int classes, int32_t ignoreIndex) {
  double total = 0;
  FOR_TILES(LONG_RESULTS) {
    float *x = logits + row * classes;
    float *dx = grad + row * classes;
    EXPECTED = grad + row * classes;
    const int isGood = take_others(x, dx, targets + row, count, classes, ignoreIndex, IS_AGAIN);
    if (!isGood && !IS_AGAIN) set_aside(count);
    if ((isGood || !IS_AGAIN) && compute_gradients(count, scale)) {
      total = add_losses(count, classes, total);
      write_gradients(dx, count, classes);
      if (!isGood) finish(), COME_AGAIN;
    } else if (!IS_AGAIN) {
      none_is_done(count);
      COME_AGAIN;
    } else {
      total += row_cross_entropy(x, targets[row], scale, dx, classes);
    }
  }
  finish();
  return total;
}
