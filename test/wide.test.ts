/** The wide engine by itself, at its ABI: assembly/wide/index.ts, on the memory of a lean module as the package has it. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { divide, exact, exp, float, log, ONE, size } from "../scripts/fixed-point.js";
import { Heap } from "../src/heap.js";
import { CompensatedSum } from "./oracle.js";

/** An element that has to be there. */
function at<T>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no element ${index} in ${values.length}`);
  return value;
}

type Kernel = (...operands: number[]) => number;

const bytesOf = (name: string) => readFileSync(`build/${name}.wasm`);
const module = new WebAssembly.Module(bytesOf("wasm-wide"));

function kernelOf(instance: WebAssembly.Instance, name: string): Kernel {
  const kernel = instance.exports[name];
  if (typeof kernel !== "function") throw new Error(`no kernel ${name}`);
  return (...operands) => Number(kernel(...operands));
}

const lean = new WebAssembly.Instance(new WebAssembly.Module(bytesOf("wasm-simd")));
const { memory } = lean.exports;
if (!(memory instanceof WebAssembly.Memory)) throw new Error("no memory");
const wide = new WebAssembly.Instance(module, { env: { memory } });
const call = (name: string, ...operands: number[]): number => kernelOf(wide, name)(...operands);

// Kinds, and values of each.

type Kind = "f32" | "f64" | "f16" | "bf16";
const KINDS = ["f32", "f64", "f16", "bf16"] as const;
const RESULT_KINDS = ["f32", "f64"] as const;
const numberOf = (kind: Kind): number => KINDS.indexOf(kind);
const sizeOf = (kind: Kind): number => ({ f32: 4, f64: 8, f16: 2, bf16: 2 })[kind];

function decodeHalf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const sign = bits >> 15 ? -1 : 1;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? 1024 + mantissa : mantissa) * 2 ** (Math.max(exponent, 1) - 25);
}

/** The nearest of numbers that are within float16's range. */
function encodeHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  if (Number.isNaN(value)) return 0x7e00;
  if (!Number.isFinite(value)) return sign | 0x7c00;
  const exponent = value === 0 ? -14 : Math.max(Math.floor(Math.log2(Math.abs(value))), -14);
  return sign | (((exponent + 14) << 10) + Math.round(Math.abs(value) * 2 ** (10 - exponent)));
}

const bits32 = new Uint32Array(1);
const float32 = new Float32Array(bits32.buffer);

function decodeBrain(bits: number): number {
  bits32[0] = bits << 16;
  return at(float32, 0);
}

function encodeBrain(value: number): number {
  float32[0] = value;
  return (at(bits32, 0) + (Number.isFinite(value) ? 0x8000 : 0)) >>> 16;
}

// A place for each array, and canaries behind it.

/** PyTorch's float32 of 1e-12, the least p (1 - p) that a derivative is divided by. */
const LEAST_VARIANCE = Math.fround(1e-12);

const ROOM = 1 << 22;
const CANARY = 0x5a;
const base = new Heap(memory, kernelOf(lean, "heap_base")()).allocate(4 * ROOM);
let next = base;
const buffer = () => memory.buffer;

function reserve(bytes: number): number {
  const place = next;
  next += (bytes + 31) & ~15;
  if (next > base + 4 * ROOM) throw new RangeError("no room");
  new Uint8Array(buffer(), place, next - place).fill(CANARY);
  return place;
}

/** Runs with a memory that is free again afterwards. */
function scratch<T>(run: () => T): T {
  next = base;
  return run();
}

function put(kind: Kind, values: ArrayLike<number>): number {
  const place = reserve(values.length * sizeOf(kind));
  if (kind === "f32") new Float32Array(buffer(), place, values.length).set(values);
  else if (kind === "f64") new Float64Array(buffer(), place, values.length).set(values);
  else
    new Uint16Array(buffer(), place, values.length).set(Array.from(values, kind === "f16" ? encodeHalf : encodeBrain));
  return place;
}

function putClasses(values: ArrayLike<number>): number {
  const place = reserve(values.length * 4);
  new Int32Array(buffer(), place, values.length).set(values);
  return place;
}

/** What stands at a place; with a canary behind it. */
function get(kind: Kind, place: number, length: number): Float64Array {
  expect(new Uint8Array(buffer())[place + length * sizeOf(kind)], "the canary").toBe(CANARY);
  if (kind === "f32") return Float64Array.from(new Float32Array(buffer(), place, length));
  if (kind === "f64") return Float64Array.from(new Float64Array(buffer(), place, length));
  return Float64Array.from(new Uint16Array(buffer(), place, length), kind === "f16" ? decodeHalf : decodeBrain);
}

/** What values become where they are of a kind. */
function rounded(kind: Kind, values: readonly number[]): number[] {
  return scratch(() => [...get(kind, put(kind, values), values.length)]);
}

// Inputs: seeded, and multiples of 2^-20 so that differences are exact where the formulas take them.

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}
const uniform = (low: number, high: number): number => Math.round((low + (high - low) * random()) * 2 ** 20) / 2 ** 20;
const many = (n: number, of: () => number): number[] => Array.from({ length: n }, of);

/** Mostly ordinary rows; some with a lead that makes them certain, some far from 0, some with ties. */
function logitsOf(n: number): number[] {
  const row = many(n, () => uniform(-6, 6));
  const sort = Math.floor(random() * 6);
  if (sort === 1) row[Math.floor(random() * n)] = 40 + uniform(0, 40);
  if (sort === 2) return row.map((x) => x * 8 - 200);
  if (sort === 3) return row.map((x) => Math.round(x / 4));
  if (sort === 4) return row.map((x, i) => (i % 3 === 1 ? Number.NEGATIVE_INFINITY : x));
  return row;
}

// The formulas.

interface Sums {
  readonly max: number;
  readonly top: number;
  readonly rest: number;
  readonly log: number;
}

function sumsOf(row: readonly number[]): Sums {
  const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const top = row.indexOf(max);
  const rest = new CompensatedSum();
  row.forEach((x, c) => {
    if (c !== top) rest.add(Math.exp(x - max));
  });
  const value = Number.isFinite(max) ? rest.value : Number.NaN;
  return { max, top, rest: value, log: Math.log1p(value) };
}

interface RowTask {
  readonly x: readonly number[];
  /** The class, -1 for an ignored row. */
  readonly target?: number;
  readonly soft?: readonly number[];
  readonly weights?: readonly number[];
  readonly smoothing: number;
  readonly z: number;
  readonly softcap: number;
  readonly scale: number;
}

function rowLoss({ x, target, soft, weights, smoothing, z, softcap, scale }: RowTask): {
  loss: number;
  grad: number[];
} {
  if (target === -1) return { loss: 0, grad: x.map(() => 0) };
  const capped = softcap ? x.map((value) => softcap * Math.tanh(value / softcap)) : x;
  const slope = (c: number): number => (softcap ? Math.cosh(at(x, c) / softcap) ** -2 : 1);
  const { max, top, rest, log } = sumsOf(capped);
  const weight = (c: number): number => weights?.[c] ?? 1;
  const own = target === undefined ? 0 : (1 - smoothing) * weight(target);
  const dense = soft !== undefined || smoothing > 0;
  const masses = x.map((_, c) =>
    dense ? weight(c) * ((soft ? at(soft, c) * (1 - smoothing) : 0) + smoothing / x.length) : 0,
  );
  const sum = (of: (c: number) => number): number => {
    const total = new CompensatedSum();
    for (let c = 0; c < x.length; c++) total.add(of(c));
    return total.value;
  };
  const all = sum((c) => at(masses, c));
  const others = sum((c) => (c === top ? 0 : at(masses, c)));
  const lse = max + log;
  let loss = z * lse * lse;
  if (target !== undefined) loss += own * (log + (max - at(capped, target)));
  if (dense) loss += sum((c) => at(masses, c) * (log + (max - at(capped, c))));
  const p = (c: number): number => Math.exp(at(capped, c) - max) / (1 + rest);
  const grad = x.map((_, c) => {
    const mine = c === target ? own : 0;
    const g =
      c === top
        ? p(c) * (own - mine + others + 2 * z * lse) - (rest / (1 + rest)) * (at(masses, c) + mine)
        : p(c) * (own + all + 2 * z * lse) - at(masses, c) - mine;
    return scale * g * slope(c);
  });
  return { loss: Number.isNaN(rest) ? Number.NaN : loss, grad };
}

/** Within `allowed` of each other; those that are not finite are the same. */
function expectClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  allowed: (want: number, i: number) => number,
): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const [g, w] = [at(got, i), at(want, i)];
    if (Number.isFinite(w) ? Math.abs(g - w) <= allowed(w, i) : Object.is(g, w)) continue;
    expect.fail(`[${i}] got ${g}, want ${w}, off by ${Math.abs(g - w)}, of which ${allowed(w, i)} are allowed`);
  }
}

/** Relative to a result; in float32 that of its rounding, down to where it ends. */
const relative =
  (kind: Kind, of = 1e-14) =>
  (want: number): number =>
    kind === "f64" ? of * Math.abs(want) + 1e-300 : (2 ** -24 + of) * Math.abs(want) + 2 ** -150;

// How rows lie.

interface Layout {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly stride: number;
}

const rowsOf = ({ outer, inner }: Layout): number => outer * inner;
const lengthOf = ({ outer, classes, stride }: Layout): number => outer * classes * stride;
const placeIn = ({ classes, inner, stride }: Layout, q: number, c: number): number =>
  (Math.floor(q / inner) * classes + c) * stride + (q % inner);

/** Rows in an array of a layout, with `fill` between them. */
function laid(layout: Layout, rows: readonly (readonly number[])[], fill: number): number[] {
  const values: number[] = Array(lengthOf(layout)).fill(fill);
  rows.forEach((row, q) => {
    row.forEach((value, c) => {
      values[placeIn(layout, q, c)] = value;
    });
  });
  return values;
}

function taken(layout: Layout, values: ArrayLike<number>): number[][] {
  return Array.from({ length: rowsOf(layout) }, (_, q) =>
    Array.from({ length: layout.classes }, (_, c) => at(values, placeIn(layout, q, c))),
  );
}

/** What lies between the rows is as it was. */
function expectGaps(layout: Layout, values: ArrayLike<number>, fill: number): void {
  const places = new Set<number>();
  for (let q = 0; q < rowsOf(layout); q++) for (let c = 0; c < layout.classes; c++) places.add(placeIn(layout, q, c));
  for (let i = 0; i < values.length; i++) if (!places.has(i)) expect(values[i]).toBe(fill);
}

const last = (rows: number, classes: number): Layout => ({ outer: rows, classes, inner: 1, stride: 1 });

/**
 * Each number of rows to beyond two tiles, each number of classes to beyond two of a flat row's steps, side by side and
 * flat, with the ends of both ways and of chunks; and class axes that are not the last.
 */
const LAYOUTS: readonly Layout[] = [
  ...Array.from({ length: 70 }, (_, i) => last(1 + (i % 20), i + 1)),
  ...Array.from({ length: 20 }, (_, i) => last(i + 1, 5)),
  ...Array.from({ length: 20 }, (_, i) => last(1 + (i % 3), 255 + i)),
  ...Array.from({ length: 20 }, (_, i) => ({ outer: 2, classes: 3, inner: i + 1, stride: i + 1 })),
  { outer: 3, classes: 7, inner: 5, stride: 9 },
  { outer: 1, classes: 40, inner: 1, stride: 2 },
  { outer: 2, classes: 33, inner: 16, stride: 16 },
  { outer: 1, classes: 256, inner: 9, stride: 9 },
  { outer: 2, classes: 259, inner: 3, stride: 4 },
  { outer: 1, classes: 600, inner: 11, stride: 12 },
  last(2, 2047),
  last(3, 2048),
  last(3, 2049),
  last(2, 5003),
];

const titled = ({ outer, classes, inner, stride }: Layout): string => `[${outer}, ${classes}, ${inner} of ${stride}]`;

describe("its binary", () => {
  it("is small, and imports a memory and nothing else", () => {
    expect(bytesOf("wasm-wide").length).toBeLessThan(24 * 1024);
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  });

  it("keeps its static data below 64 KiB, where that of the lean ones begins", () => {
    // The least memory that a binary asks for covers its static data.
    expect(new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 1 }) } })).toBeDefined();
    for (const name of ["wasm-simd", "wasm-relaxed-simd"]) {
      const bytes = bytesOf(name);
      if (!WebAssembly.validate(bytes)) continue;
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
      const { memory } = instance.exports;
      if (!(memory instanceof WebAssembly.Memory)) throw new Error("no memory");
      const place = new Heap(memory, kernelOf(instance, "heap_base")()).allocate(1 << 12);
      expect(place).toBeGreaterThan(65536);
      kernelOf(instance, "log_softmax_forward")(place, 0, place, 3, 5, 1, 1);
      kernelOf(instance, "log_softmax_forward")(place, 0, place, 3, 300, 1, 1);
      expect(new Uint8Array(memory.buffer, 0, 65536).every((byte) => byte === 0)).toBe(true);
    }
  });
});

// Operands of the losses of elements.

interface Operand {
  readonly place: number;
  readonly kind: Kind;
  readonly count: number;
  readonly first?: number;
}

const SLOTS = ["input", "target", "weight", "posWeight", "scale", "losses", "grad"] as const;
type Slot = (typeof SLOTS)[number];

function elementwise(name: string, n: number, operands: Partial<Record<Slot, Operand>>, total = 0): number {
  const table = reserve(16 * SLOTS.length);
  const fields = SLOTS.flatMap((slot) => {
    const operand = operands[slot];
    return operand ? [operand.place, numberOf(operand.kind), operand.count, operand.first ?? 0] : [0, 0, 0, 0];
  });
  new Int32Array(buffer(), table, fields.length).set(fields);
  return call(name, table, n, total);
}

describe("e^x and logarithms, against exact ones", () => {
  const N = 4096;
  const one = (value: number): Operand => ({ place: put("f64", [value]), kind: "f64", count: 1 });
  const all = (values: readonly number[]): Operand => ({
    place: put("f64", values),
    kind: "f64",
    count: values.length,
  });

  /** e^x, as minus the gradient of KL divergence. */
  const exponentials = (x: readonly number[]): Float64Array =>
    scratch(() => {
      const grad = all(x);
      elementwise("kl_divergence_log_target", x.length, { input: one(0), target: all(x), scale: one(-1), grad });
      return get("f64", grad.place, x.length);
    });

  const lossesOf = (name: string, input: readonly number[], target: number): Float64Array =>
    scratch(() => {
      const losses = all(input);
      elementwise(name, input.length, { input: all(input), target: one(target), losses });
      return get("f64", losses.place, input.length);
    });

  const largest = (got: ArrayLike<number>, want: (i: number) => bigint): number => {
    let error = 0;
    for (let i = 0; i < got.length; i++) {
      const exactly = want(i);
      error = Math.max(error, float(divide(size(exact(at(got, i)) - exactly), size(exactly))));
    }
    return error;
  };

  it.each([
    [-0.35, 0.35],
    [-3, 3],
    [-60, 60],
  ])("e^x is within 2.3e-16 on [%d, %d]", (low, high) => {
    const x = many(N, () => low + (high - low) * random());
    const error = largest(exponentials(x), (i) => exp(exact(at(x, i))));
    expect(error).toBeLessThan(2.3e-16);
  });

  it("and beyond, where what exceeds that may be Math.exp's, and at the ends", () => {
    const x = many(N, () => -708 + 1417 * random());
    expectClose(exponentials(x), x.map(Math.exp), (want) => 4.6e-16 * want);
    const inf = Number.POSITIVE_INFINITY;
    expect([...exponentials([-inf, -1e300, -750, -709.1, 0, -0, 5e-324])]).toEqual([0, 0, 0, 0, 1, 1, 1]);
    expect([...exponentials([710, 1e5, 1e300, inf, Number.NaN])]).toEqual([inf, inf, inf, inf, Number.NaN]);
  });

  it("log p is within 2.3e-16", () => {
    const p = [
      ...many(N, random),
      ...many(N, () => 1 - (random() + 2 ** -6) ** 8 / 4),
      ...many(N / 4, () => 2 ** (-140 * random() - 1)),
    ];
    const got = lossesOf("binary_cross_entropy", p, 1);
    expect(largest(got, (i) => -log(exact(at(p, i))))).toBeLessThan(2.3e-16);
  });

  it("log(1 - p) is within 3.4e-16", () => {
    const p = [...many(N, random), ...many(N, () => random() ** 8 / 2), ...many(N / 4, () => 2 ** (-140 * random()))];
    const got = lossesOf("binary_cross_entropy", p, 0);
    const small = (q: bigint): bigint => q + (q * q) / (2n * ONE) + (q * q * q) / (3n * ONE * ONE);
    const want = (q: bigint): bigint => (q < ONE >> 80n ? small(q) : -log(ONE - q));
    expect(largest(got, (i) => want(exact(at(p, i))))).toBeLessThan(3.4e-16);
  });

  it("p log p holds down to the least subnormal number, and softplus down to the ends", () => {
    const p = [2 ** -1022, 2 ** -1074, 3 * 2 ** -1070, 1e-310, 2.5, 1e300, 0];
    const got = scratch(() => {
      const losses = all(p);
      elementwise("kl_divergence", p.length, { input: one(0), target: all(p), losses });
      return get("f64", losses.place, p.length);
    });
    expectClose(
      got,
      p.map((q) => q && q * Math.log(q)),
      (want) => 4e-16 * Math.abs(want) + 5e-324,
    );
    const x = many(N, () => uniform(-700, 40));
    const soft = lossesOf("binary_cross_entropy_with_logits", x, 0);
    const softplus = (u: number): number => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
    expectClose(soft, x.map(softplus), (want) => 8e-16 * want);
  });
});

describe.each(KINDS)("values of %s", (kind) => {
  it("are decoded exactly, every bit pattern of two bytes, eight at a time and one by one", () => {
    const patterns = Array.from({ length: 65536 }, (_, i) => i);
    const raw = (place: number): void => {
      if (kind === "f64") new Float64Array(buffer(), place, 65536).set(patterns.map((i) => decodeHalf(i) / 3));
      else if (kind === "f32") new Uint32Array(buffer(), place, 65536).set(patterns.map((i) => (i << 16) | (i & 0xff)));
      else new Uint16Array(buffer(), place, 65536).set(patterns);
    };
    scratch(() => {
      const [place, result, scale] = [reserve(65536 * sizeOf(kind)), reserve(65536 * 8), put("f64", [-1])];
      raw(place);
      const want = get(kind, place, 65536);
      const take = (first: number, n: number): number =>
        elementwise("kl_divergence", n, {
          input: { place: scale, kind: "f64", count: 1 },
          target: { place, kind, count: 65536, first },
          scale: { place: scale, kind: "f64", count: 1 },
          grad: { place: result, kind: "f64", count: 65536, first },
        });
      take(0, 65536);
      expectClose(get("f64", result, 65536), want, () => 0);
      new Uint8Array(buffer(), result, 65536 * 8).fill(CANARY);
      const mark = next;
      for (let first = 0; first < 65536; first += 7) {
        next = mark;
        take(first, Math.min(7, 65536 - first));
      }
      expectClose(get("f64", result, 65536), want, () => 0);
    });
  });
});

const rounded2 = (kind: Kind, rows: readonly (readonly number[])[]): number[][] =>
  rows.map((row) => rounded(kind, row));

describe.each(KINDS)("rows of %s", (kind) => {
  const results = kind === "f64" ? RESULT_KINDS : (["f32", "f64"] as const);
  const pad = 7;

  /** Rows of a layout as they are in this kind. */
  const rowsIn = (layout: Layout): number[][] =>
    Array.from({ length: rowsOf(layout) }, () => rounded(kind, logitsOf(layout.classes)));

  const shapeOf = (layout: Layout): [number, number, number, number] => [
    rowsOf(layout),
    layout.classes,
    layout.inner,
    layout.stride,
  ];

  const placeFor = (layout: Layout, result: Kind): number => put(result, Array(lengthOf(layout)).fill(pad));

  it.each(LAYOUTS.map((layout) => [titled(layout), layout] as const))(
    "log-sum-exp, log-softmax, softmax %s",
    (_, layout) => {
      const rows = rowsIn(layout);
      for (const result of results) {
        scratch(() => {
          const x = put(kind, laid(layout, rows, Number.NaN));
          const lse = reserve(rows.length * sizeOf(result));
          call("log_sum_exp_wide", x, numberOf(kind), lse, numberOf(result), ...shapeOf(layout));
          const sums = rows.map(sumsOf);
          const want = sums.map(({ max, log }) => (Number.isFinite(max) ? max + log : max));
          // A sum near 0 is a difference.
          expectClose(get(result, lse, rows.length), want, (w) => relative(result, 1e-15)(w) + 4e-16);

          const out = placeFor(layout, result);
          call("log_softmax_wide", x, numberOf(kind), out, numberOf(result), ...shapeOf(layout));
          let got = get(result, out, lengthOf(layout));
          expectGaps(layout, got, pad);
          taken(layout, got).forEach((row, q) => {
            const { max, log } = at(sums, q);
            expectClose(
              row,
              at(rows, q).map((value) => value - max - log),
              relative(result),
            );
          });
          call("softmax_wide", x, numberOf(kind), out, numberOf(result), ...shapeOf(layout));
          got = get(result, out, lengthOf(layout));
          expectGaps(layout, got, pad);
          taken(layout, got).forEach((row, q) => {
            const { max, rest } = at(sums, q);
            expectClose(
              row,
              at(rows, q).map((value) => Math.exp(value - max) / (1 + rest)),
              relative(result),
            );
          });
        });
      }
    },
  );

  it.each(LAYOUTS.map((layout) => [titled(layout), layout] as const))(
    "gradients of log-softmax and softmax %s",
    (_, layout) => {
      const g = Array.from({ length: rowsOf(layout) }, () =>
        rounded(
          "f32",
          many(layout.classes, () => uniform(-2, 2)),
        ),
      );
      const logs = rowsIn(layout).map((row) => row.map((value) => Math.min(value, 1)));
      const probs = rounded2(
        kind,
        logs.map((row) => row.map((value) => Math.exp(value - 2))),
      );
      for (const [name, second] of [
        ["log_softmax_backward_wide", logs],
        ["softmax_backward_wide", probs],
      ] as const) {
        for (const [gradKind, result, inPlace] of [
          ["f32", "f64", false],
          ["f64", "f64", true],
          ["f32", "f32", true],
        ] as const) {
          scratch(() => {
            const from = put(gradKind, laid(layout, g, pad));
            const other = put(kind, laid(layout, second, Number.NaN));
            const out = inPlace ? from : placeFor(layout, result);
            call(name, from, numberOf(gradKind), other, numberOf(kind), out, numberOf(result), ...shapeOf(layout));
            const got = get(result, out, lengthOf(layout));
            expectGaps(layout, got, pad);
            taken(layout, got).forEach((row, q) => {
              const p = at(second, q).map((value) => (second === logs ? Math.exp(value) : value));
              const gs = at(g, q);
              const total = new CompensatedSum();
              const absolute = new CompensatedSum();
              gs.forEach((value, c) => {
                const term = second === logs ? value : value * at(p, c);
                total.add(term);
                absolute.add(Math.abs(term));
              });
              const want = gs.map((value, c) =>
                second === logs ? value - at(p, c) * total.value : at(p, c) * (value - total.value),
              );
              // Differences of sums: as good as their terms are large.
              const terms = (c: number): number =>
                second === logs
                  ? Math.abs(at(gs, c)) + at(p, c) * absolute.value
                  : at(p, c) * (Math.abs(at(gs, c)) + absolute.value);
              expectClose(row, want, (w, c) => relative(result, 0)(w) + 1e-14 * terms(c));
            });
          });
        }
      }
    },
  );

  const TASKS: readonly (readonly [string, Partial<Task>])[] = [
    ["class targets", {}],
    ["class targets, weights, z", { weighted: true, z: 0.25 }],
    ["smoothing", { smoothing: 0.125 }],
    ["smoothing, weights", { smoothing: 0.125, weighted: true }],
    ["smoothing 1, z", { smoothing: 1, z: 0.01 }],
    ["softcap", { softcap: 20 }],
    ["softcap, smoothing, weights, z", { softcap: 5, smoothing: 0.25, weighted: true, z: 0.5 }],
    ["soft targets", { soft: true }],
    ["soft targets, weights, smoothing", { soft: true, weighted: true, smoothing: 0.125 }],
    ["soft targets, softcap, z", { soft: true, softcap: 8, z: 0.0625 }],
  ];

  interface Task {
    readonly weighted: boolean;
    readonly soft: boolean;
    readonly smoothing: number;
    readonly z: number;
    readonly softcap: number;
  }

  describe.each(TASKS)("cross-entropy, %s", (_title, options) => {
    const { weighted = false, soft = false, smoothing = 0, z = 0, softcap = 0 } = options;
    const dense = soft || smoothing > 0;

    it.each(LAYOUTS.map((layout) => [titled(layout), layout] as const))("%s", (_, layout) => {
      const { classes } = layout;
      const ignoreIndex = -7;
      const rows = rowsIn(layout);
      const targets = rows.map(() => (soft || random() < 0.8 ? Math.floor(random() * classes) : ignoreIndex));
      rows.forEach((row, q) => {
        if (targets[q] === ignoreIndex && random() < 0.7) row.fill(Number.NaN);
        // A certain row is certain of its target, more often than not.
        else if (random() < 0.6) targets[q] = row.indexOf(Math.max(...row));
        if (dense)
          row.forEach((x, c) => {
            if (x === Number.NEGATIVE_INFINITY && softcap === 0) row[c] = -9;
          });
      });
      const softKind: Kind = kind === "f64" ? "f32" : "f64";
      const softs = rows.map(() =>
        rounded(
          softKind,
          many(classes, () => uniform(0, 0.6)),
        ),
      );
      const weights = many(classes, () => uniform(0.25, 3));
      const scales = rows.map(() => uniform(-2, 2));
      for (const [result, inPlace, each] of [
        ["f64", false, true],
        ["f32", true, false],
        ["f64", true, true],
      ] as const) {
        if (inPlace && result !== kind) continue;
        scratch(() => {
          const x = put(kind, laid(layout, rows, pad));
          const given = soft
            ? [put(softKind, laid(layout, softs, Number.NaN)), numberOf(softKind)]
            : [putClasses(targets)];
          const places = [x, numberOf(kind), ...given, weighted ? put("f64", weights) : 0];
          const tail = [...(soft ? [] : [ignoreIndex]), smoothing, z, softcap, 100];
          const scale = put("f64", each ? scales : [at(scales, 0)]);
          const name = soft ? "cross_entropy_soft" : "cross_entropy";
          const alone = put(result, Array(rows.length).fill(0));
          const total = call(`${name}_wide`, ...places, alone, numberOf(result), ...shapeOf(layout), ...tail);
          const losses = put(result, Array(rows.length).fill(0));
          const grad = inPlace ? x : placeFor(layout, result);
          const shape = shapeOf(layout);
          const both = [...places, scale, each ? 8 : 0, losses, grad, numberOf(result), ...shape, ...tail];
          expect(call(`${name}_backward_wide`, ...both)).toBe(total);

          const want = rows.map((row, q) =>
            rowLoss({
              x: row,
              ...(soft ? { soft: at(softs, q) } : { target: at(targets, q) === ignoreIndex ? -1 : at(targets, q) }),
              ...(weighted && { weights }),
              smoothing,
              z,
              softcap,
              scale: at(scales, each ? q : 0),
            }),
          );
          // A capped logit is rounded, and the exponential of it is off by as much.
          const allowed = relative(result, softcap ? 1e-14 + 4e-16 * softcap : 1e-14);
          const got = get(result, losses, rows.length);
          expect(got).toEqual(get(result, alone, rows.length));
          expectClose(
            got,
            want.map(({ loss }) => loss),
            allowed,
          );
          expectClose([total], [want.reduce((sum, { loss }) => sum + loss, 100)], relative("f64", 1e-13));
          const gradients = get(result, grad, lengthOf(layout));
          expectGaps(layout, gradients, pad);
          taken(layout, gradients).forEach((row, q) => {
            const { grad } = at(want, q);
            const s = Math.abs(at(scales, each ? q : 0));
            // But where masses and probabilities come near to each other by chance.
            const mass = (c: number): number => (dense || z ? s * 3 * (soft ? at(at(softs, q), c) + 1 : 1) : 0);
            expectClose(row, grad, (w, c) => allowed(w) + 2e-15 * mass(c));
          });
        });
      }
    });
  });
});

// Elements.

interface Element {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly u: number;
  readonly s: number;
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

interface ElementLoss {
  readonly input: () => number;
  readonly target: () => number;
  readonly loss: (element: Element) => number;
  readonly grad: (element: Element) => number;
  /** What the results are sums of, in size. */
  readonly terms?: (element: Element) => number;
}

const ELEMENT_LOSSES: Readonly<Record<string, ElementLoss>> = {
  binary_cross_entropy: {
    input: () => (random() < 0.2 ? Math.round(random()) : random() ** 4),
    target: () => (random() < 0.5 ? Math.round(random()) : random()),
    loss: ({ x, y, w }) => -w * (y * Math.max(Math.log(x), -100) + (1 - y) * Math.max(Math.log1p(-x), -100)),
    grad: ({ x, y, w, s }) => (s * w * (x - y)) / Math.max(x * (1 - x), LEAST_VARIANCE),
  },
  binary_cross_entropy_with_logits: {
    input: () => uniform(-6, 6) * (random() < 0.2 ? 100 : 1),
    target: () => (random() < 0.5 ? Math.round(random()) : random()),
    loss: ({ x, y, w, u }) => w * (u * y * softplus(-x) + (1 - y) * softplus(x)),
    grad: ({ x, y, w, u, s }) => s * w * (sigmoid(x) * (1 - y) - u * y * sigmoid(-x)),
    terms: ({ x, y, w, u, s }) => Math.abs(s * w) * (sigmoid(x) * (1 - y) + u * y * sigmoid(-x)),
  },
  kl_divergence: {
    input: () => uniform(-9, 0),
    target: () => (random() < 0.2 ? 0 : random()),
    loss: ({ x, y }) => (y === 0 ? 0 : y * Math.log(y)) - y * x,
    grad: ({ y, s }) => -s * y,
    terms: ({ x, y }) => (y === 0 ? 0 : Math.abs(y * Math.log(y))) + Math.abs(y * x),
  },
  kl_divergence_log_target: {
    input: () => uniform(-9, 0),
    target: () => uniform(-9, 0),
    loss: ({ x, y }) => Math.exp(y) * (y - x),
    grad: ({ y, s }) => -s * Math.exp(y),
  },
};

describe.each(Object.entries(ELEMENT_LOSSES))("%s", (name, formulas) => {
  const SIZES = [...Array.from({ length: 20 }, (_, i) => i + 1), 511, 512, 513, 1100, 1537];
  /** How many values each of the other operands has: 0 where it is absent. */
  const FORMS: readonly ((n: number) => number)[] = [() => 0, () => 1, () => 3, () => 7, () => 600, (n) => n];

  it.each(KINDS)("is the formula for elements of %s, whatever the operands' forms", (kind) => {
    SIZES.forEach((n, size) => {
      const forms = FORMS.length;
      const [weights, posWeights, scales] = [size, size + 2, size * 2 + 1].map((i) => at(FORMS, i % forms)(n));
      const otherKind = at(KINDS, size % 4);
      // The results stand as far from the array's beginning as the inputs do: a block of more.
      const first = size % 3 === 0 ? 5 : 0;
      const of = (kind: Kind, count: number, value: () => number): number[] => rounded(kind, many(count, value));
      const positive = (): number => uniform(0.25, 3);
      const x = of(kind, n + first, formulas.input);
      const y = of(otherKind, size % 5 === 0 ? 4 : n + first, formulas.target);
      const w = of(otherKind, weights ?? 0, positive);
      const u = of("f64", posWeights ?? 0, positive);
      const s = of("f64", scales ?? 0, () => uniform(-2, 2));
      const pick = (values: number[], i: number): number =>
        values.length === 0 ? 1 : at(values, (first + i) % values.length);
      const elements = Array.from({ length: n }, (_, i) => ({
        x: pick(x, i),
        y: pick(y, i),
        w: pick(w, i),
        u: pick(u, i),
        s: pick(s, i),
      }));
      const operand = (kind: Kind, values: number[]): { place: number; kind: Kind; count: number; first: number } => ({
        place: values.length === 0 ? 0 : put(kind, values),
        kind,
        count: values.length,
        first,
      });
      for (const result of RESULT_KINDS) {
        for (const inPlace of result === kind ? [false, true] : [false]) {
          scratch(() => {
            const input = operand(kind, x);
            const fresh = (): number => put(result, Array(n + first).fill(7));
            const losses = { place: fresh(), kind: result, count: n, first };
            const grad = inPlace ? input : { place: fresh(), kind: result, count: n, first };
            const given = {
              input,
              target: operand(otherKind, y),
              weight: operand(otherKind, w),
              posWeight: operand("f64", u),
              scale: operand("f64", s),
            };
            const { terms = () => 0 } = formulas;
            const wantLosses = elements.map(formulas.loss);
            const alone = elementwise(name, n, { ...given, losses }, 3);
            const forward = get(result, losses.place, n + first);
            const total = elementwise(name, n, { ...given, losses, grad }, 3);
            expect(total).toBe(alone);
            expect(get(result, losses.place, n + first)).toEqual(forward);
            const loose = (want: number, i: number): number => relative(result)(want) + 1e-15 * terms(at(elements, i));
            expectClose(forward.subarray(first), wantLosses, loose);
            if (result === "f64") {
              // One by one: it does not matter where blocks of them end.
              expect(total).toBe(forward.subarray(first).reduce((sum, loss) => sum + loss, 3));
            }
            const gradients = get(result, grad.place, n + first);
            expectClose(gradients.subarray(first), elements.map(formulas.grad), loose);
            for (let i = 0; i < first; i++) {
              expect(forward[i]).toBe(7);
              expect(gradients[i]).toBe(inPlace ? x[i] : 7);
            }
          });
        }
      }
    });
  });
});

describe("edges of elements", () => {
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];

  const results = (name: string, input: readonly number[], target: readonly number[], posWeight = 1) =>
    scratch(() => {
      const operand = (values: readonly number[]): Operand => ({
        place: put("f64", values),
        kind: "f64",
        count: values.length,
      });
      const [losses, grad] = [operand(input), operand(input)];
      const given = { input: operand(input), target: operand(target), posWeight: operand([posWeight]) };
      elementwise(name, input.length, { ...given, losses, grad });
      // Without the sign of zeros.
      const plain = ({ place }: Operand): number[] => [...get("f64", place, input.length)].map((value) => value + 0);
      return { losses: plain(losses), grad: plain(grad) };
    });

  it("binary cross-entropy clamps its logarithms at -100, and is NaN beyond [0, 1]", () => {
    const { losses, grad } = results("binary_cross_entropy", [0, 1, 0, 1, 2, -1, nan], [1, 0, 0, 1, 0.5, 0.5, 1]);
    expect(losses).toEqual([100, 100, 0, 0, nan, nan, nan]);
    const least = LEAST_VARIANCE;
    expect(grad).toEqual([-1 / least, 1 / least, 0, 0, 1.5 / least, -1.5 / least, nan]);
  });

  it("binary cross-entropy with infinite logits is PyTorch's", () => {
    const x = [inf, inf, -inf, -inf, inf, -inf, nan];
    const y = [0, 1, 0, 1, 0.5, 0.5, 1];
    const { losses, grad } = results("binary_cross_entropy_with_logits", x, y, 2.5);
    expect(losses).toEqual([inf, nan, nan, nan, inf, nan, nan]);
    expect(grad).toEqual([1, 0, 0, -2.5, 0.5, -1.25, nan]);
  });

  it("binary cross-entropy with logits keeps what is small", () => {
    const x = [40, -40, 700, -700, 1e-300, 0];
    const { losses, grad } = results("binary_cross_entropy_with_logits", x, [1, 0, 1, 0, 1, 1]);
    const small = [Math.exp(-40), Math.exp(-40), Math.exp(-700), Math.exp(-700)];
    expectClose(losses, [...small, Math.LN2, Math.LN2], relative("f64", 1e-15));
    expectClose(grad, [...small.map((q, i) => (i % 2 ? q : -q)), -0.5, -0.5], relative("f64", 1e-15));
  });

  it("KL divergence takes 0 log 0 for 0, and 0 · -Infinity for NaN", () => {
    const { losses, grad } = results(
      "kl_divergence",
      [-1, -inf, -inf, nan, 0, -0.5, 0, -1],
      [0, 0, 0.25, 0, 1, nan, inf, -1],
    );
    expect(losses).toEqual([0, nan, inf, nan, 0, nan, nan, nan]);
    expect(grad).toEqual([0, 0, -0.25, 0, -1, nan, -inf, 1]);
    const logs = results("kl_divergence_log_target", [-1, -inf, -2, -1, 0, 0], [0, 0, -inf, nan, inf, 710]);
    expect(logs.losses).toEqual([1, inf, nan, nan, inf, inf]);
    expect(logs.grad).toEqual([-1, -1, 0, nan, -inf, -inf]);
  });
});

describe("edges of rows", () => {
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  /** Few classes lie side by side, many flat, and more than a chunk. */
  const COUNTS = [5, 300, 2100];

  /** A row that ends as given, between two ordinary ones. */
  const around = (classes: number, ends: readonly number[], filler = 0.5): number[][] => {
    const ordinary = (): number[] => many(classes, () => uniform(-2, 2));
    const special = [...Array<number>(classes - ends.length).fill(filler), ...ends];
    return [ordinary(), special, ordinary()];
  };

  interface Loss {
    readonly losses: Float64Array;
    readonly grads: number[][];
  }

  const crossEntropy = (
    rows: number[][],
    target: number,
    options: { smoothing?: number; softcap?: number } = {},
  ): Loss =>
    scratch(() => {
      const classes = rows[0]?.length ?? 0;
      const layout = last(rows.length, classes);
      const x = put("f64", rows.flat());
      const [losses, grad] = [reserve(rows.length * 8), reserve(rows.length * classes * 8)];
      const targets = putClasses(rows.map(() => target));
      const tail = [rows.length, classes, 1, 1, -100, options.smoothing ?? 0, 0, options.softcap ?? 0, 0];
      call("cross_entropy_backward_wide", x, 1, targets, 0, put("f64", [1]), 0, losses, grad, 1, ...tail);
      return {
        losses: get("f64", losses, rows.length),
        grads: taken(layout, get("f64", grad, rows.length * classes)),
      };
    });

  const forward = (name: string, rows: number[][]): number[][] =>
    scratch(() => {
      const classes = rows[0]?.length ?? 0;
      const x = put("f64", rows.flat());
      const perRow = name === "log_sum_exp_wide" ? 1 : classes;
      const out = reserve(rows.length * perRow * 8);
      call(name, x, 1, out, 1, rows.length, classes, 1, 1);
      return taken(last(rows.length, perRow), get("f64", out, rows.length * perRow));
    });

  it.each(COUNTS)("NaN, +Infinity and nothing but -Infinity make a row NaN, and no other: %d classes", (classes) => {
    for (const [ends, filler] of [
      [[nan], 0.5],
      [[inf], 0.5],
      [[inf, -inf], 0.5],
      [[nan, inf], 0.5],
      [[nan], -inf],
      [[-inf], -inf],
      [[inf], inf],
      [[nan], nan],
    ] as const) {
      const rows = around(classes, ends, filler);
      const special = rows[1] ?? [];
      const names = ["log_softmax_wide", "softmax_wide"];
      for (const row of names.map((name) => forward(name, rows)[1])) expect(row?.every(Number.isNaN)).toBe(true);
      const lse = special.some(Number.isNaN) ? nan : special.includes(inf) ? inf : -inf;
      expect(forward("log_sum_exp_wide", rows)[1]).toEqual([lse]);
      for (const smoothing of [0, 0.5]) {
        const { losses, grads } = crossEntropy(rows, 1, { smoothing });
        expect(losses[1]).toBe(nan);
        expect(grads[1]?.every(Number.isNaN)).toBe(true);
        expect([losses[0], losses[2], ...(grads[0] ?? []), ...(grads[2] ?? [])].every(Number.isFinite)).toBe(true);
      }
    }
  });

  it.each(COUNTS)(
    "masked classes have probability and gradient 0, as the target an infinite loss: %d classes",
    (classes) => {
      const rows = around(classes, [-inf, 1, -inf]);
      expect(forward("softmax_wide", rows)[1]?.slice(-3)).toEqual([0, expect.any(Number), 0]);
      const { losses, grads } = crossEntropy(rows, 0);
      expect(losses.every(Number.isFinite)).toBe(true);
      expect(grads[1]?.slice(-3)).toEqual([0, expect.any(Number), 0]);
      const masked = crossEntropy(rows, classes - 1);
      expect(masked.losses[1]).toBe(inf);
      expect(masked.grads[1]?.slice(-3)).toEqual([0, expect.any(Number), -1]);
      const smoothed = crossEntropy(rows, 0, { smoothing: 0.5 });
      expect(smoothed.losses[1]).toBe(inf);
      expect(smoothed.grads[1]?.at(-1)).toBeCloseTo(-0.5 / classes, 15);
      // The target of a fully smoothed loss still counts, as 0 · Infinity.
      expect(crossEntropy(rows, classes - 1, { smoothing: 1 }).losses[1]).toBe(nan);
    },
  );

  it.each(COUNTS)("softcap makes infinities finite: %d classes", (classes) => {
    const { losses, grads } = crossEntropy(around(classes, [inf, -inf]), 0, { softcap: 3 });
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(grads[1]?.slice(-2)).toEqual([0, 0]);
  });

  it.each(COUNTS)("a loss of 1e-200 comes out as it is, and its gradient: %d classes", (classes) => {
    const rows = around(classes, [460.5, -100], -1e4);
    const target = classes - 2;
    const want = Math.exp(-560.5);
    const { losses, grads } = crossEntropy(rows, target);
    expectClose([at(losses, 1), ...(grads[1]?.slice(-2) ?? [])], [want, -want, want], relative("f64", 1e-14));
    expect(want).toBeGreaterThan(1e-250);
  });

  it.each(COUNTS)("logits of any size keep their differences: %d classes", (classes) => {
    for (const shift of [0, 1e6, 2 ** 20, -1.5e6, 2 ** 25, -(2 ** 30), 2 ** 35, -(2 ** 40), 2 ** 45]) {
      const row = many(classes, () => Math.round(uniform(-6, 6) * 64) / 64);
      const moved = row.map((x) => x + shift);
      for (const name of ["softmax_wide", "log_softmax_wide"]) {
        expectClose(forward(name, [moved])[0] ?? [], forward(name, [row])[0] ?? [], relative("f64", 2e-15));
      }
      const [far, near] = [crossEntropy([moved], 1), crossEntropy([row], 1)];
      expectClose(far.losses, near.losses, relative("f64", 2e-15));
      expectClose(far.grads[0] ?? [], near.grads[0] ?? [], (want) => 2e-15 * (Math.abs(want) + 1 / classes));
    }
    for (const huge of [1e300, 1.7976931348623157e308]) {
      expect(forward("softmax_wide", around(classes, [huge, -huge, huge]))[1]?.slice(-3)).toEqual([0.5, 0, 0.5]);
      const lowest = forward("softmax_wide", [Array(classes).fill(-huge)])[0] ?? [];
      expectClose(lowest, Array(classes).fill(1 / classes), relative("f64", 1e-15));
    }
  });

  it.each(COUNTS)("sums far above 1 keep their digits: %d classes", (classes) => {
    const rows = many(20, () => 0).map(() => many(classes, () => uniform(-0.5, 0)));
    const want = rows.map((row) => {
      const { max, log } = sumsOf(row);
      return max + log;
    });
    expectClose(forward("log_sum_exp_wide", rows).flat(), want, (w) => 6e-16 * w);
  });

  it.each(COUNTS)("a softcap far above the logits leaves them their digits: %d classes", (classes) => {
    const [row, softcap] = [many(classes, () => uniform(-2, 2)), 1e6];
    const { losses, grads } = crossEntropy([row], 1, { softcap });
    const want = rowLoss({ x: row, target: 1, smoothing: 0, z: 0, softcap, scale: 1 });
    expectClose(losses, [want.loss], relative("f64", 2e-15));
    expectClose(grads[0] ?? [], want.grad, relative("f64", 2e-15));
  });

  it("and no lane without a row reads a scale behind the memory's end", () => {
    scratch(() => {
      const scale = buffer().byteLength - 8;
      new Float64Array(buffer(), scale, 1)[0] = 2;
      const [losses, grad] = [reserve(8), reserve(24)];
      const tail = [1, 3, 1, 1, -100, 0, 0, 0, 0];
      const x = put("f64", [0, 0, 0]);
      call("cross_entropy_backward_wide", x, 1, putClasses([1]), 0, scale, 8, losses, grad, 1, ...tail);
      expectClose(get("f64", grad, 3), [2 / 3, -4 / 3, 2 / 3], relative("f64", 1e-15));
    });
  });

  it.each(COUNTS)("an ignored row changes no bit of the others: %d classes", (classes) => {
    const rows = many(11, () => 0).map(() => many(classes, () => uniform(-6, 6)));
    const run = (fill: number, smoothing: number): [number, number[], number[][]] =>
      scratch(() => {
        const used = rows.map((row, q) => (q % 3 === 1 ? row.map(() => fill) : row));
        const targets = putClasses(rows.map((_, q) => (q % 3 === 1 ? -100 : q % classes)));
        const scales = put(
          "f64",
          rows.map((_, q) => (q % 3 === 1 ? fill : 1 + q)),
        );
        const [losses, grad] = [reserve(rows.length * 8), put("f64", used.flat())];
        const tail = [rows.length, classes, 1, 1, -100, smoothing, 0.1, 0, 0];
        const total = call("cross_entropy_backward_wide", grad, 1, targets, 0, scales, 8, losses, grad, 1, ...tail);
        const grads = taken(last(rows.length, classes), get("f64", grad, rows.length * classes));
        return [total, [...get("f64", losses, rows.length)], grads];
      });
    for (const smoothing of [0, 0.1]) {
      const calm = run(0, smoothing);
      for (const fill of [nan, inf, -inf]) expect(run(fill, smoothing)).toEqual(calm);
      expect(calm[1][1]).toBe(0);
      expect(calm[2][1]?.every((g) => g === 0)).toBe(true);
    }
  });

  it("rows are the same bits in blocks of any number", () => {
    for (const classes of COUNTS) {
      const rows = many(19, () => 0).map(() => many(classes, () => uniform(-6, 6)));
      const whole = forward("softmax_wide", rows);
      expect([...forward("softmax_wide", rows.slice(0, 5)), ...forward("softmax_wide", rows.slice(5))]).toEqual(whole);
    }
  });
});
