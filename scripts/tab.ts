/** A page of this repository in a tab, and a conversation with it: it posts, and what it gets in return is the next word. */

import { type Browser, open } from "./browsers.js";
import { serve } from "./serve.js";

export interface Tab {
  /** What the page posted first. */
  readonly greeting: string;
  /** Answers the page's last post, and resolves to the next one. */
  exchange(message: string): Promise<string>;
  close(): Promise<void>;
}

/** Opens a page whose files are served with these headers, and waits for its greeting. */
export async function openTab(
  command: string,
  browser: Browser,
  page: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Tab> {
  const site = await serve(headers);
  const greeted = site.nextPost();
  const closeBrowser = open(command, browser, `${site.origin}/${page}`);
  const close = async (): Promise<void> => {
    await closeBrowser();
    site.close();
  };
  try {
    let last = await greeted;
    return {
      greeting: last.message,
      async exchange(message) {
        const next = site.nextPost();
        last.answer(message);
        last = await next;
        return last.message;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
