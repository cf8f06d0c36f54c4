import { describeBackward } from "./backward.js";
import { logSoftmax, logSoftmaxGrad } from "./oracle.js";
import { logSoftmaxGradients } from "./tolerances.js";

describeBackward({
  name: "logSoftmaxGrad",
  forward: logSoftmax,
  exact: logSoftmaxGrad,
  tolerance: logSoftmaxGradients,
});
