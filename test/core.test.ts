import { describe, expect, test, vi } from "vitest";
import * as surprisal from "../src/index.js";
import { availableBackends, type BackendName, describeBackends, missingBackends } from "./backends.js";
import { batchOf } from "./inputs.js";

/** (module (func (export "f") (param f32 f32) (result f32) …)) with this body. */
function moduleOf(...body: number[]): Uint8Array<ArrayBuffer> {
  const code = [0, ...body, 0x0b];
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 7, 1, 0x60, 2, 0x7d, 0x7d, 1, 0x7d],
    ...[3, 2, 1, 0],
    ...[7, 5, 1, 1, 0x66, 0, 0],
    ...[10, code.length + 2, 1, code.length, ...code],
  );
}

const splat = (local: number): number[] => [0x20, local, 0xfd, 0x13];
const FIRST_LANE = [0xfd, 0x1f, 0];
const RELAXED_MADD = [0xfd, 0x85, 2];

const SIMD = moduleOf(...splat(0), ...FIRST_LANE);
const RELAXED_SIMD = moduleOf(...splat(0), ...splat(0), ...splat(1), ...RELAXED_MADD, ...FIRST_LANE);

/** a² - fl(a²) with a = 1 + 2^-12: 2^-24 from a fused multiply-add, 0 from a multiplication and an addition. */
function fuses(): boolean {
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_SIMD)).exports;
  return typeof f === "function" && f(1 + 2 ** -12, -(1 + 2 ** -11)) !== 0;
}

/** What should run here, told without the library: a backend that is missing for no reason is a failure. */
function expectedBackends(): BackendName[] {
  const expected: BackendName[] = ["js"];
  if (WebAssembly.validate(SIMD)) expected.unshift("wasm-simd");
  if (WebAssembly.validate(RELAXED_SIMD) && fuses()) expected.unshift("wasm-relaxed-simd");
  return expected;
}

describe("backends", () => {
  test("are those that the engine can run", () => {
    expect(availableBackends).toEqual(expectedBackends());
  });

  test("name themselves where they cannot run", () => {
    for (const { name, reason } of missingBackends) expect(reason.message).toContain(name);
  });

  test("are chosen automatically, the fastest first", () => {
    const auto = surprisal.createCore();
    expect(auto.backend).toBe(availableBackends[0]);
    expect(surprisal.createCore({ backend: "auto" }).backend).toBe(auto.backend);
  });
});

describe("import", () => {
  test("compiles and instantiates nothing before the first call", async () => {
    vi.resetModules();
    const compile = vi.spyOn(WebAssembly, "Module");
    const instantiate = vi.spyOn(WebAssembly, "Instance");
    const fresh = await import("../src/index.js");
    expect(compile).not.toHaveBeenCalled();
    expect(instantiate).not.toHaveBeenCalled();
    expect(fresh.logSumExp(new Float32Array([3]))).toEqual(new Float32Array([3]));
    vi.restoreAllMocks();
  });
});

describe("the functions at the top", () => {
  const { logits, targets, shape } = batchOf("normal", { rows: 7, classes: 19 });
  const core = surprisal.createCore();
  const logProbs = core.logSoftmax(logits, { shape });
  const probs = core.softmax(logits, { shape });

  test("are those of a core of the default backend", () => {
    expect(surprisal.logSumExp(logits, { shape })).toEqual(core.logSumExp(logits, { shape }));
    expect(surprisal.logSoftmax(logits, { shape })).toEqual(logProbs);
    expect(surprisal.softmax(logits, { shape })).toEqual(probs);
    expect(surprisal.logSoftmaxGrad(logits, logProbs, { shape })).toEqual(
      core.logSoftmaxGrad(logits, logProbs, { shape }),
    );
    expect(surprisal.softmaxGrad(logits, probs, { shape })).toEqual(core.softmaxGrad(logits, probs, { shape }));
    expect(surprisal.crossEntropy(logits, targets)).toBe(core.crossEntropy(logits, targets));
    expect(surprisal.crossEntropyWithGrad(logits, targets)).toEqual(core.crossEntropyWithGrad(logits, targets));
  });

  test("share the memory of the tensors at the top", () => {
    const x = surprisal.tensor(shape);
    const out = surprisal.tensor(shape);
    x.data.set(logits);
    surprisal.logSoftmax(x, { out });
    expect(out.data).toEqual(logProbs);
    expect(out.shape).toEqual(shape);
    x.dispose();
    out.dispose();
  });
});

describeBackends("core", (core, backend) => {
  const { logits, targets, shape } = batchOf("normal", { rows: 7, classes: 19 });

  test("says which backend it is", () => {
    expect(core.backend).toBe(backend);
  });

  test("has functions that need no this", () => {
    const { logSoftmax } = core;
    expect(logSoftmax(logits)).toEqual(core.logSoftmax(logits));
  });

  test("takes a tensor of another core like any array, and writes to one", () => {
    const other = surprisal.createCore({ backend });
    const [x, out] = [other.tensor(shape), other.tensor(shape)];
    x.data.set(logits);
    core.softmax(x, { out });
    expect(out.data).toEqual(core.softmax(logits, { shape }));
    expect(core.crossEntropy(x, targets)).toBe(core.crossEntropy(logits, targets));
    other.dispose();
  });

  test("leaves other cores alone when it is disposed of", () => {
    const other = surprisal.createCore({ backend });
    const kept = core.tensor([3]);
    kept.data.set([1, 2, 3]);
    const want = core.crossEntropy(logits, targets);
    other.crossEntropy(logits, targets);
    other.dispose();
    expect(core.crossEntropy(logits, targets)).toBe(want);
    expect(kept.data).toEqual(new Float32Array([1, 2, 3]));
    kept.dispose();
  });

  test("gives a tensor that reads and writes as the shape says", () => {
    const tensor = core.tensor([2, 3, 4]);
    expect(tensor.shape).toEqual([2, 3, 4]);
    expect(tensor.data).toEqual(new Float32Array(24));
    tensor.data[23] = 5;
    expect(tensor.data[23]).toBe(5);
    tensor[Symbol.dispose]();
    expect(core.tensor([0, 3]).data.length).toBe(0);
    expect(core.tensor([]).data.length).toBe(1);
  });
});
