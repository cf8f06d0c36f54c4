/**
 * How fast the backends are beside plain loops, after a proof that they compute the same.
 *
 *   npm run bench -- [--quick] [--only REGEX] [--record]
 *
 * `--only` picks cases by a name such as `8192x10 crossEntropyWithGrad`; `--record` keeps the whole run in
 * `record.json` and renews the table in the README.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { contendersOf, LOSSES, openCores } from "./contenders.js";
import { makeInputs, SHAPES } from "./inputs.js";
import { measure } from "./measure.js";
import { openSection } from "./readme.js";
import { describeMachine, type Row, type Run, rowsOf } from "./record.js";
import { makeReference } from "./reference.js";
import { formatCase, formatMarkdown, formatSetup } from "./report.js";
import { measureSetup } from "./setup.js";
import { verify } from "./verify.js";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    record: { type: "boolean", default: false },
  },
});
if (options.record && options.only !== "") throw new Error("--record keeps whole runs: leave --only out");
const writeTable = options.record ? openSection("bench") : undefined;

const plan = options.quick ? { rounds: 5, turn: 40 } : { rounds: 15, turn: 100 };
const only = new RegExp(options.only);

const setup = await measureSetup();
console.log(`${formatSetup(setup)}\n`);

const { auto, cores, missing } = openCores();
for (const reason of missing) console.log(`Left out is ${reason}.\n`);

const rows: Row[] = [];
for (const [count, classes] of SHAPES) {
  const calls = LOSSES.filter((call) => only.test(`${count}x${classes} ${call}`));
  if (calls.length === 0) continue;

  const inputs = makeInputs(count, classes);
  for (const call of calls) {
    const reference = makeReference(call, inputs);
    const contenders = contendersOf(call, inputs, cores);
    for (const contender of contenders) await verify(call, inputs, contender, reference);

    const measured = rowsOf(call, inputs, await measure(contenders, plan));
    for (const contender of contenders) contender.dispose?.();
    rows.push(...measured);
    console.log(`${formatCase(measured)}\n`);
  }
}

if (writeTable) {
  const run: Run = { ...describeMachine(), auto, rounds: plan.rounds, setup, rows };
  writeFileSync(new URL("record.json", import.meta.url), `${JSON.stringify(run, null, 2)}\n`);
  writeTable(formatMarkdown(run));
}
