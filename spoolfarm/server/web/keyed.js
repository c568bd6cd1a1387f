// Lists that change: an element of a thing stays the same while the thing is there, so that focus and selection do.

/**
 * A function that shows things in `parent`, in their order. `nameOf` tells them apart; `begin` makes what shows one: its
 * `node`, and `update`, which is called with each new state.
 */
export function keyed(parent, nameOf, begin) {
  const shown = new Map();
  return things => {
    const names = new Set(things.map(nameOf));
    for (const [name, each] of shown) {
      if (names.has(name)) continue;
      each.node.remove();
      shown.delete(name);
    }
    let place = parent.firstElementChild;
    for (const thing of things) {
      const name = nameOf(thing);
      if (!shown.has(name)) shown.set(name, begin(thing));
      const each = shown.get(name);
      each.update(thing);
      if (each.node === place) place = place.nextElementSibling;
      else parent.insertBefore(each.node, place);
    }
  };
}
