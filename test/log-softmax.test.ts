import { describeForward } from "./forward.js";
import { logSoftmax } from "./oracle.js";
import { logProbabilities } from "./tolerances.js";

describeForward({
  name: "logSoftmax",
  exact: logSoftmax,
  tolerance: logProbabilities,
  perRow: (classes) => classes,
});
