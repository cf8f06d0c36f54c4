import { expect, test } from "vitest";
import { type Core, createCore, type Tensor } from "../src/index.js";
import { describeBackends } from "./backends.js";
import { type ArrayCall, arrayCalls, inPlaceCalls } from "./calls.js";
import { type Batch, batchOf, below, manyRows, mulberry32, type Shape, seams } from "./inputs.js";
import { ignoring } from "./losses.js";
import { at } from "./oracle.js";
import { expectSameBits, wordsOf } from "./tolerances.js";

const SHAPES: readonly Shape[] = [
  { rows: 7, classes: 1 },
  { rows: 7, classes: 2 },
  { rows: 5, classes: 3 },
  { rows: 4, classes: 4 },
  { rows: 3, classes: 7 },
  { rows: 5, classes: 16 },
  { rows: 37, classes: 5 },
  { rows: 19, classes: 67 },
  { rows: 3, classes: 131 },
  { rows: 2, classes: 1000 },
  { rows: 2, classes: 4099 },
];

/** Longer than any scratch, and of more rows than any block. */
const LARGE: readonly Shape[] = [
  { rows: 2, classes: 270001 },
  { rows: 20011, classes: 3 },
];

/** A word that no computation comes to. */
const CANARY = 0x5ca1ab1e;

/** A tensor of the core that holds these values. */
function tensorOf(core: Core, values: Float32Array, shape: readonly number[] = [values.length]): Tensor {
  const tensor = core.tensor(shape);
  tensor.data.set(values);
  return tensor;
}

/** The size of the memory that a tensor of the core lies in. */
function memorySize(tensor: Tensor): number {
  return tensor.data.buffer.byteLength;
}

const MARGIN = 16;

/** Words of a page of WASM memory. */
const PAGE = 2 ** 14;

/** A view of `length` values at `offset` in the midst of canaries. `host` makes room for them all. */
function guarded(host: (length: number) => Float32Array, offset: number, length: number) {
  const all = host(length + offset + MARGIN);
  wordsOf(all).fill(CANARY);
  const touched = (): number[] => {
    const words = wordsOf(all);
    const places: number[] = [];
    for (let i = 0; i < words.length; i++) {
      if (i === offset) i += length;
      if (words[i] !== CANARY) places.push(i - offset);
    }
    return places;
  };
  return { view: all.subarray(offset, offset + length), touched };
}

