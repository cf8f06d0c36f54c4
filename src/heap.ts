/** A stretch of memory, in bytes. */
interface Stretch {
  readonly place: number;
  readonly bytes: number;
}

const PAGE = 1 << 16;
/** What places are multiples of: a vector. */
const ALIGNMENT = 16;
/**
 * How much of the memory is left behind them all: the last values of an array are read as a whole vector, and loops touch
 * what lies up to two and a half kilobytes ahead of them.
 */
export const BEHIND = 4096;

/**
 * Places in a linear memory from `base` on: the first gap that is large enough, or new memory at its end. There are few of
 * them, a scratch and some tensors, so that the gaps are a list.
 */
export class Heap {
  readonly #memory: WebAssembly.Memory;
  readonly #taken = new Map<number, number>();
  /** In the order of their places, no two of them side by side. */
  #gaps: Stretch[] = [];
  /** Where the memory ends that was ever handed out. */
  #end: number;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.#memory = memory;
    this.#end = aligned(base);
  }

  /** A place for so many bytes. Throws a RangeError where the engine gives no more memory; nothing has changed then. */
  allocate(bytes: number): number {
    const size = aligned(Math.max(bytes, 1));
    const index = this.#gaps.findIndex((gap) => gap.bytes >= size);
    const gap = this.#gaps[index];
    const place = gap ? gap.place : this.#extend(size);
    if (gap) {
      const rest = { place: place + size, bytes: gap.bytes - size };
      this.#gaps.splice(index, 1, ...(rest.bytes > 0 ? [rest] : []));
    }
    this.#taken.set(place, size);
    return place;
  }

  release(place: number): void {
    const bytes = this.#taken.get(place) ?? 0;
    this.#taken.delete(place);
    const gaps: Stretch[] = [];
    for (const gap of [...this.#gaps, { place, bytes }].sort((a, b) => a.place - b.place)) {
      const last = gaps.at(-1);
      if (last && last.place + last.bytes === gap.place) {
        gaps[gaps.length - 1] = { place: last.place, bytes: last.bytes + gap.bytes };
      } else gaps.push(gap);
    }
    const last = gaps.at(-1);
    if (last && last.place + last.bytes === this.#end) {
      this.#end = last.place;
      gaps.pop();
    }
    this.#gaps = gaps;
  }

  #extend(bytes: number): number {
    const place = this.#end;
    const missing = Math.ceil((place + bytes + BEHIND - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#memory.grow(missing);
    this.#end = place + bytes;
    return place;
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
