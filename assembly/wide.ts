/**
 * e^-x and logarithms in float64, two lanes at a time, for what rows compute of one number each. Good to 3e-10
 * of the result, far beyond float32; a test asserts it. They are for ordinary numbers: the caller looks after the
 * others.
 *
 * The polynomials are trees rather than chains: few numbers are in flight here, and their latency is what counts. The
 * constants come from memory: V8 would build each of them anew every time.
 */
import { INVERSE_KAPPA, LN2, unit_of } from "./exp";

const TABLE = memory.data<f64>(
  [
    6755399441055744, // 1.5 · 2^52: adding it rounds to an integer, which then stands in the low bits
    1.4426950408889634, // log2 e
    0.6931471805599453, // ln 2
    1.0,
    2.0,
    // (artanh s / s - 1) / s², in s²
    0.33333333277246274,
    0.20000060921760893,
    0.14275410197209099,
    0.11665239343487069,
  ],
  16,
);

const TURN = memory.data<f64>([LN2]);

/** e^-s / κ */
const INVERSE = ASC_FEATURE_RELAXED_SIMD
  ? memory.data<f64>(
      [
        0.008333334059346009, -0.008333334059346009, 0.004166667040887784, -0.0013888890111366356,
        0.0003472205719667018, -6.944426383702643e-5, 1.1611368545798827e-5, -1.6575818848643215e-6,
      ],
      16,
    )
  : memory.data<f64>(
      [
        1.0, -1.0, 0.5000000013457735, -0.16666666681614276, 0.04166646500595841, -0.008333310934432448,
        0.001393364104103859, -0.00019890980885439347,
      ],
      16,
    );

/** √½'s, and the low 52. */
const BITS = memory.data<i64>([0x3fe6a09e667f3bcd, 0x000fffffffffffff], 16);

export abstract class Wide {
  /** Two float64 as neighbouring float32. */
  @inline static store(at: usize, v: v128): void {
    v128.store_lane<i64>(at, f32x4.demote_f64x2_zero(v), 0);
  }

  @inline private static constant(index: u32): v128 {
    return v128.load64_splat(TABLE + (index << 3));
  }

  // Read ahead of loops.
  @inline static magic(): v128 {
    return Wide.constant(0);
  }

  @inline static log2e(): v128 {
    return Wide.constant(1);
  }

  /** The ln 2 that the exponentials amount to. */
  @inline static turn(): v128 {
    return v128.load64_splat(TURN);
  }

  @inline static one(): v128 {
    return Wide.constant(3);
  }

  @inline static two(): v128 {
    return Wide.constant(4);
  }

  /** Of s^(2 power + 2). */
  @inline static artanh(power: u32): v128 {
    return Wide.constant(5 + power);
  }

  @inline static root_half(): v128 {
    return v128.load64_splat(BITS);
  }

  @inline static low52(): v128 {
    return v128.load64_splat(BITS, 8);
  }

