/**
 * e^x, four at a time, relative to a reference: the one approximation that softmax and its losses rest on.
 *
 * A row's exponentials matter only relative to each other, so the step returns e^x · 2^-m for an integer m chosen once
 * a row (`reference`). It does not subtract a maximum: x - max rounds where the two differ in size, and an error of
 * the exponent is a relative error of the exponential.
 *
 *   n = round(x · log2 e)       by a magic addition: t = 2 + (n - m + 127) u has n - m + 127 in its low bits, u = 2^-22
 *                               being the last place of the numbers from 2 to 4
 *   r = x - n · ln 2            Cody and Waite: one fused step, or two with ln 2 in two parts; |r| ≤ ln 2 / 2
 *   e^r                         a polynomial or a quotient
 *   2^(n - m)                   the low bits of t, shifted into the exponent field
 *
 * n - m + 127 must lie in [0, 254]; 0 makes the exponential 0. Then of all of t's bits only the lowest eight and that of
 * 2 itself are ever set, and for any other t, infinite and NaN included, another one is: a loop that has the t's or'ed
 * together knows at its end whether it was right (`is_right`). Where clamped from below (`lowest`), what is 2^-127 of
 * the reference, -Infinity included, becomes exactly 0. NaN stays NaN (`pmax` keeps its first operand, and the last step
 * is a multiplication); +Infinity becomes NaN.
 *
 * Fused: q(r) = 120 (1 + r) + c2 r² + c3 r³ + c4 r⁴ + r⁵, which as κ e^r is within 8.8e-8 over |r| ≤ 1.0001 · ln 2 / 2,
 * the largest error being made smallest with κ free, the coefficients rounded to float32 one after another and the rest
 * fitted anew (`npm run fit`). It begins with an addition and needs few registers. κ cancels in every ratio; `LOG_KAPPA`
 * takes it off elsewhere. 2e-7 with float32's rounding; the rounding of ln 2 adds 2.8e-9 for each nat between x and the
 * reference.
 *
 * Unfused: (p(r²) + r) / (p(r²) - r) with p of degree 2, p(0) = 2, fitted likewise. The quotient is e^r where p = r
 * coth(r / 2), and takes fewer steps than a polynomial does without fused ones. Largest relative error 5.3e-10, and
 * 1.3e-7 with float32's rounding.
 */
import { Lanes } from "./lanes";

const TABLE = ASC_FEATURE_RELAXED_SIMD
  ? memory.data<f32>([
      3.43965297e-7, // log2 e · u
      2907270.0, // ln 2 / u
      0.0,
      120.0, // c0 and c1
      0.0,
      59.9987144,
      20.000185,
      5.02927971,
    ])
  : memory.data<f32>([
      3.43965297e-7,
      2907136.0, // the first 14 bits of ln 2, 0.693115234375, / u: times |n| < 2^10 it is exact
      133.992004, // the rest of ln 2, 3.19461849e-5, / u
      2.0,
      0.16666618,
      -0.0027660122,
      0.0,
      0.0,
    ]);

/** The ln 2 that the reduction amounts to: undoing m with the same one cancels the error of its rounding. */
export const LN2: f64 = ASC_FEATURE_RELAXED_SIMD ? 0.693147182464599609375 : 0.69314718055829871446;

/** log κ: by how much the polynomial as a whole is more than e^r. */
export const LOG_KAPPA: f64 = ASC_FEATURE_RELAXED_SIMD ? 4.787491655660529 : 0;
export const INVERSE_KAPPA: f64 = ASC_FEATURE_RELAXED_SIMD ? 0.008333334059346009 : 1;

/** u: the last place of the numbers from 2 to 4. */
const ULP: f32 = 2.384185791015625e-7;

/**
 * The exponential of what a row is taken relative to is about 2^8: enough above 1 for quotients to be there a little
 * below float32's normal range, and little enough for what they are multiplied by to stay close to it.
 */
export const HEADROOM: f32 = ASC_FEATURE_RELAXED_SIMD ? 1 : 8;

/** A row whose maximum lies beyond is shifted by it first; from there on x - max is exact wherever it counts. */
export const FAR: f32 = 512;

/** What a row is shifted by before the step: 0, or its maximum where that is far out. */
export function shift_of(max: f32): f32 {
  return abs(max) < FAR || max === -Infinity ? 0 : max;
}

/**
 * x · log2 e as an even integer. What is halfway between two integers goes to the one that is even with the reference taken
 * off it; so references are all even, or all odd.
 */
export function even_turns(x: f32): f32 {
  return nearest(x * <f32>0.721347521) * 2;
}

/** The reference m of a row that was shifted by `shift_of(max)`; finite also for a row of only -Infinity. */
export function reference(max: f32): f32 {
  return even_turns(max === -Infinity ? 0 : max - shift_of(max)) - HEADROOM;
}

