"""Drawn scenes of separate objects with their masks, for training and for tests: the same for the same seed."""

from spoolfarm.training.scenes.compose import VERSION, Scene, scene
from spoolfarm.training.scenes.crowds import VERSION as CROWDS_VERSION
from spoolfarm.training.scenes.crowds import Crowd, crowd

__all__ = ["CROWDS_VERSION", "VERSION", "Crowd", "Scene", "crowd", "scene"]
