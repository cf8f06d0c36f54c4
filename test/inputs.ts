/** Seeded logits of the kinds that break a log-softmax, and the shapes to try them in. */

import { at } from "./oracle.js";

export type Random = () => number;

/** Tommy Ettinger's mulberry32: uniform in [0, 1), 32 bits of state. */
export function mulberry32(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A standard normal deviate, by Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function below(random: Random, count: number): number {
  return Math.floor(random() * count);
}

function fill(row: Float32Array, value: (c: number) => number): void {
  for (let c = 0; c < row.length; c++) row[c] = value(c);
}

/** Fills a row and names its target; `index` is the row's, for families of several kinds of row. */
type Family = (row: Float32Array, random: Random, index: number) => number;

/** e^-10 to e^-200: float64 still sees 1 - p up to 27 nats, float32 has normal numbers up to 87. */
const LEADS = [10, 20, 27, 40, 69, 80, 200];

/** How far from 0 a row may lie, on both sides of where a float32 implementation might change its ways. */
const OFFSETS = [0, -90, 250, -500, 511, 513, -3000];

const HUGE_ROWS: readonly ((random: Random) => number)[] = [
  (random) => (2 * random() - 1) * 1e4,
  (random) => 1e4 + 5 * normal(random),
  (random) => -1e6 + 20 * normal(random),
  (random) => (2 * random() - 1) * 1e30,
  () => 1e30,
];

const FAMILIES = {
  normal(row, random) {
    fill(row, () => normal(random));
    return below(random, row.length);
  },

  peaked(row, random, index) {
    fill(row, () => 3 * normal(random));
    const peak = below(random, row.length);
    row[peak] = 15;
    return index % 2 === 0 ? peak : below(random, row.length);
  },

  /** Probabilities of every size down to the smallest normal float32. */
  spread(row, random, index) {
    const offset = at(OFFSETS, index % OFFSETS.length);
    fill(row, () => offset - 88 * random());
    return below(random, row.length);
  },

  flat(row, random) {
    fill(row, () => 3 + 1e-3 * random());
    return below(random, row.length);
  },

  tied(row, random, index) {
    fill(row, () => (index % 3 === 0 ? -2.5 : below(random, 4)));
    return below(random, row.length);
  },

  huge(row, random, index) {
    const value = HUGE_ROWS[index % HUGE_ROWS.length] ?? random;
    fill(row, () => value(random));
    return below(random, row.length);
  },

  /** Terms that a float32 sum of the largest and the others loses, each just below half a unit in its last place. */
  drowned(row, random, index) {
    fill(row, () => (index % 2 === 0 ? -16.7 : -16.7 - 0.1 * random()));
    row[below(random, row.length)] = 0;
    const target = below(random, row.length);
    row[target] = 5 * (index % 3);
    return target;
  },

  /** One value throughout, where all errors of an exponential are the same and add up. */
  equal(row, random) {
    const value = 12 * random() - 6;
    fill(row, () => value);
    return below(random, row.length);
  },

  tiny(row, random) {
    fill(row, () => 1e-30 * normal(random));
    return below(random, row.length);
  },

  masked(row, random) {
    fill(row, () => (random() < 0.3 ? Number.NEGATIVE_INFINITY : 3 * normal(random)));
    const target = below(random, row.length);
    row[target] = normal(random);
    return target;
  },

  nearCertain(row, random, index) {
    const offset = at([0, 7.3, -40], below(random, 3));
    fill(row, () => offset + 2 * normal(random));
    const target = below(random, row.length);
    row[target] = row.reduce((max, value) => Math.max(max, value), offset) + at(LEADS, index % LEADS.length);
    return target;
  },
} satisfies Record<string, Family>;

export type FamilyName = keyof typeof FAMILIES;

export const familyNames: readonly FamilyName[] = [
  "normal",
  "peaked",
  "spread",
  "flat",
  "tied",
  "huge",
  "drowned",
  "equal",
  "tiny",
  "masked",
  "nearCertain",
];

export interface Shape {
  readonly rows: number;
  readonly classes: number;
}

export interface Batch extends Shape {
  /** What a failure is to be called. */
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly logits: Float32Array;
  readonly targets: Int32Array;
}

/** A function of few keys that computes its value once for each. The value is shared: nobody may write to it. */
export function remembered<K, V>(compute: (key: K) => V): (key: K) => V {
  const values = new Map<K, V>();
  return (key) => {
    const known = values.get(key);
    if (known !== undefined) return known;
    const value = compute(key);
    values.set(key, value);
    return value;
  };
}

const batchesOf = remembered((family: FamilyName) =>
  remembered((rows: number) => remembered((classes: number) => makeBatch(family, rows, classes))),
);

/** The one batch of a family in a shape, which all suites of a file share. */
export function batchOf(family: FamilyName, { rows, classes }: Shape): Batch {
  return batchesOf(family)(rows)(classes);
}

function makeBatch(family: FamilyName, rows: number, classes: number): Batch {
  const random = mulberry32(1 + 7919 * rows + 104729 * classes);
  const logits = new Float32Array(rows * classes);
  const targets = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    targets[i] = FAMILIES[family](logits.subarray(i * classes, (i + 1) * classes), random, i);
  }
  return { name: `${family} ${rows}x${classes}`, rows, classes, shape: [rows, classes], logits, targets };
}

