/** ONNX models of a few nodes, written field by field as onnx.proto numbers them. */

const FLOAT = 1;
const INT64 = 7;
const FLOAT16 = 10;

export const types = { float32: FLOAT, int64: INT64, float16: FLOAT16 };

const OPSET = 16;
const IR_VERSION = 8;

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

/** A message of `[field, value]`: a number is a varint, text and bytes carry their length. */
function message(...fields) {
  return Uint8Array.from(
    fields.flatMap(([field, value]) => {
      if (typeof value === "number") return [...varint(field * 8), ...varint(value)];
      const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
      return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
    }),
  );
}

const named = (field, names) => names.map((name) => [field, name]);

/** An attribute that is a whole number or text. */
const attribute = ([name, value]) =>
  typeof value === "number" ? message([1, name], [3, value], [20, 2]) : message([1, name], [4, value], [20, 3]);

export const node = (operator, inputs, outputs, attributes = {}) =>
  message(
    ...named(1, inputs),
    ...named(2, outputs),
    [4, operator],
    ...Object.entries(attributes).map((each) => [5, attribute(each)]),
  );

/** An input or output; one of no fixed shape leaves it to the tensors. */
const value = ([name, type]) => message([1, name], [2, message([1, message([1, types[type]])])]);

const constant = ([name, { data, dims }]) =>
  message(
    ...dims.map((size) => [1, size]),
    [2, FLOAT],
    [8, name],
    [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  );

/** The bytes of a model. Inputs and outputs are types by name, constants are float32 `{ data, dims }` by name. */
export const model = ({ nodes, inputs, outputs, constants = {} }) =>
  message(
    [1, IR_VERSION],
    [8, message([1, ""], [2, OPSET])],
    [
      7,
      message(
        ...nodes.map((each) => [1, each]),
        [2, "graph"],
        ...Object.entries(constants).map((each) => [5, constant(each)]),
        ...Object.entries(inputs).map((each) => [11, value(each)]),
        ...Object.entries(outputs).map((each) => [12, value(each)]),
      ),
    ],
  );
