/** The kernels that take a tile of rows at a time, by themselves: layouts, half-precision logits, and a loss's terms. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Heap } from "../src/heap.js";
import { batchOf, below, type FamilyName, mulberry32, normal } from "./inputs.js";
import { expectClose, expectSameBits, float32Ulp } from "./tolerances.js";

/** The part of the ABI that is tried here: see assembly/index.ts. */
interface Kernels {
  readonly memory: WebAssembly.Memory;
  heap_base(): number;
  log_sum_exp_forward(...args: number[]): void;
  log_softmax_forward(...args: number[]): void;
  softmax_forward(...args: number[]): void;
  cross_entropy_forward(...args: number[]): number;
  cross_entropy_forward_backward(...args: number[]): number;
}

const FLOAT32 = 0;
const FLOAT16 = 2;
const BFLOAT16 = 3;
const MIN_NORMAL = 2 ** -126;
const IGNORED = -7;

/** `[outer, classes, stride]`, of which the first `inner` positions take part. */
interface Layout {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly stride: number;
}

interface Terms {
  readonly weights?: Float64Array;
  readonly smoothing?: number;
  readonly zLoss?: number;
}

/** Rows of a layout: float32, or the bits of halves. */
interface Input {
  readonly kind: number;
  readonly logits: Float32Array | Uint16Array;
}

const rowsOf = ({ outer, inner }: Layout): number => outer * inner;
const lengthOf = ({ outer, classes, stride }: Layout): number => outer * classes * stride;

/** Where class c of a row stands. */
const placeOf = ({ classes, inner, stride }: Layout, row: number, c: number): number =>
  (Math.floor(row / inner) * classes + c) * stride + (row % inner);

/** Rows of classes brought to a layout, with `rest` in the positions that do not take part. */
function laidOut(rows: Float32Array, layout: Layout, rest: number): Float32Array {
  const array = new Float32Array(lengthOf(layout)).fill(rest);
  rows.forEach((value, i) => {
    array[placeOf(layout, Math.floor(i / layout.classes), i % layout.classes)] = value;
  });
  return array;
}

/** The rows of an array; what does not take part must still be the canary that it was filled with. */
function rowsIn(array: Float32Array, layout: Layout): Float32Array {
  const { classes } = layout;
  const rows = new Float32Array(rowsOf(layout) * classes);
  const rest = array.slice();
  for (let i = 0; i < rows.length; i++) {
    const place = placeOf(layout, Math.floor(i / classes), i % classes);
    rows[i] = Number(array[place]);
    rest[place] = CANARY;
  }
  expect(rest.every((value) => value === CANARY)).toBe(true);
  return rows;
}

const CANARY = -12345.5;
/** How many values behind an output must stay as they are. */
const GUARD = 8;

