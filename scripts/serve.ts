/** A server of this repository's files on localhost, which hears what a page of it posts. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

const ROOT = new URL("../", import.meta.url);
const TYPES: Readonly<Record<string, string>> = { html: "text/html", js: "text/javascript" };
/** How many seconds a page may say nothing. */
const PATIENCE = 60;

/** What a page posted, which waits for an answer. */
export interface Post {
  readonly message: string;
  answer(text: string): void;
}

export interface Site {
  readonly origin: string;
  nextPost(): Promise<Post>;
  close(): void;
}

/** `headers` go with every file. */
export async function serve(headers: Readonly<Record<string, string>>): Promise<Site> {
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      const post: Post = { message: await text(request), answer: (message) => response.end(message) };
      server.emit("post", post);
      return;
    }
    const [path = ""] = request.url?.split("?") ?? [];
    const type = TYPES[path.split(".").at(-1) ?? ""];
    const file = type && (await readFile(new URL(`.${path}`, ROOT)).catch(() => undefined));
    response.writeHead(file ? 200 : 404, file ? { "content-type": type, ...headers } : {});
    response.end(file);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    async nextPost() {
      const signal = AbortSignal.timeout(PATIENCE * 1000);
      const [post] = await once(server, "post", { signal }).catch((cause) => {
        throw new Error(`the page said nothing for ${PATIENCE} s`, { cause });
      });
      return post;
    },
    close: () => server.close(),
  };
}
