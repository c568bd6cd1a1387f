// Elements, made of tags, attributes and text: what a farm or a file says is never read as markup.

/**
 * An element. Attributes that begin with "on" are listeners; `true` sets an attribute without a value, and `false`,
 * `null` and `undefined` set none. Children are nodes or text.
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

/** An element of SVG. */
export function draw(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** The element with this id. */
export const byId = id => document.getElementById(id);

/** Call `then` once `input` has been quiet for so many milliseconds. */
export function debounced(then, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => then(...given), milliseconds);
  };
}
