// The code of an error, which leads to what the manual says of it.

import { address } from "./ask.js";
import { make } from "./dom.js";

/** A link for `code`; null where there is none. */
export const explained = code =>
  code ? make("a", { href: address(`help?${new URLSearchParams({ q: code })}`) }, make("code", {}, code)) : null;
