// assembly/exp-loop.ts, exp-row.ts, waiting.ts, log-softmax.ts and cross-entropy.ts in C: a row at a time, for many classes.
#pragma once
#include "exp.h"
#include "wide.h"

#define BLOCK 2048
#define STRETCH 128
#define FIRST 16
#define WARINESS 8

// A loop that C unrolls and that is compiled for each of its constant arguments.
#define INLINE static inline __attribute__((always_inline))

static float relativeTo;
static int wary;

static float row_max(const float *logits, int n) {
  __m128 a = _mm_set1_ps(-INFINITY);
  __m128 b = a, c = a, d = a;
  for (; n >= 16; n -= 16, logits += 16) {
    a = pmax(a, _mm_loadu_ps(logits));
    b = pmax(b, _mm_loadu_ps(logits + 4));
    c = pmax(c, _mm_loadu_ps(logits + 8));
    d = pmax(d, _mm_loadu_ps(logits + 12));
  }
  for (; n > 0; n--, logits++) a = pmax(a, _mm_set1_ps(*logits));
  return lanes_max(pmax(pmax(a, b), pmax(c, d)));
}

static float row_top(const float *logits, int n) { return row_max(logits, n < FIRST ? n : FIRST); }

static int is_near(float top) { return top > -INFINITY && shift_of(top) == 0; }

static int is_settled(float top, double sum) { return is_near(top) && sum < 0x1p100; }

// Four of eight masks, of which the last n are set.
static inline __m128 mask_of_last(int n, int offset) {
  static const int32_t LAST[] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1};
  return _mm_loadu_ps((const float *)LAST + n + offset);
}

// The n logits, fewer than eight, before `end`, at the end of a place that begins with some that add nothing.
static inline const float *padded(const float *end, int n, float m) {
  static float place[8 + TOUCHED];
  const __m128 fill = exp_lowest(_mm_set1_ps(m));
  _mm_storeu_ps(place, _mm_blendv_ps(fill, _mm_loadu_ps(end - 8), mask_of_last(n, 0)));
  _mm_storeu_ps(place + 4, _mm_blendv_ps(fill, _mm_loadu_ps(end - 4), mask_of_last(n, 4)));
  return place;
}

// Writes the last n of eight results to where they end.
static inline void store_last(float *end, int n, const float *results) {
  const __m128 a = _mm_blendv_ps(_mm_loadu_ps(end - 8), _mm_loadu_ps(results), mask_of_last(n, 0));
  const __m128 b = _mm_blendv_ps(_mm_loadu_ps(end - 4), _mm_loadu_ps(results + 4), mask_of_last(n, 4));
  _mm_storeu_ps(end - 8, a);
  _mm_storeu_ps(end - 4, b);
}

typedef struct {
  __m128 bias, lowest, turns;
  __m128d sum;
} Block;

static inline Block begin_block(float m) {
  const __m128 all = _mm_set1_ps(m);
  return (Block){exp_bias(all), exp_lowest(all), _mm_setzero_ps(), _mm_setzero_pd()};
}

static inline double end_block(Block block) { return is_right(block.turns) ? sum_f64(block.sum) : NAN; }

INLINE __m128 load_logits(const float *at, Block block, int clamped) {
  return clamped ? pmax(_mm_loadu_ps(at), block.lowest) : _mm_loadu_ps(at);
}

// assembly/waiting.ts: rows that wait, which is next, their factors, and their own values and where these go.
#define MOST_WAITING 16
static float *waiting_rows, *waiting_factors, *waiting_values;
static int waiting, next_waiting, waiting_classes, waiting_places[MOST_WAITING];
// What is left of the row that is being scaled.
static float *values_left;
static int left;
static __m128 FACTOR;

static void scale(float *values, int n, __m128 factor) {
  for (; n >= 8; n -= 8, values += 8) {
    const __m128 a = _mm_loadu_ps(values), b = _mm_loadu_ps(values + 4);
    _mm_storeu_ps(values, _mm_mul_ps(a, factor));
    _mm_storeu_ps(values + 4, _mm_mul_ps(b, factor));
  }
  for (; n > 0; n--, values++) *values *= _mm_cvtss_f32(factor);
}

