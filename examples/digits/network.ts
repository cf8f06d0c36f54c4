import { CLASSES, PIXELS } from "./data.js";
import { Layer } from "./layer.js";

const HIDDEN = 64;

/** Two layers with a ReLU between them: logits = relu(images W₁ + b₁) W₂ + b₂. */
export class Network {
  readonly #first: Layer;
  readonly #second: Layer;
  #hidden = new Float32Array();

  constructor(random: () => number) {
    this.#first = new Layer(PIXELS, HIDDEN, random);
    this.#second = new Layer(HIDDEN, CLASSES, random);
  }

  /** Writes the logits, `[rows, CLASSES]`, of the images, `[rows, PIXELS]`. */
  forward(images: Float32Array, logits: Float32Array): void {
    const size = (images.length / PIXELS) * HIDDEN;
    if (this.#hidden.length !== size) this.#hidden = new Float32Array(size);
    this.#first.forward(images, this.#hidden);
    this.#hidden.forEach((h, i, hidden) => {
      if (h < 0) hidden[i] = 0;
    });
    this.#second.forward(this.#hidden, logits);
  }

  /** Takes the gradient of the loss with respect to the last forward pass's logits back to every parameter. */
  backward(images: Float32Array, dLogits: Float32Array): void {
    const hidden = this.#hidden;
    this.#second.backward(hidden, dLogits);
    const dHidden = new Float32Array(hidden.length);
    this.#second.backwardInput(dLogits, dHidden);
    hidden.forEach((h, i) => {
      if (h === 0) dHidden[i] = 0;
    });
    this.#first.backward(images, dHidden);
  }

  /** One step of stochastic gradient descent with momentum. */
  step(rate: number): void {
    this.#first.step(rate, 0.9);
    this.#second.step(rate, 0.9);
  }
}
