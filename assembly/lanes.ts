/**
 * How far ahead of what they work on loops touch the memory, in bytes. The processor's own prefetching ends at each
 * page; what is touched before it gets there waits less.
 */
export const AHEAD: usize = 2048;

const ZERO = memory.data(16, 16);
const PLACE = memory.data(16, 16);
const BUT_SIGN = memory.data<i32>([0x7fffffff]);

/**
 * Loads, stores and horizontal steps that the rows share. A tail is the 1 to 3 floats behind the last whole vector: where
 * it does not matter what follows them, they are read as one too, for which there is memory behind every array.
 */
export abstract class Lanes {
  /** Zeros, to be kept where several are needed: each literal takes eighteen bytes of the binary. */
  @inline static zero(): v128 {
    return v128.load(ZERO);
  }

  /** All bits but the sign of four words, for loops. */
  @inline static but_sign(): v128 {
    return v128.load32_splat(BUT_SIGN);
  }

  /** A vector by way of memory: what V8 knows how to compute, it computes again in every iteration. */
  static kept(v: v128): v128 {
    v128.store(PLACE, v);
    return v128.load(PLACE);
  }

  /** The last place that may be touched. */
  @inline static end_of_memory(): usize {
    return ((<usize>memory.size()) << 16) - 4;
  }

  /**
   * Touches the lines of the cache that are AHEAD of 128 values at `at`: there is memory behind every array. Written out,
   * since a loop over them costs a twentieth of a kernel's time.
   */
  @inline static touch<T>(at: usize): void {
    load<u32>(at, AHEAD);
    load<u32>(at, AHEAD + 64);
    load<u32>(at, AHEAD + 128);
    load<u32>(at, AHEAD + 192);
    if (sizeof<T>() === 2) return;
    load<u32>(at, AHEAD + 256);
    load<u32>(at, AHEAD + 320);
    load<u32>(at, AHEAD + 384);
    load<u32>(at, AHEAD + 448);
  }

  /** The tail at `at`, padded with `fill`. */
  @inline static load_tail(at: usize, count: i32, fill: f32): v128 {
    let v = v128.load_lane<f32>(at, f32x4.splat(fill), 0);
    if (count > 1) v = v128.load_lane<f32>(at, v, 1, 4);
    if (count > 2) v = v128.load_lane<f32>(at, v, 2, 8);
    return v;
  }

  @inline static store_tail(at: usize, count: i32, v: v128): void {
    v128.store_lane<f32>(at, v, 0);
    if (count > 1) v128.store_lane<f32>(at, v, 1, 4);
    if (count > 2) v128.store_lane<f32>(at, v, 2, 8);
  }

  /** Takes a vector to an array, or its last one, of which so many lanes are left. */
  @inline static put(to: usize, left: i32, v: v128): void {
    if (left < 4) Lanes.store_tail(to, left, v);
    else v128.store(to, v);
  }

  /** The largest lane; NaN counts only as the first. */
  @inline static max(v: v128): f32 {
    v = f32x4.pmax(v, v128.shuffle<i64>(v, v, 1, 0));
    return f32x4.extract_lane(f32x4.pmax(v, v128.shuffle<i32>(v, v, 1, 0, 3, 2)), 0);
  }

  /** The largest of eight unsigned integers. */
  static max_u16(v: v128): u32 {
    v = i16x8.max_u(v, i64x2.shr_u(v, 32));
    v = i16x8.max_u(v, i64x2.shr_u(v, 16));
    return max<u32>(i16x8.extract_lane_u(v, 0), i16x8.extract_lane_u(v, 4));
  }

  /** The sum of four vectors and of halves of their lanes, added like a tree, as two float64. */
  @inline static widen_sum(a: v128, b: v128, c: v128, d: v128): v128 {
    const v = f32x4.add(f32x4.add(a, c), f32x4.add(b, d));
    return f64x2.promote_low_f32x4(f32x4.add(v, v128.shuffle<i64>(v, v, 1, 1)));
  }

  @inline static promote_high(v: v128): v128 {
    return f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
  }

  @inline static sum_f64(v: v128): f64 {
    return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
  }
}
