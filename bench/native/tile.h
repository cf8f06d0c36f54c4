// assembly/tile.ts, log-softmax-tile.ts and cross-entropy-tile.ts in C: sixteen rows side by side, for few classes, which
// lie next to each other here. A tile holds all classes of its rows.
#pragma once
#include "rows.h"

#define LANES 16
#define CHUNK 256
#define SUMMED 4

static _Alignas(64) float TILE[CHUNK * LANES];
static _Alignas(64) float MAX[LANES], SHIFT[LANES], REFERENCE[LANES], OWN[LANES];
static _Alignas(64) float FACTORS[LANES], GRADIENTS[LANES], NEAR[LANES], REST[LANES];
static _Alignas(64) int32_t TARGETS[LANES], KEPT[LANES];
static _Alignas(64) double SUM[LANES], ODDS[LANES], LOSSES[LANES], LOGARITHMS[LANES];
static _Alignas(64) int64_t ORDINARY[LANES];

// How many lanes are in use for this many rows: whole vectors.
static inline int width_of(int count) { return (count + 3) & ~3; }

static inline void transpose(__m128 *a, __m128 *b, __m128 *c, __m128 *d) {
  const __m128 ab = _mm_unpacklo_ps(*a, *b), cd = _mm_unpacklo_ps(*c, *d);
  const __m128 ef = _mm_unpackhi_ps(*a, *b), gh = _mm_unpackhi_ps(*c, *d);
  *a = _mm_movelh_ps(ab, cd);
  *b = _mm_movehl_ps(cd, ab);
  *c = _mm_movelh_ps(ef, gh);
  *d = _mm_movehl_ps(gh, ef);
}

static void tile_load(const float *rows, int count, int n) {
  if (count == LANES && n >= 4) {
    for (int group = 0; group < LANES; group += 4) {
      const float *at = rows + group * n;
      for (int c = 0; c < n; c += 4) {
        const int k = c < n - 4 ? c : n - 4;
        __m128 x = _mm_loadu_ps(at + k), y = _mm_loadu_ps(at + n + k);
        __m128 z = _mm_loadu_ps(at + 2 * n + k), w = _mm_loadu_ps(at + 3 * n + k);
        transpose(&x, &y, &z, &w);
        float *to = TILE + k * LANES + group;
        _mm_store_ps(to, x);
        _mm_store_ps(to + LANES, y);
        _mm_store_ps(to + 2 * LANES, z);
        _mm_store_ps(to + 3 * LANES, w);
      }
    }
  } else {
    for (int lane = 0; lane < width_of(count); lane++) {
      const float *from = rows + (lane < count ? lane * n : 0);
      for (int c = 0; c < n; c++) TILE[c * LANES + lane] = from[c];
    }
  }
}

static void tile_store(float *rows, int count, int n) {
  if (count == LANES && n >= 4) {
    for (int group = 0; group < LANES; group += 4) {
      float *to = rows + group * n;
      for (int c = 0; c < n; c += 4) {
        const int k = c < n - 4 ? c : n - 4;
        const float *from = TILE + k * LANES + group;
        __m128 x = _mm_load_ps(from), y = _mm_load_ps(from + LANES);
        __m128 z = _mm_load_ps(from + 2 * LANES), w = _mm_load_ps(from + 3 * LANES);
        transpose(&x, &y, &z, &w);
        _mm_storeu_ps(to + k, x);
        _mm_storeu_ps(to + n + k, y);
        _mm_storeu_ps(to + 2 * n + k, z);
        _mm_storeu_ps(to + 3 * n + k, w);
      }
    }
  } else {
    for (int lane = 0; lane < count; lane++) {
      for (int c = 0; c < n; c++) rows[lane * n + c] = TILE[c * LANES + lane];
    }
  }
}

static void tile_max(int n, int width) {
  for (int i = 0; i < width; i += 4) {
    __m128 max = _mm_set1_ps(-INFINITY);
    const float *end = TILE + i + n * LANES;
    for (const float *at = TILE + i; at < end; at += LANES) max = pmax(max, _mm_load_ps(at));
    _mm_store_ps(MAX + i, max);
  }
}

