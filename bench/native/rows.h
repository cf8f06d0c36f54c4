// assembly/exp-row.ts, log-softmax.ts and cross-entropy.ts in C: a row at a time, for many classes.
#pragma once
#include <string.h>
#include "exp.h"
#include "wide.h"

#define BLOCK 512
#define STRETCH 32

static float row_max(const float *logits, int n) {
  __m128 a = _mm_set1_ps(-INFINITY);
  __m128 b = a, c = a, d = a;
  for (; n >= 16; n -= 16, logits += 16) {
    a = pmax(a, _mm_loadu_ps(logits));
    b = pmax(b, _mm_loadu_ps(logits + 4));
    c = pmax(c, _mm_loadu_ps(logits + 8));
    d = pmax(d, _mm_loadu_ps(logits + 12));
  }
  for (; n >= 4; n -= 4, logits += 4) a = pmax(a, _mm_loadu_ps(logits));
  if (n > 0) b = pmax(b, load_tail(logits, n, -INFINITY));
  return lanes_max(pmax(pmax(a, b), pmax(c, d)));
}

// Adds the sums of n logits, n being a multiple of 8.
static inline void exp_sum_stretch(const float *logits, int n, __m128 bias, __m128 lowest, __m128d *low, __m128d *high) {
  __m128 a = _mm_setzero_ps(), b = a;
  for (const float *stop = logits + n; logits < stop; logits += 8) {
    a = _mm_add_ps(a, exp_step(_mm_loadu_ps(logits), bias, lowest));
    b = _mm_add_ps(b, exp_step(_mm_loadu_ps(logits + 4), bias, lowest));
  }
  *low = _mm_add_pd(*low, widen_sum(a));
  *high = _mm_add_pd(*high, widen_sum(b));
}

// The same, and writes the exponentials.
static inline void exp_stretch(const float *logits, float *out, int n, __m128 bias, __m128 lowest, __m128d *low,
                               __m128d *high) {
  __m128 a = _mm_setzero_ps(), b = a;
  for (const float *stop = logits + n; logits < stop; logits += 8, out += 8) {
    const __m128 e = exp_step(_mm_loadu_ps(logits), bias, lowest);
    const __m128 f = exp_step(_mm_loadu_ps(logits + 4), bias, lowest);
    a = _mm_add_ps(a, e);
    b = _mm_add_ps(b, f);
    _mm_storeu_ps(out, e);
    _mm_storeu_ps(out + 4, f);
  }
  *low = _mm_add_pd(*low, widen_sum(a));
  *high = _mm_add_pd(*high, widen_sum(b));
}

// The last logits, fewer than a stretch, in a place where -Infinity follows them.
static const float *padded(const float *logits, int n) {
  static float place[STRETCH];
  for (int i = 0; i < STRETCH; i += 4) _mm_storeu_ps(place + i, _mm_set1_ps(-INFINITY));
  memcpy(place, logits, (size_t)n * sizeof *place);
  return place;
}

static double exp_sum_block(const float *logits, int n, float m) {
  const __m128 bias = exp_bias(_mm_set1_ps(m)), lowest = exp_lowest(_mm_set1_ps(m));
  __m128d low = _mm_setzero_pd(), high = low;
  for (; n >= STRETCH; n -= STRETCH, logits += STRETCH) {
    exp_sum_stretch(logits, STRETCH, bias, lowest, &low, &high);
  }
  if (n > 0) exp_sum_stretch(padded(logits, n), (n + 7) & ~7, bias, lowest, &low, &high);
  return sum_f64(_mm_add_pd(low, high));
}

static double exp_block(const float *logits, float *out, int n, float m) {
  const __m128 bias = exp_bias(_mm_set1_ps(m)), lowest = exp_lowest(_mm_set1_ps(m));
  __m128d low = _mm_setzero_pd(), high = low;
  for (; n >= STRETCH; n -= STRETCH, logits += STRETCH, out += STRETCH) {
    exp_stretch(logits, out, STRETCH, bias, lowest, &low, &high);
  }
  if (n > 0) {
    float results[STRETCH];
    exp_stretch(padded(logits, n), results, (n + 7) & ~7, bias, lowest, &low, &high);
    memcpy(out, results, (size_t)n * sizeof *out);
  }
  return sum_f64(_mm_add_pd(low, high));
}

static const float *shifted(const float *logits, int n, float shift) {
  static float block[BLOCK];
  for (int i = 0; i < n; i++) block[i] = logits[i] - shift;
  return block;
}

static int has_nan(const float *values, int n) {
  for (int i = 0; i < n; i++) {
    if (isnan(values[i])) return 1;
  }
  return 0;
}

static double row_exp_sum(const float *logits, int n, float max) {
  if (max == INFINITY) return has_nan(logits, n) ? NAN : INFINITY;
  const float m = reference(max), shift = shift_of(max);
  double sum = 0;
  for (; n > 0; n -= BLOCK, logits += BLOCK) {
    const int count = n < BLOCK ? n : BLOCK;
    sum += exp_sum_block(shift == 0 ? logits : shifted(logits, count, shift), count, m);
  }
  return sum;
}

