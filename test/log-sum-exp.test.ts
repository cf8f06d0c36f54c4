import { describeForward } from "./forward.js";
import { logSumExp } from "./oracle.js";
import { logSums } from "./tolerances.js";

describeForward({ name: "logSumExp", exact: logSumExp, tolerance: logSums, perRow: () => 1 });
