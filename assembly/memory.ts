/** Places in linear memory, 16-byte aligned. Only tensors and the scratch of a core live here; kernels never allocate. */
export function allocate(bytes: usize): usize {
  return heap.alloc(bytes);
}

export function release(place: usize): void {
  heap.free(place);
}
