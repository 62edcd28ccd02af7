"""One part of an image set: which pictures, and what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.image_decoding import Frame
from pipeline.pictures import ArrayPictures, Bytes, Integers, Pictures


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The pictures of one part, in a fixed order.

    Args:
        name: "train", "validation" or "test".
        classes: Names of the labels, in the order of their numbers.
        origin: One sentence for a report: where the part comes from.
        pictures: Among others, those of this part.
        members: Which of the pictures, (N,).
    """

    name: str
    classes: tuple[str, ...]
    origin: str
    pictures: Pictures
    members: Integers

    def __len__(self) -> int:
        """How many images."""
        return self.members.size

    @property
    def labels(self) -> Integers:
        """(N,) numbers of the classes."""
        return self.pictures.labels[self.members]

    @property
    def counts(self) -> Integers:
        """(classes,) images of each."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @property
    def channels(self) -> int:
        """1 where all pictures are grey, else 3."""
        return self.pictures.shape[0]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width; None where the pictures differ."""
        _, height, width = self.pictures.shape
        return None if height is None or width is None else (height, width)

    def name_of(self, i: int) -> str:
        """Where image i lies."""
        return self.pictures.name(int(self.members[i]))

    def image(self, i: int) -> Tensor:
        """Image i as large as it is, (C, h, w) float32 of 0 … 255.

        Raises:
            ValueError: If its file is broken.
        """
        return torch.from_numpy(self.decode(i, Frame()).astype(np.float32))

    def decode(self, i: int, frame: Frame) -> Bytes:
        """Image i, framed, (C, h, w).

        Raises:
            ValueError: If its file is broken.
        """
        return self.pictures.decode(int(self.members[i]), frame)

    def read(
        self, indices: Sequence[int] | NDArray[np.integer] | Tensor, frame: Frame | None = None
    ) -> Tensor:
        """Images (B, C, H, W) float32 of 0 … 255.

        Raises:
            ValueError: If a file is broken, or the images differ in size and no frame is given.
        """
        frame = frame or Frame(channels=self.channels)
        images = [self.decode(int(i), frame) for i in np.asarray(indices).reshape(-1)]
        shapes = {image.shape for image in images}
        if len(shapes) != 1:
            raise ValueError(
                f"{self.name}: expected images of one size, found {len(shapes)}; "
                "give the size to bring them to"
            )
        return torch.from_numpy(np.stack(images).astype(np.float32))

    def plain(self, frame: Frame) -> Bytes | None:
        """All images (N, C, H, W) if they lie in memory and need no framing."""
        if not isinstance(self.pictures, ArrayPictures) or frame.channels not in (
            None,
            self.channels,
        ):
            return None
        if frame.size is not None and (frame.size, frame.size) != self.size:
            return None
        whole = self.members.size == len(self.pictures.pixels)
        return self.pictures.pixels if whole else self.pictures.pixels[self.members]


def held_out(
    labels: Integers, parts: int, share: float = 0.1, seed: int = 0
) -> tuple[Integers, ...]:
    """What stays, then `parts` shares of every class, drawn once for all by the seed.

    Each is in order; each class gives its share, rounded, and at least one image where it has
    more than `parts`.
    """
    rng = np.random.default_rng([seed, 0x5E75])
    groups: list[list[Integers]] = [[] for _ in range(parts + 1)]
    for number in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == number))
        count = round(share * own.size) or int(own.size > parts)
        for k in range(parts):
            groups[k + 1].append(own[k * count : (k + 1) * count])
        groups[0].append(own[parts * count :])
    empty = np.empty(0, np.int64)
    return tuple(np.sort(np.concatenate([empty, *group])) for group in groups)
