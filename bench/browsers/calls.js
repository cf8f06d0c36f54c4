/**
 * Makes the calls that it is asked for on the tensors of its cores, in a tab or in Node: the requests are those of
 * ../peers/pytorch.py, with the backend in them.
 */
import { createCore } from "surprisal";

/** A batch of calls outlasts this many steps of the clock, which are how finely it is timed. */
const STEPS = 100;
/** And this many milliseconds. */
const LEAST = 1;
/** How many bytes become characters at once: they are arguments of a call. */
const CHUNK = 2 ** 15;

/** Each returns the loss, or where there is none a number of its result. */
const CALLS = {
  crossEntropy: ({ core, logits, targets }) => core.crossEntropy(logits, targets),
  crossEntropyWithGrad: ({ core, logits, targets, out }) => core.crossEntropyWithGrad(logits, targets, { out }).loss,
  logSoftmax: ({ core, logits, out }) => core.logSoftmax(logits, { out })[0],
  softmax: ({ core, logits, out }) => core.softmax(logits, { out })[0],
};

const auto = createCore();
const cores = auto.backend === "wasm-relaxed-simd" ? [auto, createCore({ backend: "wasm-simd" })] : [auto];
const clock = stepOfClock();
const batch = Math.max(LEAST, STEPS * clock);

/** What calls on a backend work on, and how many of each fill a batch. */
const places = new Map();

/** The backends, that of `auto` first, and the step of the clock in milliseconds. */
export const greeting = { backends: cores.map(({ backend }) => backend), clock };

export function answer(request) {
  try {
    if ("run" in request) return run(places.get(request.backend), request.run);
    if ("turn" in request) return turn(places.get(request.backend), request.turn, request.milliseconds);
    lay(request);
    return {};
  } catch (error) {
    return { error: String(error) };
  }
}

function lay({ rows, classes, logits, targets }) {
  const values = new Float32Array(decode(logits));
  for (const core of cores) {
    const last = places.get(core.backend);
    last?.logits.dispose();
    last?.out.dispose();
    const place = {
      core,
      logits: core.tensor([rows, classes]),
      out: core.tensor([rows, classes]),
      targets: new Int32Array(decode(targets)),
      calls: {},
    };
    place.logits.data.set(values);
    places.set(core.backend, place);
  }
}

function run(place, call) {
  const value = CALLS[call](place);
  return { value, output: call === "crossEntropy" ? null : encode(place.out.data) };
}

/** The median over batches, each as many calls as the turn before tells. */
function turn(place, call, milliseconds) {
  const make = CALLS[call];
  const calls = place.calls[call] ?? 1;
  const times = [];
  let results = 0;
  const begin = performance.now();
  let now = begin;
  while (now < begin + milliseconds) {
    const start = now;
    for (let i = 0; i < calls; i++) results += make(place);
    now = performance.now();
    times.push((now - start) / calls);
  }
  // Reading the results keeps the calls: verified ones are never NaN.
  if (Number.isNaN(results)) throw new Error("a result is NaN");
  // A mean, as a call may be too quick for a median of the clock's steps.
  const mean = (now - begin) / (times.length * calls);
  place.calls[call] = Math.max(1, Math.round(batch / mean));
  return { nanoseconds: median(times) * 1e6 };
}

function median(values) {
  values.sort((a, b) => a - b);
  const half = values.length / 2;
  return (values[Math.ceil(half) - 1] + values[Math.floor(half)]) / 2;
}

/** Browsers keep their clocks coarse. */
function stepOfClock() {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    least = Math.min(least, now - start);
  }
  return least;
}

function decode(base64) {
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes.buffer;
}

function encode({ buffer, byteOffset, byteLength }) {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  let characters = "";
  // A spread would go through an iterator, byte by byte.
  for (let i = 0; i < bytes.length; i += CHUNK)
    characters += String.fromCharCode.apply(null, bytes.subarray(i, i + CHUNK));
  return btoa(characters);
}