static int tile_reference(int width) {
  const __m128 lowest = _mm_set1_ps(-INFINITY), magnitude = _mm_castsi128_ps(_mm_set1_epi32(INT32_MAX));
  __m128 shifts = _mm_setzero_ps();
  for (int i = 0; i < width; i += 4) {
    const __m128 max = _mm_load_ps(MAX + i);
    const __m128 none = _mm_cmpeq_ps(max, lowest);
    const __m128 far = _mm_andnot_ps(none, _mm_cmpge_ps(_mm_and_ps(max, magnitude), _mm_set1_ps(FAR)));
    const __m128 shift = _mm_and_ps(max, far);
    const __m128 near = _mm_andnot_ps(none, _mm_sub_ps(max, shift));
    _mm_store_ps(SHIFT + i, shift);
    _mm_store_ps(REFERENCE + i, exp_reference(near));
    shifts = _mm_or_ps(shifts, far);
  }
  return _mm_movemask_ps(shifts);
}

static void tile_shift(int n, int width) {
  for (int c = 0; c < n; c++) {
    for (int i = 0; i < width; i += 4) {
      float *at = TILE + c * LANES + i;
      _mm_store_ps(at, _mm_sub_ps(_mm_load_ps(at), _mm_load_ps(SHIFT + i)));
    }
  }
}

static void tile_exp(int n, int width) {
  for (int i = 0; i < width; i += 4) {
    const __m128 m = _mm_load_ps(REFERENCE + i), bias = exp_bias(m), lowest = exp_lowest(m);
    __m128d low = _mm_setzero_pd(), high = low;
    float *at = TILE + i;
    for (int left = n; left > 0; left -= SUMMED) {
      const float *end = at + (left < SUMMED ? left : SUMMED) * LANES;
      __m128 total = _mm_setzero_ps();
      for (; at < end; at += LANES) {
        const __m128 e = exp_step(_mm_load_ps(at), bias, lowest);
        total = _mm_add_ps(total, e);
        _mm_store_ps(at, e);
      }
      low = _mm_add_pd(low, _mm_cvtps_pd(total));
      high = _mm_add_pd(high, promote_high(total));
    }
    _mm_store_pd(SUM + i, low);
    _mm_store_pd(SUM + i + 2, high);
  }
}

static void tile_scale(int n, int width, const int32_t *kept) {
  for (int i = 0; i < width; i += 4) {
    const __m128 factor = _mm_load_ps(FACTORS + i), keep = _mm_load_ps((const float *)(kept + i));
    const float *end = TILE + i + n * LANES;
    for (float *at = TILE + i; at < end; at += LANES) {
      _mm_store_ps(at, _mm_and_ps(_mm_mul_ps(_mm_load_ps(at), factor), keep));
    }
  }
}

// The exponentials of what is in the tile, their sums, and what they are relative to.
static void take_exponentials(int n, int width) {
  tile_max(n, width);
  if (tile_reference(width)) tile_shift(n, width);
  tile_exp(n, width);
}

static inline __m128d log_references(int lane) {
  return _mm_sub_pd(_mm_mul_pd(wide_load(REFERENCE + lane), _mm_set1_pd(LN2)), _mm_set1_pd(LOG_KAPPA));
}

static void compute_logarithms(int width) {
  for (int lane = 0; lane < width; lane += 2) {
    const __m128d sum = _mm_load_pd(SUM + lane);
    const __m128d none = _mm_cmpngt_pd(sum, _mm_setzero_pd());
    _mm_store_pd(LOGARITHMS + lane, _mm_or_pd(_mm_add_pd(log_references(lane), wide_log(sum)), none));
  }
}

static float log_sum_exp_of_lane(const float *row, int lane, int classes) {
  if (SUM[lane] == 0) return -INFINITY;
  if (MAX[lane] < INFINITY) return (float)((double)SHIFT[lane] + LOGARITHMS[lane]);
  return has_nan(row, classes) ? NAN : INFINITY;
}

