"""Drawn scenes of separate objects with their masks, for training and for tests: the same for the same seed."""

from spoolfarm.training.scenes.compose import VERSION, Scene, scene

__all__ = ["VERSION", "Scene", "scene"]