/** Calls of the kernels on arrays that are brought to the memory, each followed by canaries. */
class Calls {
  readonly #kernels: Kernels;
  readonly #base: number;
  #used = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#base = new Heap(kernels.memory, kernels.heap_base()).allocate(1 << 24);
  }

  #bring(array: Float32Array | Uint16Array | Int32Array | Float64Array): number {
    const place = this.#base + this.#used;
    this.#used += (array.byteLength + 15) & ~15;
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    new Uint8Array(this.#kernels.memory.buffer).set(bytes, place);
    return place;
  }

  #output(length: number): { place: number; take: () => Float32Array } {
    const place = this.#bring(new Float32Array(length + GUARD).fill(CANARY));
    const take = (): Float32Array => {
      const all = new Float32Array(this.#kernels.memory.buffer, place, length + GUARD).slice();
      expect(all.subarray(length).every((value) => value === CANARY)).toBe(true);
      return all.subarray(0, length);
    };
    return { place, take };
  }

  /** Halves and floats may end anywhere: the next array begins right behind, and is NaN. */
  #input({ logits }: Input): number {
    const place = this.#bring(logits);
    this.#bring(new Float32Array(16).fill(Number.NaN));
    return place;
  }

  lse(input: Input, { outer, classes, inner, stride }: Layout): Float32Array {
    this.#used = 0;
    const x = this.#input(input);
    const lse = this.#output(outer * inner);
    const spare = this.#output(2 * classes);
    this.#kernels.log_sum_exp_forward(x, input.kind, lse.place, outer * inner, classes, inner, stride, spare.place);
    spare.take();
    return lse.take();
  }

  map(name: "log_softmax" | "softmax", input: Input, layout: Layout): Float32Array {
    this.#used = 0;
    const x = this.#input(input);
    const out = this.#output(lengthOf(layout));
    const { classes, inner, stride } = layout;
    const spare = this.#output(2 * classes);
    this.#kernels[`${name}_forward`](x, input.kind, out.place, rowsOf(layout), classes, inner, stride, spare.place);
    spare.take();
    return rowsIn(out.take(), layout);
  }

  loss(input: Input, layout: Layout, targets: Int32Array, { weights, smoothing = 0, zLoss = 0 }: Terms) {
    this.#used = 0;
    const { classes, inner, stride } = layout;
    const x = this.#input(input);
    const y = this.#bring(targets);
    const w = weights ? this.#bring(weights) : 0;
    const losses = this.#output(targets.length);
    const { kind } = input;
    const spare = this.#output(2 * classes);
    const callWith = (place: number): number =>
      this.#kernels.cross_entropy_forward(
        ...[x, kind, y, w, place, targets.length, classes, inner, stride, IGNORED, smoothing, zLoss, 0.5, spare.place],
      );
    const total = callWith(losses.place);
    // By itself the sum may be taken another way.
    const sum = callWith(0);
    expect(Math.abs(sum - total)).not.toBeGreaterThan(2e-8 * Math.abs(total - 0.5));
    expect(Number.isNaN(sum)).toBe(Number.isNaN(total));
    spare.take();
    return { total: total - 0.5, losses: losses.take() };
  }

  /** With one scale a row, or one for all. */
  lossAndGrad(
    input: Input,
    layout: Layout,
    targets: Int32Array,
    { weights, smoothing = 0, zLoss = 0 }: Terms,
    scales: Float64Array,
  ) {
    this.#used = 0;
    const { kind } = input;
    const { classes, inner, stride } = layout;
    const x = this.#input(input);
    const y = this.#bring(targets);
    const w = weights ? this.#bring(weights) : 0;
    const s = this.#bring(scales);
    const losses = this.#output(targets.length);
    const grad = this.#output(lengthOf(layout));
    const scaleStride = scales.length === 1 ? 0 : 8;
    const spare = this.#output(2 * classes);
    const places = [x, kind, y, w, s, losses.place, grad.place];
    const total = this.#kernels.cross_entropy_forward_backward(
      ...[...places, targets.length, classes, inner, stride, IGNORED],
      ...[scaleStride, smoothing, zLoss, 0.5, spare.place],
    );
    spare.take();
    return { total: total - 0.5, losses: losses.take(), grad: rowsIn(grad.take(), layout) };
  }
}

/** A row's loss and gradient in float64, and the size of the terms that they are sums of. */
interface Exact {
  readonly loss: number;
  readonly lossSize: number;
  readonly grad: Float64Array;
  readonly gradSize: Float64Array;
}

/**
 * With own = (1 - ε) w_y, share = ε / C and T = own + ε + 2 z lse:
 *
 *   loss = own (lse - x_y) + ε (lse - mean x) + z lse²      grad_j = p_j T - share - own [j = y]
 *
 * where the largest logit is left out of the sum, so that what cancels at it is taken apart.
 */
