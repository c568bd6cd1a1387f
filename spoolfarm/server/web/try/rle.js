// COCO's run lengths, compressed or not, as a mask inside its box; after the format of cocoapi's maskApi.c.

/** The lengths of runs of zeros and ones in turn, column by column, of compressed `counts`. */
export function runs(counts) {
  const found = [];
  for (let at = 0; at < counts.length;) {
    let [value, shift, more] = [0, 0, true];
    while (more) {
      const character = counts.charCodeAt(at++) - 48;
      value |= (character & 31) << shift;
      more = (character & 32) !== 0;
      shift += 5;
      if (!more && character & 16) value |= -1 << shift;
    }
    found.push(found.length > 2 ? value + found[found.length - 2] : value);
  }
  return found;
}

/** A mask as `{ left, top, width, height, bits }`, cropped to its ones; `bits` is row by row, 0 or 1. Null when empty. */
export function crop(counts, [height]) {
  const lengths = runs(counts);
  const pieces = [];
  let at = 0;
  lengths.forEach((length, number) => {
    if (number % 2) {
      for (let from = at; from < at + length;) {
        const column = Math.floor(from / height);
        const to = Math.min(at + length, (column + 1) * height);
        pieces.push([column, from - column * height, to - column * height]);
        from = to;
      }
    }
    at += length;
  });
  if (!pieces.length) return null;
  const [left, right] = [pieces[0][0], pieces[pieces.length - 1][0]];
  let [top, bottom] = [Infinity, 0];
  for (const [, from, to] of pieces) {
    top = Math.min(top, from);
    bottom = Math.max(bottom, to);
  }
  const width = right - left + 1;
  const bits = new Uint8Array(width * (bottom - top));
  for (const [column, from, to] of pieces) {
    for (let row = from - top; row < to - top; row++) bits[row * width + column - left] = 1;
  }
  return { left, top, width, height: bottom - top, bits };
}
