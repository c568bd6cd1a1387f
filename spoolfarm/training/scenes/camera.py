"""The camera: uneven light, colour, blur, noise and JPEG between a scene and its picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes.noise import Array, fractal, smooth

#: The grey level up to which the camera exposes: hardly anything is washed out.
BRIGHT = 245


def light(rng: Generator, height: int, width: int) -> Array:
    """How bright each part of the picture is lit: around 1."""
    field = np.ones((height, width), np.float32)
    if rng.random() < 0.5:
        field += rng.uniform(0.02, 0.22) * smooth(rng, height, width, max(height, width) * rng.uniform(0.5, 1.5))
    if rng.random() < 0.15:
        rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
        field *= (1 - rng.uniform(0.1, 0.6) * (rows**2 + columns**2) / 2).astype(np.float32)
    lit: Array = np.clip(field, 0.4, 1.4)
    return lit


def take(rng: Generator, scene: Array) -> Array:
    """The picture of *scene*, (height, width, 3) in grey levels of any range, as uint8."""
    height, width = scene.shape[:2]
    scene = scene * np.float32(min(1.0, BRIGHT / max(1.0, float(np.percentile(scene[::4, ::4], 99)))))
    if rng.random() < 0.6:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.3, 1.4))
    if rng.random() < 0.7:
        noise = rng.standard_normal((height, width), dtype=np.float32)
        if rng.random() < 0.3:
            noise = fractal(rng, height, width, 4, 2)
        scene = scene + np.float32(rng.uniform(0.5, 3) if rng.random() < 0.6 else rng.uniform(3, 10)) * noise[..., None]
    if rng.random() < 0.25:
        scene = (scene - 128) * np.float32(rng.uniform(0.5, 1.3)) + np.float32(128 + rng.normal(0, 15))
    picture: Array = np.clip(scene, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        picture = np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR))
    return picture
