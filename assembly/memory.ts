/** Where the static data ends: from there on the memory is its owner's, who hands it out and grows it. */
export function heap_base(): usize {
  return __heap_base;
}
