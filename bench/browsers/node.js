/** Answers in Node: a line comes in, and one goes out. */
import { createInterface } from "node:readline";
import { answer, greeting } from "./calls.js";

console.log(JSON.stringify(greeting));
for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(answer(JSON.parse(line))));
