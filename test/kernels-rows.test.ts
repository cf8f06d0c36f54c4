/** The row kernels at their own ABI: the further terms of a loss against float64, and logits of 16 bits against float32. */

import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import { describe, expect, it } from "vitest";
import { Heap } from "../src/heap.js";
import type { Kernels } from "../src/kernels.js";
import { type Batch, batchOf, type FamilyName, mulberry32, type Shape } from "./inputs.js";
import { at, logSoftmax, logSumExp, softmax, sum } from "./oracle.js";
import {
  expectClose,
  expectSameBits,
  float32Ulp,
  logProbabilities,
  logSums,
  probabilities,
  type Tolerance,
} from "./tolerances.js";

const FLOAT32 = 0;
const FLOAT16 = 2;
const BFLOAT16 = 3;
const IGNORED = -100;
const CANARY = 0x5ca1ab1e;
const MIN_NORMAL = 2 ** -126;

const binaries = ["wasm-simd", "wasm-relaxed-simd"]
  .map((name) => ({ name, bytes: readFileSync(`build/${name}.wasm`) }))
  .filter(({ bytes }) => WebAssembly.validate(bytes))
  .map(({ name, bytes }) => ({ name, kernels: instantiateSync<Kernels>(bytes).exports }))
  .filter(({ kernels }) => kernels.is_fused());

type Values = Float32Array | Float64Array | Int32Array | Uint16Array;

