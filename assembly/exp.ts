/**
 * e^x, four at a time, relative to a reference: the one approximation that softmax and its losses rest on.
 *
 * A row's exponentials matter only relative to each other, so the step returns e^x · 2^-m for an integer m chosen once
 * a row (`reference`). It does not subtract the maximum: x - max rounds where the two differ in size, and an error of
 * the exponent is a relative error of the exponential.
 *
 *   n = round(x · log2 e)       by a magic addition: 1.5·2^23 + 127 - m + n has n - m + 127 in its low bits
 *   r = x - n · ln 2            Cody and Waite: one fused step, or two with ln 2 in two parts; |r| ≤ ln 2 / 2
 *   q(r) = e^r                  polynomial
 *   2^(n - m)                   the low bits of the magic sum, shifted into the exponent field
 *
 * Polynomial: degree 5 on |r| ≤ 1.0001 · ln 2 / 2, a Remez exchange on the relative error of q(r) / (κ e^r) with
 * q(0) = 1 and κ free, the coefficients rounded to float32 one after another and the rest fitted anew (`npm run fit`).
 * κ cancels in every ratio; `LOG_KAPPA` takes it off elsewhere. Largest relative error 7.7e-8, and 2e-7 with float32's
 * rounding; fused, the rounding of ln 2 adds 2.8e-9 for each nat between x and the reference.
 *
 * n - m + 127 must lie in [0, 254]. From above, the choice of m sees to it. From below, x is clamped to where the field
 * is 0 and the factor with it: what is 2^-127 of the reference, -Infinity included, becomes exactly 0. NaN stays NaN
 * (`pmax` keeps its first operand, and the last step is a multiplication); +Infinity becomes NaN.
 */
const TABLE = memory.data<f32>([
  1.44269504, // log2 e
  0.693147182, // ln 2 rounded to float32: for the fused reduction
  0.693115234375, // the first 14 bits of ln 2: times |n| < 2^10 it is exact, for the unfused reduction
  3.19461849e-5, // the rest of ln 2
  0.00830905512,
  0.041917935,
  0.16667445,
  0.499988675,
  0.999999642,
  1.0,
]);

/** The ln 2 that the reduction amounts to: undoing m with the same one cancels the error of its rounding. */
export const LN2: f64 = ASC_FEATURE_RELAXED_SIMD ? 0.693147182464599609375 : 0.69314718055829871446;

/** log κ: how far the polynomial as a whole lies from e^r. */
export const LOG_KAPPA: f64 = -7.400722198e-8;
export const INVERSE_KAPPA: f64 = 1.00000007400722472;

/** 1.5 · 2^23: adding it to a float32 rounds to an integer, which then stands in the low bits. */
const MAGIC: f32 = 12582912;

/**
 * A row's largest exponential is about 2^8: enough above 1 for its quotients to be there a little below float32's
 * normal range, and little enough for what they are multiplied by to stay close to it.
 */
export const HEADROOM: f32 = 8;

/** A row whose maximum lies beyond is shifted by it first; from there on x - max is exact wherever it counts. */
export const FAR: f32 = 512;

/** What a row is shifted by before the step: 0, or its maximum where that is far out. */
export function shift_of(max: f32): f32 {
  return abs(max) < FAR || max === -Infinity ? 0 : max;
}

/** The reference m of a row that was shifted by `shift_of(max)`; finite also for a row of only -Infinity. */
export function reference(max: f32): f32 {
  return nearest((max === -Infinity ? <f32>0 : max - shift_of(max)) * <f32>1.44269504) - HEADROOM;
}

/**
 * log of what the steps of a row with this maximum are relative to, but for `shift_of(max)`: the shift is added last,
 * or never, since far out the sum would round the rest away.
 */
export function log_reference(max: f32): f64 {
  return <f64>reference(max) * LN2 - LOG_KAPPA;
}

export abstract class Exp {
  // The constants are read from memory ahead of a loop: V8 builds a literal vector again in every iteration.
  @inline static log2e(): v128 {
    return v128.load32_splat(TABLE);
  }

  @inline static ln2(): v128 {
    return v128.load32_splat(TABLE, ASC_FEATURE_RELAXED_SIMD ? 4 : 8);
  }

  @inline static ln2_rest(): v128 {
    return v128.load32_splat(TABLE, 12);
  }

  @inline static coefficient(power: u32): v128 {
    return v128.load32_splat(TABLE + ((9 - power) << 2));
  }

  /** The magic number that takes the references m off the exponents. */
  @inline static bias(m: v128): v128 {
    return f32x4.sub(f32x4.splat(MAGIC + 127), m);
  }

  /** Where x is clamped: there n - m is -127. */
  @inline static lowest(m: v128): v128 {
    return f32x4.mul(f32x4.sub(m, f32x4.splat(127)), f32x4.splat(0.693147182));
  }

  /** e^x · 2^-m of four lanes; the other arguments are the constants above, read ahead. */
  @inline static step(
    x: v128,
    bias: v128,
    lowest: v128,
    log2e: v128,
    ln2: v128,
    ln2Rest: v128,
    c5: v128,
    c4: v128,
    c3: v128,
    c2: v128,
    c1: v128,
    c0: v128,
  ): v128 {
    x = f32x4.pmax(x, lowest);
    if (ASC_FEATURE_RELAXED_SIMD) {
      const t = f32x4.relaxed_madd(x, log2e, bias);
      const r = f32x4.relaxed_nmadd(f32x4.sub(t, bias), ln2, x);
      let q = f32x4.relaxed_madd(c5, r, c4);
      q = f32x4.relaxed_madd(q, r, c3);
      q = f32x4.relaxed_madd(q, r, c2);
      q = f32x4.relaxed_madd(q, r, c1);
      q = f32x4.relaxed_madd(q, r, c0);
      return f32x4.mul(q, i32x4.shl(t, 23));
    }
    const t = f32x4.add(f32x4.mul(x, log2e), bias);
    const n = f32x4.sub(t, bias);
    const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, ln2)), f32x4.mul(n, ln2Rest));
    // Estrin's tree: unfused, the latency of Horner's chain of ten is the limit.
    const r2 = f32x4.mul(r, r);
    const high = f32x4.add(f32x4.mul(c5, r), c4);
    const middle = f32x4.add(f32x4.mul(c3, r), c2);
    const low = f32x4.add(f32x4.mul(c1, r), c0);
    const q = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(high, r2), middle), r2), low);
    return f32x4.mul(q, i32x4.shl(t, 23));
  }
}

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
