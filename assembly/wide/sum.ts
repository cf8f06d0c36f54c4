/**
 * The sum of the losses, over rows or elements and from one call to the next, by Neumaier's summation: its error does not
 * grow with the number of terms. What the additions round off is kept here until it is asked for.
 */
let lost: f64 = 0;

/** `total` + a loss. */
export function add(total: f64, loss: f64): f64 {
  const next = total + loss;
  lost += abs(total) >= abs(loss) ? total - next + loss : loss - next + total;
  return next;
}

/** What is to be added to the sum in the end, once; 0 where the sum is no number or infinite. */
export function take_lost(): f64 {
  const rest = lost;
  lost = 0;
  return abs(rest) < Infinity ? rest : 0;
}
