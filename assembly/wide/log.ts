/**
 * Logarithms in float64. y = 2^k (1 + f) with 1 + f in [√½, √2), and with s = f / (2 + f), z = s²
 *
 *   log(1 + f) = 2 artanh s = s (2 + R) = f - (f²/2 - s (f²/2 + R)),   R = z p(z)
 *
 * p of degree 6 by scripts/fit-wide.ts: minimax, its largest relative error 1.3e-18. f is exact and comes last, so that
 * the roundings of the rest are small beside it; k ln 2 has two parts for the same reason.
 */
const TABLE = memory.data<f64>(
  [
    // The coefficients of p, from z^0 on.
    0.6666666666666734,
    0.39999999999417379,
    0.2857142874176884,
    0.22222198638271431,
    0.18183560869177232,
    0.15314140767440909,
    0.14795030133391013,
    0.5,
    1.0,
    2.0,
    0.69314718036912381649, // ln 2 to 32 bits
    1.90821492927058770002e-10, // and the rest of it
    4503599627371520, // 2^52 + 1024
    18014398509481984, // 2^54
    2.2250738585072014e-308, // the least normal number
    54,
  ],
  16,
);

/** What shifts √½'s bits to a power of two, the low 52 bits, √½'s own, and 2^52's: the exponent k + 1024 goes under it. */
const BITS = memory.data<u64>(
  [0x0019_5f61_9980_c433, 0x000f_ffff_ffff_ffff, 0x3fe6_a09e_667f_3bcd, 0x4330_0000_0000_0000],
  16,
);

abstract class Log {
  @inline static constant(index: u32): v128 {
    return v128.load64_splat(TABLE + (index << 3));
  }

  @inline static one(): v128 {
    return Log.constant(8);
  }

  @inline private static madd(a: v128, b: v128, c: v128): v128 {
    return f64x2.add(f64x2.mul(a, b), c);
  }

  @inline static ordinary(y: v128): v128 {
    return v128.and(f64x2.gt(y, f64x2.splat(0)), f64x2.lt(y, f64x2.splat(Infinity)));
  }

  /** log y of a normal y > 0, and k · 54 ln 2 less where `tiny` is set: there y was multiplied by 2^54. */
  @inline static of(y: v128, less: v128): v128 {
    const shifted = i64x2.add(y, v128.load64_splat(BITS));
    const exponent = v128.or(i64x2.shr_u(shifted, 52), v128.load64_splat(BITS, 24));
    const k = f64x2.sub(f64x2.sub(exponent, Log.constant(12)), less);
    const mantissa = v128.and(shifted, v128.load64_splat(BITS, 8));
    const f = f64x2.sub(i64x2.add(mantissa, v128.load64_splat(BITS, 16)), Log.one());
    const s = f64x2.div(f, f64x2.add(f, Log.constant(9)));
    const z = f64x2.mul(s, s);
    const z2 = f64x2.mul(z, z);
    const z4 = f64x2.mul(z2, z2);
    const a = Log.madd(
      Log.madd(z, Log.constant(3), Log.constant(2)),
      z2,
      Log.madd(z, Log.constant(1), Log.constant(0)),
    );
    const b = Log.madd(z2, Log.constant(6), Log.madd(z, Log.constant(5), Log.constant(4)));
    const rest = f64x2.mul(z, Log.madd(b, z4, a));
    const half = f64x2.mul(Log.constant(7), f64x2.mul(f, f));
    const low = Log.madd(s, f64x2.add(half, rest), f64x2.mul(k, Log.constant(11)));
    return Log.madd(k, Log.constant(10), f64x2.sub(f, f64x2.sub(half, low)));
  }

  /** log y where y is no ordinary number: -Infinity of 0, Infinity of Infinity, NaN of all else. */
  @inline static special(y: v128): v128 {
    const infinity = f64x2.splat(Infinity);
    const zero = f64x2.eq(y, f64x2.splat(0));
    const large = f64x2.eq(y, infinity);
    const value = v128.xor(infinity, v128.and(zero, f64x2.splat(-0.0)));
    return v128.or(value, v128.not(v128.or(zero, large)));
  }
}

/** log y of `bytes` of float64, subnormal ones too; NaN below 0. `to` may be `from`. */
export function log_values(from: usize, to: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const y = v128.load(from + i);
    const ordinary = Log.ordinary(y);
    const tiny = f64x2.lt(y, Log.constant(14));
    const scaled = v128.bitselect(f64x2.mul(y, Log.constant(13)), y, tiny);
    let log = Log.of(scaled, v128.and(tiny, Log.constant(15)));
    if (!i64x2.all_true(ordinary)) log = v128.bitselect(log, Log.special(y), ordinary);
    v128.store(to + i, log);
  }
}

/**
 * log(1 + u) of `bytes` of float64 from -1 to 2^1000; NaN below. It is the logarithm of the rounded sum, which is no
 * subnormal number, and what the rounding took. `to` may be `from`.
 */
export function log1p_values(from: usize, to: usize, bytes: usize): void {
  const one = Log.one();
  const none = f64x2.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const u = v128.load(from + i);
    const y = f64x2.add(u, one);
    const ordinary = Log.ordinary(y);
    const lost = f64x2.sub(u, f64x2.sub(y, one));
    let log = f64x2.add(Log.of(y, none), f64x2.div(lost, y));
    if (!i64x2.all_true(ordinary)) log = v128.bitselect(log, Log.special(y), ordinary);
    v128.store(to + i, log);
  }
}
