/**
 * The checks that functions share, and the form of every error: `TypeError` for a wrong kind, `RangeError` for a wrong
 * value, naming the argument, what was expected and what came. They are thrown before anything is computed or written.
 */

export function wrongKind(name: string, expected: string, got: unknown): TypeError {
  return new TypeError(`${name}: expected ${expected}, got ${describe(got)}`);
}

export function wrongValue(name: string, expected: string, got: unknown): RangeError {
  return new RangeError(`${name}: expected ${expected}, got ${describe(got)}`);
}

/** A value as an error message shows it. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return describeArray(value);
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "object without a prototype";
  return `${/^[AEIO]/i.test(name) ? "an" : "a"} ${name}`;
}

const SHOWN = 8;

function describeArray(values: readonly unknown[]): string {
  const shown = values.slice(0, SHOWN).map(describe).join(", ");
  return values.length > SHOWN ? `[${shown}, … (${values.length} values)]` : `[${shown}]`;
}

/** Refuses options that the function does not know: a misspelt one must not pass in silence. */
export function checkOptions(options: object | undefined, known: ReadonlySet<string>): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) throw wrongKind("options", "an object", options);
  for (const name in options) {
    if (known.has(name)) continue;
    throw new TypeError(`options.${name}: expected one of ${[...known].join(", ")}`);
  }
}

export function checkChoice<T extends string>(name: string, value: T | undefined, choices: readonly [T, ...T[]]): T {
  if (value === undefined) return choices[0];
  if (choices.includes(value)) return value;
  const expected = choices.map((choice) => JSON.stringify(choice)).join(", ");
  throw (typeof value === "string" ? wrongValue : wrongKind)(name, `one of ${expected}`, value);
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== "boolean") throw wrongKind(name, "a boolean", value);
  return value ?? false;
}

export function checkWhole(name: string, value: unknown): number {
  if (typeof value !== "number") throw wrongKind(name, "a whole number", value);
  if (!Number.isSafeInteger(value)) throw wrongValue(name, "a whole number", value);
  return value;
}

/** A finite number of at least 0, and where `most` is given at most that. */
export function checkAtLeastZero(name: string, value: unknown, most = Number.MAX_VALUE): number {
  const expected = most === Number.MAX_VALUE ? "a finite number ≥ 0" : `a number in [0, ${most}]`;
  if (typeof value !== "number") throw wrongKind(name, expected, value);
  if (!(value >= 0 && value <= most)) throw wrongValue(name, expected, value);
  return value;
}

export function checkPositive(name: string, value: unknown): number {
  if (typeof value !== "number") throw wrongKind(name, "a positive number", value);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw wrongValue(name, "a positive number", value);
  return value;
}

/** Sizes of axes: whole numbers that are not negative. */
export function checkShape(name: string, value: unknown): readonly number[] {
  if (!Array.isArray(value)) throw wrongKind(name, "an array of sizes", value);
  for (const size of value) {
    if (typeof size !== "number") throw wrongKind(name, "an array of sizes", value);
    if (!Number.isSafeInteger(size) || size < 0) throw wrongValue(name, "sizes that are whole numbers ≥ 0", value);
  }
  return value;
}
