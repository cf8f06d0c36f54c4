// The kernels of assembly/ in C with 128-bit intrinsics: the same steps in the same order, and so the same bits, compiled
// by a C compiler. What a call takes here is the limit that the WebAssembly of the same algorithm is measured against.
//
//   build/strict | build/fused    KERNEL ROWS CLASSES LOGITS OUT MILLISECONDS < INPUTS
//
// INPUTS are the float32 logits and the int32 targets. LOGITS and OUT are where logits and result begin, in bytes from
// the beginning of a page, so that they share the caches as they do in the memory of a core. Written are the sum of the
// losses (0 where there is none), as a float64, and then the result as float32, or where MILLISECONDS is not 0 the time
// of each of the calls that filled them, in nanoseconds as float64, after one that is not timed. Without arguments: the
// compiler and its flags.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include "rows.h"
#include "tile.h"

#define IGNORE_INDEX -100
#define MOST_TIMES 100000

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

typedef struct {
  int rows, classes;
  float *logits, *out;
  int32_t *targets;
} Call;

static double log_sum_exp(Call c) {
  log_sum_exp_forward(c.logits, c.out, c.rows, c.classes);
  return 0;
}

static double log_softmax(Call c) {
  log_softmax_forward(c.logits, c.out, c.rows, c.classes);
  return 0;
}

static double softmax(Call c) {
  softmax_forward(c.logits, c.out, c.rows, c.classes);
  return 0;
}

static double cross_entropy(Call c) {
  return cross_entropy_forward(c.logits, c.targets, c.rows, c.classes, IGNORE_INDEX);
}

static double cross_entropy_with_grad(Call c) {
  return cross_entropy_forward_backward(c.logits, c.targets, 1, c.out, c.rows, c.classes, IGNORE_INDEX);
}

typedef enum { NOTHING, VALUE_A_ROW, VALUE_A_LOGIT } Result;

static const struct {
  const char *name;
  double (*run)(Call);
  Result result;
} KERNELS[] = {
    {"logSumExp", log_sum_exp, VALUE_A_ROW},
    {"logSoftmax", log_softmax, VALUE_A_LOGIT},
    {"softmax", softmax, VALUE_A_LOGIT},
    {"crossEntropy", cross_entropy, NOTHING},
    {"crossEntropyWithGrad", cross_entropy_with_grad, VALUE_A_LOGIT},
};

static void fail(const char *reason) {
  fprintf(stderr, "%s\n", reason);
  exit(1);
}

static void *pages(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("there is no memory");
  return memory;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int count, char **arguments) {
  if (count == 1) return puts(COMPILER ", " FLAGS) < 0;
  if (count != 7) fail("expected KERNEL ROWS CLASSES LOGITS OUT MILLISECONDS");
  size_t kernel = 0;
  while (strcmp(KERNELS[kernel].name, arguments[1]) != 0) {
    if (++kernel == sizeof KERNELS / sizeof *KERNELS) fail("there is no such kernel");
  }
  const int rows = atoi(arguments[2]), classes = atoi(arguments[3]);
  const size_t values = (size_t)rows * (size_t)classes;
  const size_t at = strtoull(arguments[4], NULL, 10), to = strtoull(arguments[5], NULL, 10);
  char *memory = pages((at > to ? at : to) + (values + TOUCHED) * sizeof(float));
  const Call call = {
      rows,
      classes,
      (float *)(memory + at),
      (float *)(memory + to),
      pages((size_t)rows * sizeof(int32_t)),
  };
  if (fread(call.logits, sizeof(float), values, stdin) != values) fail("logits are missing");
  if (fread(call.targets, sizeof(int32_t), (size_t)rows, stdin) != (size_t)rows) fail("targets are missing");

  const double duration = 1e6 * atof(arguments[6]);
  const double total = KERNELS[kernel].run(call);
  fwrite(&total, sizeof total, 1, stdout);
  if (duration == 0) {
    const size_t results[] = {0, (size_t)rows, values};
    fwrite(call.out, sizeof(float), results[KERNELS[kernel].result], stdout);
    return 0;
  }
  static double times[MOST_TIMES];
  size_t calls = 0;
  const double end = now() + duration;
  do {
    const double start = now();
    KERNELS[kernel].run(call);
    times[calls++] = now() - start;
  } while (now() < end && calls < MOST_TIMES);
  fwrite(times, sizeof(double), calls, stdout);
  return 0;
}
