import { type Arena, BLOCK_ROWS, BLOCK_VALUES, LONGEST_ROW, type MemoryArray } from "./arena.js";
import type { Layout } from "./backend.js";
import type { ResultArray } from "./floats.js";

/**
 * Rows that are computed on at once. Their classes lie `stride` apart: as in the array, or packed together, where only
 * some inner positions of an array are brought to the scratch.
 */
export interface Block {
  /** The first row, and how many there are. */
  readonly row: number;
  readonly rows: number;
  readonly classes: number;
  /** How many rows lie beside each other. */
  readonly inner: number;
  /** Where the first value stands in the array. */
  readonly start: number;
  /** The distance between classes in the array, and where the kernel works. */
  readonly arrayStride: number;
  readonly stride: number;
}

/** How large the kernels' tiles are, as assembly/tile.ts has it. */
const TILE_ROWS = 256;
const TILE_VALUES = 8192;
const LONG_VALUES = 32768;
const LONG_RESULTS = 4096;

/** From so many classes on rows that follow each other are long, for the kernels' tiles too: assembly/tile.ts. */
const LONG = 256;

/** The fewest inner positions that are worth bringing to the scratch class by class. */
const NARROWEST = 16;

/**
 * Cuts a layout into blocks: as many whole outer positions as fill one, or, where one of them is too much, some of its
 * inner positions. `isResident` says whether all arrays are computed on where they lie, so that nothing needs to be
 * brought.
 */
export function blocksOf(layout: Layout, isResident: () => boolean): readonly Block[] {
  const { outer, classes, inner } = layout;
  const rows = outer * inner;
  if (rows === 0) return [];
  // A list of one needs nothing of what is asked and divided below, which small calls would feel.
  if (rows > BLOCK_ROWS || rows * classes > BLOCK_VALUES) return cut(layout, isResident());
  return [{ row: 0, rows, classes, inner, start: 0, arrayStride: inner, stride: inner }];
}

function cut({ outer, classes, inner }: Layout, resident: boolean): readonly Block[] {
  const length = classes * inner;
  const blocks: Block[] = [];
  if (inner <= BLOCK_ROWS && (resident || length <= LONGEST_ROW)) {
    const most = Math.floor(Math.min(BLOCK_ROWS / inner, resident ? outer : BLOCK_VALUES / length));
    // Whole tiles of rows that follow each other: a sum over them does not depend on where blocks begin.
    const tile = inner === 1 ? rowsOfTile(classes) : 1;
    const count = Math.max(1, Math.min(outer, most - (most % tile)));
    for (let o = 0; o < outer; o += count) {
      const size = Math.min(count, outer - o) * inner;
      blocks.push({ row: o * inner, rows: size, classes, inner, start: o * length, arrayStride: inner, stride: inner });
    }
    return blocks;
  }
  const fitting = Math.floor(Math.min(LONGEST_ROW / classes, Math.max(NARROWEST, BLOCK_VALUES / classes)));
  const width = Math.min(BLOCK_ROWS, resident ? inner : fitting);
  for (let o = 0; o < outer; o++) {
    for (let position = 0; position < inner; position += width) {
      const size = Math.min(width, inner - position);
      blocks.push({
        row: o * inner + position,
        rows: size,
        classes,
        inner: size,
        start: o * length + position,
        arrayStride: inner,
        stride: resident ? inner : size,
      });
    }
  }
  return blocks;
}

/** How many rows that follow each other make a tile; of long ones the larger sort, which is several of the smaller. */
function rowsOfTile(classes: number): number {
  const rowsOf = (values: number): number => Math.max(1, Math.floor(Math.min(TILE_ROWS, values / classes)));
  if (classes < LONG) return rowsOf(TILE_VALUES);
  const few = rowsOf(LONG_RESULTS);
  return rowsOf(LONG_VALUES / few) * few;
}

/** Where the values of a block are computed on: where they lie, or in the scratch. */
export function placeBlock(arena: Arena, array: MemoryArray, block: Block, scratch: number): number {
  return isPacked(block) ? scratch : arena.place(array, block.start, scratch);
}

/**
 * Where the values of a block can be read: where they lie, unless the result is written there, or in the scratch, copied
 * there.
 */
export function bringBlock(arena: Arena, array: MemoryArray, block: Block, scratch: number, result?: number): number {
  const { start, rows, classes } = block;
  if (!isPacked(block)) return arena.bring(array, start, rows * classes, scratch, result);
  arena.pack(array, start, block.arrayStride, classes, rows, scratch);
  return scratch;
}

/** Takes what was computed at `place` to where it belongs in `array`, if it is not there. */
export function takeBlock(arena: Arena, place: number, array: ResultArray, block: Block): void {
  const { start, rows, classes } = block;
  if (isPacked(block)) arena.unpack(place, array, start, block.arrayStride, classes, rows);
  else arena.take(place, array, start, rows * classes);
}

function isPacked({ stride, arrayStride }: Block): boolean {
  return stride !== arrayStride;
}