/** What a call reads and writes, one array after another in a place of the kernels' memory, with canaries behind each. */
class Scratch {
  readonly #kernels: Kernels;
  readonly #start: number;
  readonly #end: number;
  #next: number;
  #canaries: number[] = [];

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#start = new Heap(kernels.memory, kernels.heap_base()).allocate(1 << 21);
    this.#end = this.#start + (1 << 21);
    this.#next = this.#start;
  }

  clear(): void {
    this.#next = this.#start;
    this.#canaries = [];
  }

  /** A place for an array, with a copy of it. */
  put(values: Values): number {
    const place = this.#next;
    const { buffer } = this.#kernels.memory;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(buffer, place, values.byteLength).set(bytes);
    const end = (place + values.byteLength + 3) & ~3;
    new Int32Array(buffer, end, 1)[0] = CANARY;
    this.#canaries.push(end);
    this.#next = (end + 4 + 15) & ~15;
    if (this.#next > this.#end) throw new RangeError("the scratch is too small");
    return place;
  }

  floats(place: number, length: number): Float32Array {
    return new Float32Array(this.#kernels.memory.buffer, place, length).slice();
  }

  get intact(): boolean {
    return this.#canaries.every((place) => new Int32Array(this.#kernels.memory.buffer, place, 1)[0] === CANARY);
  }
}

interface Terms {
  readonly weights?: Float64Array;
  readonly smoothing?: number;
  readonly zLoss?: number;
}

interface Logits extends Shape {
  readonly name: string;
  readonly kind: number;
  readonly values: Float32Array | Uint16Array;
  readonly targets: Int32Array;
}

interface Losses {
  readonly forward: Float32Array;
  readonly losses: Float32Array;
  readonly grad: Float32Array;
  readonly totals: readonly [number, number];
}

/** Both kernels of the loss; every row has a scale of its own. */
function lossesOf(kernels: Kernels, scratch: Scratch, logits: Logits, terms: Terms, scales: Float64Array): Losses {
  const { kind, rows, classes } = logits;
  const { smoothing = 0, zLoss = 0 } = terms;
  scratch.clear();
  const x = scratch.put(logits.values);
  const y = scratch.put(logits.targets);
  const w = terms.weights === undefined ? 0 : scratch.put(terms.weights);
  const s = scratch.put(scales);
  const [a, b] = [scratch.put(new Float32Array(rows)), scratch.put(new Float32Array(rows))];
  const dx = scratch.put(new Float32Array(rows * classes));
  const first = kernels.cross_entropy_forward(x, kind, y, w, a, rows, classes, 1, 1, IGNORED, smoothing, zLoss, 0, 0);
  const second = kernels.cross_entropy_forward_backward(
    x,
    kind,
    y,
    w,
    s,
    b,
    dx,
    rows,
    classes,
    1,
    1,
    IGNORED,
    8,
    smoothing,
    zLoss,
    0,
    0,
  );
  expect(scratch.intact).toBe(true);
  const kept = new Uint8Array(kernels.memory.buffer, x, logits.values.byteLength);
  expect(Buffer.compare(kept, new Uint8Array(logits.values.buffer, logits.values.byteOffset, kept.length))).toBe(0);
  return {
    forward: scratch.floats(a, rows),
    losses: scratch.floats(b, rows),
    grad: scratch.floats(dx, rows * classes),
    totals: [first, second],
  };
}

function floatsOf(batch: Batch): Logits {
  return { ...batch, kind: FLOAT32, values: batch.logits };
}

interface Exact {
  readonly loss: number;
  readonly grad: Float64Array;
  readonly lossError: number;
  readonly gradErrors: Float64Array;
}

/**
 * With the largest logit m = x_t left out of the sum, rest = Σ_{j≠t} e^(x_j - m) and lse = m + log(1 + rest): the loss
 * (1 - ε) w (lse - x_y) + ε (lse - mean x) + z lse² and its gradient; and the errors that the bounds of the exponentials
 * (3e-7 of a logarithm, 6e-7 of a probability) allow each of its terms.
 */
function exactRow(x: Float32Array, target: number, terms: Terms, scale: number): Exact {
  const { smoothing = 0, zLoss = 0 } = terms;
  const weight = terms.weights?.[target] ?? 1;
  const classes = x.length;
  const max = x.reduce((a, b) => Math.max(a, b));
  const top = x.indexOf(max);
  const e = Float64Array.from(x, (value) => Math.exp(value - max));
  const rest = sum(e.filter((_, j) => j !== top));
  const others = sum(e.filter((_, j) => j !== target));
  const spread = Math.log1p(rest);
  const lse = max + spread;
  const nll = spread + (max - at(x, target));
  const mean = smoothing === 0 ? 0 : spread + sum(x.map((value) => (max - value) / classes));
  const loss = (1 - smoothing) * weight * nll + smoothing * mean + zLoss * lse * lse;
  const pull = 2 * zLoss * lse;
  const share = smoothing / classes;
  // Where another class is the largest, its exponential is one of the sum, and its error one of lse.
  const lseError = 3e-7 * (target === top ? spread : Math.max(spread, 1));
  const slack = weight + 2 * Math.abs(zLoss) * (Math.abs(lse) + lseError / 6e-7);
  const grad = new Float64Array(classes);
  const gradErrors = new Float64Array(classes);
  for (let j = 0; j < classes; j++) {
    const p = at(e, j) / (1 + rest);
    const miss = others / (1 + rest);
    const isTarget = j === target;
    grad[j] = scale * (isTarget ? smoothing - share - weight * miss + pull * p : (weight + pull) * p - share);
    const size = isTarget ? weight * miss + slack * p * Math.sign(Math.abs(zLoss)) + smoothing : slack * p + share;
    gradErrors[j] = 6e-7 * Math.abs(scale) * size + Math.max(1, Math.abs(scale) * slack) * MIN_NORMAL;
  }
  const lossError =
    3e-7 * ((1 - smoothing) * weight * nll + smoothing * mean) +
    2 * Math.abs(zLoss) * (Math.abs(lse) + lseError) * lseError +
    1e-14 * (Math.abs(smoothing * mean) + Math.abs(zLoss * lse * lse)) +
    classes * MIN_NORMAL;
  return { loss, grad, lossError, gradErrors };
}

/** Infinity where a number is beyond float32's. */
const inFloat32sRange = (value: number): number => (Number.isFinite(Math.fround(value)) ? value : Math.fround(value));

const weightsOf = (classes: number): Float64Array => {
  const random = mulberry32(classes);
  return Float64Array.from({ length: classes }, () => 3 * random());
};

const TERMS: readonly { readonly name: string; readonly terms: (classes: number) => Terms }[] = [
  { name: "nothing else", terms: () => ({}) },
  { name: "weights", terms: (classes) => ({ weights: weightsOf(classes) }) },
  { name: "smoothing", terms: () => ({ smoothing: 0.1 }) },
  { name: "smoothing alone", terms: () => ({ smoothing: 1 }) },
  { name: "z-loss", terms: () => ({ zLoss: 0.01 }) },
  { name: "weights and z-loss", terms: (classes) => ({ weights: weightsOf(classes), zLoss: 0.01 }) },
  { name: "smoothing and z-loss", terms: () => ({ smoothing: 0.3, zLoss: 0.2 }) },
];

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Every end of a stretch, of a block, and of a row of several. */
const SHAPES: readonly Shape[] = [...range(1, 70), ...range(508, 516), 1000, 1055, 4099].map((classes) => ({
  rows: 7,
  classes,
}));

const FAMILIES: readonly FamilyName[] = ["normal", "peaked", "spread", "masked", "nearCertain", "huge"];

/** -1 to 1 / 3 and 0 */
const scalesOf = (rows: number): Float64Array => Float64Array.from({ length: rows }, (_, row) => ((row % 5) - 3) / 3);

describe.each(binaries)("cross-entropy of rows in $name", ({ kernels }) => {
  const scratch = new Scratch(kernels);

  it.each(TERMS)("is exact with $name", ({ terms: termsOf }) => {
    for (const shape of SHAPES) {
      const terms = termsOf(shape.classes);
      for (const family of FAMILIES) {
        if (family === "masked" && terms.smoothing !== undefined) continue;
        const batch = batchOf(family, shape);
        const scales = scalesOf(batch.rows);
        const { forward, losses, grad, totals } = lossesOf(kernels, scratch, floatsOf(batch), terms, scales);
        const want = Array.from(batch.targets, (target, row) => {
          const x = batch.logits.subarray(row * batch.classes, (row + 1) * batch.classes);
          return exactRow(x, target, terms, at(scales, row));
        });
        const of = (index: number): Exact => want[index] ?? exactRow(batch.logits, 0, terms, 1);
        const lossErrors: Tolerance = (loss, row) => of(row).lossError + float32Ulp(loss) / 2;
        const rowLosses = want.map(({ loss }) => loss);
        expectClose(`losses ${batch.name}`, losses, rowLosses.map(inFloat32sRange), 1, lossErrors);
        expectClose(`forward ${batch.name}`, forward, rowLosses.map(inFloat32sRange), 1, lossErrors);
        expectSameBits(`forward ${batch.name}`, forward, losses);
        const lossError = want.reduce((total, row) => total + row.lossError, 0);
        for (const total of totals) expectClose(`total ${batch.name}`, [total], [sum(rowLosses)], 1, () => lossError);
        const exactGrad = want.flatMap((row) => [...row.grad]);
        const gradErrors: Tolerance = (_, i) => at(of(Math.floor(i / batch.classes)).gradErrors, i % batch.classes);
        expectClose(`grad ${batch.name}`, grad, exactGrad, batch.classes, gradErrors);
      }
    }
  });

  /** Rows whose first logits, by which a row is judged, are `offset` above the others. */
  const late = (offset: number, classes: number): Batch => {
    const batch = batchOf("normal", { rows: 7, classes });
    const logits = batch.logits.map((x, i) => (i % classes < 16 ? x + offset : x));
    return { ...batch, name: `${offset} ${batch.name}`, logits };
  };

  it.each([Number.NEGATIVE_INFINITY, -700, -200, -70, -63, -62, -50, -41, -30, 86, 92, 95, 300])(
    "is exact where the first logits are %d above the others",
    (offset) => {
      for (const classes of [17, 23, 40, 200, 2053, 4099]) {
        const batch = late(offset, classes);
        const scales = scalesOf(batch.rows).map((scale, row) => (row < 3 ? scale : 1e-9 * scale));
        for (const target of [0, 16, classes - 1]) {
          const logits = { ...floatsOf(batch), targets: batch.targets.map(() => target) };
          const { losses, grad } = lossesOf(kernels, scratch, logits, {}, scales);
          const want = Array.from(scales, (scale, row) =>
            exactRow(batch.logits.subarray(row * classes, (row + 1) * classes), target, {}, scale),
          );
          const lossError: Tolerance = (loss, row) => (want[row]?.lossError ?? 0) + float32Ulp(loss) / 2;
          expectClose(
            `losses ${batch.name}`,
            losses,
            want.map(({ loss }) => loss),
            1,
            lossError,
          );
          const gradError: Tolerance = (_, i) => at(want[Math.floor(i / classes)]?.gradErrors ?? [], i % classes);
          expectClose(
            `grad ${batch.name}`,
            grad,
            want.flatMap((row) => [...row.grad]),
            classes,
            gradError,
          );
        }
        scratch.clear();
        const x = scratch.put(batch.logits);
        const [lse, out] = [scratch.put(new Float32Array(7)), scratch.put(new Float32Array(7 * classes))];
        kernels.log_sum_exp_forward(x, FLOAT32, lse, 7, classes, 1, 1, 0);
        expectClose(`lse ${batch.name}`, scratch.floats(lse, 7), logSumExp(batch.logits, classes), 1, logSums);
        kernels.log_softmax_forward(x, FLOAT32, out, 7, classes, 1, 1, 0);
        const logProbs = scratch.floats(out, 7 * classes);
        expectClose(batch.name, logProbs, logSoftmax(batch.logits, classes), classes, logProbabilities);
        kernels.softmax_forward(x, FLOAT32, out, 7, classes, 1, 1, 0);
        const probs = scratch.floats(out, 7 * classes);
        expectClose(batch.name, probs, softmax(batch.logits, classes), classes, probabilities);
        expect(scratch.intact).toBe(true);
      }
    },
  );

  it("comes to the same bits whether or not other rows had to be clamped", () => {
    for (const classes of [200, 1003, 4099]) {
      const batch = batchOf("peaked", { rows: 7, classes });
      const scales = scalesOf(7);
      const alone = lossesOf(kernels, scratch, floatsOf(batch), {}, scales);
      const masked = batchOf("masked", { rows: 1, classes });
      lossesOf(kernels, scratch, floatsOf(masked), {}, scales.subarray(0, 1));
      const after = lossesOf(kernels, scratch, floatsOf(batch), {}, scales);
      expectSameBits("losses", after.losses, alone.losses);
      expectSameBits("grad", after.grad, alone.grad);
    }
  });

  it("is Infinity with smoothing over a masked class, NaN if nothing of a masked target's own is left", () => {
    const masked = Number.NEGATIVE_INFINITY;
    const row = (target: number): Logits => ({
      name: "masked",
      rows: 1,
      classes: 4,
      kind: FLOAT32,
      values: Float32Array.of(1, masked, 2, 0),
      targets: Int32Array.of(target),
    });
    const run = (target: number, terms: Terms) => lossesOf(kernels, scratch, row(target), terms, Float64Array.of(1));
    expect([...run(0, { smoothing: 0.1 }).losses]).toEqual([Number.POSITIVE_INFINITY]);
    expect([...run(1, { smoothing: 0.1 }).losses]).toEqual([Number.POSITIVE_INFINITY]);
    expect([...run(1, { smoothing: 1 }).losses]).toEqual([Number.NaN]);
    expect([...run(1, { weights: Float64Array.of(1, 0, 1, 1) }).losses]).toEqual([Number.NaN]);
    const total = Math.E + Math.E ** 2 + 1;
    const probs = [Math.E / total, 0, Math.E ** 2 / total, 1 / total];
    const smoothed = probs.map((p, j) => p - 0.025 - (j === 1 ? 0.9 : 0));
    expectClose("grad", run(1, { smoothing: 0.1 }).grad, smoothed, 4, () => 6e-7);
    expectClose(
      "z-loss",
      run(1, { zLoss: 0.5 }).grad,
      probs.map((p, j) => (1 + Math.log(total)) * p - Number(j === 1)),
      4,
      () => 1e-6,
    );
  });

  it.each([37, 300, 1003])("leaves ignored rows out, whatever terms there are: %i classes", (classes) => {
    const batch = batchOf("normal", { rows: 7, classes });
    const targets = batch.targets.map((target, row) => (row % 3 === 1 ? IGNORED : target));
    const values = batch.logits.map((x, i) => (targets[Math.floor(i / classes)] === IGNORED ? Number.NaN : x));
    const scales = new Float64Array(7).fill(-0.5);
    for (const terms of [{}, { smoothing: 0.1, zLoss: 0.1 }]) {
      const { losses, grad } = lossesOf(kernels, scratch, { ...floatsOf(batch), targets, values }, terms, scales);
      const all = lossesOf(kernels, scratch, floatsOf(batch), terms, scales);
      targets.forEach((target, row) => {
        const ignored = target === IGNORED;
        expect(losses[row]).toBe(ignored ? 0 : all.losses[row]);
        const want = all.grad.slice(row * classes, (row + 1) * classes);
        const got = grad.subarray(row * classes, (row + 1) * classes);
        expectSameBits(`row ${row}`, got, ignored ? want.fill(0) : want);
      });
    }
  });
});

const bits = new DataView(new ArrayBuffer(4));

/** The value of a float16: (-1)^sign · 2^(exponent - 15) · 1.fraction, without the leading 1 where the exponent is 0. */
function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * 2 ** (Math.max(exponent, 1) - 25) * (fraction + (exponent === 0 ? 0 : 1024));
}

