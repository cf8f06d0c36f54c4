/**
 * Losses of elements: the operands are brought in chunk by chunk as float64, each to a place of its own, computed on, and
 * the results taken out.
 *
 * A table has 16 bytes an operand: where it lies (0: it is absent), its kind, its count and its first value, all int32.
 * Element i of it is value number (first + i) % count: a count of n or more does not wrap, the last axis' length
 * broadcasts along it, 1 is one number for all. Weights, posWeights and scales are 1 where they are absent.
 */

import { size_of } from "../kinds";
import { add } from "./sum";
import { TILE } from "./tile";
import { narrow_each, narrow_steps, widen_each, widen_steps } from "./values";

export const INPUT: i32 = 0;
export const TARGET: i32 = 1;
export const WEIGHT: i32 = 2;
export const POS_WEIGHT: i32 = 3;
export const SCALE: i32 = 4;
export const LOSSES: i32 = 5;
export const GRAD: i32 = 6;

/** The elements of a chunk, of which the tiles have room for twelve. */
export const CHUNK: i32 = 512;
const BYTES: usize = 4096;

export abstract class Place {
  /** Where an operand's chunk lies. */
  @inline static of(slot: i32): usize {
    return TILE + <usize>slot * BYTES;
  }

  /** Takes two losses there, the second of which may be beyond the last; returns `total` plus these, one by one. */
  @inline static take_losses(i: usize, loss: v128, n: i32, total: f64): f64 {
    v128.store(Place.of(LOSSES) + i, loss);
    total = add(total, f64x2.extract_lane(loss, 0));
    return i + 8 < (<usize>n) << 3 ? add(total, f64x2.extract_lane(loss, 1)) : total;
  }
}

/** Places for what is computed on the way. */
export const A: usize = TILE + 7 * BYTES;
export const B: usize = TILE + 8 * BYTES;

/** How many bytes n elements take, in whole vectors. */
export function bytes_of(n: i32): usize {
  return (<usize>(n + 1) & ~1) << 3;
}

export function is_present(operands: usize, slot: i32): bool {
  return load<i32>(operands + ((<usize>slot) << 4)) !== 0;
}

/** Absent operands are 1. */
export function fill_absent(operands: usize): void {
  const one = f64x2.splat(1);
  for (let slot = WEIGHT; slot <= SCALE; slot++) {
    if (is_present(operands, slot)) continue;
    const to = Place.of(slot);
    for (let i: usize = 0; i < BYTES; i += 16) v128.store(to + i, one);
  }
}

/** The elements from i on, n of them, of an operand that is not absent. */
export function bring(operands: usize, slot: i32, i: i32, n: i32): void {
  const operand = operands + ((<usize>slot) << 4);
  const from = load<usize>(operand);
  if (from === 0) return;
  const kind = load<i32>(operand, 4);
  const count = load<i32>(operand, 8);
  const to = Place.of(slot);
  const start = <i32>((<i64>load<i32>(operand, 12) + <i64>i) % <i64>count);
  // To the last value; from the first one; and where that is not all, again and again what stands there.
  const whole = min(n, count - start);
  bring_run(from, kind, start, whole, to);
  if (whole === n) return;
  const again = min(n - whole, start);
  bring_run(from, kind, 0, again, to + ((<usize>whole) << 3));
  for (let done = whole + again; done < n; ) {
    const more = min((done / count) * count, n - done);
    memory.copy(to + ((<usize>done) << 3), to, (<usize>more) << 3);
    done += more;
  }
}

function bring_run(from: usize, kind: i32, start: i32, n: i32, to: usize): void {
  const size = size_of(kind);
  const steps = n >> 3;
  from += <usize>start * size;
  widen_steps(from, kind, size << 3, steps, to);
  widen_each(from + ((<usize>steps) << 3) * size, kind, size, n & 7, to + ((<usize>steps) << 6), 8);
}

/** Writes n results from the element i on, if they are wanted. */
export function take(operands: usize, slot: i32, i: i32, n: i32): void {
  const operand = operands + ((<usize>slot) << 4);
  const place = load<usize>(operand);
  if (place === 0) return;
  const kind = load<i32>(operand, 4);
  const size = size_of(kind);
  const steps = n >> 3;
  const from = Place.of(slot);
  const to = place + <usize>(load<i32>(operand, 12) + i) * size;
  narrow_steps(from, to, kind, size << 3, steps);
  narrow_each(from + ((<usize>steps) << 6), 8, to + ((<usize>steps) << 3) * size, kind, size, n & 7);
}
