/**
 * Logits in 16 bits, read as float32, which holds all of their values.
 *
 * A bfloat16 is the upper half of a float32. A float16 has its sign, exponent and fraction moved to float32's places,
 * which makes it 2^-112 of its value; the multiplication that mends this is exact and normalises subnormal numbers.
 * Only the largest exponent, float16's mark of infinities and NaN, comes out as that of numbers from 65536 on, which
 * the exponential's loops find out of range.
 *
 * Loops are generic in how they load: f32, i16 for float16, u16 for bfloat16.
 */
import { BFLOAT16, FLOAT16, FLOAT32 } from "./kinds";

const TABLE = memory.data<u32>([
  0x8fff8fff, // the sign, exponent and upper fraction of two float16, where they come to stand in the upper half
  0x77800000, // 2^112
]);

function is_half(kind: i32): bool {
  return kind === FLOAT16 || kind === BFLOAT16;
}

/** The size of a logit in bytes. */
export function size_of(kind: i32): usize {
  return is_half(kind) ? 2 : 4;
}

export abstract class Logits {
  // Read ahead of a loop, like the constants of the exponential.
  /** Which bits of the upper half a float16 has. */
  @inline static places(): v128 {
    return v128.load32_splat(TABLE);
  }

  @inline static scale(): v128 {
    return v128.load32_splat(TABLE, 4);
  }

  // Eight logits at a time, from the vector `v` at `at`: four and four, or of each the upper half and the lower.
  @inline static upper<T>(v: v128, places: v128): v128 {
    return isFloat<T>() || !isSigned<T>() ? v : v128.and(i16x8.shr_s(v, 3), places);
  }

  @inline static lower<T>(v: v128, at: usize): v128 {
    if (isFloat<T>()) return v128.load(at, 16);
    return isSigned<T>() ? i16x8.shl(v, 13) : i16x8.splat(0);
  }

  // And from these the first four and the second.
  @inline static first<T>(upper: v128, lower: v128, scale: v128): v128 {
    if (isFloat<T>()) return upper;
    const v = v128.shuffle<i16>(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11);
    return isSigned<T>() ? f32x4.mul(v, scale) : v;
  }

  @inline static second<T>(upper: v128, lower: v128, scale: v128): v128 {
    if (isFloat<T>()) return lower;
    const v = v128.shuffle<i16>(lower, upper, 4, 12, 5, 13, 6, 14, 7, 15);
    return isSigned<T>() ? f32x4.mul(v, scale) : v;
  }
}

/** The bits of a logit. */
function bits_at(at: usize, kind: i32): u32 {
  return kind === FLOAT32 ? load<u32>(at) : <u32>load<u16>(at);
}

/** Puts other bits in the place of a logit, and returns its own. */
export function exchange(at: usize, kind: i32, bits: u32): u32 {
  const own = bits_at(at, kind);
  if (kind === FLOAT32) store<u32>(at, bits);
  else store<u16>(at, <u16>bits);
  return own;
}

/** The bits of -Infinity. */
export function mask_of(kind: i32): u32 {
  return kind === FLOAT32 ? 0xff800000 : kind === BFLOAT16 ? 0xff80 : 0xfc00;
}

/**
 * The bits of a logit that adds nothing to a row with this reference, and is in range: the exponential is 0, or where
 * halves have no such number less than 2^-110.
 */
export function low_bits(m: f32, kind: i32): u32 {
  const low = (m - <f32>(is_half(kind) ? 119 : 126.75)) * <f32>0.693147182;
  if (!is_half(kind)) return reinterpret<u32>(low);
  if (kind === BFLOAT16) return reinterpret<u32>(low) >> 16;
  const moved = reinterpret<u32>(low * reinterpret<f32>(0x07800000));
  return ((moved >> 16) & 0x8000) | ((moved >> 13) & 0x7fff);
}

/** The value of a logit with these bits, infinities and NaN included. */
export function value_of(bits: u32, kind: i32): f32 {
  if (kind === FLOAT32) return reinterpret<f32>(bits);
  if (kind === BFLOAT16) return reinterpret<f32>(bits << 16);
  const sign = (bits & 0x8000) << 16;
  const magnitude = (bits & 0x7fff) << 13;
  if (magnitude >= 0x0f800000) return reinterpret<f32>(sign | 0x70000000 | magnitude);
  return reinterpret<f32>(sign | reinterpret<u32>(reinterpret<f32>(magnitude) * reinterpret<f32>(0x77800000)));
}

export function value_at(at: usize, kind: i32): f32 {
  return value_of(bits_at(at, kind), kind);
}
