/**
 * e^u and logarithms in float64, two lanes at a time, for what rows compute of one number each. Good to 3e-10
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
    1.0,
    2.0,
    // (e^r - 1 - r) / r²
    0.5000000013457735,
    0.16666666681614276,
    0.04166646500595841,
    0.008333310934432448,
    0.001393364104103859,
    0.00019890980885439347,
    // (artanh s / s - 1) / s², in s²
    0.33333333277246274,
    0.20000060921760893,
    0.14275410197209099,
    0.11665239343487069,
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

  /** a · b + c */
  @inline private static madd(a: v128, b: v128, c: v128): v128 {
    return ASC_FEATURE_RELAXED_SIMD ? f64x2.relaxed_madd(a, b, c) : f64x2.add(f64x2.mul(a, b), c);
  }

  /** c - a · b */
  @inline private static nmadd(a: v128, b: v128, c: v128): v128 {
    return ASC_FEATURE_RELAXED_SIMD ? f64x2.relaxed_nmadd(a, b, c) : f64x2.sub(c, f64x2.mul(a, b));
  }

  /** The odds against one or the other of two events: (1 + a) (1 + b) - 1. */
  @inline static either(a: v128, b: v128): v128 {
    return f64x2.add(f64x2.add(a, b), f64x2.mul(a, b));
  }

  /**
   * e^u for |u| ≤ 700; NaN stays NaN. u = n ln 2 + r with |r| ≤ ln 2 / 2, and e^r = 1 + r + r² p(r) with p of
   * degree 5: within 2.3e-10. The ln 2 may be one that another exponential amounts to.
   */
  @inline static exp(u: v128, ln2: v128): v128 {
    const magic = Wide.constant(0);
    const one = Wide.constant(3);
    const t = Wide.madd(u, Wide.constant(1), magic);
    const r = Wide.nmadd(f64x2.sub(t, magic), ln2, u);
    const r2 = f64x2.mul(r, r);
    const a = f64x2.add(r, one);
    const b = Wide.madd(r, Wide.constant(6), Wide.constant(5));
    const c = Wide.madd(r, Wide.constant(8), Wide.constant(7));
    const d = Wide.madd(r, Wide.constant(10), Wide.constant(9));
    const p = Wide.madd(Wide.madd(Wide.madd(d, r2, c), r2, b), r2, a);
    const scale = i64x2.shl(i64x2.add(t, i64x2.splat(1023)), 52);
    return f64x2.mul(p, scale);
  }

  /**
   * log y for a finite normal y > 0: y = 2^k (1 + f) with 1 + f in [√½, √2), by the distance of its bits from √½'s, and
   * log(1 + f) = 2 artanh s with s = f / (2 + f), |s| < 0.172, and artanh s = s + s³ p(s²) with p of degree 3: within
   * 1.7e-11. The ln 2 may be another, as above. No copy for each caller: that takes 900 bytes and saves no time.
   */
  static log(y: v128, ln2: v128): v128 {
    const magic = Wide.constant(0);
    const one = Wide.constant(3);
    const distance = i64x2.sub(y, i64x2.splat(SQRT_HALF));
    const k = f64x2.sub(i64x2.add(i64x2.shr_s(distance, 52), magic), magic);
    const mantissa = v128.and(distance, i64x2.splat(0x000fffffffffffff));
    const f = f64x2.sub(i64x2.add(mantissa, i64x2.splat(SQRT_HALF)), one);
    const s = f64x2.div(f, f64x2.add(f, Wide.constant(4)));
    const z = f64x2.mul(s, s);
    const z2 = f64x2.mul(z, z);
    const a = Wide.madd(z, Wide.constant(11), one);
    const b = Wide.madd(z, Wide.constant(13), Wide.constant(12));
    const q = Wide.madd(Wide.madd(Wide.constant(14), z2, b), z2, a);
    return Wide.madd(f64x2.add(s, s), q, f64x2.mul(k, ln2));
  }

  /** log(1 + r) for r ≥ 0 below 2^1000, NaN for NaN: that of the rounded sum, and what the rounding took. */
  @inline static log1p(r: v128): v128 {
    const one = Wide.constant(3);
    const y = f64x2.add(r, one);
    const lost = f64x2.sub(r, f64x2.sub(y, one));
    return f64x2.add(Wide.log(y, Wide.constant(2)), f64x2.div(lost, y));
  }
}

// One number at a time, over the whole range.

/**
 * scale · e^u, within 5e-10; 0 and Infinity beyond float64, NaN for NaN. Where the lanes cannot do it, half of the exponent
 * is squared.
 */
export function scaled_exp(scale: f64, u: f64, ln2: f64): f64 {
  const isFar = abs(u) > 700;
  const v = f64x2.splat(isFar ? max<f64>(min<f64>(u * 0.5, 700), -700) : u);
  const e = f64x2.extract_lane(Wide.exp(v, f64x2.splat(ln2)), 0);
  return isFar ? scale * e * e : scale * e;
}

/** log y for y ≥ 0 that is 0, normal or Infinity; NaN for NaN. */
export function log(y: f64): f64 {
  if (y === 0) return -Infinity;
  return y < Infinity ? f64x2.extract_lane(Wide.log(f64x2.splat(y), f64x2.splat(0.6931471805599453)), 0) : y;
}

/** log(1 + r) for r ≥ 0; NaN for NaN. */
export function log1p(r: f64): f64 {
  return r < Infinity ? f64x2.extract_lane(Wide.log1p(f64x2.splat(r)), 0) : r;
}
