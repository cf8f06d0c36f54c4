/** float16 and bfloat16 as bits, rounded to the nearest, ties to even: written from their definitions. */

const words = new DataView(new ArrayBuffer(8));

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const part = value - below;
  return part > 0.5 || (part === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** ⌊log₂ size⌋ of a normal float64 */
function exponentOf(size: number): number {
  words.setFloat64(0, size);
  return (words.getUint16(0) >>> 4) - 1023;
}

/** One bit of sign, five of exponent, ten of fraction. */
export function toFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24);
  const exponent = exponentOf(size);
  // A fraction that rounds up to 2 carries into the exponent, where it belongs.
  return sign | (((exponent + 15) << 10) + roundToEven(size * 2 ** (10 - exponent)) - 1024);
}

export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >>> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The upper half of a float32. */
export function toBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  words.setFloat32(0, value);
  const bits = words.getUint32(0);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

export function fromBfloat16(bits: number): number {
  words.setUint32(0, bits << 16);
  return words.getFloat32(0);
}