/** Gradients from above: the kinds whose sum over a row cancels, dominates or is one element. */
const GRADIENTS: readonly ((random: Random, c: number) => number)[] = [
  (random) => normal(random),
  () => 0.75,
  (_random, c) => (c === 0 ? -1 : 0),
  (random) => 1e6 * normal(random),
  (random, c) => (c % 2 === 0 ? 1 : -1) * (1 + 1e-3 * random()),
  (random) => 1e-20 * normal(random),
];

/** A gradient laid out like the batch's logits, each row of the next kind. */
export function gradientsOf({ rows, classes }: Shape): Float32Array {
  const random = mulberry32(1 + 31 * rows + 17 * classes);
  const gradients = new Float32Array(rows * classes);
  for (let i = 0; i < rows; i++) {
    const value = GRADIENTS[i % GRADIENTS.length] ?? normal;
    fill(gradients.subarray(i * classes, (i + 1) * classes), (c) => value(random, c));
  }
  return gradients;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/**
 * Every class count through twice any unrolling and a remainder, twice: from 1, where rows may be taken in groups, and
 * from where a row is long enough to be taken by itself.
 */
const CLASS_COUNTS = [...range(1, 70), ...range(120, 152)];

/** Every class count, in some rows. */
export const everyClassCount: readonly Shape[] = CLASS_COUNTS.map((classes) => ({ rows: 19, classes }));

/** Small and odd class counts in every number of rows, for what handles rows in groups. */
export const everyRowCount: readonly Shape[] = [...range(1, 9), 15, 16, 17, 33].flatMap((rows) =>
  [...range(1, 24), 31, 32, 33, 63, 64, 65, ...range(126, 132)].map((classes) => ({ rows, classes })),
);

/** Rows beyond a cache and beyond any scratch block, of odd lengths. */
export const longRows: readonly Shape[] = [
  { rows: 5, classes: 1000 },
  { rows: 5, classes: 4099 },
  { rows: 3, classes: 32000 },
  { rows: 2, classes: 150001 },
  { rows: 2, classes: 700001 },
];

/** Powers of two and one more, where blocks of a sum, segments and scratches end; and as many odd ends as hide in padding. */
export const seams: readonly Shape[] = [
  ...range(9, 18).flatMap((power) => [2 ** power, 2 ** power + 1]),
  2 ** 18 + 5,
  5 * 2 ** 16 + 1,
].map((classes) => ({ rows: 1, classes }));

/** So many rows that whatever block takes them has seams. */
export const manyRows: readonly Shape[] = [
  { rows: 20011, classes: 10 },
  { rows: 70001, classes: 3 },
  { rows: 150001, classes: 1 },
];

/** So many rows of a middling length that the worst rounding of a float32 sum is among them. */
const luckless: readonly Shape[] = [{ rows: 997, classes: 500 }];

/**
 * Large shapes in the families that differ there: equal terms are where a long float32 sum drifts, unequal ones where it
 * loses the small beside the large.
 */
export const largeCases: readonly { readonly family: FamilyName; readonly shapes: readonly Shape[] }[] = [
  { family: "flat", shapes: [...longRows.slice(0, -1), { rows: 1, classes: 700001 }] },
  { family: "equal", shapes: longRows },
  { family: "drowned", shapes: longRows },
  { family: "peaked", shapes: [...longRows, ...luckless] },
  { family: "nearCertain", shapes: longRows.filter(({ classes }) => classes < 200_000) },
  { family: "masked", shapes: longRows.filter(({ classes }) => classes < 200_000) },
  { family: "normal", shapes: [...manyRows, ...seams] },
];
