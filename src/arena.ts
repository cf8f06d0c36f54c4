import type { ClassIndices, Storage } from "./backend.js";
import type { FloatKind, Floats, ResultArray } from "./floats.js";
import { BEHIND, Heap } from "./heap.js";
import type { Kernels } from "./kernels.js";
import { wrongValue } from "./validate.js";

/** What passes through the memory as it is: numbers, or the bits of halves. */
export type MemoryArray = Floats["data"];

/** The longest row that is computed in the scratch in one piece, in values of any kind. */
export const LONGEST_ROW = 1 << 18;
/** The bytes of a scratch. */
const SCRATCH = LONGEST_ROW * 8;

/** How many values of short rows a block takes: what was copied in is still in the cache when the kernel reads it. */
export const BLOCK_VALUES = 1 << 15;
/** The most rows of a block. */
export const BLOCK_ROWS = 1 << 13;

/** The kinds' numbers, as assembly/kinds.ts has them. */
export const KINDS: Readonly<Record<FloatKind, number>> = { float32: 0, float64: 1, float16: 2, bfloat16: 3 };

/** The bytes of an entry of the table of operands: four int32. */
const OPERAND = 16;
const OPERANDS = 7;

/**
 * The linear memory of one instance, and the only place that touches it. A fixed scratch serves all calls; what lies in
 * the memory already (a tensor, a view into one) is computed on where it is, anything else passes through the scratch.
 * Only `allocate` can grow the memory, which replaces its buffer: no view is kept but those that it derives anew.
 */
export class Arena {
  /** Scratch for a block of rows or one long row, three times. */
  readonly first: number;
  readonly second: number;
  readonly third: number;
  /** Where the targets of a block are brought. */
  readonly targets: number;
  /** Scratch for one result a row of a block, of either width. */
  readonly rowValues: number;
  /** Where the operands of an elementwise loss are described. */
  readonly operands: number;

  readonly #memory: WebAssembly.Memory;
  readonly #heap: Heap;
  readonly #scales: number;
  readonly #weights: number;
  /** Where the scratch ends. */
  readonly #end: number;
  /** That of the memory: to ask an array for its own is a call into the engine. */
  #buffer!: ArrayBuffer;
  /** Where in it arrays have to end. */
  #limit!: number;
  #floats!: Float32Array;
  #integers!: Int32Array;
  #doubles!: Float64Array;
  #halves!: Uint16Array;
  /** The part of the scratch that was last copied out. */
  #results!: ResultArray;

  constructor(kernels: Kernels) {
    this.#memory = kernels.memory;
    this.#heap = new Heap(kernels.memory, kernels.heap_base());
    this.first = this.#heap.allocate(SCRATCH);
    this.second = this.#heap.allocate(SCRATCH);
    this.third = this.#heap.allocate(SCRATCH);
    this.rowValues = this.#heap.allocate(BLOCK_ROWS * 8);
    this.operands = this.#heap.allocate(OPERANDS * OPERAND);
    this.targets = this.#heap.allocate(BLOCK_ROWS * 4);
    this.#scales = this.#heap.allocate(BLOCK_ROWS * 8);
    this.#weights = this.#heap.allocate(SCRATCH);
    this.#end = this.#weights + SCRATCH;
    this.#view();
  }

