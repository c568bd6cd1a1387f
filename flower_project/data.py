"""Pictures and their classes: where they come from, how they are split, and how they are dealt to the clients."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

#: The handwritten digits; the file itself names its source and licence.
DIGITS = Path(__file__).with_name("digits.json")
#: Shares of the pictures that choose the best round, and that only judge it at the end.
VALIDATION, TEST = 0.15, 0.15
#: What counts as a picture in a folder.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
#: Pixels a side when none are asked for: of the digits, and of a folder's pictures.
DIGITS_SIZE, FOLDER_SIZE = 8, 64
#: A draw that leaves a client with fewer pictures is drawn again.
FEWEST = 8


@dataclass(frozen=True)
class Pictures:
    """Pictures (n, channels, height, width), 8 bits, and the class of each (n)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, indices: np.ndarray) -> Pictures:
        """Those at *indices*."""
        chosen = torch.from_numpy(indices)
        return Pictures(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Dataset:
    """Pictures in three parts, and what a model must know of them."""

    train: Pictures
    validation: Pictures
    test: Pictures
    classes: tuple[str, ...]
    #: Per channel, of the training part scaled to 0..1.
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.train.images.shape[1]

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.train.images.shape[-1]


@functools.lru_cache(maxsize=4)
def load(folder: str, image_size: int, seed: int) -> Dataset:
    """The pictures in the class folders of *folder*, or the digits, split by *seed* with all classes in each part."""
    pictures, classes = read_folder(Path(folder), image_size or FOLDER_SIZE) if folder else read_digits(image_size)
    train, validation, test = (pictures.part(part) for part in _split(pictures.labels.numpy(), seed))
    scaled = train.images.float() / 255
    mean = scaled.mean(dim=(0, 2, 3))
    deviation = scaled.std(dim=(0, 2, 3)).clamp(min=1e-3)
    return Dataset(train, validation, test, classes, tuple(mean.tolist()), tuple(deviation.tolist()))


def read_digits(image_size: int = 0) -> tuple[Pictures, tuple[str, ...]]:
    """1797 handwritten digits, 8 x 8 or enlarged."""
    rows = json.loads(DIGITS.read_text())["pictures"]
    written = np.frombuffer("".join(row[2:] for row in rows).encode(), np.uint8)
    values = np.where(written < ord("a"), written - ord("0"), written - ord("a") + 10)  # 0..16
    images = torch.from_numpy((values * 255.0 / 16).round().astype(np.uint8).reshape(-1, 1, 8, 8))
    if image_size not in (0, DIGITS_SIZE):
        larger = torch.nn.functional.interpolate(images.float(), (image_size, image_size), mode="bilinear")
        images = larger.round().to(torch.uint8)
    return Pictures(images, torch.tensor([int(row[0]) for row in rows])), tuple("0123456789")


def read_folder(folder: Path, image_size: int) -> tuple[Pictures, tuple[str, ...]]:
    """The pictures below each folder in *folder*, in colour, as squares of *image_size*; broken ones are named."""
    from PIL import Image, ImageOps

    try:
        classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."))
    except OSError as error:
        raise ValueError(f"data {folder}: {error.strerror}") from error
    if len(classes) < 2:
        raise ValueError(f"data {folder}: at least two folders are needed, one for each class")
    images, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).rglob("*")):
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                with Image.open(path) as picture:
                    upright = ImageOps.exif_transpose(picture).convert("RGB")
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                sys.stderr.write(f"{path}: not used, {error}\n")
                continue
            images.append(np.asarray(upright.resize((image_size, image_size), Image.Resampling.BILINEAR)))
            labels.append(label)
    counts = np.bincount(labels, minlength=len(classes)) if labels else np.zeros(len(classes), int)
    if counts.min() < 3:
        raise ValueError(f"data {folder}: class {classes[counts.argmin()]} has fewer than three pictures")
    return Pictures(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)), classes


def _split(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the training, validation and test part, each with its share of every class."""
    draw = np.random.default_rng(seed)
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for label in np.unique(labels):
        indices = draw.permutation(np.flatnonzero(labels == label))
        validation, test = (max(round(share * len(indices)), 1) for share in (VALIDATION, TEST))
        for part, chosen in zip(parts, np.split(indices, [len(indices) - validation - test, -test]), strict=True):
            part.append(chosen)
    train, validation_part, test_part = (np.concatenate(part) for part in parts)
    return train, validation_part, test_part


def deal(labels: np.ndarray, clients: int, alpha: float, seed: int) -> list[np.ndarray]:
    """Indices for each of *clients*: of every class, the shares are one Dirichlet(*alpha*) draw (Hsu et al. 2019)."""
    if clients * FEWEST > len(labels):
        raise ValueError(f"clients {clients}: {len(labels)} training pictures are not enough for so many")
    draw = np.random.default_rng(seed)
    for _ in range(1000):
        hands: list[list[np.ndarray]] = [[] for _ in range(clients)]
        for label in np.unique(labels):
            indices = draw.permutation(np.flatnonzero(labels == label))
            cuts = np.cumsum(draw.dirichlet([alpha] * clients))[:-1] * len(indices)
            for hand, part in zip(hands, np.split(indices, cuts.round().astype(int)), strict=True):
                hand.append(part)
        dealt = [np.concatenate(hand) for hand in hands]
        if min(map(len, dealt)) >= FEWEST:
            return dealt
    raise ValueError(f"alpha {alpha}: some of {clients} clients always get fewer than {FEWEST} pictures; raise it")


@functools.lru_cache(maxsize=64)
def share(folder: str, image_size: int, seed: int, alpha: float, client: int, clients: int) -> Pictures:
    """The training pictures of one simulated client."""
    train = load(folder, image_size, seed).train
    return train.part(deal(train.labels.numpy(), clients, alpha, seed)[client])


@functools.lru_cache(maxsize=4)
def own(folder: str, image_size: int) -> tuple[Pictures, tuple[str, ...]]:
    """All pictures of a client that has its own, and their classes."""
    return read_folder(Path(folder), image_size)
