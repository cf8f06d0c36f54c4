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
  const sign = f64x2.splat(-0.0);
  const two = f64x2.splat(-2);
  const four = f64x2.splat(4);
  const one = Exp.one();
  const bias = Exp.bias();
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(at + i);
    const v = f64x2.pmax(f64x2.mul(f64x2.div(f64x2.abs(x), c), two), Exp.lowest());
    const t = f64x2.add(f64x2.mul(v, Exp.log2e()), bias);
    const r = Exp.rest(v, f64x2.sub(t, bias), Exp.ln2(), Exp.ln2_rest());
    const p = Exp.beyond_one(
      r,
      Exp.constant(0),
      Exp.constant(1),
      Exp.constant(2),
      Exp.constant(3),
      Exp.constant(4),
      Exp.two(),
    );
    const scale = i64x2.shl(t, 52);
    const grown = f64x2.mul(scale, p);
    const q = f64x2.add(grown, scale);
    const sum = f64x2.add(one, q);
    const tanh = f64x2.div(f64x2.sub(f64x2.sub(one, scale), grown), sum);
    v128.store(at + i, v128.or(f64x2.mul(c, tanh), v128.and(x, sign)));
    v128.store(slopes + i, f64x2.div(f64x2.mul(four, q), f64x2.mul(sum, sum)));
  }
}
