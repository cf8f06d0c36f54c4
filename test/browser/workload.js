/**
 * A fixed workload over the functions, for engines to agree on. Its numbers are made by integer arithmetic alone: the
 * engines' own `Math.exp` and `Math.log` differ.
 */

/** Marsaglia's xorshift, and from it multiples of 1/256 from -8 to 8. */
function numbers(count, seed) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >> 20) / 256;
  });
}

const integers = (count, below, seed) =>
  Int32Array.from(numbers(count, seed), (value) => Math.abs(value * 256) % below);

/** What a row may begin with, that the rest of it has to bear. */
const EDGES = [
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
  [80, -80],
  [-3e38, 3e38],
];

/** Few classes and many, side by side or not. */
const LAYOUTS = [
  { shape: [37, 3] },
  { shape: [100, 10] },
  { shape: [9, 129] },
  { shape: [9, 8], edges: EDGES },
  { shape: [9, 130], edges: EDGES },
  { shape: [4, 1000] },
  { shape: [2, 19, 53], axis: 1 },
  { shape: [1, 200_000] },
];

/** A row that is too long to be brought to the memory in one piece: it goes in segments. */
const SEGMENTED = { shape: [1, 263_000] };

/** The row that is ignored, where there are as many. */
const IGNORED = 2;

function batch({ shape, axis = -1, edges = [] }) {
  const size = shape.reduce((product, each) => product * each, 1);
  const classes = shape.at(axis);
  const logits = numbers(size, size);
  edges.forEach((edge, row) => {
    logits.set(edge, row * classes);
  });
  const targets = integers(size / classes, classes, size + 1);
  targets[IGNORED] = -100;
  return { logits, targets, options: { shape, axis } };
}

/** The kinds of numbers that all engines have, from float32; halves by their upper bits, as bfloat16. */
const KINDS = {
  float32: (values) => values,
  float64: (values) => Float64Array.from(values),
  bfloat16: (values, shape) => ({
    data: Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16),
    shape,
    dtype: "bfloat16",
  }),
};

/** The functions of rows of classes, and their options. */
function rowResults(core, layout, kind) {
  const { logits, targets, options } = batch(layout);
  const classes = layout.shape.at(options.axis);
  const x = kind(logits, layout.shape);
  const gradOutput = kind(numbers(logits.length, 7), layout.shape);
  const soft = kind(numbers(logits.length, 11).map(Math.abs), layout.shape);
  const weight = numbers(classes, 5).map(Math.abs);
  const rows = { ...options, reduction: "none", gradOutput: numbers(targets.length, 3) };
  const logProbs = core.logSoftmax(x, options);
  const probs = core.softmax(x, options);
  return {
    logSumExp: core.logSumExp(x, options),
    logSoftmax: logProbs,
    softmax: probs,
    logSoftmaxGrad: core.logSoftmaxGrad(gradOutput, logProbs, options),
    softmaxGrad: core.softmaxGrad(gradOutput, probs, options),
    crossEntropy: core.crossEntropy(x, targets, { ...options, reduction: "sum" }),
    "crossEntropyWithGrad by mean": core.crossEntropyWithGrad(x, targets, options),
    "crossEntropyWithGrad by none": core.crossEntropyWithGrad(x, targets, rows),
    "weighted crossEntropyWithGrad": core.crossEntropyWithGrad(x, targets, { ...rows, weight }),
    "smoothed crossEntropyWithGrad": core.crossEntropyWithGrad(x, targets, {
      ...rows,
      labelSmoothing: 0.125,
      zLoss: 0.25,
    }),
    "crossEntropyWithGrad of everything": core.crossEntropyWithGrad(x, targets, {
      ...options,
      weight,
      labelSmoothing: 0.125,
      zLoss: 0.25,
      softcap: 4,
    }),
    "crossEntropyWithGrad of soft targets": core.crossEntropyWithGrad(x, soft, options),
    nllLossWithGrad: core.nllLossWithGrad(logProbs, targets, { ...rows, weight }),
  };
}

/** The losses of single elements. */
function elementResults(core, layout, kind) {
  const { logits } = batch(layout);
  const { shape } = layout;
  const x = kind(logits, shape);
  const p = kind(
    numbers(logits.length, 11).map((value) => Math.abs(value) / 8),
    shape,
  );
  const options = { shape, reduction: "none", gradOutput: kind(numbers(logits.length, 7), shape) };
  const weight = numbers(shape.at(-1), 5).map(Math.abs);
  return {
    binaryCrossEntropyWithGrad: core.binaryCrossEntropyWithGrad(p, p, { ...options, weight }),
    binaryCrossEntropyWithLogitsWithGrad: core.binaryCrossEntropyWithLogitsWithGrad(x, p, {
      ...options,
      posWeight: weight,
    }),
    "binaryCrossEntropyWithLogits by mean": core.binaryCrossEntropyWithLogits(x, p, { shape }),
    klDivergenceWithGrad: core.klDivergenceWithGrad(x, p, options),
    "klDivergence by batchmean": core.klDivergence(x, p, { shape, reduction: "batchmean", logTarget: true }),
  };
}

/** What goes in segments. */
function segmentedResults(core, kind) {
  const { logits, targets, options } = batch(SEGMENTED);
  const x = kind(logits, SEGMENTED.shape);
  return {
    logSoftmax: core.logSoftmax(x, options),
    crossEntropyWithGrad: core.crossEntropyWithGrad(x, targets, { ...options, labelSmoothing: 0.125 }),
  };
}

/** Every function's results, by name: numbers and arrays. */
function results(core) {
  const all = [];
  const collect = (results, layout, kindName) => {
    for (const [name, result] of Object.entries(results)) {
      const title = `${name} of ${kindName} [${layout.shape}]`;
      if (typeof result === "number" || ArrayBuffer.isView(result)) all.push([title, result]);
      else all.push([`${title}, loss`, result.loss], [`${title}, grad`, result.grad]);
    }
  };
  for (const [kindName, kind] of Object.entries(KINDS)) {
    for (const layout of LAYOUTS) {
      collect({ ...rowResults(core, layout, kind), ...elementResults(core, layout, kind) }, layout, kindName);
    }
    if (kindName !== "float64") collect(segmentedResults(core, kind), SEGMENTED, kindName);
  }
  return all;
}

/** The bits of a result in short, one NaN as good as another: a payload is the engine's own. */
async function digest(result) {
  const values = typeof result === "number" ? Float64Array.of(result) : result.slice();
  values.forEach((value, i) => {
    if (Number.isNaN(value)) values[i] = 0x5eed;
  });
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", values));
  return Array.from(hash.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What an engine makes of the workload on a backend: the losses and the digests of all results, by name. */
export async function report(createCore, backend) {
  const core = createCore({ backend });
  const all = results(core);
  core.dispose();
  return {
    backend: core.backend,
    losses: Object.fromEntries(
      all.filter(([, result]) => typeof result === "number").map(([name, loss]) => [name, String(loss)]),
    ),
    digests: Object.fromEntries(await Promise.all(all.map(async ([name, result]) => [name, await digest(result)]))),
  };
}
