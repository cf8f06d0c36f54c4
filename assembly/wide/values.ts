/**
 * The only place that knows what kinds arrays are of: values of any kind become float64, exactly, and float64 becomes
 * float32 or stays. "Steps" are eight neighbouring values, which become 64 bytes; "each" are values anyhow, one by one.
 * Distances are in bytes.
 */
import { BFLOAT16, FLOAT16, FLOAT32, FLOAT64 } from "../kinds";

/** For float16: what is magnitude, the least magnitude that is not finite, such an exponent in float32, 2^112. */
const HALF = memory.data<u32>([0x7fff, 0x7c00, 0x7f800000, 0x77800000], 16);

export function widen_steps(from: usize, kind: i32, distance: usize, steps: i32, to: usize): void {
  const end = to + ((<usize>steps) << 6);
  if (kind === FLOAT32) {
    for (; to < end; from += distance, to += 64) {
      v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from)));
      v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from, 8)), 16);
      v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from, 16)), 32);
      v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from, 24)), 48);
    }
  } else if (kind === FLOAT64) {
    for (; to < end; from += distance, to += 64) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      v128.store(to, v128.load(from, 32), 32);
      v128.store(to, v128.load(from, 48), 48);
    }
  } else if (kind === FLOAT16) {
    const magnitudes = v128.load32_splat(HALF);
    const notFinite = v128.load32_splat(HALF, 4);
    const exponent = v128.load32_splat(HALF, 8);
    const scale = v128.load32_splat(HALF, 12);
    for (; to < end; from += distance, to += 64) {
      for (let half: usize = 0; half < 2; half++) {
        // With the fields in float32's places the exponent is 112 too small, and what is subnormal is so there too.
        const h = v128.load_ext<i16>(from + (half << 3));
        const magnitude = v128.and(h, magnitudes);
        const special = v128.and(i32x4.ge_s(magnitude, notFinite), exponent);
        const sign = i32x4.shl(i32x4.shr_u(h, 31), 31);
        const value = v128.or(f32x4.mul(i32x4.shl(magnitude, 13), scale), v128.or(special, sign));
        Promoted.store(to + (half << 5), value);
      }
    }
  } else {
    for (; to < end; from += distance, to += 64) {
      Promoted.store(to, i32x4.shl(v128.load_ext<u16>(from), 16));
      Promoted.store(to + 32, i32x4.shl(v128.load_ext<u16>(from, 8), 16));
    }
  }
}

abstract class Promoted {
  /** Four float32 as float64. */
  @inline static store(to: usize, v: v128): void {
    v128.store(to, f64x2.promote_low_f32x4(v));
    v128.store(to, f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)), 16);
  }
}

export function widen_each(from: usize, kind: i32, distance: usize, n: i32, to: usize, apart: usize): void {
  const end = to + <usize>n * apart;
  if (kind === FLOAT32) {
    for (; to < end; from += distance, to += apart) store<f64>(to, <f64>load<f32>(from));
  } else if (kind === FLOAT64) {
    for (; to < end; from += distance, to += apart) store<f64>(to, load<f64>(from));
  } else {
    for (; to < end; from += distance, to += apart) store<f64>(to, <f64>widen_half(load<u16>(from), kind));
  }
}

function widen_half(h: u32, kind: i32): f32 {
  if (kind === BFLOAT16) return reinterpret<f32>(h << 16);
  const magnitude = h & 0x7fff;
  const scaled = reinterpret<u32>(reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000));
  return reinterpret<f32>(scaled | (magnitude >= 0x7c00 ? 0x7f800000 : 0) | ((h & 0x8000) << 16));
}

export function widen_one(at: usize, kind: i32): f64 {
  if (kind === FLOAT64) return load<f64>(at);
  return <f64>(kind === FLOAT32 ? load<f32>(at) : widen_half(load<u16>(at), kind));
}

export function narrow_steps(from: usize, to: usize, kind: i32, distance: usize, steps: i32): void {
  const end = from + ((<usize>steps) << 6);
  if (kind === FLOAT32) {
    for (; from < end; from += 64, to += distance) {
      v128.store_lane<i64>(to, f32x4.demote_f64x2_zero(v128.load(from)), 0);
      v128.store_lane<i64>(to, f32x4.demote_f64x2_zero(v128.load(from, 16)), 0, 8);
      v128.store_lane<i64>(to, f32x4.demote_f64x2_zero(v128.load(from, 32)), 0, 16);
      v128.store_lane<i64>(to, f32x4.demote_f64x2_zero(v128.load(from, 48)), 0, 24);
    }
  } else {
    for (; from < end; from += 64, to += distance) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      v128.store(to, v128.load(from, 32), 32);
      v128.store(to, v128.load(from, 48), 48);
    }
  }
}

export function narrow_each(from: usize, apart: usize, to: usize, kind: i32, distance: usize, n: i32): void {
  const end = from + <usize>n * apart;
  if (kind === FLOAT32) {
    for (; from < end; from += apart, to += distance) store<f32>(to, <f32>load<f64>(from));
  } else {
    for (; from < end; from += apart, to += distance) store<f64>(to, load<f64>(from));
  }
}
