"""The curve of a training as an SVG picture: the loss, and how precise the net was when it was evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

#: Pixels of the picture, and of the margins around the axes.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 56, 56, 36, 44
#: What is drawn of each point, its colour, and what it is called.
LINES = (("loss", "#8a8f98", "loss"), ("ap50", "#3f8f5f", "mask AP at IoU .50"), ("ap", "#2860b0", "mask AP"))

Point = Mapping[str, float]


def svg(points: Sequence[Point], title: str) -> str:
    """The picture; each of *points* has an iteration and some of the figures in LINES. Figures go from 0 to 1."""
    last = max((point["iteration"] for point in points), default=1.0) or 1.0
    losses = sorted(point["loss"] for point in points if "loss" in point)
    # The first losses are many times the others and would press the rest of the curve flat.
    top = losses[int(0.98 * (len(losses) - 1))] * 1.1 if losses else 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{_escaped(title)}</text>',
        *_axes(last, top),
    ]
    for number, (name, colour, label) in enumerate(LINES):
        scale = top if name == "loss" else 1.0
        places = [_place(each["iteration"] / last, each[name] / scale) for each in points if name in each]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{" ".join(places)}"/>')
        x, y = WIDTH - RIGHT - 150, HEIGHT - BOTTOM - 14 - 18 * number
        parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 28}" y="{y}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _axes(last: float, top: float) -> Iterable[str]:
    """Lines across, the loss on the left, the figures on the right, iterations below."""
    for step in range(6):
        part = step / 5
        x, y = _place(part, part).split(",")
        yield f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#e4e6ea"/>'
        yield f'<text x="{LEFT - 8}" y="{float(y) + 4:.0f}" text-anchor="end" fill="#6a6f78">{part * top:.2f}</text>'
        yield f'<text x="{WIDTH - RIGHT + 8}" y="{float(y) + 4:.0f}" fill="#2860b0">{part:.1f}</text>'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#6a6f78">{part * last:.0f}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) // 2}" y="{HEIGHT - 8}" text-anchor="middle">iterations</text>'


def _place(across: float, up: float) -> str:
    """Subjobs of the axes, 0 to 1, as pixels; what is higher than the axis is drawn at its end."""
    x = LEFT + across * (WIDTH - LEFT - RIGHT)
    y = HEIGHT - BOTTOM - min(1.0, max(0.0, up)) * (HEIGHT - TOP - BOTTOM)
    return f"{x:.1f},{y:.1f}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
