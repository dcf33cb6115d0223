"""Curves as an SVG picture, both axes logarithmic: a straight line is a power of what is below.

Knows nothing of what it shows. One and the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

Point = tuple[float, float]

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 120, 40, 50
COLOURS = ("#b3541e", "#1f6f8b", "#4d7c0f", "#7e3f8f")
HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">'
)


@dataclass(frozen=True)
class Axis:
    """Places values from `least` to `most`, both above zero, between two ends in pixels.

    `ticks` are the values that are written beside it, by `label`.
    """

    title: str
    least: float
    most: float
    begin: float
    end: float
    ticks: Sequence[float]
    label: Callable[[float], str]

    def place(self, value: float) -> float:
        share = (log10(value) - log10(self.least)) / (log10(self.most) - log10(self.least))
        return self.begin + share * (self.end - self.begin)


def picture(title: str, curves: Mapping[str, Sequence[Point]], x: Axis, y: Axis) -> str:
    """The whole SVG; each curve has its name at its end."""
    parts = [
        HEAD,
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 22, title, size=14),
        *_grid(x, y),
        *(
            part
            for (name, points), colour in zip(curves.items(), COLOURS, strict=False)
            for part in _curve(name, points, colour, x, y)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def horizontal(title: str, ticks: Sequence[float], label: Callable[[float], str]) -> Axis:
    """From the first tick to the last one."""
    return Axis(title, ticks[0], ticks[-1], LEFT, WIDTH - RIGHT, ticks, label)


def vertical(title: str, values: Sequence[float], label: Callable[[float], str]) -> Axis:
    """Around the values, with a tick at each power of ten."""
    low = floor(log10(min(values)))
    high = max(ceil(log10(max(values))), low + 1)
    ticks = [10.0**power for power in range(low, high + 1)]
    return Axis(title, ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP, ticks, label)


def _grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for tick in x.ticks:
        place = x.place(tick)
        parts.append(_line(place, TOP, place, HEIGHT - BOTTOM))
        parts.append(_text(place, HEIGHT - BOTTOM + 18, x.label(tick), anchor="middle"))
    for tick in y.ticks:
        place = y.place(tick)
        parts.append(_line(LEFT, place, WIDTH - RIGHT, place))
        parts.append(_text(LEFT - 8, place + 4, y.label(tick), anchor="end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [
        *parts,
        _text(middle, HEIGHT - 10, x.title, anchor="middle"),
        _text(8, TOP - 6, y.title),
    ]


def _curve(name: str, points: Sequence[Point], colour: str, x: Axis, y: Axis) -> list[str]:
    places = [(x.place(across), y.place(up)) for across, up in points]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    end_across, end_up = places[-1]
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        _text(end_across + 8, end_up + 4, name, colour=colour),
    ]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#dddddd"/>'


def _text(
    x: float, y: float, text: str, anchor: str = "start", colour: str = "#333333", size: int = 12
) -> str:
    style = f'text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'
