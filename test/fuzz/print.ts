/** A call as a program that anybody can run where the package is installed. */

import {
  type ArrayArgument,
  type Call,
  isArgument,
  isFloats,
  outLength,
  resultKind,
  shapeOf,
  stored,
  subjectOf,
} from "./call.js";
import { CANARY, MARGIN, strides } from "./run.js";

/** The fewest digits that give the value of this kind. */
function shortest({ kind }: ArrayArgument, value: number): string {
  if (kind !== "float32") return Object.is(value, -0) ? "-0" : String(value);
  const digits = Array.from({ length: 9 }, (_, i) => Number(value.toPrecision(i + 1)));
  const found = digits.find((digit) => Math.fround(digit) === value) ?? value;
  return Object.is(found, -0) ? "-0" : String(found);
}

function literal(array: ArrayArgument, values: readonly number[]): string {
  const data = stored(array.kind, values);
  const text =
    data instanceof BigInt64Array || data instanceof BigUint64Array
      ? Array.from(data, (value) => `${value}n`)
      : array.kind.endsWith("float16")
        ? Array.from(data, String)
        : values.map((value) => shortest(array, value));
  return `[${text.join(", ")}]`;
}

function typed(array: ArrayArgument, values: readonly number[]): string {
  return `new ${stored(array.kind, []).constructor.name}(${literal(array, values)})`;
}

/** The statements that make an array, under its name. */
function declared(name: string, array: ArrayArgument, { layout }: Call): string {
  const { kind, form, values } = array;
  const shape = shapeOf(array.span, layout);
  const canaries = Array.from({ length: MARGIN }, () => CANARY);
  const longer = typed(array, [...canaries, ...values, ...canaries]);
  const dtype = isFloats(array) && kind.endsWith("float16");
  const row = (sizes: readonly number[]): string => `[${sizes.join(", ")}]`;
  if (form === "numbers" || kind === "number[]") return `const ${name} = ${literal(array, values)};`;
  switch (form) {
    case "core":
      return `const ${name} = core.tensor(${row(shape)});\n${name}.data.set(${literal(array, values)});`;
    case "window": {
      const rest = `stride: ${row(strides(shape))}, offset: ${MARGIN}${dtype ? `, dtype: "${kind}"` : ""}`;
      return `const ${name} = { data: ${longer}, shape: ${row(shape)}, ${rest} };`;
    }
    case "dims":
      return `const ${name} = { data: ${typed(array, values)}, dims: ${row(shape)}${dtype ? `, type: "${kind}"` : ""} };`;
    case "view":
      if (!dtype) return `const ${name} = ${longer}.subarray(${MARGIN}, ${MARGIN + values.length});`;
      break;
    case "bare":
      if (!dtype) return `const ${name} = ${typed(array, values)};`;
      break;
  }
  return `const ${name} = { data: ${typed(array, values)}, shape: ${row(shape)}${dtype ? `, dtype: "${kind}"` : ""} };`;
}

function optionsOf(call: Call): string {
  const { layout, arrays, options, withShape } = call;
  const length = outLength(call);
  const Kind = resultKind(call) === "float64" ? "Float64Array" : "Float32Array";
  const out =
    call.out === "in place"
      ? [`out: ${subjectOf(call)[0]}`]
      : call.out === "given" && length !== undefined
        ? [`out: new ${Kind}(${length})`]
        : [];
  return [
    ...Object.entries(options).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    ...Object.keys(arrays).filter((name) => !isArgument(call, name)),
    ...(layout.axis === undefined ? [] : [`axis: ${layout.axis}`]),
    ...(withShape ? [`shape: [${layout.shape.join(", ")}]`] : []),
    ...out,
  ].join(", ");
}

export interface CoreOptions {
  readonly backend: string;
  readonly crossCheck: boolean;
}

export function program(call: Call, { backend, crossCheck }: CoreOptions): string {
  const { name, arrays } = call;
  const positional = Object.keys(arrays).filter((array) => isArgument(call, array));
  return [
    'import { createCore } from "surprisal";',
    "",
    `const core = createCore({ backend: "${backend}"${crossCheck ? ", crossCheck: true" : ""} });`,
    ...Object.entries(arrays).map(([array, argument]) => declared(array, argument, call)),
    `console.log(core.${name}(${positional.join(", ")}, { ${optionsOf(call)} }));`,
  ].join("\n");
}
