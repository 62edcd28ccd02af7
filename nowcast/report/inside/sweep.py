"""The images of a split that the pictures of a classifier show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from nowcast.explain.layers import evaluating
from nowcast.report.inside.classes import Example
from nowcast.tasks import ClassifyTask
from pipeline.batch import Batches

WHITE = 255.0
RIGHT, WRONG = 4, 2


class Sweep:
    """The first images of a split, read anew whenever they are needed.

    Args:
        network: A classifier.
        task: What it was trained for.
        batches: Pixel values 0 to 255.
        images: How many are taken, at most; those without a label are left out.

    Raises:
        ValueError: If there is none, or no labels are known.
    """

    def __init__(
        self, network: nn.Module, task: ClassifyTask, batches: Batches, images: int
    ) -> None:
        self.task, self.batches, self.images = task, batches, images
        self.device = next(network.parameters()).device
        with evaluating(network), torch.no_grad():
            found = [(network(seen), labels) for seen, labels in self._pairs()]
        if not found:
            raise ValueError("inside figures: expected at least one image, found none")
        self.labels = torch.cat([labels for _, labels in found]).cpu()
        self.chances = chances(torch.cat([answer for answer, _ in found]).float().cpu())

    def inputs(self) -> Iterator[Tensor]:
        """Batches as the network sees them."""
        return (seen for seen, _ in self._pairs())

    def examples(self) -> list[Example]:
        """The first rightly named image of a few classes, and the surest mistakes."""
        sure, said = self.chances.max(1)
        hits = (said == self.labels).tolist()
        first: dict[int, int] = {}
        for n in range(len(hits)):
            if hits[n]:
                first.setdefault(int(self.labels[n]), n)
        order = sure.argsort(descending=True, stable=True).tolist()
        wrong = [n for n in order if not hits[n]]
        chosen = [*first.values()][:RIGHT] + wrong[:WRONG]
        images = self._images(chosen)
        return [
            Example(images[n], int(self.labels[n]), int(said[n]), float(sure[n])) for n in chosen
        ]

    def show(self, seen: Tensor) -> Tensor:
        """An image (C, H, W) as the eye takes it, (1 or 3, H, W) from 0 to 1."""
        image = self.task.scaling.decode(seen.cpu()) / WHITE
        return image if len(image) in (1, 3) else image.mean(0, keepdim=True)

    @property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Black and white as the network sees them, (C, 1, 1)."""
        black = torch.zeros(self.task.channels, 1, 1)
        return self.task.scaling.encode(black), self.task.scaling.encode(black + WHITE)

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        left = self.images
        for batch in self.batches.sweep():
            if left <= 0:
                return
            if batch.label is None:
                raise ValueError("inside figures: expected labels beside the images, found none")
            label = batch.label.argmax(1) if batch.label.ndim > 1 else batch.label
            labelled = torch.nonzero(label >= 0)[:left, 0]
            seen = self.task.scaling.encode(batch.frames[labelled])
            yield torch.where(seen.isnan(), 0, seen).to(self.device), label[labelled].long()
            left -= len(labelled)

    def _images(self, chosen: Sequence[int]) -> dict[int, Tensor]:
        numbered = enumerate(image for seen in self.inputs() for image in seen)
        return {n: image for n, image in islice(numbered, max(chosen) + 1) if n in chosen}


def chances(output: Tensor) -> Tensor:
    """Probabilities (B, classes) of logits; of a single logit those against and for it."""
    if output.shape[1] > 1:
        return output.softmax(1)
    yes = output.sigmoid()
    return torch.cat([1 - yes, yes], 1)