/** 2^m */
export function unit_of(m: f32): f64 {
  return reinterpret<f64>((1023 + <i64>m) << 52);
}

/**
 * log of what the steps of a row with this maximum are relative to, but for `shift_of(max)`: the shift is added last,
 * or never, since far out the sum would round the rest away.
 */
export function log_reference(max: f32): f64 {
  return <f64>reference(max) * LN2 - LOG_KAPPA;
}

/** By how much the logarithm of exponentials with this sum is off: what the rounding of ln 2 adds, so far from the reference. */
export function drift(sum: f64): f64 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  return <f64>(<i64>(reinterpret<u64>(sum) >> 52) - 1023) * (LN2 - 0.69314718055994530942);
}

export abstract class Exp {
  // The constants are read from memory ahead of a loop: V8 builds a literal vector again in every iteration.
  @inline static log2e(): v128 {
    return v128.load32_splat(TABLE);
  }

  @inline static ln2(): v128 {
    return v128.load32_splat(TABLE, 4);
  }

  @inline static ln2_rest(): v128 {
    return v128.load32_splat(TABLE, 8);
  }

  @inline static coefficient(power: u32): v128 {
    return v128.load32_splat(TABLE + ((3 + power) << 2));
  }

  /** The magic number that takes the references m off the exponents. */
  @inline static bias(m: f32): v128 {
    return f32x4.splat(2 + (127 - m) * ULP);
  }

  /** The same for a loop. */
  static kept_bias(m: f32): v128 {
    return Lanes.kept(Exp.bias(m));
  }

  /** Where x is clamped: there n - m is -127, and t, rounded from a quarter more, just 2. */
  @inline static lowest(m: f32): f32 {
    return (m - <f32>126.75) * <f32>0.693147182;
  }

  /** t */
  @inline static turns(x: v128, bias: v128, log2e: v128): v128 {
    return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, log2e, bias) : f32x4.add(f32x4.mul(x, log2e), bias);
  }

  /** e^r */
  @inline static rest(
    x: v128,
    t: v128,
    bias: v128,
    ln2: v128,
    ln2Rest: v128,
    c4: v128,
    c3: v128,
    c2: v128,
    c1: v128,
    c0: v128,
  ): v128 {
    const n = f32x4.sub(t, bias);
    if (ASC_FEATURE_RELAXED_SIMD) {
      const r = f32x4.relaxed_nmadd(n, ln2, x);
      let q = f32x4.relaxed_madd(f32x4.add(r, c4), r, c3);
      q = f32x4.relaxed_madd(q, r, c2);
      q = f32x4.relaxed_madd(q, r, c0);
      return f32x4.relaxed_madd(q, r, c0);
    }
    const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, ln2)), f32x4.mul(n, ln2Rest));
    const r2 = f32x4.mul(r, r);
    const p = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(c2, r2), c1), r2), c0);
    return f32x4.div(f32x4.add(p, r), f32x4.sub(p, r));
  }

  /** 2^(n - m) */
  @inline static power(t: v128): v128 {
    return i32x4.shl(t, 23);
  }

  /** e^x · 2^-m of four lanes, clamped from below; the other arguments are the constants above, read ahead. */
  @inline static step(
    x: v128,
    bias: v128,
    lowest: v128,
    log2e: v128,
    ln2: v128,
    ln2Rest: v128,
    c4: v128,
    c3: v128,
    c2: v128,
    c1: v128,
    c0: v128,
  ): v128 {
    x = f32x4.pmax(x, lowest);
    const t = Exp.turns(x, bias, log2e);
    return f32x4.mul(Exp.rest(x, t, bias, ln2, ln2Rest, c4, c3, c2, c1, c0), Exp.power(t));
  }

  /** sum + e^r · 2^(n - m) */
  @inline static add(sum: v128, rest: v128, power: v128): v128 {
    return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(rest, power, sum) : f32x4.add(sum, f32x4.mul(rest, power));
  }

  /** Whether the t's were what they must be, or'ed together. */
  @inline static is_right(turns: v128): bool {
    return !v128.any_true(v128.and(turns, v128.load32_splat(WRONG)));
  }
}

/** The bits of which none is set in a t. */
const WRONG = memory.data<i32>([~0x400000ff]);

/**
 * Whether this engine multiplies and adds with one rounding, which the bounds above rest on; strict SIMD needs none.
 */
export function is_fused(): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return true;
  const a = v128.load32_splat(PROBE);
  return f32x4.extract_lane(f32x4.relaxed_madd(a, a, v128.load32_splat(PROBE, 4)), 0) !== 0;
}

/** a = 1 + 2^-12 and -(a² rounded to float32): a² + the second is 2^-24 with one rounding and 0 with two. */
const PROBE = memory.data<f32>([1.000244140625, -1.00048828125]);
