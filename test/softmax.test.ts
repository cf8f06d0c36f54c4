import { describeForward } from "./forward.js";
import { softmax } from "./oracle.js";
import { probabilities } from "./tolerances.js";

describeForward({ name: "softmax", exact: softmax, tolerance: probabilities, perRow: (classes) => classes });
