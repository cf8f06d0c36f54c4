declare module "cli-progress" {
  interface Options {
    readonly format: string;
    readonly stream: NodeJS.WriteStream;
    readonly barsize: number;
    readonly barCompleteChar: string;
    readonly barIncompleteChar: string;
    readonly hideCursor: boolean;
  }
  /** The part that the examples use. */
  class SingleBar {
    constructor(options: Options);
    start(total: number, value: number, payload: Record<string, string>): void;
    increment(by: number, payload: Record<string, string>): void;
    stop(): void;
  }
  const cliProgress: { readonly SingleBar: typeof SingleBar };
  export default cliProgress;
}
