import type { Storage, TargetArray } from "./backend.js";
import { wrongValue } from "./validate.js";
import type { Kernels } from "./wasm.js";

/** The longest row that is computed in the scratch in one piece, in values: 1 MiB. */
export const LONGEST_ROW = 1 << 18;

/**
 * A longer row goes in segments of this many values: whole blocks of the kernels' sums, so that the bits are the same.
 */
export const SEGMENT = 1 << 16;

/** How many values of short rows a block takes: what was copied in is still in the cache when the kernel reads it. */
export const BLOCK_VALUES = 1 << 15;
/** The most rows of a block. */
export const BLOCK_ROWS = 1 << 13;

/**
 * The linear memory of one instance, and the only place that touches it. A fixed scratch serves all calls; what lies in
 * the memory already (a tensor, a view into one) is computed on where it is, anything else passes through the scratch.
 * Only `allocate` can grow the memory, which replaces its buffer: no view is kept but those that it derives anew.
 */
export class Arena {
  /** Scratch for a block of rows or one long row, twice. */
  readonly first: number;
  readonly second: number;
  /** Scratch for one float32 a row of a block. */
  readonly rowValues: number;

  readonly #kernels: Kernels;
  readonly #targets: number;
  readonly #scales: number;
  #floats: Float32Array;
  #integers: Int32Array;
  #doubles: Float64Array;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.first = kernels.allocate(LONGEST_ROW * 4);
    this.second = kernels.allocate(LONGEST_ROW * 4);
    this.rowValues = kernels.allocate(BLOCK_ROWS * 4);
    this.#targets = kernels.allocate(BLOCK_ROWS * 4);
    this.#scales = kernels.allocate(BLOCK_ROWS * 8);
    const { buffer } = kernels.memory;
    this.#floats = new Float32Array(buffer);
    this.#integers = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  /**
   * Whether an array lies in this memory, where nothing lies at 0. Asking for that first spares V8 from making a buffer
   * for a small array, which has none until it is asked for it.
   */
  holds(array: Float32Array): boolean {
    return array.byteOffset !== 0 && array.buffer === this.#floats.buffer;
  }

  /** Where to compute `array` from `start`: where it lies, or in the scratch. */
  place(array: Float32Array, start: number, scratch: number): number {
    return this.holds(array) ? array.byteOffset + start * 4 : scratch;
  }

  /** Where `length` values of `array` from `start` can be read: where they lie, or in the scratch, copied there. */
  bring(array: Float32Array, start: number, length: number, scratch: number): number {
    if (this.holds(array)) return array.byteOffset + start * 4;
    this.#floats.set(part(array, start, length), scratch >>> 2);
    return scratch;
  }

  /** Copies what was computed at `place` to where it belongs in `array`, if it is not there. */
  take(place: number, array: Float32Array, start: number, length: number): void {
    if (this.holds(array)) return;
    const from = place >>> 2;
    array.set(this.#floats.subarray(from, from + length), start);
  }

  /**
   * Copies `count` neighbours of each class, which lie `stride` apart from `start`, to the scratch, packed together.
   */
  pack(array: Float32Array, start: number, stride: number, classes: number, count: number, scratch: number): void {
    const to = scratch >>> 2;
    for (let c = 0; c < classes; c++) copy(array, start + c * stride, this.#floats, to + c * count, count);
  }

  /** The way back. */
  unpack(place: number, array: Float32Array, start: number, stride: number, classes: number, count: number): void {
    const from = place >>> 2;
    for (let c = 0; c < classes; c++) copy(this.#floats, from + c * count, array, start + c * stride, count);
  }

  /** Where the targets of a block stand as int32. */
  bringTargets(targets: TargetArray, start: number, length: number): number {
    this.#integers.set(part<TargetArray>(targets, start, length), this.#targets >>> 2);
    return this.#targets;
  }

  /** Where the scales of a block stand as float64, or the one of all rows. */
  bringScales(scale: number | ArrayLike<number>, start: number, length: number): number {
    const at = this.#scales >>> 3;
    if (typeof scale === "number") this.#doubles[at] = scale;
    else for (let i = 0; i < length; i++) this.#doubles[at + i] = Number(scale[start + i]);
    return this.#scales;
  }

  /** Sets the value at `place` and returns what stood there. */
  exchange(place: number, value: number): number {
    const at = place >>> 2;
    const old = Number(this.#floats[at]);
    this.#floats[at] = value;
    return old;
  }

  /** A pointer is an int32 to the kernels, and the upper half of the memory is negative then. */
  #claim(length: number): number {
    try {
      return this.#kernels.allocate(length * 4) >>> 0;
    } catch {
      // The allocator traps where the engine gives no more memory, and works on afterwards.
      throw wrongValue("shape", "values that fit into the memory that is left", length);
    }
  }

  allocate(length: number): Storage {
    const place = this.#claim(length);
    const { buffer } = this.#kernels.memory;
    if (buffer !== this.#floats.buffer) {
      this.#floats = new Float32Array(buffer);
      this.#integers = new Int32Array(buffer);
      this.#doubles = new Float64Array(buffer);
    }
    this.#floats.fill(0, place >>> 2, (place >>> 2) + length);
    let view: Float32Array = new Float32Array(buffer, place, length);
    return {
      view: () => {
        const current = this.#floats.buffer;
        if (view.buffer !== current) view = new Float32Array(current, place, length);
        return view;
      },
      release: () => this.#kernels.release(place),
    };
  }
}

/** The array itself where it is all of it: a view costs more than a small copy. */
function part<T extends { readonly length: number; subarray(from: number, to: number): T }>(
  array: T,
  start: number,
  length: number,
): T {
  return start === 0 && length === array.length ? array : array.subarray(start, start + length);
}

/** Below this many values a loop is faster than making the view that `set` needs. */
const FEW_VALUES = 32;

function copy(source: Float32Array, from: number, target: Float32Array, to: number, count: number): void {
  if (count < FEW_VALUES) for (let i = 0; i < count; i++) target[to + i] = Number(source[from + i]);
  else target.set(source.subarray(from, from + count), to);
}