describeBackends("memory", (core, backend) => {
  /** Runs a body on values in a tensor, which is let go afterwards. */
  const inTensor = <T>(values: Float32Array, body: (tensor: Tensor) => T): T => {
    const tensor = tensorOf(core, values);
    try {
      return body(tensor);
    } finally {
      tensor.dispose();
    }
  };
  const plainHost = (length: number): Float32Array => new Float32Array(length);

  test.each(arrayCalls)("$name: a result is fresh and survives later calls", ({ input, run }: ArrayCall) => {
    const probe = core.tensor([1]);
    for (const shape of SHAPES) {
      const batch = batchOf("normal", shape);
      const first = run(core, input(batch), batch);
      const copy = first.slice();
      const later = batchOf("peaked", shape);
      const second = run(core, input(later), later);
      expectSameBits(batch.name, first, copy);
      expect(new Set([first.buffer, second.buffer, input(batch).buffer, probe.data.buffer]).size).toBe(4);
    }
    probe.dispose();
  });

  test.each(arrayCalls)("$name: writes to out, a plain array or a tensor, and returns it", (call: ArrayCall) => {
    for (const shape of [...SHAPES, ...LARGE]) {
      const batch = batchOf("normal", shape);
      const want = call.run(core, call.input(batch), batch);
      const out = new Float32Array(want.length);
      expect(call.run(core, call.input(batch), batch, out)).toBe(out);
      expectSameBits(`${call.name} ${batch.name}`, out, want);
      inTensor(new Float32Array(want.length), (tensor) => {
        const result = call.run(core, call.input(batch), batch, tensor);
        expect(result.buffer).toBe(tensor.data.buffer);
        expectSameBits(`${call.name} ${batch.name} in a tensor`, tensor.data, want);
        expectSameBits(`${call.name} ${batch.name} in a tensor, as returned`, result, want);
      });
    }
  });

  test.each(inPlaceCalls)("$name: computes in place, in a plain array or a tensor", (call: ArrayCall) => {
    for (const shape of [...SHAPES, ...LARGE]) {
      const batch = batchOf("normal", shape);
      const want = call.run(core, call.input(batch), batch);
      const own = call.input(batch).slice();
      expect(call.run(core, own, batch, own)).toBe(own);
      expectSameBits(`${call.name} ${batch.name}`, own, want);
      const window = new Float32Array(own.length + 3);
      window.set(call.input(batch), 3);
      call.run(core, window.subarray(3), batch, window.subarray(3));
      expectSameBits(`${call.name} ${batch.name} by another view`, window.subarray(3), want);
      inTensor(call.input(batch), ({ data }) => {
        call.run(core, data, batch, data);
        expectSameBits(`${call.name} ${batch.name} in a tensor`, data, want);
      });
    }
  });

  test("the loss beside a gradient is that of the logits, also where the gradient overwrites them", () => {
    for (const family of ["peaked", "huge"] as const) {
      for (const shape of [...SHAPES, ...LARGE]) {
        const { name, logits, targets } = batchOf(family, shape);
        const want = core.crossEntropyWithGrad(logits, targets, { reduction: "none" }).loss;
        const own = logits.slice();
        const { loss } = core.crossEntropyWithGrad(own, targets, { reduction: "none", out: own });
        expectSameBits(name, loss, want);
        inTensor(logits, ({ data }) => {
          const { loss } = core.crossEntropyWithGrad(data, targets, { reduction: "none", out: data });
          expectSameBits(`${name} in a tensor`, loss, want);
        });
      }
    }
  });

  test.each(arrayCalls)("$name: comes to the same bits from a plain array and from a tensor", (call: ArrayCall) => {
    for (const shape of [...SHAPES, ...LARGE]) {
      const batch = batchOf("peaked", shape);
      const want = call.run(core, call.input(batch), batch);
      inTensor(call.input(batch), (x) => {
        expectSameBits(`${call.name} ${batch.name}`, call.run(core, x.data, batch), want);
        inTensor(new Float32Array(want.length), (out) => {
          call.run(core, x.data, batch, out.data);
          expectSameBits(`${call.name} ${batch.name} into a tensor`, out.data, want);
        });
      });
    }
  });

  test("a reduced loss comes to the same bits from a plain array and from a tensor", () => {
    for (const shape of [...SHAPES, ...LARGE]) {
      const { logits, targets } = ignoring(batchOf("peaked", shape), -100);
      inTensor(logits, ({ data }) => {
        expect(core.crossEntropy(data, targets)).toBe(core.crossEntropy(logits, targets));
        expect(core.crossEntropyWithGrad(data, targets).loss).toBe(core.crossEntropyWithGrad(logits, targets).loss);
      });
    }
  });

  test.each(arrayCalls)("$name: writes nothing before and behind a view in a plain array", (call: ArrayCall) => {
    for (const shape of [...SHAPES, ...LARGE]) {
      const batch = batchOf("normal", shape);
      for (const offset of [1, 5]) {
        const { view, touched } = guarded(plainHost, offset, call.resultLength(batch));
        call.run(core, call.input(batch), batch, view);
        expect(touched(), `${call.name} ${batch.name} at ${offset}`).toEqual([]);
      }
    }
  });

  test.each(arrayCalls)(
    "$name: writes nothing before and behind a view in a tensor, at any offset",
    (call: ArrayCall) => {
      for (const shape of SHAPES) {
        const batch = batchOf("normal", shape);
        const want = call.run(core, call.input(batch), batch);
        for (const offset of [1, 2, 3, 4, 5, 7]) {
          const tensor = core.tensor([want.length + offset + MARGIN]);
          const { view, touched } = guarded(() => tensor.data, offset, want.length);
          call.run(core, call.input(batch), batch, view);
          expect(touched(), `${call.name} ${batch.name} at ${offset}`).toEqual([]);
          expectSameBits(`${call.name} ${batch.name} at ${offset}`, view, want);
          tensor.dispose();
        }
      }
    },
  );

  test.each(inPlaceCalls)("$name: reads and writes between canaries of one tensor, in place too", (call: ArrayCall) => {
    for (const shape of [...SHAPES, ...LARGE]) {
      const batch = batchOf("normal", shape);
      const want = call.run(core, call.input(batch), batch);
      const { length } = want;
      const tensor = core.tensor([2 * length + 2 * MARGIN + 1]);
      const x = guarded(() => tensor.data.subarray(0, length + MARGIN + 1), 1, length);
      const y = guarded(() => tensor.data.subarray(length + MARGIN + 1), 0, length);
      x.view.set(call.input(batch));
      call.run(core, x.view, batch, y.view);
      expectSameBits(`${call.name} ${batch.name}`, y.view, want);
      expectSameBits(`${call.name} ${batch.name}: input`, x.view, call.input(batch));
      call.run(core, x.view, batch, x.view);
      expectSameBits(`${call.name} ${batch.name} in place`, x.view, want);
      expect([x.touched(), y.touched()], `${call.name} ${batch.name}`).toEqual([[], []]);
      tensor.dispose();
    }
  });

  test.each(arrayCalls)("$name: leaves its inputs as they were, bit for bit", (call: ArrayCall) => {
    for (const shape of [...SHAPES, ...LARGE]) {
      const batch: Batch = ignoring(batchOf("masked", shape), -100);
      const input = call.input(batch).slice();
      // A payload of NaN that no computation makes, in the place that a kernel may set aside for a while.
      wordsOf(input)[at(batch.targets, 0)] = 0x7fc12345;
      const targets = batch.targets.slice();
      const copy = input.slice();
      wordsOf(copy).set(wordsOf(input));
      call.run(core, input, batch);
      expectSameBits(`${call.name} ${batch.name}`, input, copy);
      inTensor(copy, ({ data }) => {
        wordsOf(data).set(wordsOf(copy));
        call.run(core, data, batch);
        expectSameBits(`${call.name} ${batch.name} in a tensor`, data, copy);
      });
      expect(batch.targets).toEqual(targets);
    }
  });

  test("neither many small calls nor very large ones grow it", () => {
    const probe = core.tensor([1]);
    const before = memorySize(probe);
    const small = batchOf("normal", { rows: 3, classes: 5 });
    for (let i = 0; i < 10_000; i++) for (const { run, input } of arrayCalls) run(core, input(small), small);
    for (const shape of [
      { rows: 3, classes: 700001 },
      { rows: 100003, classes: 10 },
    ]) {
      const large = batchOf("normal", shape);
      for (const { run, input } of arrayCalls) run(core, input(large), large);
    }
    expect(memorySize(probe)).toBe(before);
    probe.dispose();
  });

  test("calls change no word that is not theirs: constants, and what the allocator notes between blocks", () => {
    const own = createCore({ backend });
    const probe = tensorOf(own, new Float32Array(64).fill(1));
    const before = new Uint32Array(probe.data.buffer.slice(0));
    for (const shape of [...SHAPES, ...LARGE, ...seams.slice(-8), ...manyRows]) {
      const batch = batchOf("normal", shape);
      for (const { run, input } of arrayCalls) run(own, input(batch), batch);
    }
    const after = new Uint32Array(probe.data.buffer);
    // Fresh memory is zero, so that what was not is in use. A heap that grew leaves its old end mark behind, two words
    // before the end of a page, in the midst of what may be scratch now.
    const isOldEnd = (i: number): boolean => i % PAGE >= PAGE - 2 && i < before.length - 2;
    const changed = Array.from(before.keys()).filter((i) => before[i] !== 0 && before[i] !== after[i] && !isOldEnd(i));
    expect(changed).toEqual([]);
    own.dispose();
  });

  test("tensors that are let go are used again", () => {
    const random = mulberry32(5);
    const probe = core.tensor([1]);
    for (let i = 0; i < 1000; i++) core.tensor([1000, 100]).dispose();
    const after = memorySize(probe);
    for (let i = 0; i < 10_000; i++) core.tensor([1000, 100]).dispose();
    expect(memorySize(probe)).toBe(after);

    const alive: Tensor[] = [];
    for (let i = 0; i < 10_000; i++) {
      if (alive.length === 16) alive.splice(below(random, 16), 1)[0]?.dispose();
      alive.push(core.tensor([1 + below(random, 20_000)]));
    }
    // 16 tensors of at most 80 kB: fragments may cost their size a few times over, 10,000 may not.
    expect(memorySize(probe)).toBeLessThan(after + 8 * 16 * 80_000);
    for (const tensor of [...alive, probe]) tensor.dispose();
  });

  test("tensors keep their contents, and their views their meaning, when it grows", () => {
    const own = createCore({ backend });
    const batch = batchOf("normal", { rows: 7, classes: 67 });
    const x = tensorOf(own, batch.logits, batch.shape);
    const want = own.logSoftmax(x);
    const tensors = Array.from({ length: 64 }, (_, i) => {
      const tensor = own.tensor([512, 512]);
      tensor.data.fill(i + 1);
      return tensor;
    });
    tensors.forEach((tensor, i) => {
      const { data } = tensor;
      expect([data.length, data.every((value) => value === i + 1)]).toEqual([2 ** 18, true]);
    });
    expectSameBits("the first tensor", x.data, batch.logits);
    expectSameBits("of a tensor", own.logSoftmax(x), want);
    expectSameBits("of a plain array", own.logSoftmax(batch.logits, { shape: batch.shape }), want);
    own.softmax(x, { out: x });
    expectSameBits("in place", x.data, core.softmax(batch.logits, { shape: batch.shape }));
    own.dispose();
  });

  test("computes in place where one outer position is more than the scratch holds", () => {
    const shape = [1, 300, 2048];
    const batch = batchOf("normal", { rows: 2048, classes: 300 });
    const targets = { data: batch.targets, shape: [1, 2048] };
    const x = tensorOf(core, batch.logits, shape);
    const bystander = core.tensor([1 << 20]);
    wordsOf(bystander.data).fill(CANARY);
    const { loss, grad } = core.crossEntropyWithGrad(x, targets, { axis: 1 });
    const probs = core.softmax(x, { axis: 1 });

    expect(core.crossEntropyWithGrad(x, targets, { axis: 1, out: x }).loss).toBe(loss);
    expectSameBits("grad", x.data, grad);
    x.data.set(batch.logits);
    core.softmax(x, { axis: 1, out: x });
    expectSameBits("probabilities", x.data, probs);
    expect(wordsOf(bystander.data).every((word) => word === CANARY)).toBe(true);
    for (const tensor of [x, bystander]) tensor.dispose();
  });

  test("results of either width come from one place in turn", () => {
    const { logits, shape } = batchOf("normal", { rows: 5, classes: 16 });
    const doubles = Float64Array.from(logits);
    const fresh = createCore({ backend });
    const want = fresh.softmax(logits, { shape });
    fresh.dispose();
    for (let i = 0; i < 2; i++) {
      expectSameBits("float32", core.softmax(logits, { shape }), want);
      core.softmax(doubles, { shape }).forEach((value, j) => {
        expect(value).toBeCloseTo(at(want, j), 6);
      });
    }
  });

  test("calls leave the tensors that they are not given alone", () => {
    const batches = SHAPES.map((shape) => batchOf("normal", shape));
    const bystanders = [1, 3, 64, 1000].map((length) => core.tensor([length]));
    for (const { data } of bystanders) wordsOf(data).fill(CANARY);
    for (const batch of batches) for (const { run, input } of arrayCalls) run(core, input(batch), batch);
    for (const tensor of bystanders) {
      expect(wordsOf(tensor.data).every((word) => word === CANARY)).toBe(true);
      tensor.dispose();
    }
  });

  test.each(arrayCalls)("$name: takes views that end where the memory does", ({ input, run }: ArrayCall) => {
    const batch = batchOf("normal", { rows: 3, classes: 600 });
    const values = input(batch);
    const want = run(core, values, batch);
    if (backend === "js") return; // its tensors have a memory each
    const { buffer } = core.tensor([1]).data;
    const last = new Float32Array(buffer, buffer.byteLength - values.byteLength, values.length);
    last.set(values);
    expectSameBits(batch.name, run(core, last, batch), want);
    const out = new Float32Array(buffer, buffer.byteLength - want.byteLength, want.length);
    expect(run(core, values, batch, out)).toBe(out);
    expectSameBits(`${batch.name} to the end`, out, want);
  });
});
