/** Whether n int32 are all in [0, classes): as unsigned integers, those below 0 are the largest. */
export function are_classes(targets: usize, n: i32, classes: i32): bool {
  let largest = i32x4.splat(0);
  for (; n >= 4; n -= 4, targets += 16) largest = i32x4.max_u(largest, v128.load(targets));
  for (; n > 0; n--, targets += 4) largest = i32x4.max_u(largest, v128.load32_splat(targets));
  return !v128.any_true(i32x4.ge_u(largest, i32x4.splat(classes)));
}
