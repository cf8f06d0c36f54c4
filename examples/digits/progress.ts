import cliProgress from "cli-progress";

/** Shows how far an epoch has come, and the mean loss of it so far. */
export interface Progress {
  advance(loss: number): void;
  finish(): void;
}

/** A bar that stays behind where standard output is a terminal, else one line at the end. */
export function startEpoch(epoch: number, epochs: number, steps: number): Progress {
  const title = `epoch ${epoch}/${epochs}`;
  return process.stdout.isTTY ? bar(title, steps) : line(title);
}

function bar(title: string, steps: number): Progress {
  const progress = new cliProgress.SingleBar({
    format: `${title}  {bar}  loss {loss}`,
    stream: process.stdout,
    barsize: 32,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
  });
  progress.start(steps, 0, { loss: "" });
  return {
    advance: (loss) => progress.increment(1, { loss: loss.toFixed(4) }),
    finish: () => progress.stop(),
  };
}

function line(title: string): Progress {
  let latest = Number.NaN;
  return {
    advance: (loss) => {
      latest = loss;
    },
    finish: () => console.log(`${title}  loss ${latest.toFixed(4)}`),
  };
}
