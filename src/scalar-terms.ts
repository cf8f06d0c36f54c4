import type { Layout, Targets, Terms } from "./backend.js";
import { numbersOf, type ResultArray } from "./floats.js";
import { at, eachRow } from "./scalar-rows.js";
import { Sum } from "./sum.js";

/**
 * The cross-entropy with all its terms, on rows of capped logits x. With the row's top t, which is left out of every sum
 * that it would drown, with a_c for the mass that is spread over the classes and `own` for that of a class target y:
 *
 *   rest = Σ_{j≠t} e^(x_j - x_t)    lse = x_t + log(1 + rest)    miss = rest / (1 + rest)
 *   loss = own · (lse - x_y) + Σ a_c (lse - x_c) + z · lse²,   where lse - x_c = (x_t - x_c) + log(1 + rest)
 *   dx_c = p_c · (own + Σa + 2z · lse) - a_c - own·[c = y]
 *   dx_t = Σ_{j≠t} a_j + own·[y ≠ t] - miss · (own + Σa) + 2z · lse · p_t    where p_t is more than 1/2
 *
 * Without label smoothing a class target spreads nothing, and there are no a_c: a masked class, whose x is -Infinity, then
 * does no harm, where 0 · Infinity would.
 */
export function crossEntropyOfTerms(
  logits: ResultArray,
  targets: Targets,
  { weight, labelSmoothing, zLoss, softcap }: Terms,
  losses: ResultArray | undefined,
  layout: Layout,
  gradient: { readonly scales: number | ArrayLike<number>; readonly grad: ResultArray } | undefined,
): number {
  const { classes } = layout;
  const soft = "soft" in targets ? numbersOf(targets.soft) : undefined;
  const x = new Float64Array(classes);
  const masses = soft || labelSmoothing > 0 ? new Float64Array(classes) : undefined;
  const weightOf = (c: number): number => (weight ? at(weight, c) : 1);
  const total = new Sum();

  eachRow(layout, (row, start, _end, step) => {
    const target = "data" in targets ? at(targets.data, row * targets.step) : -1;
    if ("data" in targets && target === targets.ignoreIndex) {
      if (losses) losses[row] = 0;
      if (gradient) for (let c = 0; c < classes; c++) gradient.grad[start + c * step] = 0;
      return;
    }

    for (let c = 0; c < classes; c++) x[c] = capped(at(logits, start + c * step), softcap);
    const top = indexOfTop(x);
    const max = at(x, top);
    const others = new Sum();
    for (let c = 0; c < classes; c++) if (c !== top) others.add(Math.exp(at(x, c) - max));
    const rest = Number.isFinite(max) ? others.value : Number.NaN;
    const log = Math.log1p(rest);
    const lse = max + log;

    const own = soft ? 0 : (1 - labelSmoothing) * weightOf(target);
    const cost = new Sum();
    if (!soft) cost.add(own * (max - at(x, target) + log));
    const belowTop = new Sum();
    let atTop = 0;
    if (masses) {
      for (let c = 0; c < classes; c++) {
        const y = soft ? at(soft, start + c * step) * (1 - labelSmoothing) : 0;
        const mass = weightOf(c) * (y + labelSmoothing / classes);
        masses[c] = mass;
        if (c === top) atTop = mass;
        else belowTop.add(mass);
        cost.add(mass * (max - at(x, c) + log));
      }
    }
    if (zLoss !== 0) cost.add(zLoss * lse * lse);
    const loss = cost.value;
    const spreadBelowTop = belowTop.value;
    const spread = spreadBelowTop + atTop;
    if (losses) losses[row] = loss;
    total.add(loss);

    if (gradient) {
      const { scales, grad } = gradient;
      const scale = typeof scales === "number" ? scales : at(scales, row);
      const pull = zLoss === 0 ? 0 : 2 * zLoss * lse;
      for (let c = 0; c < classes; c++) {
        const place = start + c * step;
        const slope = softcap === undefined ? 1 : slopeOfCap(at(logits, place), softcap);
        let dx: number;
        if (c === top && rest < 1) {
          const toOthers = spreadBelowTop + (target === top ? 0 : own);
          dx = toOthers - (rest / (1 + rest)) * (own + spread) + pull / (1 + rest);
        } else {
          const p = Math.exp(at(x, c) - max) / (1 + rest);
          dx = p * (own + spread + pull) - (masses ? at(masses, c) : 0) - (c === target ? own : 0);
        }
        grad[place] = scale * dx * slope;
      }
    }
  });
  return total.value;
}

/** The index of the largest element; NaN is none, and shows in the sum. */
function indexOfTop(x: Float64Array): number {
  let top = 0;
  for (let c = 1; c < x.length; c++) if (at(x, c) > at(x, top) || Number.isNaN(at(x, top))) top = c;
  return top;
}

/** c · tanh(x / c) */
function capped(x: number, softcap: number | undefined): number {
  return softcap === undefined ? x : softcap * Math.tanh(x / softcap);
}

/** 1 - tanh² u = 4q / (1 + q)² with q = e^-2|u|, which keeps its precision where tanh is close to ±1. */
function slopeOfCap(x: number, softcap: number): number {
  const q = Math.exp((-2 * Math.abs(x)) / softcap);
  return (4 * q) / (1 + q) ** 2;
}
