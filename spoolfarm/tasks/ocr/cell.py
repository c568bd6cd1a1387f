"""The cell: a line of text in the page's own frame, where text is level and upright."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spoolfarm.tasks.ocr.page import Line


@dataclass(frozen=True, slots=True)
class Cell:
    """A line and where it lies; y downwards."""

    line: Line
    left: float
    top: float
    right: float
    bottom: float
    #: How much its own text still falls from left to right, down by across.
    slope: float = 0

    def moved(self, across: float = 0, down: float = 0) -> Cell:
        return replace(
            self,
            left=self.left + across,
            right=self.right + across,
            top=self.top + down,
            bottom=self.bottom + down,
        )

    def parted(self, x: float) -> list[Cell]:
        """The words left of *x* and those right of it; itself when there are none on one side."""
        left, right = self.line.parted((x - self.left) / self.width)
        if left is None or right is None:
            return [self]
        at = self.left + left.box.w
        return [replace(self, line=left, right=at), replace(self, line=right, left=self.right - right.box.w)]

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def centre(self) -> float:
        return (self.left + self.right) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left
