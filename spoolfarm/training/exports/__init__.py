"""Exports: what labelling tools write, read as if it were COCO's format."""

from spoolfarm.training.exports.found import Found, find

__all__ = ["Found", "find"]
