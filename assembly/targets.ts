/**
 * How many of n int32 targets are classes, the others being `ignoreIndex`; -1 where one is neither. As unsigned integers,
 * those below 0 are the largest.
 */
export function kept_targets(targets: usize, n: i32, classes: i32, ignoreIndex: i32): i32 {
  const ignored = i32x4.splat(ignoreIndex);
  let largest = i32x4.splat(0);
  let passed = largest;
  let kept = n;
  for (; n >= 4; n -= 4, targets += 16) {
    const t = v128.load(targets);
    const isIgnored = i32x4.eq(t, ignored);
    largest = i32x4.max_u(largest, v128.andnot(t, isIgnored));
    passed = i32x4.add(passed, isIgnored);
  }
  for (; n > 0; n--, targets += 4) {
    const t = v128.load32_splat(targets);
    const isIgnored = i32x4.eq(t, ignored);
    largest = i32x4.max_u(largest, v128.andnot(t, isIgnored));
    kept += i32x4.extract_lane(isIgnored, 0);
  }
  if (v128.any_true(i32x4.ge_u(largest, i32x4.splat(classes)))) return -1;
  passed = i32x4.add(passed, i64x2.shr_u(passed, 32));
  return kept + i32x4.extract_lane(passed, 0) + i32x4.extract_lane(passed, 2);
}