static double row_exp(const float *logits, float *out, int n, float max) {
  const float m = reference(max), shift = shift_of(max);
  double sum = 0;
  for (; n > 0; n -= BLOCK, logits += BLOCK, out += BLOCK) {
    const int count = n < BLOCK ? n : BLOCK;
    sum += exp_block(shift == 0 ? logits : shifted(logits, count, shift), out, count, m);
  }
  return sum;
}

static void row_scale(float *values, int n, float factor) {
  const __m128 f = _mm_set1_ps(factor);
  for (; n >= 8; n -= 8, values += 8) {
    const __m128 a = _mm_loadu_ps(values), b = _mm_loadu_ps(values + 4);
    _mm_storeu_ps(values, _mm_mul_ps(a, f));
    _mm_storeu_ps(values + 4, _mm_mul_ps(b, f));
  }
  for (; n > 0; n--, values++) *values *= factor;
}

static double log_sum_exp_of(float max, double sum) {
  return max == INFINITY ? sum : (double)shift_of(max) + (log_reference(max) + log_of(sum));
}

static float softmax_factor(double sum) { return sum < INFINITY ? (float)(1 / sum) : NAN; }

static void row_log_softmax(const float *logits, float *logProbs, int n, float max, double sum) {
  const float shift = shift_of(max);
  const double lse = log_reference(max) + log_of(sum);
  const float near = shift == 0 ? (float)lse : shift;
  const float rest = (float)(shift == 0 ? lse - (double)near : lse);
  const __m128 a = _mm_set1_ps(near), b = _mm_set1_ps(rest), zero = _mm_setzero_ps();
  for (; n >= 8; n -= 8, logits += 8, logProbs += 8) {
    const __m128 x = _mm_loadu_ps(logits), y = _mm_loadu_ps(logits + 4);
    _mm_storeu_ps(logProbs, pmin(_mm_sub_ps(_mm_sub_ps(x, a), b), zero));
    _mm_storeu_ps(logProbs + 4, pmin(_mm_sub_ps(_mm_sub_ps(y, a), b), zero));
  }
  for (; n > 0; n--, logits++, logProbs++) {
    const float y = *logits - near - rest;
    *logProbs = y > 0 ? 0 : y;
  }
}

static void log_sum_exp_forward(const float *logits, float *lse, int rows, int classes) {
  for (int row = 0; row < rows; row++, logits += classes, lse++) {
    const float max = row_max(logits, classes);
    *lse = (float)log_sum_exp_of(max, row_exp_sum(logits, classes, max));
  }
}

static void log_softmax_forward(const float *logits, float *logProbs, int rows, int classes) {
  for (int row = 0; row < rows; row++, logits += classes, logProbs += classes) {
    const float max = row_max(logits, classes);
    row_log_softmax(logits, logProbs, classes, max, row_exp_sum(logits, classes, max));
  }
}

static void softmax_forward(const float *logits, float *probs, int rows, int classes) {
  for (int row = 0; row < rows; row++, logits += classes, probs += classes) {
    const double sum = row_exp(logits, probs, classes, row_max(logits, classes));
    row_scale(probs, classes, softmax_factor(sum));
  }
}

static double odds_against(float max, double sum, float target) {
  if (max == INFINITY || target == INFINITY) return NAN;
  if (sum == 0) return target > -INFINITY ? 0 : NAN;
  return sum * exp_of((double)shift_of(max) - (double)target + log_reference(max));
}

static double target_loss(double odds, float max, double sum, float target) {
  return odds == INFINITY ? (double)shift_of(max) - (double)target + (log_reference(max) + log_of(sum))
                          : log1p_of(odds);
}

static double cross_entropy_forward(float *logits, const int32_t *targets, float *losses, int rows, int classes,
                                    int32_t ignoreIndex) {
  double total = 0;
  for (int row = 0; row < rows; row++, logits += classes) {
    const int32_t target = targets[row];
    double loss = 0;
    if (target != ignoreIndex) {
      const float x = logits[target];
      logits[target] = -INFINITY;
      const float max = row_max(logits, classes);
      const double sum = row_exp_sum(logits, classes, max);
      logits[target] = x;
      loss = target_loss(odds_against(max, sum, x), max, sum, x);
    }
    losses[row] = (float)loss;
    total += loss;
  }
  return total;
}

static double cross_entropy_forward_backward(float *logits, const int32_t *targets, double scale, float *losses,
                                             float *grad, int rows, int classes, int32_t ignoreIndex) {
  double total = 0;
  for (int row = 0; row < rows; row++, logits += classes, grad += classes) {
    const int32_t target = targets[row];
    double loss = 0;
    if (target == ignoreIndex) {
      memset(grad, 0, (size_t)classes * sizeof *grad);
    } else {
      const float x = logits[target];
      logits[target] = -INFINITY;
      const float max = row_max(logits, classes);
      const double sum = row_exp(logits, grad, classes, max);
      logits[target] = x;
      const double odds = odds_against(max, sum, x);
      const double error = scale * (1 / (1 + 1 / odds));
      row_scale(grad, classes, (float)(sum == 0 ? error : error / sum));
      grad[target] = (float)(0 - error);
      loss = target_loss(odds, max, sum, x);
    }
    losses[row] = (float)loss;
    total += loss;
  }
  return total;
}