static void split_logarithms(int width) {
  for (int lane = 0; lane < width; lane += 2) {
    const __m128d log = _mm_load_pd(LOGARITHMS + lane);
    const __m128 shift = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(SHIFT + lane)));
    const __m128 close = _mm_cmpeq_ps(shift, _mm_setzero_ps());
    const __m128 rounded = _mm_cvtpd_ps(log);
    const __m128 left = _mm_cvtpd_ps(_mm_sub_pd(log, _mm_cvtps_pd(rounded)));
    _mm_storel_epi64((__m128i *)(NEAR + lane), _mm_castps_si128(_mm_blendv_ps(shift, rounded, close)));
    _mm_storel_epi64((__m128i *)(REST + lane), _mm_castps_si128(_mm_blendv_ps(rounded, left, close)));
  }
}

static void subtract_logarithms(int n, int width) {
  for (int i = 0; i < width; i += 4) {
    const __m128 near = _mm_load_ps(NEAR + i), rest = _mm_load_ps(REST + i);
    const float *end = TILE + i + n * LANES;
    for (float *at = TILE + i; at < end; at += LANES) {
      _mm_store_ps(at, pmin(_mm_sub_ps(_mm_sub_ps(_mm_load_ps(at), near), rest), _mm_setzero_ps()));
    }
  }
}

static void log_sum_exp_forward_tile(const float *logits, float *lse, int rows, int classes) {
  for (int row = 0; row < rows; row += LANES, logits += LANES * classes, lse += LANES) {
    const int count = rows - row < LANES ? rows - row : LANES, width = width_of(count);
    tile_load(logits, count, classes);
    take_exponentials(classes, width);
    compute_logarithms(width);
    for (int lane = 0; lane < count; lane++) lse[lane] = log_sum_exp_of_lane(logits + lane * classes, lane, classes);
  }
}

static void log_softmax_forward_tile(const float *logits, float *logProbs, int rows, int classes) {
  for (int row = 0; row < rows; row += LANES, logits += LANES * classes, logProbs += LANES * classes) {
    const int count = rows - row < LANES ? rows - row : LANES, width = width_of(count);
    tile_load(logits, count, classes);
    take_exponentials(classes, width);
    compute_logarithms(width);
    split_logarithms(width);
    tile_load(logits, count, classes);
    subtract_logarithms(classes, width);
    tile_store(logProbs, count, classes);
  }
}

static void softmax_forward_tile(const float *logits, float *probs, int rows, int classes) {
  static const _Alignas(64) int32_t ALL[LANES] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  for (int row = 0; row < rows; row += LANES, logits += LANES * classes, probs += LANES * classes) {
    const int count = rows - row < LANES ? rows - row : LANES, width = width_of(count);
    tile_load(logits, count, classes);
    take_exponentials(classes, width);
    for (int lane = 0; lane < width; lane += 2) {
      const __m128d sum = _mm_load_pd(SUM + lane);
      const __m128d none = _mm_cmpeq_pd(sum, _mm_setzero_pd());
      wide_store(FACTORS + lane, _mm_or_pd(_mm_div_pd(_mm_set1_pd(1), sum), none));
    }
    tile_scale(classes, width, ALL);
    tile_store(probs, count, classes);
  }
}

// Fills the tile with the others of each row: -Infinity in place of the targets.
static void load_others(const float *logits, const int32_t *targets, int count, int n, int32_t ignoreIndex) {
  const int width = width_of(count);
  tile_load(logits, count, n);
  for (int lane = 0; lane < width; lane++) {
    const int32_t target = lane < count ? targets[lane] : ignoreIndex;
    const int kept = target != ignoreIndex;
    TARGETS[lane] = kept ? target : -1;
    KEPT[lane] = kept ? -1 : 0;
    OWN[lane] = 0;
    if (!kept) continue;
    OWN[lane] = TILE[target * LANES + lane];
    TILE[target * LANES + lane] = -INFINITY;
  }
}