function fromBfloat16(half: number): number {
  bits.setUint32(0, half << 16);
  return bits.getFloat32(0);
}

const float16s = Float64Array.from({ length: 1 << 16 }, (_, half) => fromFloat16(half));

/** The float16 at or next to a number, towards 0; what is beyond them becomes infinite. */
function toFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  let [low, high] = [0, 0x7c00];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (at(float16s, middle) <= Math.abs(value)) low = middle;
    else high = middle - 1;
  }
  return sign | (Math.abs(value) > 65504 ? 0x7c00 : low);
}

function toBfloat16(value: number): number {
  bits.setFloat32(0, value);
  return bits.getUint32(0) >>> 16;
}

const HALVES = [
  { name: "float16", kind: FLOAT16, encode: toFloat16, decode: fromFloat16, infinity: 0x7c00 },
  { name: "bfloat16", kind: BFLOAT16, encode: toBfloat16, decode: fromBfloat16, infinity: 0x7f80 },
] as const;

/** Every NaN as the same, for comparing bits. */
const canonical = (values: Float32Array): Float32Array =>
  values.map((value) => (Number.isNaN(value) ? Number.NaN : value));

/** Everything the row kernels make of logits. */
function resultsOf(
  kernels: Kernels,
  scratch: Scratch,
  logits: Logits,
  scales: Float64Array,
): Record<string, Float32Array> {
  const { kind, values, rows, classes } = logits;
  const results: Record<string, Float32Array> = {};
  for (const { name, terms } of TERMS) {
    const got = lossesOf(kernels, scratch, logits, terms(classes), scales);
    results[`losses with ${name}`] = got.losses;
    results[`forward with ${name}`] = got.forward;
    results[`grad with ${name}`] = got.grad;
  }
  scratch.clear();
  const x = scratch.put(values);
  const lse = scratch.put(new Float32Array(rows));
  const out = scratch.put(new Float32Array(rows * classes));
  kernels.log_sum_exp_forward(x, kind, lse, rows, classes, 1, 1, 0);
  results.logSumExp = scratch.floats(lse, rows);
  kernels.log_softmax_forward(x, kind, out, rows, classes, 1, 1, 0);
  results.logSoftmax = scratch.floats(out, rows * classes);
  kernels.softmax_forward(x, kind, out, rows, classes, 1, 1, 0);
  results.softmax = scratch.floats(out, rows * classes);
  expect(scratch.intact).toBe(true);
  return results;
}

