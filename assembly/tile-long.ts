/**
 * Rows of many classes of which only the sums are wanted: these are taken together with the exponentials, which are not
 * kept. The rows of a tile share a reference, so that none waits for one of its own, and what follows their sums is
 * computed for many rows together: of 1000 classes a row takes a tenth less time so.
 */
import { exp_sum_from } from "./exp-row";
import { exchange, low_bits, size_of } from "./half";
import { chunk, count, place } from "./tile";
import { exponent } from "./tile-exp";
import { SUMS } from "./tile-sum";
import { KEPT } from "./tile-targets";

export function long_sums(logits: usize, kind: i32): void {
  for (let row = 0; row < count; row++) sum_row(logits, kind, row);
}

/** Those without the targets, which have what adds nothing in the meantime; rows that are ignored are not looked at. */
export function long_sums_of_others(logits: usize, kind: i32, targets: usize): void {
  const low = low_bits(exponent, kind);
  for (let row = 0; row < count; row++, targets += 4) {
    if (load<i32>((<usize>row) << 2, KEPT) === 0) continue;
    const hole = row_place(logits, kind, row) + <usize>load<u32>(targets) * size_of(kind);
    const own = exchange(hole, kind, low);
    sum_row(logits, kind, row);
    exchange(hole, kind, own);
  }
}

function sum_row(logits: usize, kind: i32, row: i32): void {
  const sum = exp_sum_from(row_place(logits, kind, row), kind, chunk, exponent, 0, 0);
  store<f64>((<usize>row) << 3, sum, SUMS);
}

export function row_place(logits: usize, kind: i32, row: i32): usize {
  const size = size_of(kind);
  return place(logits, size, 0) + <usize>row * chunk * size;
}
