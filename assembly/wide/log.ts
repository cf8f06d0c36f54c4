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
    1.9082149292705877e-10, // and the rest of it
    4503599627371520, // 2^52 + 1024
    18014398509481984, // 2^54
    54,
    2.2250738585072014e-308, // the least normal number
    Infinity,
  ],
  16,
);

/** What shifts √½'s bits to a power of two, the low 52 bits, √½'s own, and 2^52's: the exponent k + 1024 goes under it. */
const BITS = memory.data<u64>([0x00195f619980c433, 0x000fffffffffffff, 0x3fe6a09e667f3bcd, 0x4330000000000000], 16);

abstract class Log {
  @inline static constant(index: u32): v128 {
    return v128.load64_splat(TABLE + (index << 3));
  }

  @inline static bits(index: u32): v128 {
    return v128.load64_splat(BITS + (index << 3));
  }

  @inline private static madd(a: v128, b: v128, c: v128): v128 {
    return f64x2.add(f64x2.mul(a, b), c);
  }

  /** Of a y whose bits are shifted so that the exponent k has the mantissas from √½ on: k. */
  @inline static exponent(shifted: v128, two52: v128, bias: v128): v128 {
    return f64x2.sub(v128.or(i64x2.shr_u(shifted, 52), two52), bias);
  }

  /** And k ln 2 + log(1 + f). */
  @inline static of(
    shifted: v128,
    k: v128,
    low52: v128,
    rootHalf: v128,
    p0: v128,
    p1: v128,
    p2: v128,
    p3: v128,
    p4: v128,
    p5: v128,
    p6: v128,
    half: v128,
    one: v128,
    two: v128,
    ln2: v128,
    ln2Rest: v128,
  ): v128 {
    const f = f64x2.sub(i64x2.add(v128.and(shifted, low52), rootHalf), one);
    const s = f64x2.div(f, f64x2.add(f, two));
    const z = f64x2.mul(s, s);
    const z2 = f64x2.mul(z, z);
    const low = Log.madd(Log.madd(p3, z, p2), z2, Log.madd(p1, z, p0));
    const high = Log.madd(p6, z2, Log.madd(p5, z, p4));
    const rest = f64x2.mul(z, Log.madd(high, f64x2.mul(z2, z2), low));
    const square = f64x2.mul(half, f64x2.mul(f, f));
    const small = Log.madd(s, f64x2.add(square, rest), f64x2.mul(k, ln2Rest));
    return Log.madd(k, ln2, f64x2.sub(f, f64x2.sub(square, small)));
  }

  /** Whether each y is a normal number above 0. */
  @inline static ordinary(y: v128, least: v128, infinity: v128): v128 {
    return v128.and(f64x2.ge(y, least), f64x2.lt(y, infinity));
  }

  /** log y where y is no number above 0: -Infinity of 0, Infinity of Infinity, NaN of all else; and log elsewhere. */
  @inline static special(y: v128, log: v128): v128 {
    const infinity = Log.constant(16);
    const zero = f64x2.eq(y, f64x2.splat(0));
    const large = f64x2.eq(y, infinity);
    const ends = v128.or(zero, large);
    const number = v128.and(f64x2.gt(y, f64x2.splat(0)), f64x2.lt(y, infinity));
    const value = v128.bitselect(v128.xor(infinity, v128.and(zero, f64x2.splat(-0.0))), log, ends);
    return v128.or(value, v128.not(v128.or(number, ends)));
  }
}

/** log y of `bytes` of float64, subnormal ones too; NaN below 0. `to` may be `from`. */
export function log_values(from: usize, to: usize, bytes: usize): void {
  const p0 = Log.constant(0);
  const p1 = Log.constant(1);
  const p2 = Log.constant(2);
  const p3 = Log.constant(3);
  const p4 = Log.constant(4);
  const p5 = Log.constant(5);
  const p6 = Log.constant(6);
  const half = Log.constant(7);
  const one = Log.constant(8);
  const two = Log.constant(9);
  const ln2 = Log.constant(10);
  const ln2Rest = Log.constant(11);
  const bias = Log.constant(12);
  const least = Log.constant(15);
  const infinity = Log.constant(16);
  const shift = Log.bits(0);
  const low52 = Log.bits(1);
  const rootHalf = Log.bits(2);
  const two52 = Log.bits(3);
  const none = v128.xor(one, one);
  for (let i: usize = 0; i < bytes; i += 16) {
    const y = v128.load(from + i);
    const allOrdinary = i64x2.bitmask(Log.ordinary(y, least, infinity)) === 3;
    let scaled = y;
    let less = none;
    if (!allOrdinary) {
      const tiny = f64x2.lt(y, least);
      scaled = v128.bitselect(f64x2.mul(y, Log.constant(13)), y, tiny);
      less = v128.and(tiny, Log.constant(14));
    }
    const shifted = i64x2.add(scaled, shift);
    const k = f64x2.sub(Log.exponent(shifted, two52, bias), less);
    let log = Log.of(shifted, k, low52, rootHalf, p0, p1, p2, p3, p4, p5, p6, half, one, two, ln2, ln2Rest);
    if (!allOrdinary) log = Log.special(y, log);
    v128.store(to + i, log);
  }
}

/**
 * log(1 + u) of `bytes` of float64 from -1 to 2^1000; NaN below. It is the logarithm of the rounded sum, which is no
 * subnormal number, and what the rounding took. `to` may be `from`.
 */
export function log1p_values(from: usize, to: usize, bytes: usize): void {
  const p0 = Log.constant(0);
  const p1 = Log.constant(1);
  const p2 = Log.constant(2);
  const p3 = Log.constant(3);
  const p4 = Log.constant(4);
  const p5 = Log.constant(5);
  const p6 = Log.constant(6);
  const half = Log.constant(7);
  const one = Log.constant(8);
  const two = Log.constant(9);
  const ln2 = Log.constant(10);
  const ln2Rest = Log.constant(11);
  const bias = Log.constant(12);
  const least = Log.constant(15);
  const infinity = Log.constant(16);
  const shift = Log.bits(0);
  const low52 = Log.bits(1);
  const rootHalf = Log.bits(2);
  const two52 = Log.bits(3);
  for (let i: usize = 0; i < bytes; i += 16) {
    const u = v128.load(from + i);
    const y = f64x2.add(u, one);
    const shifted = i64x2.add(y, shift);
    const k = Log.exponent(shifted, two52, bias);
    const ofSum = Log.of(shifted, k, low52, rootHalf, p0, p1, p2, p3, p4, p5, p6, half, one, two, ln2, ln2Rest);
    let log = f64x2.add(ofSum, f64x2.div(f64x2.sub(u, f64x2.sub(y, one)), y));
    if (i64x2.bitmask(Log.ordinary(y, least, infinity)) !== 3) log = Log.special(y, log);
    v128.store(to + i, log);
  }
}
