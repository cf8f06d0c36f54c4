import { type Arena, BLOCK_ROWS, BLOCK_VALUES, KINDS } from "./arena.js";
import type { DirectCalls } from "./backend.js";
import { makeResults } from "./floats.js";
import type { Kernels } from "./kernels.js";
import { checkApart } from "./out.js";
import { areClasses, FEW_TARGETS } from "./targets.js";
import { CoreTensor } from "./tensor.js";
import { checkMemory } from "./tensor-like.js";

const { float32 } = KINDS;
/** The class target that drops its row: among classes there is none. */
const IGNORED = -1;

/**
 * Plain calls of few values, straight through to the kernels: float32 logits that make one block, a class for each row in
 * an Int32Array, and no option but `out`, or for a softmax or log-sum-exp a `shape` of two sizes. On the way of all other
 * calls, which are read, checked, laid out and cut into blocks one after another, ten logits take 1.3 to 1.9 times as long.
 * What is another call, or wrong in any way, has to go there: these return undefined then, and have written nothing.
 */
export function directCalls(kernels: Kernels, arena: Arena): DirectCalls {
  /** The logits, where they are for here and each target is a class; then the targets stand at `arena.targets`. */
  const begin = (logits: unknown, targets: Int32Array): Float32Array | undefined => {
    const { length } = targets;
    const values = valuesOf("logits", logits, length);
    if (values === undefined) return undefined;
    checkMemory("targets", targets, targets.byteLength);
    const classes = values.length / length;
    const place = arena.bringIntegers(targets);
    const isRight =
      length < FEW_TARGETS
        ? areClasses(targets, classes)
        : kernels.kept_targets(place, length, classes, IGNORED) === length;
    return isRight ? values : undefined;
  };

  /** By a kernel that writes one value a logit, or one a row. */
  const softmaxBy =
    (forward: Kernels["softmax_forward"], isByRow: boolean): DirectCalls["softmax"] =>
    (x, options) => {
      if (asksForMore(options, "shape")) return undefined;
      const rows = rowsOf(x, options?.shape);
      const values = valuesOf("x", x, rows);
      if (values === undefined) return undefined;
      const out = options?.out;
      const count = isByRow ? rows : values.length;
      const results = out === undefined ? makeResults("float32", count) : resultsIn(out, count, "x", values);
      if (results === undefined) return undefined;

      const to = arena.place(results, 0, arena.first);
      const from = arena.bringFloats(values, arena.second, to);
      forward(from, float32, to, rows, values.length / rows, 1, 1, arena.third);
      arena.takeFloats(to, results);
      return results;
    };

  return {
    logSoftmax: softmaxBy(kernels.log_softmax_forward, false),
    softmax: softmaxBy(kernels.softmax_forward, false),
    logSumExp: softmaxBy(kernels.log_sum_exp_forward, true),

    crossEntropy(logits, targets) {
      if (!(targets instanceof Int32Array)) return undefined;
      const values = begin(logits, targets);
      if (values === undefined) return undefined;
      const rows = targets.length;
      const x = arena.bringFloats(values, arena.first);
      const total = kernels.cross_entropy_forward(
        x,
        float32,
        arena.targets,
        0,
        0,
        rows,
        values.length / rows,
        1,
        1,
        IGNORED,
        0,
        0,
        0,
        arena.third,
      );
      return total / rows;
    },

    crossEntropyWithGrad(logits, targets, options) {
      if (!(targets instanceof Int32Array) || asksForMore(options, "out")) return undefined;
      const values = begin(logits, targets);
      if (values === undefined) return undefined;
      const rows = targets.length;
      const out = options?.out;
      const { length } = values;
      const grad = out === undefined ? makeResults("float32", length) : resultsIn(out, length, "logits", values);
      if (grad === undefined) return undefined;
      if (out !== undefined) checkApart(grad, "targets", targets);
      const dx = arena.place(grad, 0, arena.first);
      const x = arena.bringFloats(values, arena.second, dx);
      const total = kernels.cross_entropy_forward_backward(
        x,
        float32,
        arena.targets,
        0,
        arena.bringScales(1 / rows, 0, 1),
        0,
        dx,
        rows,
        values.length / rows,
        1,
        1,
        IGNORED,
        0,
        0,
        0,
        0,
        arena.third,
      );
      arena.takeFloats(dx, grad);
      return { loss: total / rows, grad };
    },
  };
}

/** How many rows a softmax is over, as far as its argument and the option say by themselves; else 0. */
function rowsOf(x: unknown, shape: unknown): number {
  if (x instanceof CoreTensor) return shape === undefined ? (x.sizes[0] ?? 0) : 0;
  if (shape === undefined) return 1;
  if (!(x instanceof Float32Array && Array.isArray(shape)) || shape.length !== 2) return 0;
  const rows: unknown = shape[0];
  return Number.isInteger(rows) && x.length / Number(rows) === shape[1] ? Number(rows) : 0;
}

/** Logits of so many rows; undefined where they are none, or more than a block. */
function valuesOf(name: string, logits: unknown, rows: number): Float32Array | undefined {
  if (logits instanceof Float32Array) {
    checkMemory(name, logits, logits.byteLength);
    return isBlock(logits.length, rows) ? logits : undefined;
  }
  if (!(logits instanceof CoreTensor)) return undefined;
  const { data, sizes } = logits;
  return sizes.length === 2 && sizes[0] === rows && isBlock(data.length, rows) ? data : undefined;
}

function isBlock(values: number, rows: number): boolean {
  return values > 0 && values <= BLOCK_VALUES && rows > 0 && rows <= BLOCK_ROWS && Number.isInteger(values / rows);
}

/** Whether there are options other than `out` and this one. What an object has of its class, no loop over names may show. */
function asksForMore(options: unknown, other: string): boolean {
  if (options === undefined) return false;
  if (typeof options !== "object" || options === null) return true;
  if (Object.getPrototypeOf(options) !== Object.prototype) return true;
  for (const name in options) if (name !== "out" && name !== other) return true;
  return false;
}

/** Where so many results go; undefined where that is no place for them. */
function resultsIn(out: unknown, count: number, name: string, values: Float32Array): Float32Array | undefined {
  const results = out instanceof CoreTensor ? out.data : out;
  if (!(results instanceof Float32Array) || results.length !== count) return undefined;
  checkMemory("out", results, results.byteLength);
  // As many of one kind from one place on are the same values, or apart.
  if (results.byteOffset !== values.byteOffset || count !== values.length) checkApart(results, name, values);
  return results;
}