static void let_wait(float *rows, int count, int classes, float *factors, float *values, const int32_t *places) {
  waiting_rows = rows;
  waiting = count;
  next_waiting = 0;
  waiting_classes = classes;
  waiting_factors = factors;
  waiting_values = values;
  if (values != NULL) memcpy(waiting_places, places, (size_t)count * sizeof *places);
}

// Finishes a row and turns to the next; whether there is one.
static int turn(void) {
  scale(values_left, left, FACTOR);
  left = 0;
  if (next_waiting == waiting) return 0;
  FACTOR = _mm_set1_ps(waiting_factors[next_waiting]);
  values_left = waiting_rows + next_waiting * waiting_classes;
  left = waiting_classes;
  next_waiting++;
  return 1;
}

static void finish(void) {
  while (turn()) {
  }
  if (waiting_values != NULL) {
    for (int q = 0; q < waiting; q++) waiting_rows[waiting_places[q]] = waiting_values[q];
  }
  waiting = next_waiting = 0;
}

static float *take(int n) {
  if (left < n && !(turn() && left >= n)) return NULL;
  float *first = values_left;
  values_left += n;
  left -= n;
  return first;
}

// Adds the sums of n logits, n being a multiple of 8.
INLINE Block exp_sum_stretch(const float *logits, int n, Block block, int clamped) {
  __m128 a = _mm_setzero_ps(), b = a, c = a, d = a;
#pragma GCC unroll 4
  for (int i = 0; i < n; i += 8) {
    const __m128 x = load_logits(logits + i, block, clamped), y = load_logits(logits + i + 4, block, clamped);
    const __m128 s = exp_turns(x, block.bias), t = exp_turns(y, block.bias);
    block.turns = _mm_or_ps(block.turns, _mm_or_ps(s, t));
    const __m128 e = _mm_mul_ps(exp_rest(x, s, block.bias), exp_power(s));
    const __m128 next = _mm_add_ps(d, exp_add(e, exp_rest(y, t, block.bias), exp_power(t)));
    d = c, c = b, b = a, a = next;
  }
  block.sum = _mm_add_pd(block.sum, widen_sum(a, b, c, d));
  return block;
}

// The same, and writes the exponentials, and multiplies what is so far behind by the way.
INLINE Block exp_stretch(const float *logits, float *out, ptrdiff_t behind, int n, Block block, int clamped) {
  __m128 a = _mm_setzero_ps(), b = a, c = a, d = a;
  const __m128 factor = FACTOR;
#pragma GCC unroll 4
  for (int i = 0; i < n; i += 8) {
    const __m128 x = load_logits(logits + i, block, clamped), y = load_logits(logits + i + 4, block, clamped);
    const __m128 s = exp_turns(x, block.bias), t = exp_turns(y, block.bias);
    block.turns = _mm_or_ps(block.turns, _mm_or_ps(s, t));
    const __m128 e = _mm_mul_ps(exp_rest(x, s, block.bias), exp_power(s));
    const __m128 f = _mm_mul_ps(exp_rest(y, t, block.bias), exp_power(t));
    const __m128 next = _mm_add_ps(d, _mm_add_ps(e, f));
    d = c, c = b, b = a, a = next;
    float *earlier = out + i - behind;
    const __m128 v = _mm_mul_ps(_mm_loadu_ps(earlier), factor), w = _mm_mul_ps(_mm_loadu_ps(earlier + 4), factor);
    _mm_storeu_ps(earlier, v);
    _mm_storeu_ps(earlier + 4, w);
    _mm_storeu_ps(out + i, e);
    _mm_storeu_ps(out + i + 4, f);
  }
  block.sum = _mm_add_pd(block.sum, widen_sum(a, b, c, d));
  return block;
}

// How far from the logits that are summed results will be written, which is touched too; mostly 0.
static ptrdiff_t LATER = 0;

// n logits, n being a multiple of 8.
INLINE double sum_of_pairs(const float *logits, ptrdiff_t later, int n, float m, int clamped) {
  Block block = begin_block(m);
  for (; n > 0; n -= STRETCH, logits += STRETCH) {
    touch(logits);
    touch(logits + later);
    block = exp_sum_stretch(logits, n < STRETCH ? n : STRETCH, block, clamped);
  }
  return end_block(block);
}

