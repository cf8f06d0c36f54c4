import { normal } from "./random.js";

/** Reads one element. Every index in this file is inside its array by construction. */
const at = (array: Float32Array, index: number): number => array[index] as number;

/**
 * A fully connected layer: `y = x W + b` for `x` of `[rows, inputs]` and `y` of `[rows, outputs]`.
 *
 * `W` lies as `[inputs, outputs]`, so that the inner loops run over neighbours, and an input of 0 is skipped with its
 * whole row of `W`: four of five pixels of a handwritten digit are blank, and half of what a ReLU lets through is.
 */
export class Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly #weight: Parameters;
  readonly #bias: Parameters;

  /** Weights as He et al. (2015) draw them for a ReLU: normal, with variance 2 / inputs. */
  constructor(inputs: number, outputs: number, random: () => number) {
    this.inputs = inputs;
    this.outputs = outputs;
    const deviation = Math.sqrt(2 / inputs);
    this.#weight = parameters(Float32Array.from({ length: inputs * outputs }, () => deviation * normal(random)));
    this.#bias = parameters(new Float32Array(outputs));
  }

  forward(x: Float32Array, y: Float32Array): void {
    const { inputs, outputs } = this;
    const weight = this.#weight.value;
    const rows = x.length / inputs;
    for (let row = 0; row < rows; row++) {
      const first = row * outputs;
      y.set(this.#bias.value, first);
      for (let i = 0; i < inputs; i++) {
        const input = at(x, row * inputs + i);
        if (input === 0) continue;
        const w = i * outputs;
        for (let j = 0; j < outputs; j++) y[first + j] = at(y, first + j) + input * at(weight, w + j);
      }
    }
  }

  /** Adds `xᵀ dy` to the gradient of `W` and the column sums of `dy` to that of `b`. */
  backward(x: Float32Array, dy: Float32Array): void {
    const { inputs, outputs } = this;
    const dWeight = this.#weight.gradient;
    const dBias = this.#bias.gradient;
    const rows = x.length / inputs;
    for (let row = 0; row < rows; row++) {
      const first = row * outputs;
      for (let j = 0; j < outputs; j++) dBias[j] = at(dBias, j) + at(dy, first + j);
      for (let i = 0; i < inputs; i++) {
        const input = at(x, row * inputs + i);
        if (input === 0) continue;
        const w = i * outputs;
        for (let j = 0; j < outputs; j++) dWeight[w + j] = at(dWeight, w + j) + input * at(dy, first + j);
      }
    }
  }

  /** Writes `dy Wᵀ`, the gradient of the input. */
  backwardInput(dy: Float32Array, dx: Float32Array): void {
    const { inputs, outputs } = this;
    const weight = this.#weight.value;
    const rows = dy.length / outputs;
    for (let row = 0; row < rows; row++) {
      const first = row * outputs;
      for (let i = 0; i < inputs; i++) {
        let sum = 0;
        for (let j = 0; j < outputs; j++) sum += at(dy, first + j) * at(weight, i * outputs + j);
        dx[row * inputs + i] = sum;
      }
    }
  }

  /** Moves every parameter against its gradient, and clears the gradients. */
  step(rate: number, momentum: number): void {
    for (const { value, gradient, velocity } of [this.#weight, this.#bias]) {
      for (let i = 0; i < value.length; i++) {
        const v = momentum * at(velocity, i) - rate * at(gradient, i);
        velocity[i] = v;
        value[i] = at(value, i) + v;
      }
      gradient.fill(0);
    }
  }
}

interface Parameters {
  readonly value: Float32Array;
  readonly gradient: Float32Array;
  readonly velocity: Float32Array;
}

function parameters(value: Float32Array): Parameters {
  return { value, gradient: new Float32Array(value.length), velocity: new Float32Array(value.length) };
}
