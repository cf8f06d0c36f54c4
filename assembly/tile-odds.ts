/** The odds against the targets of a tile's rows, and which rows are too far out for them. */
import { INVERSE_KAPPA, LN2 } from "./exp";
import { count, DONE } from "./tile";
import { unit } from "./tile-exp";
import { SUMS } from "./tile-sum";
import { ASIDE, ignores, KEPT, OWN } from "./tile-targets";
import { Wide } from "./wide";

// One float64 a row: the odds against the target, with zeros behind the last up to sixteen rows, and the inverse of the
// target's exponential.
export const ODDS = memory.data(8320, 16);
export const INVERSES = memory.data(8208, 16);

// Bounds, as the upper words of their float64.

/**
 * Rows with other odds than from 2^-80 to 2^50 are left to the kernels for whole rows. Those with such odds are, by
 * themselves, within all other bounds: it makes no difference to a row whether it is taken with others or set aside.
 */
const LEAST_ODDS: i32 = 0x3af00000;
const LARGEST_ODDS: i32 = 0x43100000;

/**
 * Of the sum of all, the one or the other part is at least 2^8, the target's where its inverse is less than 2^-8: what is
 * flushed, less than 2^-126, does not count beside it, nor beside the sum of the others, which with these odds is at least
 * 2^-72. Both are less than 2^108: what exponentials are multiplied by is seldom less than a normal float32.
 */
const LEAST_OF_ALL: i32 = 0x40700000;
const MOST_OF_INVERSE: i32 = 0x3f6fffff;
const LEAST_OF_INVERSE: i32 = 0x39300000;
const LARGEST: i32 = 0x46b00000;

/** 2^m / κ · e^-x_y, what sums are multiplied by to be odds: by the ln 2 that the exponentials of the others amount to. */
export function invert_targets(): void {
  const scale = f64x2.splat(unit * INVERSE_KAPPA);
  const ln2 = f64x2.splat(LN2);
  const most = f64x2.splat(700);
  const least = f64x2.splat(-700);
  for (let q: usize = 0; q < (<usize>count) << 2; q += 8) {
    const u = f64x2.pmax(f64x2.pmin(f64x2.neg(Wide.load(OWN + q)), most), least);
    v128.store(q << 1, f64x2.mul(scale, Wide.exp(u, ln2)), INVERSES);
  }
}

/** The odds against the targets, 0 in rows that are ignored; whether all others are within bounds, and their sums too. */
export function compute_odds(): bool {
  // Bounds are powers of 2, and numbers in order of their upper words: what is in [a, b) is less than b - a above a as an
  // unsigned integer, and nothing else is, NaN included. The lower words are along for nothing.
  const leastOdds = i32x4.splat(LEAST_ODDS);
  const leastOfAll = i32x4.splat(LEAST_OF_ALL);
  const mostOfInverse = i32x4.splat(MOST_OF_INVERSE);
  const leastOfInverse = i32x4.splat(LEAST_OF_INVERSE);
  let sums = i32x4.splat(0);
  let wholes = sums;
  let others = sums;
  pass_over();
  for (let q: usize = 0; q < (<usize>count) << 3; q += 16) {
    const sum = v128.load(q, SUMS);
    const inverse = v128.load(q, INVERSES);
    const odds = f64x2.mul(sum, inverse);
    v128.store(q, odds, ODDS);
    sums = i32x4.max_u(sums, sum);
    others = i32x4.max_u(others, i32x4.sub(odds, leastOdds));
    wholes = v128.or(wholes, i32x4.sub(inverse, leastOfInverse));
    wholes = v128.or(wholes, i32x4.max_s(i32x4.sub(sum, leastOfAll), i32x4.sub(mostOfInverse, inverse)));
  }
  if (ignores) {
    for (let q: usize = 0; q < (<usize>count) << 2; q += 4) if (load<i32>(q, KEPT) === 0) store<f64>(q << 1, 0, ODDS);
  }
  for (let q = (<usize>count) << 3; q & 127; q += 8) store<f64>(q, 0, ODDS);
  const isFar = v128.or(
    i32x4.ge_u(sums, i32x4.splat(LARGEST)),
    i32x4.ge_u(others, i32x4.splat(LARGEST_ODDS - LEAST_ODDS)),
  );
  return (i64x2.bitmask(v128.or(isFar, wholes)) & 3) === 0;
}

/** Gives rows that are ignored, and what the last vector has too many, numbers that are within all bounds. */
function pass_over(): void {
  if (count & 1) put_in_bounds((<usize>count) << 2);
  if (!ignores) return;
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) if (load<i32>(q, KEPT) === 0) put_in_bounds(q);
}

function put_in_bounds(q: usize): void {
  store<f64>(q << 1, 256, SUMS);
  store<f64>(q << 1, 1, INVERSES);
  store<f64>(q << 1, 0, ODDS);
}

/** Takes rows that are not within bounds for ignored, and all others for done. */
export function set_aside(): void {
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) {
    const sum = load<i32>(q << 1, SUMS + 4);
    const inverse = load<i32>(q << 1, INVERSES + 4);
    const odds = load<i32>(q << 1, ODDS + 4);
    const isWhole = sum >= LEAST_OF_ALL || inverse <= MOST_OF_INVERSE;
    const isNear = inverse >= LEAST_OF_INVERSE && sum < LARGEST && isWhole;
    const isOrdinary = odds >= LEAST_ODDS && odds < LARGEST_ODDS;
    const isDone = load<i32>(q, KEPT) === 0 || (isNear && isOrdinary);
    store<i32>(q, isDone, DONE);
    if (isDone) continue;
    store<i32>(q, ASIDE, KEPT);
    put_in_bounds(q);
  }
}
