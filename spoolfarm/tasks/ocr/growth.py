"""The growth: how far the box of a line goes beyond its core, which the detector marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spoolfarm.tasks.ocr.box import Box

#: How far a box grows past its core: this times the core's area by its outline.
GROWTH = 1.8
#: How far its ends grow beyond that, in heights: small marks at the ends of a line are in no core.
ENDS = 0.3
#: Two cores lie in one line when their axes are apart by at most this part of the thinner one's thickness, and by so
#: many degrees.
BESIDE, TURNED = 0.5, 10.0


def boxes(cores: Sequence[Box], bent: Sequence[bool]) -> list[Box]:
    """The boxes of *cores*. Those of two cores in one line meet between them, and do not reach into each other.

    The box of a *bent* core has the same middle as that: where it bends is told from there.
    """
    if not cores:
        return []
    lying = [core if core.w >= core.h else core.turned(1) for core in cores]
    x, y, lengths, thick, angles = np.array([(box.cx, box.cy, box.w, box.h, box.angle) for box in lying]).T
    ends = np.array([_end(box) for box in lying])
    found = []
    for number, (core, box) in enumerate(zip(cores, lying, strict=True)):
        angle = math.radians(box.angle)
        along = (x - box.cx) * math.cos(angle) + (y - box.cy) * math.sin(angle)
        across = (y - box.cy) * math.cos(angle) - (x - box.cx) * math.sin(angle)
        gaps = np.abs(along) - (lengths + box.w) / 2
        in_line = (gaps > 0) & (np.abs(across) <= BESIDE * np.minimum(thick, box.h))
        in_line &= np.abs((angles - box.angle + 90) % 180 - 90) <= TURNED
        parts = np.minimum(gaps / (ends + ends[number]), 1)
        before, behind = (float(parts[in_line & side].min(initial=1)) for side in (along < 0, along > 0))
        if bent[number]:
            before = behind = 1.0
        whole = _grown(box, before * ends[number], behind * ends[number])
        found.append(whole if box is core else whole.turned(-1))
    return found


def _grown(lying: Box, before: float, behind: float) -> Box:
    """The box of a core that is longer than thick, longer at its ends by so many pixels."""
    angle, off = math.radians(lying.angle), (behind - before) / 2
    cx, cy = lying.cx + off * math.cos(angle), lying.cy + off * math.sin(angle)
    return replace(lying, cx=cx, cy=cy, w=lying.w + before + behind, h=lying.h + 2 * _side(lying))


def _end(lying: Box) -> float:
    """How far the ends of a core that is longer than thick grow, in pixels."""
    side = _side(lying)
    return side + ENDS * (lying.h + 2 * side)


def _side(lying: Box) -> float:
    """How far its long sides grow."""
    return GROWTH * lying.w * lying.h / (2 * (lying.w + lying.h))