  #view(): void {
    const { buffer } = this.#memory;
    this.#buffer = buffer;
    this.#limit = buffer.byteLength - BEHIND;
    this.#floats = new Float32Array(buffer);
    this.#integers = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#halves = new Uint16Array(buffer);
    this.#results = this.#floats;
  }

  /** The whole memory as numbers of the array's kind. */
  #like(array: MemoryArray): MemoryArray {
    if (array.BYTES_PER_ELEMENT === 4) return this.#floats;
    return array.BYTES_PER_ELEMENT === 8 ? this.#doubles : this.#halves;
  }

  /**
   * Whether an array lies in this memory, where nothing lies at 0, and so that what is behind it may be read. Asking for
   * the place first spares V8 from making a buffer for a small array, which has none until it is asked for it.
   */
  holds(array: MemoryArray): boolean {
    const { byteOffset } = array;
    return byteOffset !== 0 && array.buffer === this.#buffer && byteOffset + array.byteLength <= this.#limit;
  }

  /** Whether an array lies in this memory, and so does the result, if there is one, but not where the array is. */
  holdsApart(array: MemoryArray, result: MemoryArray | undefined): boolean {
    if (!this.holds(array)) return false;
    return result === undefined || (this.holds(result) && array.byteOffset !== result.byteOffset);
  }

  /** Where to compute `array` from `start`: where it lies, or in the scratch. */
  place(array: MemoryArray, start: number, scratch: number): number {
    return this.holds(array) ? array.byteOffset + start * array.BYTES_PER_ELEMENT : scratch;
  }

  /**
   * Where `length` values of `array` from `start` can be read: where they lie, unless the result is written there, or in
   * the scratch, copied there.
   */
  bring(array: MemoryArray, start: number, length: number, scratch: number, result?: number): number {
    if (this.holds(array)) {
      const place = array.byteOffset + start * array.BYTES_PER_ELEMENT;
      if (place !== result) return place;
    }
    copy(array, start, this.#like(array), scratch / array.BYTES_PER_ELEMENT, length);
    return scratch;
  }

  /**
   * The same of all values of a float32 array. A few are copied sooner by a loop, and by one that meets no other kind: a tenth
   * of a small call.
   */
  bringFloats(array: Float32Array, scratch: number, result?: number): number {
    const { length } = array;
    if (length >= FEW_VALUES) return this.bring(array, 0, length, scratch, result);
    if (this.holds(array) && array.byteOffset !== result) return array.byteOffset;
    const at = scratch >>> 2;
    for (let i = 0; i < length; i++) this.#floats[at + i] = array[i] as number;
    return scratch;
  }

  /** Copies what was computed at `place` to where it belongs in `array`. Behind the scratch, it is there. */
  take(place: number, array: ResultArray, start: number, length: number): void {
    if (place < this.#end) array.set(this.#resultsAt(place, length, array.BYTES_PER_ELEMENT), start);
  }

  /** Copies what was computed at `place` to a float32 array that it fills. Behind the scratch, it is there. */
  takeFloats(place: number, array: Float32Array): void {
    const { length } = array;
    if (length >= FEW_VALUES) this.take(place, array, 0, length);
    else if (place < this.#end) for (let i = 0; i < length; i++) array[i] = this.#floats[(place >>> 2) + i] as number;
  }

  /** A view of results: the last one, if it is that again, for a view costs more than a copy of a hundred values. */
  #resultsAt(place: number, length: number, bytes: number): ResultArray {
    const last = this.#results;
    if (last.byteOffset === place && last.length === length && last.BYTES_PER_ELEMENT === bytes) return last;
    const Results = bytes === 8 ? Float64Array : Float32Array;
    this.#results = new Results(this.#buffer, place, length);
    return this.#results;
  }

  /**
   * Copies `count` neighbours of each class, which lie `stride` apart from `start`, to the scratch, packed together.
   */
  pack(array: MemoryArray, start: number, stride: number, classes: number, count: number, scratch: number): void {
    const memory = this.#like(array);
    const to = scratch / array.BYTES_PER_ELEMENT;
    for (let c = 0; c < classes; c++) copy(array, start + c * stride, memory, to + c * count, count);
  }

  /** The way back. */
  unpack(place: number, array: MemoryArray, start: number, stride: number, classes: number, count: number): void {
    const memory = this.#like(array);
    const from = place / array.BYTES_PER_ELEMENT;
    for (let c = 0; c < classes; c++) copy(memory, from + c * count, array, start + c * stride, count);
  }

  /** Where the targets of a block stand as int32. */
  bringTargets({ data, step }: Pick<ClassIndices, "data" | "step">, start: number, length: number): number {
    if (step === 1 && data instanceof Int32Array) return this.bringIntegers(part(data, start, length));
    const at = this.targets >>> 2;
    for (let i = 0; i < length; i++) this.#integers[at + i] = data[(start + i) * step] as number;
    return this.targets;
  }

  /** Where all targets of an Int32Array stand. */
  bringIntegers(targets: Int32Array): number {
    const { length } = targets;
    const at = this.targets >>> 2;
    if (length >= FEW_VALUES) this.#integers.set(targets, at);
    else for (let i = 0; i < length; i++) this.#integers[at + i] = targets[i] as number;
    return this.targets;
  }

  /** Where the scales of a block stand as float64, or the one of all rows. */
  bringScales(scale: number | ArrayLike<number>, start: number, length: number): number {
    const at = this.#scales >>> 3;
    if (typeof scale === "number") this.#doubles[at] = scale;
    else for (let i = 0; i < length; i++) this.#doubles[at + i] = Number(scale[start + i]);
    return this.#scales;
  }

  /** Where the classes' weights stand as float64; 0 where there are none. */
  bringWeights(weight: Float64Array | undefined): number {
    if (weight === undefined) return 0;
    this.#doubles.set(weight, this.#weights >>> 3);
    return this.#weights;
  }

  /** Describes an operand: `count` values of a kind at `place`, of which the one for the first element is `first`. */
  setOperand(slot: number, place: number, kind: FloatKind, count: number, first: number): void {
    this.#integers.set([place, KINDS[kind], count, first], (this.operands + slot * OPERAND) >>> 2);
  }

  #claim(length: number): number {
    try {
      return this.#heap.allocate(length * 4);
    } catch {
      throw wrongValue("shape", "values that fit into the memory that is left", length);
    }
  }

  allocate(length: number): Storage {
    const place = this.#claim(length);
    if (this.#memory.buffer !== this.#buffer) this.#view();
    this.#floats.fill(0, place >>> 2, (place >>> 2) + length);
    let buffer = this.#buffer;
    let view: Float32Array = new Float32Array(buffer, place, length);
    return {
      view: () => {
        if (buffer !== this.#buffer) {
          buffer = this.#buffer;
          view = new Float32Array(buffer, place, length);
        }
        return view;
      },
      release: () => this.#heap.release(place),
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

/** Below this many values a loop is faster than making the view of a part that `set` needs. */
const FEW_VALUES = 32;

function copy(source: MemoryArray, from: number, target: MemoryArray, to: number, count: number): void {
  const isPart = count < source.length;
  if (isPart && count < FEW_VALUES) for (let i = 0; i < count; i++) target[to + i] = Number(source[from + i]);
  else target.set(part(source, from, count), to);
}