function exactLoss(row: Float32Array, target: number, { weights, smoothing = 0, zLoss = 0 }: Terms): Exact {
  const classes = row.length;
  const own = (1 - smoothing) * Number(weights?.[target] ?? 1);
  const share = smoothing / classes;
  const x = Float64Array.from(row);
  const max = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const nothing = new Float64Array(classes).fill(Number.NaN);
  if (!Number.isFinite(max)) return { loss: Number.NaN, lossSize: 0, grad: nothing, gradSize: nothing };
  const top = x.indexOf(max);
  const e = x.map((value) => Math.exp(value - max));
  const others = e.reduce((sum, value, j) => (j === target ? sum : sum + value), 0);
  const rest = e.reduce((sum, value, j) => (j === top ? sum : sum + value), 0);
  const lse = max + Math.log1p(rest);
  const behind = Math.log1p(rest) + (max - Number(x[target]));
  let loss = own * behind;
  if (smoothing > 0) loss += x.reduce((sum, value) => sum + share * (Math.log1p(rest) + (max - value)), 0);
  const slope = zLoss > 0 ? 2 * zLoss * lse : 0;
  if (zLoss > 0) loss += zLoss * lse * lse;
  const total = others + Number(e[target]);
  const p = e.map((value) => value / total);
  const miss = others / total;
  const grad = p.map((value, j) =>
    j === target
      ? smoothing - share - miss * (own + smoothing) + slope * value
      : value * (own + smoothing + slope) - share,
  );
  // An exponential below the smallest normal float32 may be flushed, by so much of 6e-7.
  const flushed = (MIN_NORMAL / 6e-7) * (Math.abs(own) + smoothing + Math.abs(slope));
  const gradSize = p.map((value, j) =>
    j === target
      ? miss * (own + smoothing) + smoothing + Math.abs(slope * value) + 2 * zLoss * value + flushed
      : value * (Math.abs(own + smoothing + slope) + 2 * zLoss) + share + flushed,
  );
  return { loss, lossSize: Math.abs(loss) + 2 * zLoss * Math.abs(lse), grad, gradSize };
}

function exactLosses(rows: Float32Array, classes: number, targets: Int32Array, scales: Float64Array, terms: Terms) {
  const losses = new Float64Array(targets.length);
  const lossSizes = new Float64Array(targets.length);
  const grad = new Float64Array(rows.length);
  const gradSizes = new Float64Array(rows.length);
  targets.forEach((target, i) => {
    if (target === IGNORED) return;
    const scale = Number(scales.length === 1 ? scales[0] : scales[i]);
    const exact = exactLoss(rows.subarray(i * classes, (i + 1) * classes), target, terms);
    losses[i] = exact.loss;
    lossSizes[i] = exact.lossSize;
    grad.set(
      exact.grad.map((value) => scale * value),
      i * classes,
    );
    gradSizes.set(
      exact.gradSize.map((value) => Math.abs(scale) * value),
      i * classes,
    );
  });
  return { losses, lossSizes, grad, gradSizes };
}

/** Infinity where float32 ends, and else the exact value. */
const toFloat32 = (value: number): number => (Number.isFinite(Math.fround(value)) ? value : Math.fround(value));

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

const classLast = (outer: number, classes: number): Layout => ({ outer, classes, inner: 1, stride: 1 });

/** Every tail of rows and of classes, and chunks; positions through a tile and some more, gaps between classes. */
const LAYOUTS: readonly Layout[] = [
  ...range(1, 21).map((classes) => classLast(19, classes)),
  ...[...range(1, 18), 31, 32, 33, 47, 49].map((outer) => classLast(outer, 7)),
  ...[31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 511, 512, 600].map((classes) => classLast(21, classes)),
  ...[127, 128, 129, 259].map((outer) => classLast(outer, 3)),
  classLast(90, 100),
  classLast(70, 515),
  ...range(1, 9).map((inner) => ({ outer: 5, classes: 6, inner, stride: inner })),
  { outer: 3, classes: 1, inner: 5, stride: 6 },
  { outer: 2, classes: 3, inner: 12, stride: 12 },
  { outer: 3, classes: 5, inner: 15, stride: 16 },
  { outer: 2, classes: 10, inner: 16, stride: 16 },
  { outer: 2, classes: 9, inner: 17, stride: 20 },
  { outer: 2, classes: 4, inner: 35, stride: 35 },
  { outer: 2, classes: 21, inner: 100, stride: 100 },
  { outer: 1, classes: 13, inner: 150, stride: 151 },
  { outer: 1, classes: 255, inner: 18, stride: 18 },
  { outer: 1, classes: 256, inner: 33, stride: 40 },
  { outer: 2, classes: 257, inner: 6, stride: 7 },
  { outer: 1, classes: 257, inner: 16, stride: 16 },
  { outer: 1, classes: 600, inner: 35, stride: 64 },
  { outer: 1, classes: 1500, inner: 20, stride: 20 },
  { outer: 1, classes: 2100, inner: 3, stride: 4 },
];