describe.each(binaries)("rows after each other in $name", ({ kernels }) => {
  const scratch = new Scratch(kernels);
  const KINDS = [
    { kind: FLOAT32, encode: (x: number): number => x },
    ...HALVES.map(({ kind, encode }) => ({ kind, encode })),
  ];

  /** Rows of all sorts, so that most come after one that is computed another way. */
  const rowsOf = (classes: number): readonly number[][] => {
    const random = mulberry32(classes);
    const normal = (): number[] => Array.from({ length: classes }, () => 8 * (random() - 0.5));
    const spoilt = (value: number): number[] => normal().map((x, j) => (j % 97 === 31 ? value : x));
    const kinds = [
      normal,
      () => spoilt(Number.NEGATIVE_INFINITY),
      normal,
      () => spoilt(70),
      () => spoilt(-150),
      () => normal().map((x) => x + 900),
      () => spoilt(Number.NaN),
      () => spoilt(Number.POSITIVE_INFINITY),
      normal,
      () => normal().fill(Number.NEGATIVE_INFINITY),
      normal,
      normal,
    ];
    return kinds.map((make) => make());
  };

  it.each([1, 7, 200, 300, 1003, 2056, 4099])("come to the bits that each has alone: %i classes", (classes) => {
    const rows = rowsOf(classes);
    const targets = rows.map((_, row) => (row % 5 === 3 ? IGNORED : (row * 37) % classes));
    const scales = scalesOf(rows.length);
    for (const { kind, encode } of KINDS) {
      const run = (first: number, end: number): Record<string, Float32Array> => {
        const numbers = rows.slice(first, end).flat().map(encode);
        const logits = {
          name: `rows ${first} to ${end}`,
          rows: end - first,
          classes,
          kind,
          values: kind === FLOAT32 ? Float32Array.from(numbers) : Uint16Array.from(numbers),
          targets: Int32Array.from(targets.slice(first, end)),
        };
        return resultsOf(kernels, scratch, logits, scales.subarray(first, end));
      };
      const together = run(0, rows.length);
      rows.forEach((_, row) => {
        for (const [name, want] of Object.entries(run(row, row + 1))) {
          const got = together[name] ?? new Float32Array();
          const length = got.length / rows.length;
          const own = got.slice(row * length, (row + 1) * length);
          expectSameBits(`${name} of row ${row}, kind ${kind}`, canonical(own), canonical(want));
        }
      });
    }
  });

  it("sum equal exponentials exactly, however these are rounded", () => {
    for (const { kind, encode } of KINDS) {
      for (const logit of [-1.375, 0.1, 3.3]) {
        const values = new Array<number>(4096).fill(encode(logit));
        scratch.clear();
        const x = scratch.put(kind === FLOAT32 ? Float32Array.from(values) : Uint16Array.from(values));
        const one = kernels.row_exp_sum(x, kind, 1, 0, 0);
        for (const n of [8, 128, 1024, 4096]) expect(kernels.row_exp_sum(x, kind, n, 0, 0)).toBe(n * one);
      }
    }
  });
});

