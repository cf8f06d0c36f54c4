/**
 * The two half-precision kinds as float32, which holds all of their values. A bfloat16 is the upper half of a float32. A
 * float16 has its sign, exponent and fraction moved to float32's places, which makes it 2^-112 of its value; the
 * multiplication that mends this is exact and normalises subnormal numbers. Infinity and NaN come out of it from 65536
 * on, and get float32's own exponent.
 */
import { value_at } from "./half";
import { BFLOAT16 } from "./kinds";

const TABLE = memory.data<u32>([
  0x8fffffff, // where sign, exponent and fraction come to stand
  0x77800000, // 2^112
  0x47800000, // 65536
  0x7f800000, // Infinity
]);

/** Writes n halves as float32. */
export function widen(from: usize, kind: i32, to: usize, n: i32): void {
  const end = to + ((<usize>n & ~3) << 2);
  if (kind === BFLOAT16) {
    for (; to < end; to += 16, from += 8) v128.store(to, i32x4.shl(v128.load16x4_u(from), 16));
  } else {
    const places = v128.load32_splat(TABLE);
    const scale = v128.load32_splat(TABLE, 4);
    const last = v128.load32_splat(TABLE, 8);
    const infinity = v128.load32_splat(TABLE, 12);
    for (; to < end; to += 16, from += 8) {
      const v = f32x4.mul(v128.and(i32x4.shl(v128.load16x4_s(from), 13), places), scale);
      v128.store(to, v128.or(v, v128.and(f32x4.ge(f32x4.abs(v), last), infinity)));
    }
  }
  for (n &= 3; n > 0; n--, to += 4, from += 2) store<f32>(to, value_at(from, kind));
}