INLINE double exp_of_pairs(const float *logits, float *out, const float *earlier, int n, float m, int clamped) {
  const ptrdiff_t behind = earlier == NULL ? 0 : out - earlier;
  Block block = begin_block(m);
  for (; n > 0; n -= STRETCH, logits += STRETCH, out += STRETCH) {
    touch(logits);
    block = exp_stretch(logits, out, behind, n < STRETCH ? n : STRETCH, block, clamped);
  }
  return end_block(block);
}

INLINE double block_sum(const float *logits, int n, float m, int clamped) {
  const int last = n & 7;
  const double sum = n < 8 ? 0 : sum_of_pairs(logits, clamped ? 0 : LATER, n - last, m, clamped);
  return last == 0 ? sum : sum + sum_of_pairs(padded(logits + n, last, m), 0, 8, m, clamped);
}

INLINE double block_exp(const float *logits, float *out, int n, float m, int clamped) {
  const int last = n & 7;
  const double sum = n < 8 ? 0 : exp_of_pairs(logits, out, take(n - last), n - last, m, clamped);
  if (last == 0) return sum;
  static float RESULTS[8 + TOUCHED];
  const double rest = exp_of_pairs(padded(logits + n, last, m), RESULTS, NULL, 8, m, clamped);
  store_last(out + n, last, RESULTS);
  return sum + rest;
}

static double lean_sum(const float *logits, int n, float m) { return block_sum(logits, n, m, 0); }

static double clamped_sum(const float *logits, int n, float m) { return block_sum(logits, n, m, 1); }

static double lean_exp(const float *logits, float *out, int n, float m) { return block_exp(logits, out, n, m, 0); }

static double clamped_exp(const float *logits, float *out, int n, float m) { return block_exp(logits, out, n, m, 1); }

// Up to a block of logits less the row's shift, with room before and behind for what is read beside them.
static const float *shifted(const float *logits, int n, float shift) {
  static float place[8 + BLOCK + TOUCHED];
  if (shift == 0) return logits;
  for (int i = 0; i < n; i++) place[8 + i] = logits[i] - shift;
  return place + 8;
}

static int has_nan(const float *values, int n) {
  for (int i = 0; i < n; i++) {
    if (isnan(values[i])) return 1;
  }
  return 0;
}

static int begin_lean(float shift) {
  if (shift != 0) return 0;
  if (wary == 0) return 1;
  wary--;
  return 0;
}

static int be_wary(void) {
  wary = WARINESS;
  return 0;
}

// Writes the exponentials to `out`, unless it is NULL.
static double exp_from(const float *logits, float *out, int n, float m, float shift) {
  int lean = begin_lean(shift);
  double sum = 0;
  for (; n > 0; n -= BLOCK, logits += BLOCK) {
    const int count = n < BLOCK ? n : BLOCK;
    double part = NAN;
    if (lean) part = out == NULL ? lean_sum(logits, count, m) : lean_exp(logits, out, count, m);
    if (!(part < INFINITY)) {
      if (lean) lean = be_wary();
      const float *x = shifted(logits, count, shift);
      part = out == NULL ? clamped_sum(x, count, m) : clamped_exp(x, out, count, m);
    }
    sum += part;
    if (out != NULL) out += BLOCK;
  }
  return sum;
}

static double row_exp_sum(const float *logits, int n, float max) {
  if (max == INFINITY) return has_nan(logits, n) ? NAN : INFINITY;
  return exp_from(logits, NULL, n, reference(max), shift_of(max));
}

static float exchange(float *at, float value) {
  const float own = *at;
  *at = value;
  return own;
}

static float open_hole(float *hole) { return hole == NULL ? 0 : exchange(hole, -INFINITY); }

static void fill_hole(float *hole, float top) {
  if (hole != NULL) exchange(hole, _mm_cvtss_f32(exp_lowest(_mm_set_ss(reference(top)))));
}

static void close_hole(float *hole, float own) {
  if (hole != NULL) exchange(hole, own);
}