static void compute_losses(int width) {
  const __m128d magnitude = _mm_castsi128_pd(_mm_set1_epi64x(INT64_MAX));
  __m128d ordinary = _mm_castsi128_pd(_mm_set1_epi64x(-1));
  for (int lane = 0; lane < width; lane += 2) {
    const __m128d distance = _mm_sub_pd(wide_load(SHIFT + lane), wide_load(OWN + lane));
    const __m128d u = _mm_add_pd(distance, log_references(lane));
    const __m128d here = _mm_cmple_pd(_mm_and_pd(u, magnitude), _mm_set1_pd(600));
    _mm_store_pd((double *)(ORDINARY + lane), here);
    ordinary = _mm_and_pd(ordinary, here);
    _mm_store_pd(ODDS + lane, _mm_mul_pd(_mm_load_pd(SUM + lane), wide_exp(u)));
  }
  for (int lane = 0; lane < width; lane += 2) _mm_store_pd(LOSSES + lane, wide_log1p(_mm_load_pd(ODDS + lane)));
  if (_mm_movemask_pd(ordinary) == 3) return;
  for (int lane = 0; lane < width; lane++) {
    if (ORDINARY[lane] != 0) continue;
    ODDS[lane] = odds_against(MAX[lane], SUM[lane], OWN[lane]);
    LOSSES[lane] = target_loss(ODDS[lane], MAX[lane], SUM[lane], OWN[lane]);
  }
}

static void compute_factors(int width, double scale) {
  const __m128d one = _mm_set1_pd(1), zero = _mm_setzero_pd();
  for (int lane = 0; lane < width; lane += 2) {
    const __m128d odds = _mm_load_pd(ODDS + lane), sum = _mm_load_pd(SUM + lane);
    const __m128d miss = _mm_div_pd(one, _mm_add_pd(one, _mm_div_pd(one, odds)));
    const __m128d error = _mm_mul_pd(_mm_set1_pd(scale), miss);
    const __m128d divisor = _mm_blendv_pd(sum, one, _mm_cmpeq_pd(sum, zero));
    wide_store(FACTORS + lane, _mm_div_pd(error, divisor));
    wide_store(GRADIENTS + lane, _mm_sub_pd(zero, error));
  }
}

static double write_losses(float *losses, int count, double total) {
  for (int lane = 0; lane < count; lane++) {
    const double loss = KEPT[lane] != 0 ? LOSSES[lane] : 0;
    losses[lane] = (float)loss;
    total += loss;
  }
  return total;
}

static double cross_entropy_forward_tile(const float *logits, const int32_t *targets, float *losses, int rows,
                                         int classes, int32_t ignoreIndex) {
  double total = 0;
  for (int row = 0; row < rows; row += LANES, logits += LANES * classes) {
    const int count = rows - row < LANES ? rows - row : LANES, width = width_of(count);
    load_others(logits, targets + row, count, classes, ignoreIndex);
    take_exponentials(classes, width);
    compute_losses(width);
    total = write_losses(losses + row, count, total);
  }
  return total;
}

static double cross_entropy_forward_backward_tile(const float *logits, const int32_t *targets, double scale,
                                                  float *losses, float *grad, int rows, int classes,
                                                  int32_t ignoreIndex) {
  double total = 0;
  for (int row = 0; row < rows; row += LANES, logits += LANES * classes, grad += LANES * classes) {
    const int count = rows - row < LANES ? rows - row : LANES, width = width_of(count);
    load_others(logits, targets + row, count, classes, ignoreIndex);
    take_exponentials(classes, width);
    compute_losses(width);
    compute_factors(width, scale);
    tile_scale(classes, width, KEPT);
    for (int lane = 0; lane < width; lane++) {
      if (TARGETS[lane] >= 0) TILE[TARGETS[lane] * LANES + lane] = GRADIENTS[lane];
    }
    tile_store(grad, count, classes);
    total = write_losses(losses + row, count, total);
  }
  return total;
}
