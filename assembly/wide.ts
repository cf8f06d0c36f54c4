/**
 * e^u and logarithms in float64, two lanes at a time, for what sixteen rows compute of one number each. Good to 1e-11
 * of the result, far beyond float32; a test asserts it. They are for ordinary numbers: the caller looks after the
 * others.
 *
 * The polynomials are trees rather than chains: few numbers are in flight here, and their latency is what counts. The
 * constants come from memory: V8 would build each of them anew every time.
 */
const TABLE = memory.data<f64>(
  [
    6755399441055744, // 1.5 · 2^52: adding it rounds to an integer, which then stands in the low bits
    1.4426950408889634, // log2 e
    0.6931471805599453, // ln 2
    0.5,
    1.0,
    2.0,
    // 1 / k!, from 3 to 9
    0.16666666666666667,
    0.041666666666666667,
    0.0083333333333333333,
    0.0013888888888888889,
    0.00019841269841269841,
    0.0000248015873015873,
    0.0000027557319223985891,
    // 1 / k, from 3 to 13 by 2
    0.33333333333333333,
    0.2,
    0.14285714285714286,
    0.11111111111111111,
    0.090909090909090909,
    0.076923076923076923,
  ],
  16,
);
const SQRT_HALF: i64 = 0x3fe6a09e667f3bcd;

export abstract class Wide {
  /** Two neighbouring float32 as float64. */
  @inline static load(at: usize): v128 {
    return f64x2.promote_low_f32x4(v128.load64_zero(at));
  }

  /** Two float64 as neighbouring float32. */
  @inline static store(at: usize, v: v128): void {
    v128.store_lane<i64>(at, f32x4.demote_f64x2_zero(v), 0);
  }

  @inline private static constant(index: u32): v128 {
    return v128.load64_splat(TABLE + (index << 3));
  }

  @inline private static madd(a: v128, b: v128, c: v128): v128 {
    return f64x2.add(f64x2.mul(a, b), c);
  }

  /**
   * e^u for |u| ≤ 700; NaN stays NaN. u = n ln 2 + r with |r| ≤ ln 2 / 2; the Taylor series of e^r to r^9 leaves off
   * less than r^10 / 10! < 7e-12.
   */
  @inline static exp(u: v128): v128 {
    const magic = Wide.constant(0);
    const one = Wide.constant(4);
    const t = Wide.madd(u, Wide.constant(1), magic);
    const r = f64x2.sub(u, f64x2.mul(f64x2.sub(t, magic), Wide.constant(2)));
    const r2 = f64x2.mul(r, r);
    const r4 = f64x2.mul(r2, r2);
    const a = f64x2.add(r, one);
    const b = Wide.madd(r, Wide.constant(6), Wide.constant(3));
    const c = Wide.madd(r, Wide.constant(8), Wide.constant(7));
    const d = Wide.madd(r, Wide.constant(10), Wide.constant(9));
    const e = Wide.madd(r, Wide.constant(12), Wide.constant(11));
    const low = Wide.madd(b, r2, a);
    const high = Wide.madd(Wide.madd(e, r2, d), r2, c);
    const scale = i64x2.shl(i64x2.add(t, i64x2.splat(1023)), 52);
    return f64x2.mul(Wide.madd(high, r4, low), scale);
  }

  /**
   * log y for a finite normal y > 0: y = 2^k (1 + f) with 1 + f in [√½, √2), by the distance of its bits from √½'s, and
   * log(1 + f) = 2 artanh s with s = f / (2 + f), |s| < 0.172. The series to s^13 leaves off less than s^14 / 15 <
   * 1.4e-12.
   */
  @inline static log(y: v128): v128 {
    const magic = Wide.constant(0);
    const one = Wide.constant(4);
    const distance = i64x2.sub(y, i64x2.splat(SQRT_HALF));
    const k = f64x2.sub(i64x2.add(i64x2.shr_s(distance, 52), magic), magic);
    const mantissa = v128.and(distance, i64x2.splat(0x000fffffffffffff));
    const f = f64x2.sub(i64x2.add(mantissa, i64x2.splat(SQRT_HALF)), one);
    const s = f64x2.div(f, f64x2.add(f, Wide.constant(5)));
    const z = f64x2.mul(s, s);
    const z2 = f64x2.mul(z, z);
    const a = Wide.madd(z, Wide.constant(13), one);
    const b = Wide.madd(z, Wide.constant(15), Wide.constant(14));
    const c = Wide.madd(z, Wide.constant(17), Wide.constant(16));
    const q = Wide.madd(Wide.madd(Wide.madd(z2, Wide.constant(18), c), z2, b), z2, a);
    return Wide.madd(f64x2.add(s, s), q, f64x2.mul(k, Wide.constant(2)));
  }

  /** log(1 + r) for r ≥ 0 below 2^1000, NaN for NaN: that of the rounded sum, and what the rounding took. */
  @inline static log1p(r: v128): v128 {
    const one = Wide.constant(4);
    const y = f64x2.add(r, one);
    const lost = f64x2.sub(r, f64x2.sub(y, one));
    return f64x2.add(Wide.log(y), f64x2.div(lost, y));
  }
}

// One number at a time, over the whole range.

/** e^u; 0 and Infinity beyond float64, NaN for NaN. Half the exponent, squared, keeps within what the lanes can do. */
export function exp(u: f64): f64 {
  const half = f64x2.extract_lane(Wide.exp(f64x2.splat(max<f64>(min<f64>(u * 0.5, 700), -700))), 0);
  return half * half;
}

/** log y for y ≥ 0 that is 0, normal or Infinity; NaN for NaN. */
export function log(y: f64): f64 {
  if (y === 0) return -Infinity;
  return y < Infinity ? f64x2.extract_lane(Wide.log(f64x2.splat(y)), 0) : y;
}

/** log(1 + r) for r ≥ 0; NaN for NaN. */
export function log1p(r: f64): f64 {
  return r < Infinity ? f64x2.extract_lane(Wide.log1p(f64x2.splat(r)), 0) : r;
}
