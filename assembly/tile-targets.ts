/** The targets of a tile's rows, their logits, and their places. */
import { size_of } from "./half";
import { FLOAT32 } from "./kinds";
import { along, between, classStride, count, held, place, positions, TILE, whole } from "./tile";
import { widen } from "./widen";

// One number a row: where its target is, or class 0 where it is ignored, in bytes from the tile's first logit in an array of
// float32, and in the tile; masks of the rows that are not ignored, or ASIDE; and the targets' logits.
export const AT = memory.data(4112, 16);
const IN_TILE = memory.data(4112, 16);
export const KEPT = memory.data(4112, 16);
export const OWN = memory.data(4112, 16);
const HALVES = memory.data(2064, 16);

/** A row that is not within bounds, and comes again. */
export const ASIDE: i32 = 1;

const LANE = memory.data<i32>([0, 1, 2, 3, 4], 16);

/** Whether rows of the tile are ignored. */
export let ignores: bool = false;

/** Reads the rows' targets and the targets' logits; returns the first of a row that is not ignored. */
export function read_targets(logits: usize, kind: i32, targets: usize, classes: i32, ignoreIndex: i32): f32 {
  const size = size_of(kind);
  const from = place(logits, size, 0);
  const ignored = i32x4.splat(ignoreIndex);
  const step = i32x4.splat((<i32>classStride) << 2);
  const tileStep = i32x4.splat(<i32>between);
  const lane = v128.load(LANE);
  const four = v128.load32_splat(LANE, 16);
  // The rows follow each other, or lie beside each other.
  const width = along ? count : positions;
  const distance = along ? classes << 2 : 4;
  const next = i32x4.splat(distance << 2);
  const end = i32x4.splat(width);
  const block = (classes * <i32>classStride) << 2;
  let others = i32x4.splat(0);
  let row: usize = 0;
  for (let begin = 0; row < <usize>count; begin += block, row += width) {
    let start = i32x4.add(i32x4.mul(lane, i32x4.splat(distance)), i32x4.splat(begin));
    let position = lane;
    for (let p = 0; p < width; p += 4) {
      const q = (row + p) << 2;
      const isRow = i32x4.lt_s(position, end);
      const t = v128.load(targets + q);
      const kept = v128.andnot(isRow, i32x4.eq(t, ignored));
      const c = v128.and(t, kept);
      v128.store(q, v128.and(i32x4.add(start, i32x4.mul(c, step)), isRow), AT);
      if (!whole) v128.store(q, i32x4.add(start, i32x4.mul(c, tileStep)), IN_TILE);
      v128.store(q, kept, KEPT);
      if (kind === FLOAT32) {
        let own = v128.load32_zero(from + load<u32>(q, AT));
        own = v128.load32_lane(from + load<u32>(q, AT + 4), own, 1);
        own = v128.load32_lane(from + load<u32>(q, AT + 8), own, 2);
        own = v128.load32_lane(from + load<u32>(q, AT + 12), own, 3);
        v128.store(q, own, OWN);
      } else {
        let own = v128.load16_splat(from + (load<u32>(q, AT) >> 1));
        own = v128.load16_lane(from + (load<u32>(q, AT + 4) >> 1), own, 1);
        own = v128.load16_lane(from + (load<u32>(q, AT + 8) >> 1), own, 2);
        own = v128.load16_lane(from + (load<u32>(q, AT + 12) >> 1), own, 3);
        v128.store64_lane(q >> 1, own, 0, HALVES);
      }
      others = v128.or(others, v128.xor(kept, isRow));
      start = i32x4.add(start, next);
      position = i32x4.add(position, four);
    }
  }
  if (kind !== FLOAT32) widen(HALVES, kind, OWN, count);
  ignores = v128.any_true(others);
  // A call of few rows waits for this: it gets there sooner than by way of the places above.
  const first = load<i32>(targets);
  if (kind === FLOAT32 && first !== ignoreIndex) return load<f32>(from + ((<usize>first * classStride) << 2));
  for (let q: usize = 0; q < (<usize>count) << 2; q += 4) if (load<i32>(q, KEPT)) return load<f32>(q, OWN);
  return 0;
}

/** Makes 0 of the targets' exponentials among n classes from `first`. */
export function leave_out(first: i32, n: i32): void {
  const before = <usize>first * between;
  const bytes = <usize>n * between;
  const values = held(first);
  const end = (<usize>count) << 2;
  if (whole) {
    let q: usize = 0;
    // Written out: one in turn takes twice the time.
    for (; q + 16 <= end; q += 16) {
      store<f32>(TILE + load<u32>(q, AT), 0);
      store<f32>(TILE + load<u32>(q, AT + 4), 0);
      store<f32>(TILE + load<u32>(q, AT + 8), 0);
      store<f32>(TILE + load<u32>(q, AT + 12), 0);
    }
    for (; q < end; q += 4) store<f32>(TILE + load<u32>(q, AT), 0);
    return;
  }
  // Few targets are among the classes of a chunk: four are looked at together.
  const from = i32x4.splat(<i32>before);
  const length = i32x4.splat(<i32>bytes);
  for (let q: usize = 0; q < end; q += 16) {
    if (!v128.any_true(i32x4.lt_u(i32x4.sub(v128.load(q, IN_TILE), from), length))) continue;
    for (let i = q; i < min(q + 16, end); i += 4) {
      const at = <usize>load<u32>(i, IN_TILE) - before;
      if (at < bytes) store<f32>(values + at, 0);
    }
  }
}
