"""The histogram: how many objects there are of which size, as an SVG picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from html import escape

from spoolfarm.tasks.segment.sizes import OTHER, Sizes, class_of

#: Pixels of the picture, and of the margins around the axes.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 56, 24, 64, 52
#: The fewest and the most bars.
FEWEST, MOST = 5, 40
#: Lines across, and the most numbers below.
STEPS, NUMBERS = 5, 8
#: Colours of the classes of sizes, in turn; the first one is that of bars without classes.
COLOURS = ("#2860b0", "#3f8f5f", "#c9772b", "#8a4fa8", "#b23b4e", "#4a9aa8", "#8c7a34", "#5b6470")
#: The colour of objects in none of the classes.
GREY = "#a4a9b1"


def svg(values: Sequence[float], classes: Sizes, name: str, unit: str) -> str:
    """The picture of *values*, each the *name* of an object in *unit*, coloured by the class that it is in."""
    low, step, bars = _bars(values)
    counts: list[dict[str, int]] = [{} for _ in range(bars)]
    for value in values:
        kind = class_of(value, classes)
        bar = counts[min(bars - 1, max(0, int((value - low) / step)))]
        bar[kind] = bar.get(kind, 0) + 1
    top = STEPS * max(1, math.ceil(max(sum(each.values()) for each in counts) / STEPS))
    colours = {kind: COLOURS[number % len(COLOURS)] for number, kind in enumerate(classes)}
    colours[OTHER] = GREY if classes else COLOURS[0]
    title = f"{len(values)} object{'' if len(values) == 1 else 's'}"
    if values:
        mean, middle = statistics.fmean(values), statistics.median(values)
        title += f", mean {mean:.4g} {unit}, median {middle:.4g} {unit}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        f' font-size="12"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{escape(title)}</text>',
        *_legend(colours, values, classes),
        *_axes(low, step, bars, top, f"{name.replace('_', ' ')} ({unit})"),
    ]
    for number, bar in enumerate(counts):
        parts += _stack(number, bars, bar, top, colours)
    return "\n".join([*parts, "</svg>", ""])


def _bars(values: Sequence[float]) -> tuple[float, float, int]:
    """Where the first bar begins, how wide each is, and how many there are: at round numbers."""
    if not values:
        return 0.0, 1.0, FEWEST
    low, high = min(values), max(values)
    wanted = min(MOST, max(FEWEST, round(3 * len(values) ** (1 / 3))))
    step = _round_up(max((high - low) / wanted, high * 1e-6, 1e-12))
    begin = math.floor(low / step) * step
    return begin, step, max(1, math.floor((high - begin) / step) + 1)


def _round_up(value: float) -> float:
    """The next of 1, 2 and 5 with any number of zeros."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * (1 - 1e-9))


def _stack(number: int, bars: int, bar: Mapping[str, int], top: float, colours: Mapping[str, str]) -> list[str]:
    """One bar, its classes above each other."""
    wide = (WIDTH - LEFT - RIGHT) / bars
    found, below = [], 0
    for kind, colour in colours.items():
        if count := bar.get(kind):
            y0, y1 = _up(below / top), _up((below + count) / top)
            x = LEFT + number * wide + 0.5
            size = f'width="{wide - 1:.1f}" height="{y0 - y1:.1f}"'
            found.append(f'<rect x="{x:.1f}" y="{y1:.1f}" {size} fill="{colour}"/>')
            below += count
    return found


def _axes(low: float, step: float, bars: int, top: float, name: str) -> list[str]:
    """Lines across with counts on the left, and below the limits of some bars."""
    found = []
    for number in range(STEPS + 1):
        y = _up(number / STEPS)
        found += [
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e4e6ea"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#6a6f78">{number * top / STEPS:.4g}</text>',
        ]
    for number in range(0, bars + 1, math.ceil(bars / NUMBERS)):
        x = LEFT + number * (WIDTH - LEFT - RIGHT) / bars
        place = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#6a6f78"'
        found.append(f"<text {place}>{low + number * step:.4g}</text>")
    centre = (LEFT + WIDTH - RIGHT) // 2
    return [*found, f'<text x="{centre}" y="{HEIGHT - 10}" text-anchor="middle">{escape(name)}</text>']


def _legend(colours: Mapping[str, str], values: Sequence[float], classes: Sizes) -> list[str]:
    """The classes with their counts, in a line under the title."""
    if not classes:
        return []
    kinds = [class_of(value, classes) for value in values]
    found, x = [], LEFT
    for kind, colour in colours.items():
        count = kinds.count(kind)
        if kind == OTHER and not count:
            continue
        words = f"{kind}: {count}"
        found.append(f'<rect x="{x}" y="36" width="10" height="10" fill="{colour}"/>')
        found.append(f'<text x="{x + 14}" y="45">{escape(words)}</text>')
        x += 34 + 7 * len(words)
    return found


def _up(part: float) -> float:
    return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
