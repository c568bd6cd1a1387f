// The page's words, which the server has put into it in the reader's language.

const table = JSON.parse(document.getElementById("text").textContent);

/** The text called `name`, with `{each}` replaced by what is given for it. */
export function text(name, given = {}) {
  if (!(name in table)) throw new Error(`no text is called ${name}`);
  return table[name].replace(/\{(\w+)\}/g, (_, each) => given[each]);
}

/** The text called `name` if there is one, else `otherwise`. */
export const textOr = (name, otherwise) => table[name] ?? otherwise;

const language = document.documentElement.lang;
const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });

/** A number for people. */
export const number = value => numbers.format(value);
