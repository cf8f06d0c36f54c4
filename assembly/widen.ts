/**
 * The two half-precision kinds as float32, which holds all of their values. bfloat16 is the upper half of a float32.
 * float16 moves to float32's places, where its exponent lacks 112; below its normal numbers the leading 1 is lent and
 * taken off again, and from its largest exponent up, Infinity and NaN, float32's own is set.
 */
import { BFLOAT16 } from "./kinds";

export abstract class Half {
  /** Four halves, each in the low bits of an int32 lane whose high bits are 0. */
  @inline static widen(bits: v128, kind: i32): v128 {
    return kind === BFLOAT16 ? i32x4.shl(bits, 16) : Half.widen_float16(bits);
  }

  static widen_float16(bits: v128): v128 {
    const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
    const moved = i32x4.add(magnitude, i32x4.splat(0x38000000));
    const small = f32x4.sub(i32x4.add(moved, i32x4.splat(0x00800000)), f32x4.splat(6.103515625e-5));
    const special = v128.and(i32x4.gt_u(moved, i32x4.splat(0x477fffff)), i32x4.splat(0x7f800000));
    const value = v128.bitselect(small, v128.or(moved, special), i32x4.lt_u(moved, i32x4.splat(0x38800000)));
    return v128.or(value, i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16));
  }

  /** The half at `at`. */
  static load(at: usize, kind: i32): f32 {
    return f32x4.extract_lane(Half.widen(i32x4.splat(load<u16>(at)), kind), 0);
  }

  /** The four halves at `at`. */
  @inline static load4(at: usize, kind: i32): v128 {
    return Half.widen(v128.load16x4_u(at), kind);
  }
}