static double exp_of_row(const float *logits, float *out, int n, float max) {
  return out == NULL ? row_exp_sum(logits, n, max) : exp_from(logits, out, n, reference(max), shift_of(max));
}

static double whole_exp(float *logits, float *out, int n, float *hole) {
  const float own = open_hole(hole), top = row_top(logits, n);
  double sum = INFINITY;
  if (is_near(top)) {
    fill_hole(hole, top);
    sum = exp_of_row(logits, out, n, top);
  }
  relativeTo = top;
  if (!is_settled(top, sum)) {
    open_hole(hole);
    relativeTo = row_max(logits, n);
    sum = exp_of_row(logits, out, n, relativeTo);
  }
  close_hole(hole, own);
  return sum;
}

static double log_of_sum(float max, double sum) { return log_reference(max) + log_of(sum) + drift(sum); }

static void row_scale(float *values, int n, double factor);

static float within_float32(float *values, int n, double factor) {
  if (factor == 0 || !(fabs(factor) < 0x1p-100)) return (float)factor;
  row_scale(values, n, 0x1p-64);
  return within_float32(values, n, factor * 0x1p64);
}

static void row_scale(float *values, int n, double factor) {
  scale(values, n, _mm_set1_ps(within_float32(values, n, factor)));
}

static double log_sum_exp_of(float max, double sum) {
  return max == INFINITY ? sum : (double)shift_of(max) + log_of_sum(max, sum);
}

static float softmax_factor(double sum) { return sum < INFINITY ? (float)(1 / sum) : NAN; }

// min(x - near - rest, 0)
static void subtract(const float *from, float *to, int n, float near, float rest) {
  const __m128 a = _mm_set1_ps(near), b = _mm_set1_ps(rest);
  for (; n >= 16; n -= 16, from += 16, to += 16) {
    for (int i = 0; i < 16; i += 4) {
      const __m128 x = _mm_sub_ps(_mm_sub_ps(_mm_loadu_ps(from + i), a), b);
      _mm_storeu_ps(to + i, pmin(x, _mm_setzero_ps()));
    }
  }
  for (; n > 0; n--, from++, to++) {
    const float y = *from - near - rest;
    *to = y > 0 ? 0 : y;
  }
}

static void row_log_softmax(const float *logits, float *logProbs, int n, float max, double sum) {
  const float shift = shift_of(max);
  const double lse = log_of_sum(max, sum);
  const float near = shift == 0 ? (float)lse : shift;
  const float rest = (float)(shift == 0 ? lse - (double)near : lse);
  subtract(logits, logProbs, n, near, rest);
}

static float row_log_sum_exp(float *logits, int classes) {
  const double sum = whole_exp(logits, NULL, classes, NULL);
  return (float)log_sum_exp_of(relativeTo, sum);
}

static void log_softmax_of_row(float *logits, float *logProbs, int classes) {
  const double sum = whole_exp(logits, NULL, classes, NULL);
  row_log_softmax(logits, logProbs, classes, relativeTo, sum);
}

static void softmax_of_row(float *logits, float *probs, int classes) {
  row_scale(probs, classes, softmax_factor(whole_exp(logits, probs, classes, NULL)));
}

static double odds_against(float max, double sum, float target) {
  if (max == INFINITY || target == INFINITY) return NAN;
  if (sum == 0) return target > -INFINITY ? 0 : NAN;
  return sum * inverse((double)target - (double)shift_of(max), reference(max));
}

static double target_loss(double odds, float max, double sum, float target) {
  return odds == INFINITY ? (double)shift_of(max) - (double)target + log_of_sum(max, sum) : log1p_of(odds);
}

static double miss(double odds) { return odds == INFINITY ? 1 : odds / (1 + odds); }

static double row_cross_entropy(float *logits, int32_t target, double scale, float *grad, int classes) {
  const float x = logits[target];
  const double sum = whole_exp(logits, grad, classes, logits + target);
  const double odds = odds_against(relativeTo, sum, x);
  if (grad != NULL) {
    const double error = scale * miss(odds);
    row_scale(grad, classes, sum == 0 ? error : error / sum);
    grad[target] = (float)(0 - error);
  }
  return target_loss(odds, relativeTo, sum, x);
}
