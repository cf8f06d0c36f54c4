declare module "mnist" {
  /** All samples of one digit, `length` images of 28 × 28 pixels in [0, 1], one after the other in `raw`. */
  interface Digit {
    readonly id: number;
    readonly length: number;
    readonly raw: readonly number[];
  }
  const digits: readonly Digit[];
  export default digits;
}
