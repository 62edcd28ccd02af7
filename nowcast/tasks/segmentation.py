"""Naming the class of each pixel; pictures are (B, channels, H, W)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nowcast.class_losses import shares_of, smoothed
from nowcast.models.blocks import crop_centre
from nowcast.segment_losses import FOCUS, SEGMENT_LOSSES, find_segment_loss, focal
from nowcast.tasks.classes import DISTILLED, ClassifyTask
from nowcast.tasks.task import Example
from pipeline.batch import Batch


@dataclass(frozen=True)
class SegmentTask(ClassifyTask):
    """Name the class of each pixel, background 0; a label of UNLABELLED does not count.

    A batch's weight multiplies how much each pixel counts. A network that answers a smaller grid
    than that of the pictures is judged on the middle of theirs.

    Args:
        error: A name in SEGMENT_LOSSES, or "kl": to agree with a teacher.
        focus: Of the "focal" error: the power of 1 − p by which a pixel counts.

    Raises:
        ValueError: If an option is out of range.
    """

    known_errors: ClassVar[Collection[str]] = (*SEGMENT_LOSSES, DISTILLED)

    classes: int = 2
    focus: float = FOCUS

    def _check(self) -> None:
        super()._check()
        if not self.focus >= 0:
            raise ValueError(f"SegmentTask: expected focus >= 0, found {self.focus}")

    def pose(self, batch: Batch) -> Example:
        """As for images; each pixel's weight times the batch's own, where it has one.

        Raises:
            ValueError: If the batch has no labels, or its weights are of another shape.
        """
        example = super().pose(batch)
        if batch.weight is None:
            return example
        if batch.weight.shape != example.weight.shape:
            raise ValueError(
                "SegmentTask: expected weights of the labels' shape "
                f"{tuple(example.weight.shape)}, found {tuple(batch.weight.shape)}"
            )
        return example._replace(weight=example.weight * batch.weight)

    def loss(self, output: Tensor, example: Example) -> Tensor:
        """The weighted mean error of the labels on the output's grid, 0 where there are none."""
        return super().loss(output, _within(example, output))

    @torch.no_grad()
    def scores(self, output: Tensor, example: Example) -> dict[str, Tensor]:
        """As for images, and the counts of foreground found and true, in both and in either."""
        example = _within(example, output)
        found = self.logits(output).argmax(1) > 0
        true, known = self.truth(example.target) > 0, example.weight > 0
        return {
            **super().scores(output, example),
            "intersection": (found & true & known).sum(),
            "union": ((found | true) & known).sum(),
        }

    def _sum(self, output: Tensor, example: Example) -> Tensor:
        target, weight = example.target, example.weight
        plain = self.error == "cross_entropy" and not target.is_floating_point()
        if plain or self.error == DISTILLED:
            return super()._sum(output, example)
        soft = target if target.is_floating_point() else shares_of(target, self.classes)
        soft = smoothed(soft, self.label_smoothing)
        if self.error == "focal":
            errors = focal(output, soft, self.focus)
        else:
            errors = find_segment_loss(self.error)(output, soft, weight)
        return (weight * errors).sum()


def _within(example: Example, output: Tensor) -> Example:
    """The target and its weight in the middle, on the output's grid."""
    target, weight = (crop_centre(part, output) for part in example[1:])
    return example._replace(target=target, weight=weight)
