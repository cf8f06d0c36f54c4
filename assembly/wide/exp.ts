/**
 * e^x in float64:  x = n ln 2 + r with |r| ≤ ln 2 / 2, and e^r = 1 + r + r² q(r), q of degree 9 by scripts/fit-wide.ts:
 * minimax, its largest relative error 3.8e-18. ln 2 comes in two parts, of which the first has 32 bits: its multiples by
 * |n| < 2^21 are exact, and so is what they leave of x. With all roundings e^x is within 2.3e-16 of itself.
 *
 * Adding the bias 1.5 · 2^52 + 1023 to x log2 e rounds to the integer n, which then stands in the low bits as 2^n's
 * exponent. A bias that is m less gives e^x · 2^-m with no step more and no rounding of a difference: that is how sums
 * of exponentials take their reference.
 *
 * The polynomial is a tree: its latency is what counts. Constants are read from memory before loops, since V8 would build
 * literals anew in every turn.
 */
const TABLE = memory.data<f64>(
  [
    // The coefficients of q, from r^0 on.
    0.50000000000000111,
    0.16666666666666438,
    0.041666666666525805,
    0.0083333333334737799,
    0.00138888889448524,
    0.00019841269560145339,
    0.000024801491764731135,
    0.0000027557531098729975,
    2.7630745553677955e-7,
    2.5019812662855196e-8,
    1.4426950408889634, // log2 e
    0.69314718036912381649, // ln 2 to 32 bits
    1.90821492927058770002e-10, // and the rest of it
    1.0,
  ],
  16,
);

/**
 * The bias; below 2^-1021, where float64 is about to end, the exponential is 0; from 2^1023.5 on it is Infinity, and what
 * is beyond 710 has the exponent of 710.
 */
const RANGE = memory.data<f64>([6755399441056767, -707.7, 710], 16);

export abstract class Exp {
  @inline static constant(index: u32): v128 {
    return v128.load64_splat(TABLE + (index << 3));
  }

  @inline static log2e(): v128 {
    return Exp.constant(10);
  }

  @inline static ln2(): v128 {
    return Exp.constant(11);
  }

  @inline static ln2_rest(): v128 {
    return Exp.constant(12);
  }

  @inline static one(): v128 {
    return Exp.constant(13);
  }

  @inline static bias(): v128 {
    return v128.load64_splat(RANGE);
  }

  @inline private static madd(a: v128, b: v128, c: v128): v128 {
    return f64x2.add(f64x2.mul(a, b), c);
  }

  /** x - n ln 2 */
  @inline static rest(x: v128, n: v128, ln2: v128, ln2Rest: v128): v128 {
    return f64x2.sub(f64x2.sub(x, f64x2.mul(n, ln2)), f64x2.mul(n, ln2Rest));
  }

  /** e^r - 1 */
  @inline static beyond_one(
    r: v128,
    c0: v128,
    c1: v128,
    c2: v128,
    c3: v128,
    c4: v128,
    c5: v128,
    c6: v128,
    c7: v128,
    c8: v128,
    c9: v128,
  ): v128 {
    const r2 = f64x2.mul(r, r);
    const r4 = f64x2.mul(r2, r2);
    const a = Exp.madd(Exp.madd(r, c3, c2), r2, Exp.madd(r, c1, c0));
    const b = Exp.madd(Exp.madd(r, c7, c6), r2, Exp.madd(r, c5, c4));
    const q = Exp.madd(Exp.madd(Exp.madd(r, c9, c8), r4, b), r4, a);
    return Exp.madd(r2, q, r);
  }
}

/** e^x of `bytes` of float64, at any x; NaN for NaN. `to` may be `from`. */
export function exp_values(from: usize, to: usize, bytes: usize): void {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const one = Exp.one();
  const c0 = Exp.constant(0);
  const c1 = Exp.constant(1);
  const c2 = Exp.constant(2);
  const c3 = Exp.constant(3);
  const c4 = Exp.constant(4);
  const c5 = Exp.constant(5);
  const c6 = Exp.constant(6);
  const c7 = Exp.constant(7);
  const c8 = Exp.constant(8);
  const c9 = Exp.constant(9);
  const bias = Exp.bias();
  const lowest = v128.load64_splat(RANGE, 8);
  const highest = v128.load64_splat(RANGE, 16);
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f64x2.pmin(v128.load(from + i), highest);
    const t = f64x2.add(f64x2.mul(x, log2e), bias);
    const r = Exp.rest(x, f64x2.sub(t, bias), ln2, ln2Rest);
    const e = f64x2.add(Exp.beyond_one(r, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9), one);
    v128.store(to + i, v128.andnot(f64x2.mul(e, i64x2.shl(t, 52)), f64x2.lt(x, lowest)));
  }
}