  @inline static coefficient(power: u32): v128 {
    return v128.load64_splat(INVERSE + (power << 3));
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

  /** What brings the exponent to 2^m: of its bits the lowest eleven count. */
  @inline static bias(m: f32): v128 {
    return f64x2.splat(<f64>m + 6755399441056767); // 1.5 · 2^52 + 1023
  }

  /**
   * 2^m / κ · e^-x, where that is a normal float64; NaN stays NaN. x = s - n ln 2 with |s| ≤ ln 2 / 2, and e^-s = 1 - s +
   * s² p(s) with p of degree 5: within 2.3e-10. The ln 2 is the one that the exponentials amount to; the k are the coefficients.
   */
  @inline static inverse(
    x: v128,
    bias: v128,
    ln2: v128,
    magic: v128,
    log2e: v128,
    k0: v128,
    k1: v128,
    k2: v128,
    k3: v128,
    k4: v128,
    k5: v128,
    k6: v128,
    k7: v128,
  ): v128 {
    const t = Wide.nmadd(x, log2e, magic);
    const s = Wide.madd(f64x2.sub(t, magic), ln2, x);
    const s2 = f64x2.mul(s, s);
    const a = Wide.madd(s, k1, k0);
    const b = Wide.madd(s, k3, k2);
    const c = Wide.madd(s, k5, k4);
    const d = Wide.madd(s, k7, k6);
    const p = Wide.madd(Wide.madd(Wide.madd(d, s2, c), s2, b), s2, a);
    return f64x2.mul(p, i64x2.shl(i64x2.add(t, bias), 52));
  }

  /**
   * log y for a finite normal y > 0: y = 2^k (1 + f) with 1 + f in [√½, √2), by the distance of its bits from √½'s, and
   * log(1 + f) = 2 artanh s with s = f / (2 + f), |s| < 0.172, and artanh s = s + s³ p(s²) with p of degree 3: within
   * 1.7e-11. The ln 2 may be another, as above; the k are p's coefficients.
   */
  @inline static log_with(
    y: v128,
    ln2: v128,
    magic: v128,
    one: v128,
    two: v128,
    k0: v128,
    k1: v128,
    k2: v128,
    k3: v128,
    rootHalf: v128,
    low52: v128,
  ): v128 {
    const distance = i64x2.sub(y, rootHalf);
    const k = f64x2.sub(i64x2.add(i64x2.shr_s(distance, 52), magic), magic);
    const f = f64x2.sub(i64x2.add(v128.and(distance, low52), rootHalf), one);
    const s = f64x2.div(f, f64x2.add(f, two));
    const z = f64x2.mul(s, s);
    const z2 = f64x2.mul(z, z);
    const a = Wide.madd(z, k0, one);
    const b = Wide.madd(z, k2, k1);
    const q = Wide.madd(Wide.madd(k3, z2, b), z2, a);
    return Wide.madd(f64x2.add(s, s), q, f64x2.mul(k, ln2));
  }

  /** The same where it is seldom: a copy for each caller takes 900 bytes and saves no time there. */
  static log(y: v128, ln2: v128): v128 {
    return Wide.log_with(
      y,
      ln2,
      Wide.magic(),
      Wide.one(),
      Wide.two(),
      Wide.artanh(0),
      Wide.artanh(1),
      Wide.artanh(2),
      Wide.artanh(3),
      Wide.root_half(),
      Wide.low52(),
    );
  }

  /** log(1 + r) for finite r ≥ 0, NaN for NaN: that of the rounded sum, and what the rounding took. */
  @inline static log1p(r: v128): v128 {
    const one = Wide.one();
    const y = f64x2.add(r, one);
    const lost = f64x2.sub(r, f64x2.sub(y, one));
    return f64x2.add(Wide.log(y, Wide.constant(2)), f64x2.div(lost, y));
  }
}

// One number at a time, over the whole range.

/**
 * 2^m / κ · e^-x, within 3e-10; 0 and Infinity beyond float64, NaN for NaN. Where the lanes cannot do it, half of the
 * exponent is squared, which is within 3e-9.
 */
export function inverse(x: f64, m: f32): f64 {
  const isFar = abs(<f64>m * LN2 - x) > 690;
  const v = isFar ? max<f64>(min<f64>(x * 0.5, 700), -700) : x;
  const bias = Wide.bias(isFar ? 0 : m);
  const e = f64x2.extract_lane(
    Wide.inverse(
      f64x2.splat(v),
      bias,
      Wide.turn(),
      Wide.magic(),
      Wide.log2e(),
      Wide.coefficient(0),
      Wide.coefficient(1),
      Wide.coefficient(2),
      Wide.coefficient(3),
      Wide.coefficient(4),
      Wide.coefficient(5),
      Wide.coefficient(6),
      Wide.coefficient(7),
    ),
    0,
  );
  return isFar ? (unit_of(m) / INVERSE_KAPPA) * e * e : e;
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
