// What the plots of all pages have in common: colours of the theme, axes in the page's type, and the page's width.

/** The colours of lines, by their names in `plot.css`. */
export const COLOURS = 6;

/** The colour called `--c1` and so on of the line with this number. */
export const colourOf = at => `--c${1 + at % COLOURS}`;

/** What uPlot needs for a plot in `place`: `paint`, which gives the value of a colour, and an `axis` to begin with. */
export function style(place) {
  const paint = name => {
    place.style.color = `var(${name})`;
    return getComputedStyle(place).color;
  };
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return { paint, axis: { stroke: paint("--soft"), font, grid: { stroke: paint("--line"), width: 1 }, ticks: { show: false } } };
}

/** Call `draw` whenever the colours are others. */
export function onTheme(draw) {
  document.documentElement.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** Keep the plot that `plotOf` gives as wide as `place`. */
export function fit(place, plotOf) {
  new ResizeObserver(() => {
    const plot = plotOf();
    if (plot && place.clientWidth) plot.setSize({ width: place.clientWidth, height: plot.height });
  }).observe(place);
}