const FAMILIES: readonly FamilyName[] = ["normal", "peaked", "spread", "huge", "masked", "nearCertain", "drowned"];

const weightsOf = (classes: number): Float64Array => Float64Array.from({ length: classes }, (_, c) => (c * 7 + 1) % 5);

const termsOf = (classes: number): readonly Terms[] => [
  {},
  { weights: weightsOf(classes) },
  { smoothing: 0.1 },
  { smoothing: 1 },
  { zLoss: 1e-2 },
  { weights: weightsOf(classes), zLoss: 0.3 },
  { smoothing: 0.2, zLoss: 0.5 },
];

const nameOf = (terms: Terms, layout: Layout): string =>
  JSON.stringify({ ...layout, ...terms, weights: terms.weights !== undefined });

/** Floats of a half-precision kind, by its definition. */
function decoded(bits: number, kind: number): number {
  const [width, bias] = kind === FLOAT16 ? [10, 15] : [7, 127];
  const sign = bits >>> 15 === 0 ? 1 : -1;
  const exponent = (bits & 0x7fff) >>> width;
  const fraction = (bits & (2 ** width - 1)) / 2 ** width;
  if (exponent === 2 ** (15 - width) - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

/** Halves between about 2^-6 and 8, now and then something special. */
function randomHalves(length: number, kind: number, seed: number): Uint16Array {
  const random = mulberry32(seed);
  const [one, step] = kind === FLOAT16 ? [0x3c00, 0x400] : [0x3f80, 0x80];
  const special =
    kind === FLOAT16 ? [0x8000, 0x0001, 0xfc00, 0x03ff, 0x7bff] : [0x8000, 0x0001, 0xff80, 0x007f, 0x4700];
  return Uint16Array.from({ length }, () => {
    if (random() < 0.02) return Number(special[below(random, special.length)]);
    return one + below(random, 9 * step) - 6 * step + (random() < 0.5 ? 0x8000 : 0);
  });
}

const binaries = ["wasm-simd", "wasm-relaxed-simd"].filter((name) =>
  WebAssembly.validate(readFileSync(`build/${name}.wasm`)),
);

describe.each(binaries)("tiles of %s", (name) => {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(`build/${name}.wasm`)), {});
  const calls = new Calls(exports as unknown as Kernels);

  const check = (rows: Float32Array, targets: Int32Array, layout: Layout, terms: Terms, what: string): void => {
    const { classes } = layout;
    const input = { kind: FLOAT32, logits: laidOut(rows, layout, Number.NaN) };
    const random = mulberry32(rows.length);
    for (const scales of [Float64Array.of(0.125), Float64Array.from(targets, () => normal(random))]) {
      const want = exactLosses(rows, classes, targets, scales, terms);
      const lossTolerance = (_: number, i: number) =>
        3e-7 * Number(want.lossSizes[i]) + (1 + (terms.zLoss ?? 0)) * classes * MIN_NORMAL;
      const gradTolerance = (_: number, i: number) => 6e-7 * Number(want.gradSizes[i]) + 4 * MIN_NORMAL;
      const { losses, total } = calls.loss(input, layout, targets, terms);
      const both = calls.lossAndGrad(input, layout, targets, terms, scales);
      expectClose(
        `losses, ${what}`,
        losses,
        want.losses.map(toFloat32),
        1,
        (w, i) => lossTolerance(w, i) + float32Ulp(w) / 2,
      );
      expectClose(`grad, ${what}`, both.grad, want.grad, classes, gradTolerance);
      expectSameBits(`losses beside the gradient, ${what}`, both.losses, losses);
      // The order of the sum is not the same: rows that a tile sets aside come after the others, where a factor is too
      // small for float32 all come again, and along other axes a tile with a result has more rows.
      expect(Math.abs(both.total - total)).not.toBeGreaterThan(4 * Number.EPSILON * Math.abs(total));
      expect(Number.isNaN(both.total)).toBe(Number.isNaN(total));
      const sizes = want.lossSizes.reduce((a, b) => a + b, 0);
      const sum = want.losses.reduce((a, b) => a + b, 0);
      expectClose(
        `total, ${what}`,
        [total],
        [sum],
        1,
        () => 3e-7 * sizes + targets.length * classes * MIN_NORMAL + 1e-15,
      );
    }
  };

  it.each([1e-20, 1e-27, 1e-34])("keep gradients with a scale of %d", (scale) => {
    const scales = Float64Array.of(scale);
    for (const layout of [classLast(19, 10), { outer: 2, classes: 21, inner: 100, stride: 100 }]) {
      const { logits, targets } = batchOf("normal", { rows: rowsOf(layout), classes: layout.classes });
      const input = { kind: FLOAT32, logits: laidOut(logits, layout, Number.NaN) };
      for (const terms of [{}, { zLoss: 1e-2 }]) {
        const want = exactLosses(logits, layout.classes, targets, scales, terms);
        const { grad } = calls.lossAndGrad(input, layout, targets, terms, scales);
        const tolerance = (_: number, i: number) => 6e-7 * Number(want.gradSizes[i]) + 4 * MIN_NORMAL;
        expectClose(nameOf(terms, layout), grad, want.grad, layout.classes, tolerance);
      }
    }
  });

  it.each(FAMILIES)("compute losses and gradients with every term in every layout: %s", (family) => {
    for (const layout of LAYOUTS) {
      const batch = batchOf(family, { rows: rowsOf(layout), classes: layout.classes });
      const targets = batch.targets.map((target, i) => (i % 7 === 3 ? IGNORED : target));
      for (const terms of termsOf(layout.classes)) {
        check(batch.logits, targets, layout, terms, `${family} ${nameOf(terms, layout)}`);
      }
    }
  });

  it("take NaN, infinities and masked targets for what they are", () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    const rows = [
      ...[1, nan, 2, 3],
      ...[nan, 1, -inf, 3],
      ...[1, inf, 2, 3],
      ...[inf, 1, 2, 3],
      ...[-inf, -inf, -inf, -inf],
      ...[-inf, 1, 2, 3],
      ...[1, -inf, -inf, -inf],
      ...[-inf, 1, -inf, -inf],
      ...[700, 1e4, 1e4, 1e4],
      ...[1e4, -700, -800, -inf],
      ...[nan, inf, -inf, 0],
    ];
    const logits = Float32Array.from(rows);
    const targets = new Int32Array(logits.length / 4);
    for (const terms of termsOf(4)) {
      check(logits, targets, classLast(targets.length, 4), terms, `special ${nameOf(terms, classLast(11, 4))}`);
      const beside = { outer: 1, classes: 4, inner: targets.length, stride: targets.length };
      check(logits, targets, beside, terms, `special ${nameOf(terms, beside)}`);
    }
    const ignored = calls.lossAndGrad(
      { kind: FLOAT32, logits },
      classLast(11, 4),
      targets.fill(IGNORED),
      {},
      Float64Array.of(1),
    );
    expect(ignored.total).toBe(0);
    expectSameBits("losses", ignored.losses, new Float32Array(11));
    expectSameBits("grad", ignored.grad, new Float32Array(44));
  });

  it("take all rows anew after others of which some were set aside", () => {
    const layout = classLast(19, 10);
    const { logits, targets } = batchOf("normal", { rows: 19, classes: 10 });
    const odd = { kind: FLOAT32, logits: logits.with(45, Number.NaN) };
    const far = { kind: FLOAT32, logits: logits.map((x, i) => (i < 10 ? x + 400 : x)) };
    const probs = calls.map("softmax", far, layout);
    calls.loss(odd, layout, targets, {});
    expectSameBits("probabilities", calls.map("softmax", far, layout), probs);
  });

  it("give a row the same bits alone and in any company", () => {
    for (const layout of LAYOUTS) {
      const { classes } = layout;
      const { logits, targets } = batchOf("peaked", { rows: rowsOf(layout), classes });
      const together = { kind: FLOAT32, logits: laidOut(logits, layout, Number.NaN) };
      const scale = Float64Array.of(0.3);
      for (const terms of [{}, { weights: weightsOf(classes), zLoss: 0.1 }, { smoothing: 0.3, zLoss: 0.1 }]) {
        const all = calls.lossAndGrad(together, layout, targets, terms, scale);
        const logProbs = calls.map("log_softmax", together, layout);
        const probs = calls.map("softmax", together, layout);
        for (let row = 0; row < targets.length; row += 1 + (row % 3)) {
          const part = (values: Float32Array) => values.subarray(row * classes, (row + 1) * classes);
          // Neighbours are summed in another order than classes that are not.
          const one = { outer: 1, classes, inner: 1, stride: layout.stride };
          const alone = { kind: FLOAT32, logits: laidOut(part(logits), one, Number.NaN) };
          const own = calls.lossAndGrad(alone, one, targets.subarray(row, row + 1), terms, scale);
          const what = `row ${row} ${nameOf(terms, layout)}`;
          expectSameBits(`loss, ${what}`, own.losses, all.losses.subarray(row, row + 1));
          expectSameBits(`grad, ${what}`, own.grad, part(all.grad));
          expectSameBits(`log_softmax, ${what}`, calls.map("log_softmax", alone, one), part(logProbs));
          expectSameBits(`softmax, ${what}`, calls.map("softmax", alone, one), part(probs));
        }
      }
    }
  });

  describe.each([
    ["float16", FLOAT16],
    ["bfloat16", BFLOAT16],
  ])("of %s logits", (_, kind) => {
    it("read every half as what it is", () => {
      const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
      const values = Float32Array.from(bits, (half) => decoded(half, kind));
      const layouts: readonly Layout[] = [
        { outer: 1, classes: 1, inner: 1 << 16, stride: 1 << 16 },
        { outer: 1 << 16, classes: 1, inner: 1, stride: 1 },
        { outer: 1 << 14, classes: 4, inner: 1, stride: 1 },
        { outer: 13107, classes: 1, inner: 5, stride: 5 },
      ];
      for (const layout of layouts) {
        const [halves, floats] = [bits.subarray(0, lengthOf(layout)), values.subarray(0, lengthOf(layout))];
        const got = calls.lse({ kind, logits: halves }, layout);
        expectSameBits("lse", got, calls.lse({ kind: FLOAT32, logits: floats }, layout));
      }
    });

    it("come to the bits of the same logits in float32", () => {
      for (const layout of LAYOUTS) {
        const { classes } = layout;
        const logits = randomHalves(lengthOf(layout), kind, 1 + classes);
        const half = { kind, logits };
        const full = { kind: FLOAT32, logits: Float32Array.from(logits, (bits) => decoded(bits, kind)) };
        const what = JSON.stringify(layout);
        expectSameBits(`lse ${what}`, calls.lse(half, layout), calls.lse(full, layout));
        for (const name of ["log_softmax", "softmax"] as const) {
          expectSameBits(`${name} ${what}`, calls.map(name, half, layout), calls.map(name, full, layout));
        }
        const targets = Int32Array.from({ length: rowsOf(layout) }, (_, i) => (i % 5 === 2 ? IGNORED : i % classes));
        for (const terms of [{}, { weights: weightsOf(classes), zLoss: 0.1 }, { smoothing: 0.3 }]) {
          const got = calls.lossAndGrad(half, layout, targets, terms, Float64Array.of(2));
          const want = calls.lossAndGrad(full, layout, targets, terms, Float64Array.of(2));
          expectSameBits(`losses ${what}`, got.losses, want.losses);
          expectSameBits(`grad ${what}`, got.grad, want.grad);
          expectSameBits(`losses alone ${what}`, calls.loss(half, layout, targets, terms).losses, want.losses);
        }
      }
    });
  });
});
