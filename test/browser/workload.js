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

/** Few classes and many, side by side or not, and rows longer than the scratch. */
const LAYOUTS = [
  { shape: [37, 3] },
  { shape: [100, 10] },
  { shape: [9, 129] },
  { shape: [9, 8], edges: EDGES },
  { shape: [9, 130], edges: EDGES },
  { shape: [4, 1000] },
  { shape: [2, 19, 53], axis: 1 },
  { shape: [2, 300_000] },
];

function batch({ shape, axis = -1, edges = [] }) {
  const size = shape.reduce((product, each) => product * each, 1);
  const classes = shape.at(axis);
  const logits = numbers(size, size);
  edges.forEach((edge, row) => {
    logits.set(edge, row * classes);
  });
  const targets = integers(size / classes, classes, size + 1);
  targets[targets.length - 1] = -100;
  return { logits, targets, options: { shape, axis } };
}

/** Every function's results, by name: numbers and arrays. */
function results(core) {
  const entries = LAYOUTS.flatMap((layout) => {
    const { logits, targets, options } = batch(layout);
    const gradOutput = numbers(logits.length, 7);
    const logProbs = core.logSoftmax(logits, options);
    const probs = core.softmax(logits, options);
    const { loss, grad } = core.crossEntropyWithGrad(logits, targets, options);
    const rowGradOutput = numbers(targets.length, 3);
    const rows = { ...options, reduction: "none", gradOutput: rowGradOutput };
    const unreduced = core.crossEntropyWithGrad(logits, targets, rows);
    return Object.entries({
      logSumExp: core.logSumExp(logits, options),
      logSoftmax: logProbs,
      softmax: probs,
      logSoftmaxGrad: core.logSoftmaxGrad(gradOutput, logProbs, options),
      softmaxGrad: core.softmaxGrad(gradOutput, probs, options),
      crossEntropy: core.crossEntropy(logits, targets, { ...options, reduction: "sum" }),
      "crossEntropyWithGrad, loss": loss,
      "crossEntropyWithGrad, grad": grad,
      "crossEntropyWithGrad, losses": unreduced.loss,
      "crossEntropyWithGrad, grad of losses": unreduced.grad,
    }).map(([name, result]) => [`${name} of [${layout.shape}]`, result]);
  });
  return Object.fromEntries(entries);
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
  const all = Object.entries(results(core));
  core.dispose();
  return {
    backend: core.backend,
    losses: Object.fromEntries(
      all.filter(([, result]) => typeof result === "number").map(([name, loss]) => [name, String(loss)]),
    ),
    digests: Object.fromEntries(await Promise.all(all.map(async ([name, result]) => [name, await digest(result)]))),
  };
}
