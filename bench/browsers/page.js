/** Answers in a tab: what is posted goes out, and its response comes in. */
import { answer, greeting } from "./calls.js";

let message = greeting;
for (;;) {
  const response = await fetch("/", { method: "POST", body: JSON.stringify(message) });
  message = answer(await response.json());
}
