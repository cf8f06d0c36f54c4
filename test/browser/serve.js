/** A server of this repository's files on localhost, which hears what a page of it reports. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

const ROOT = new URL("../../", import.meta.url);
const TYPES = { html: "text/html", js: "text/javascript" };

/** `headers` go with every file. */
export async function serve(headers) {
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      server.emit("report", await json(request));
      response.end();
      return;
    }
    const [path] = request.url.split("?");
    const type = TYPES[path.split(".").at(-1)];
    const file = type && (await readFile(new URL(`.${path}`, ROOT)).catch(() => undefined));
    response.writeHead(file ? 200 : 404, file ? { "content-type": type, ...headers } : {});
    response.end(file);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
