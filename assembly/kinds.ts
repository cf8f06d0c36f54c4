/** What an array holds, as a number: the same ones everywhere. */
export const FLOAT32: i32 = 0;
export const FLOAT64: i32 = 1;
export const FLOAT16: i32 = 2;
export const BFLOAT16: i32 = 3;

/** The bytes of a value. */
export function size_of(kind: i32): usize {
  return kind === FLOAT64 ? 8 : kind === FLOAT32 ? 4 : 2;
}
