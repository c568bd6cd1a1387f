"""The result of `edit`, as a model for the documentation."""

from __future__ import annotations

from pydantic import BaseModel


class EditedPicture(BaseModel):
    """A file that was made."""

    name: str
    width: int
    height: int


class EditResult(BaseModel):
    """The pictures that came of one."""

    pictures: list[EditedPicture]
