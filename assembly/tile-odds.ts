/** The odds against the targets of a tile's rows, and which rows are too far out for them. */
import { Lanes } from "./lanes";
import { count, DONE, HOPELESS, STATES } from "./tile";
import { exponent } from "./tile-exp";
import { SUMS } from "./tile-sum";
import { ASIDE, ignores, KEPT, OWN } from "./tile-targets";
import { Wide } from "./wide";

// One float64 a row: the odds against the target, with zeros behind the last up to eight rows, and the inverse of the
// target's exponential.
export const ODDS = memory.data(8208, 16);
export const INVERSES = memory.data(8208, 16);

/** Targets that are farther out count as NaN: float64 has no exponents for them, and some would look like others. */
const FARTHEST: f32 = 700;

/**
 * Bounds, as the upper words of their float64. Rows with other odds than from 2^-80 to 2^40 are left to the kernels for whole
 * rows. Those with such odds are, by themselves, within the other bounds: it makes no difference to a row whether it is
 * taken with others or set aside.
 */
const LEAST_ODDS: i32 = 0x3af00000;
const LARGEST_ODDS: i32 = 0x42700000;

/**
 * The target's exponential is from 2^8 to 2^82: so that of the others is at least 2^-72, and what is flushed, less than 2^-126,
 * does not count beside either; and it is less than 2^122, which is less than 2^REACH.
 */
const LEAST_INVERSE: i32 = 0x3ad00000;
const LARGEST_INVERSE: i32 = 0x3f700000;

/** Read ahead of loops. */
const LEAST = memory.data<i32>([LEAST_ODDS, LEAST_INVERSE]);

/** 2^m / κ · e^-x_y, what sums are multiplied by to be odds. */
export function invert_targets(): void {
  if (invert()) return;
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4)
    if (!(abs(load<f32>(q, OWN)) < FARTHEST)) store<f32>(q, NaN, OWN);
  invert();
}

/** Whether all targets were what exponentials can be taken of. */
function invert(): bool {
  const ln2 = Wide.turn();
  const bias = Wide.bias(exponent);
  const sizeOf = Lanes.but_sign();
  const magic = Wide.magic();
  const log2e = Wide.log2e();
  const k0 = Wide.coefficient(0);
  const k1 = Wide.coefficient(1);
  const k2 = Wide.coefficient(2);
  const k3 = Wide.coefficient(3);
  const k4 = Wide.coefficient(4);
  const k5 = Wide.coefficient(5);
  const k6 = Wide.coefficient(6);
  const k7 = Wide.coefficient(7);
  let largest = Lanes.zero();
  for (let q: usize = 0; q < (<usize>count) << 2; q += 8) {
    const own = v128.load64_zero(OWN + q);
    largest = i32x4.max_u(largest, v128.and(own, sizeOf));
    v128.store(
      q << 1,
      Wide.inverse(f64x2.promote_low_f32x4(own), bias, ln2, magic, log2e, k0, k1, k2, k3, k4, k5, k6, k7),
      INVERSES,
    );
  }
  return !v128.any_true(i32x4.ge_u(largest, i32x4.splat(reinterpret<i32>(FARTHEST))));
}

/** The odds against the targets, 0 in rows that are ignored; whether those of all others are within bounds, and the inverses too. */
export function compute_odds(): bool {
  // Bounds are powers of 2, and numbers in order of their upper words: what is in [a, b) is less than b - a above a as an
  // unsigned integer, and nothing else is, NaN included. The lower words are along for nothing.
  const leastOdds = v128.load32_splat(LEAST);
  const leastInverse = v128.load32_splat(LEAST, 4);
  const zero = Lanes.zero();
  let above = zero;
  let inversesAbove = zero;
  pass_over(512);
  const last = (<usize>(count - 1)) << 3;
  const isOdd = (count & 1) !== 0;
  // The last of an odd number of rows stands in for one more. Vectors are written as such: half of one would not be in the
  // cache yet when it is read, which takes longer than all else here.
  if (isOdd) {
    v128.store(last, v128.load64_splat(last, SUMS), SUMS);
    v128.store(last, v128.load64_splat(last, INVERSES), INVERSES);
  }
  let q: usize = 0;
  for (; q <= last; q += 16) {
    const inverse = v128.load(q, INVERSES);
    const odds = f64x2.mul(v128.load(q, SUMS), inverse);
    v128.store(q, odds, ODDS);
    above = i32x4.max_u(above, i32x4.sub(odds, leastOdds));
    inversesAbove = i32x4.max_u(inversesAbove, i32x4.sub(inverse, leastInverse));
  }
  if (isOdd) {
    v128.store(last, v128.load64_zero(last, ODDS), ODDS);
    v128.store(last, v128.load64_zero(last, INVERSES), INVERSES);
  }
  pass_over(0);
  for (; q & 63; q += 16) v128.store(q, zero, ODDS);
  const isFar = v128.or(
    i32x4.ge_u(above, i32x4.splat(LARGEST_ODDS - LEAST_ODDS)),
    i32x4.ge_u(inversesAbove, i32x4.splat(LARGEST_INVERSE - LEAST_INVERSE)),
  );
  return (i64x2.bitmask(isFar) & 3) === 0;
}

/** Gives numbers to rows that are ignored: of 512 such as are within all bounds, of 0 what neither losses nor gradients come of. */
function pass_over(sum: f64): void {
  if (!ignores) return;
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) if (load<i32>(q, KEPT) === 0) give(q, sum);
}

/**
 * A sum, and an inverse that makes 2^-9 of 512. Without odds nothing is lost by a row, and without an inverse its exponentials
 * are multiplied by 0.
 */
function give(q: usize, sum: f64): void {
  store<f64>(q << 1, sum, SUMS);
  store<f64>(q << 1, sum * 3.814697265625e-6, INVERSES); // 2^-18
  store<f64>(q << 1, 0, ODDS);
}

/**
 * Takes rows that are not within bounds for ignored, and all others for done. Where it is by its odds, a row is out of bounds by
 * itself too.
 */
export function set_aside(): void {
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) {
    const inverse = load<i32>(q << 1, INVERSES + 4);
    const odds = load<i32>(q << 1, ODDS + 4);
    const isNear = inverse >= LEAST_INVERSE && inverse < LARGEST_INVERSE;
    const isOrdinary = odds >= LEAST_ODDS && odds < LARGEST_ODDS;
    const isDone = load<i32>(q, KEPT) === 0 || (isNear && isOrdinary);
    store<i32>(q, isDone ? DONE : isNear ? HOPELESS : 0, STATES);
    if (isDone) continue;
    store<i32>(q, ASIDE, KEPT);
    give(q, 0);
  }
}
