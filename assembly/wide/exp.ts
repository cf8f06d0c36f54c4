/**
 * e^x in float64:  x = n ln 2 + r with |r| ≤ ln 2 / 2, and with t = r²
 *
 *   e^r = 1 + 2 r / (R - r) = 1 + r + r c / (2 - c),   R = r coth(r / 2) = 2 + t q(t),   c = r - t q(t)
 *
 * q of degree 4 by scripts/fit-wide.ts: minimax, its largest relative error in e^r 1.8e-19. That is a division, and a third
 * fewer operations than a polynomial of this precision. r stands by itself, so that e^r - 1 is as exact as e^r.
 *
 * ln 2 comes in two parts, of which the first has 32 bits: its multiples by |n| < 2^21 are exact, and so is what they
 * leave of x. With all roundings e^x is within 2e-16 of itself.
 *
 * Adding the bias 1.5 · 2^52 + 1023 to x log2 e rounds to the integer n, which then stands in the low bits as 2^n's
 * exponent. A bias that is m less gives e^x · 2^-m with no step more and no rounding of a difference: that is how sums
 * of exponentials take their reference. From n = -1023 down, where float64 is about to end, the exponent is 0, and so is
 * the exponential: a x below (m - 1023) ln 2 counts as that.
 *
 * Constants are read from memory before loops, since V8 would build literals anew in every turn.
 */
const TABLE = memory.data<f64>(
  [
    // The coefficients of q, from t^0 on.
    0.16666666666666555,
    -0.0027777777776696491,
    0.000066137562501631354,
    -0.0000016533837200342275,
    4.1360489264137836e-8,
    1.4426950408889634, // log2 e
    0.69314718036912381649, // ln 2 to 32 bits
    1.9082149292705877e-10, // and the rest of it
    1.0,
    2.0,
    6755399441056767, // the bias
    -709.0895657128241, // -1023 ln 2
    710, // from 2^1023.5 on the exponential is Infinity; beyond this the exponent would not fit
  ],
  16,
);

export abstract class Exp {
  @inline static constant(index: u32): v128 {
    return v128.load64_splat(TABLE + (index << 3));
  }

  @inline static log2e(): v128 {
    return Exp.constant(5);
  }

  @inline static ln2(): v128 {
    return Exp.constant(6);
  }

  @inline static ln2_rest(): v128 {
    return Exp.constant(7);
  }

  @inline static one(): v128 {
    return Exp.constant(8);
  }

  @inline static two(): v128 {
    return Exp.constant(9);
  }

  @inline static bias(): v128 {
    return Exp.constant(10);
  }

  @inline static lowest(): v128 {
    return Exp.constant(11);
  }

  @inline static highest(): v128 {
    return Exp.constant(12);
  }

  @inline private static madd(a: v128, b: v128, c: v128): v128 {
    return f64x2.add(f64x2.mul(a, b), c);
  }

  /** x - n ln 2 */
  @inline static rest(x: v128, n: v128, ln2: v128, ln2Rest: v128): v128 {
    return f64x2.sub(f64x2.sub(x, f64x2.mul(n, ln2)), f64x2.mul(n, ln2Rest));
  }

  /** e^r - 1 */
  @inline static beyond_one(r: v128, q0: v128, q1: v128, q2: v128, q3: v128, q4: v128, two: v128): v128 {
    const t = f64x2.mul(r, r);
    const q = Exp.madd(Exp.madd(Exp.madd(Exp.madd(q4, t, q3), t, q2), t, q1), t, q0);
    return f64x2.div(f64x2.add(r, r), f64x2.sub(Exp.madd(q, t, two), r));
  }
}

/** e^x of `bytes` of float64, at any x; NaN for NaN. `to` may be `from`. */
export function exp_values(from: usize, to: usize, bytes: usize): void {
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const one = Exp.one();
  const two = Exp.two();
  const q0 = Exp.constant(0);
  const q1 = Exp.constant(1);
  const q2 = Exp.constant(2);
  const q3 = Exp.constant(3);
  const q4 = Exp.constant(4);
  const bias = Exp.bias();
  const lowest = Exp.lowest();
  const highest = Exp.highest();
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f64x2.pmax(f64x2.pmin(v128.load(from + i), highest), lowest);
    const t = f64x2.add(f64x2.mul(x, log2e), bias);
    const r = Exp.rest(x, f64x2.sub(t, bias), ln2, ln2Rest);
    const e = f64x2.add(Exp.beyond_one(r, q0, q1, q2, q3, q4, two), one);
    v128.store(to + i, f64x2.mul(e, i64x2.shl(t, 52)));
  }
}
