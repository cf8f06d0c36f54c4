/** The bounds that assembly/exp.ts states for its exponential, at the kernel itself. */

import { describe, expect, it } from "vitest";
import { Heap } from "../src/heap.js";
import { createCore } from "../src/index.js";
import { instantiate, type WasmName } from "../src/wasm.js";
import { availableBackends } from "./backends.js";

const COUNT = 1 << 18;
/** By how much e^r as a whole is more: the polynomial is, the quotient is not. */
const LOG_KAPPA: Record<WasmName, number> = { "wasm-relaxed-simd": 4.787491655660529, "wasm-simd": 0 };

/** The exponent of what is taken relative to itself. */
const HEADROOM: Record<WasmName, number> = { "wasm-relaxed-simd": 1, "wasm-simd": 8 };

/** What the reduction takes for ln 2: undoing the reference with it is part of the kernels. */
const LN2: Record<WasmName, number> = {
  "wasm-relaxed-simd": Math.fround(Math.LN2),
  "wasm-simd": 0.693115234375 + Math.fround(3.19461849e-5),
};

const names = availableBackends.filter((name) => name !== "js");

describe.each(names)("e^x on %s", (name) => {
  const kernels = instantiate(name);
  const heap = new Heap(kernels.memory, kernels.heap_base());
  const logits = heap.allocate(COUNT * 4);
  const out = heap.allocate(COUNT * 4);
  const x = new Float32Array(kernels.memory.buffer, logits, COUNT);
  const y = new Float32Array(kernels.memory.buffer, out, COUNT);

  /** The exponentials of what stands in x, relative to the reference that `max` leads to; and that reference. */
  const exponentials = (max: number): number => {
    kernels.row_exp_scaled(logits, 0, out, COUNT, max, 1, 0);
    return 2 * Math.round(Math.fround(max * Math.fround(Math.LOG2E / 2))) - HEADROOM[name];
  };

  /** The largest relative error over [low, high], of the exponentials that are normal numbers. */
  const largestError = (low: number, high: number): number => {
    for (let i = 0; i < COUNT; i++) x[i] = low + ((high - low) * i) / (COUNT - 1);
    const m = exponentials(high);
    let largest = 0;
    for (let i = 0; i < COUNT; i++) {
      const want = Math.exp(Number(x[i]) - m * LN2[name] + LOG_KAPPA[name]);
      if (want > 2 ** -126) largest = Math.max(largest, Math.abs(Number(y[i]) / want - 1));
    }
    return largest;
  };

  /** The exponential of 0, relative to itself. */
  const one = 2 ** HEADROOM[name] * (name === "wasm-simd" ? 1 : 120);

  const near = 2e-7;
  // Fused, ln 2 is one float32, and off by 1.9e-9: as much a power of two away from the reference.
  const far = name === "wasm-simd" ? near : near + 2.8e-9 * 88;

  it.each([
    [-0.35, 0.35, near],
    [-2, 2, near],
    [-20, 0, near],
    [-88, 0, far],
    [-30, 58, far],
    [430, 511, far],
    [-511, -430, far],
  ])("is within its bound on [%d, %d]", (low, high, bound) => {
    expect(largestError(low, high)).toBeLessThan(bound);
  });

  it("and the odds and losses of rows are within 5e-10", () => {
    const core = createCore({ backend: name });
    // The odds against a class beside a 0 are e^-x, but for how exact the exponential of 0 is and the undoing of its reference.
    const reference = Math.log(one) - HEADROOM[name] * LN2[name] - LOG_KAPPA[name];
    // And what the rounding of ln 2 adds for each nat between the two.
    const drift = Math.abs(LN2[name] / Math.LN2 - 1);
    let largest = 0;
    for (let own = -590; own < 590; own += 0.37) {
      const own32 = Math.fround(own);
      const loss = core.crossEntropy(Float32Array.of(own32, 0), [0]);
      const error = Math.abs(loss / Math.log1p(Math.exp(reference - own32)) - 1);
      largest = Math.max(largest, error / (5e-10 + drift * (1 + Math.abs(own32))));
    }
    expect(largest).toBeLessThan(1);
    core.dispose();
  });

  it("is exactly 0 from 2^-136 of the maximum down, and NaN for NaN of any payload and for +Infinity", () => {
    x.fill(-95);
    x.set([Number.NEGATIVE_INFINITY, -1e30, -1000, Number.NaN, Number.POSITIVE_INFINITY, 0]);
    new Uint32Array(x.buffer, x.byteOffset)[6] = 0xffffffff;
    new Uint32Array(x.buffer, x.byteOffset)[7] = 0x7fc00001;
    exponentials(0);
    expect([...y.subarray(0, 9)]).toEqual([0, 0, 0, NaN, NaN, one, NaN, NaN, 0]);
  });
});
