/**
 * c · tanh(x / c) and its slope. With q = e^v, v = -2 |x| / c,
 *
 *   tanh(|x| / c) = (1 - q) / (1 + q) = -expm1(v) / (1 + q)      slope = 4 q / (1 + q)²
 *
 * where expm1 is taken before the 1 is added, so that small x keep all their digits, and the slope is no difference.
 * Infinities become ±c with slope 0; NaN stays NaN.
 */
import { Exp } from "./exp";

export function cap_values(at: usize, slopes: usize, bytes: usize, cap: f64): void {
  const c = f64x2.splat(cap);
  const log2e = Exp.log2e();
  const ln2 = Exp.ln2();
  const ln2Rest = Exp.ln2_rest();
  const one = Exp.one();
  const two = Exp.two();
  const q0 = Exp.constant(0);
  const q1 = Exp.constant(1);
  const q2 = Exp.constant(2);
  const q3 = Exp.constant(3);
  const q4 = Exp.constant(4);
  const bias = Exp.bias();
  const lowest = Exp.lowest();
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(at + i);
    const u = f64x2.abs(f64x2.div(x, c));
    const v = f64x2.pmax(f64x2.neg(f64x2.add(u, u)), lowest);
    const t = f64x2.add(f64x2.mul(v, log2e), bias);
    const r = Exp.rest(v, f64x2.sub(t, bias), ln2, ln2Rest);
    const scale = i64x2.shl(t, 52);
    const grown = f64x2.mul(scale, Exp.beyond_one(r, q0, q1, q2, q3, q4, two));
    const q = f64x2.add(grown, scale);
    const inverse = f64x2.div(one, f64x2.add(one, q));
    const size = f64x2.mul(c, f64x2.mul(f64x2.sub(f64x2.sub(one, scale), grown), inverse));
    const twice = f64x2.add(inverse, inverse);
    // The sign is the difference between x and its size.
    v128.store(at + i, v128.xor(size, v128.xor(x, f64x2.abs(x))));
    v128.store(slopes + i, f64x2.mul(q, f64x2.mul(twice, twice)));
  }
}
