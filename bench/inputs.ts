/** One batch: `rows` rows of `classes` logits, and the class each row ought to have. */
export interface Inputs {
  readonly rows: number;
  readonly classes: number;
  readonly logits: Float32Array;
  readonly targets: Int32Array;
}

/**
 * `[rows, classes]`: a single decision, digits, a hundred and a thousand kinds of images, vocabularies of language
 * models.
 */
export const SHAPES = [
  [1, 10],
  [32, 10],
  [8192, 10],
  [4096, 100],
  [1024, 1000],
  [256, 32000],
  [64, 128256],
] as const;

const SEED = 42;
const DEVIATION = 2;
const PEAK = 20;

/** Normal logits. One row in eight is all but certain of its target, and one in eight of another class. */
export function makeInputs(rows: number, classes: number): Inputs {
  const random = uniform(SEED);
  const logits = new Float32Array(rows * classes);
  for (let i = 0; i < logits.length; i += 2) {
    // Box and Muller: two independent normal numbers from two uniform ones.
    const radius = DEVIATION * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    logits[i] = radius * Math.cos(angle);
    logits[i + 1] = radius * Math.sin(angle);
  }
  const targets = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
  targets.forEach((target, row) => {
    if (row % 8 === 3) logits[row * classes + target] = PEAK;
    if (row % 8 === 7) logits[row * classes + ((target + 1) % classes)] = PEAK;
  });
  return { rows, classes, logits, targets };
}

/** The `mulberry32` generator by Tommy Ettinger: the same inputs in every run. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