describe.each(binaries)("logits of 16 bits in $name", ({ kernels }) => {
  const scratch = new Scratch(kernels);

  const expectAsWidened = (half: (typeof HALVES)[number], name: string, values: Uint16Array, shape: Shape): void => {
    const { rows, classes } = shape;
    const random = mulberry32(classes);
    const targets = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
    const wide = Float32Array.from(values, half.decode);
    const got = resultsOf(kernels, scratch, { name, kind: half.kind, values, targets, rows, classes }, scalesOf(rows));
    const want = resultsOf(
      kernels,
      scratch,
      { name, kind: FLOAT32, values: wide, targets, rows, classes },
      scalesOf(rows),
    );
    for (const [result, array] of Object.entries(want)) {
      expectSameBits(`${result} of ${name}`, canonical(got[result] ?? new Float32Array()), canonical(array));
    }
  };

  describe.each(HALVES)("$name", (half) => {
    it.each([...FAMILIES, "tiny", "flat"] as const)(
      "comes to the bits of the same logits in float32, '%s'",
      (family) => {
        for (const shape of SHAPES) {
          const { logits, name } = batchOf(family, shape);
          const scaled = family === "tiny" ? logits.map((x) => x * 1e25) : logits;
          expectAsWidened(half, name, Uint16Array.from(scaled, half.encode), shape);
        }
      },
    );

    it("so with infinities, NaN of either sign, zeros, subnormals and the largest numbers", () => {
      const { infinity } = half;
      const sign = 0x8000;
      const most = infinity - 1;
      const rows = [
        [infinity, 0],
        [infinity, infinity + 1],
        [infinity + 1, 0],
        [sign | (infinity + 1), 0],
        [sign | 0x7fff, 0],
        [0x7fff, sign | 0x7fff],
        [sign | infinity, sign | infinity],
        [sign | infinity, 0],
        [sign | infinity, sign | most],
        [sign | most, sign | most],
        [sign | most, most],
        [most, most],
        [sign, 0],
        [sign, sign | 1],
        [1, 2],
        [1, sign | (infinity >> 1)],
        [sign | (infinity >> 1), sign | 1],
      ];
      for (const classes of [2, 3, 7, 8, 9, 17, 33, 515]) {
        for (const position of [0, 1, classes >> 1, classes - 1]) {
          const values = new Uint16Array(rows.length * classes);
          rows.forEach(([first = 0, others = 0], row) => {
            values.fill(others, row * classes, (row + 1) * classes);
            values[row * classes + position] = first;
          });
          expectAsWidened(half, `edges ${classes}, ${position}`, values, { rows: rows.length, classes });
        }
      }
    });

    it("has every value it can have", () => {
      scratch.clear();
      const place = scratch.put(new Uint16Array(4));
      const view = new Uint16Array(kernels.memory.buffer, place, 4);
      const wrong: number[] = [];
      for (let pattern = 0; pattern < 1 << 16; pattern++) {
        const value = half.decode(pattern);
        view[1] = pattern;
        if (!Object.is(kernels.value_of(pattern, half.kind), value)) wrong.push(pattern);
        if (value < Number.POSITIVE_INFINITY && kernels.row_sum(place, half.kind, 4, 0, 0) !== value)
          wrong.push(pattern);
      }
      expect(wrong).toEqual([]);
    });

    it("comes to the same bits in segments", () => {
      const classes = 2311;
      const { logits } = batchOf("normal", { rows: 1, classes });
      scratch.clear();
      const values = Uint16Array.from(logits, half.encode);
      const x = scratch.put(values);
      const lse = scratch.put(new Float32Array(1));
      const out = scratch.put(new Float32Array(classes));
      const { kind } = half;
      const inSegments = (visit: (at: number, count: number, from: number) => void): void => {
        for (let from = 0; from < classes; from += 1024) visit(x + 2 * from, Math.min(1024, classes - from), from);
      };
      let max = Number.NEGATIVE_INFINITY;
      let total = 0;
      inSegments((segment, count) => {
        max = Math.max(max, kernels.row_max(segment, kind, count));
      });
      inSegments((segment, count) => {
        total = kernels.row_exp_sum(segment, kind, count, max, total);
      });
      kernels.log_sum_exp_forward(x, kind, lse, 1, classes, 1, 1, 0);
      expect(Math.fround(kernels.log_sum_exp_of(max, total))).toBe(scratch.floats(lse, 1)[0]);

      kernels.log_softmax_forward(x, kind, out, 1, classes, 1, 1, 0);
      const logProbs = scratch.floats(out, classes);
      inSegments((segment, count, from) => kernels.row_log_softmax(segment, kind, out + 4 * from, count, max, total));
      expectSameBits("log-softmax", scratch.floats(out, classes), logProbs);

      const factor = kernels.softmax_factor(total);
      kernels.softmax_forward(x, kind, out, 1, classes, 1, 1, 0);
      const probs = scratch.floats(out, classes);
      inSegments((segment, count, from) =>
        kernels.row_exp_scaled(segment, kind, out + 4 * from, count, max, factor, 0),
      );
      expectSameBits("softmax", scratch.floats(out, classes), probs);
      inSegments((segment, count, from) =>
        kernels.row_exp_scaled(segment, kind, out + 4 * from, count, max, factor, 2),
      );
      const offset = probs.map((p) => p + 2);
      expectClose("softmax + 2", scratch.floats(out, classes), offset, classes, () => 2 ** -22);
    });
  });
});
