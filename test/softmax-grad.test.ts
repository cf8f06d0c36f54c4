import { describeBackward } from "./backward.js";
import { softmax, softmaxGrad } from "./oracle.js";
import { softmaxGradients } from "./tolerances.js";

describeBackward({ name: "softmaxGrad", forward: softmax, exact: softmaxGrad, tolerance: softmaxGradients });
