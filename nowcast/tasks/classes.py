"""Naming classes of images, which are (B, channels, H, W)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.class_losses import (
    CLASS_LOSSES,
    distillation,
    find_class_loss,
    shares_of,
    smoothed,
)
from nowcast.scaling import MinMax, Scaling
from nowcast.tasks.task import Example
from nowcast.tasks.teacher import teach
from pipeline.batch import Batch

UNLABELLED = -1
DISTILLED = "kl"


@dataclass(frozen=True)
class ClassifyTask:
    """Name the class of each image; a label of UNLABELLED does not count.

    Labels are classes (B,) or, for mixed images, shares of the classes (B, classes).

    Args:
        classes: How many there are.
        channels: Channels of an image.
        scaling: Pixel values to what the network sees.
        error: A name in CLASS_LOSSES, or "kl": to agree with a teacher.
        label_smoothing: Share of each label that is spread over all classes alike.
        class_weights: How much a sample of each class counts; empty for all alike.
        teacher: The checkpoint of the network to agree with.
        temperature: By which the logits of both are divided.
        teacher_share: Of the teacher in the loss; the cross entropy of the labels has the rest.
    """

    known_errors: ClassVar[Collection[str]] = (*CLASS_LOSSES, DISTILLED)

    classes: int = 10
    channels: int = 1
    scaling: Scaling = field(default_factory=MinMax)
    error: str = "cross_entropy"
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    teacher: str | None = None
    temperature: float = 1.0
    teacher_share: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_weights", tuple(self.class_weights))
        if self.error not in self.known_errors:
            names = sorted(self.known_errors)
            raise ValueError(f"no class loss {self.error!r}; there are {names}")
        self._check()

    def _check(self) -> None:
        name = type(self).__name__
        if self.error == "binary_cross_entropy" and self.classes != 2:
            raise ValueError(
                f"{name}: expected 2 classes for binary_cross_entropy, found {self.classes}"
            )
        if (self.error == DISTILLED) != (self.teacher is not None):
            raise ValueError(
                f"{name}: expected a teacher with error 'kl' and with no other, found error "
                f"{self.error!r} and teacher {self.teacher!r}"
            )
        if self.class_weights and not (
            len(self.class_weights) == self.classes and min(self.class_weights) > 0
        ):
            raise ValueError(
                f"{name}: expected {self.classes} class_weights > 0, found {self.class_weights}"
            )
        smooth, share = self.label_smoothing, self.teacher_share
        if not (0 <= smooth < 1 and 0 <= share <= 1 and self.temperature > 0):
            raise ValueError(
                f"{name}: expected 0 <= label_smoothing < 1, 0 <= teacher_share <= 1 and "
                f"temperature > 0, found {smooth}, {share} and {self.temperature}"
            )

    @property
    def inputs(self) -> int:
        """Channels in."""
        return self.channels

    @property
    def outputs(self) -> int:
        """One logit a class; a single one for both classes of "binary_cross_entropy"."""
        return 1 if self.error == "binary_cross_entropy" else self.classes

    def pose(self, batch: Batch) -> Example:
        """The images, missing pixels 0, their labels and how much each counts.

        The target is as the labels are; to agree with a teacher it is (B, 2, classes): shares of
        the classes, and the teacher's logits.

        Raises:
            ValueError: If the batch has no labels.
        """
        if batch.label is None:
            raise ValueError(
                f"{type(self).__name__}: expected labels beside the images, found none"
            )
        images = self.scaling.encode(batch.frames)
        target, weight = self._weighed(batch.label)
        if self.teacher is not None:
            shares = target if target.is_floating_point() else shares_of(target, self.classes)
            target = torch.stack([shares, teach(self.teacher, batch, self.classes)], dim=1)
        return Example(torch.where(images.isnan(), 0, images), target, weight)

    def _weighed(self, label: Tensor) -> tuple[Tensor, Tensor]:
        if label.is_floating_point():
            known = ~label.isnan().any(1)
            label = torch.where(known[:, None], label, 0)
        else:
            label = label.long()
            known = label != UNLABELLED
        weight = known.float()
        if self.class_weights:
            by_class = torch.tensor(self.class_weights, device=label.device)
            soft = label.is_floating_point()
            weight = weight * (label @ by_class if soft else by_class[label.clamp(min=0)])
        return label, weight

    def logits(self, output: Tensor) -> Tensor:
        """What the network answers as one logit a class: (B, classes, …)."""
        if self.error != "binary_cross_entropy":
            return output
        return torch.cat([torch.zeros_like(output), output], dim=1)

    def loss(self, output: Tensor, example: Example) -> Tensor:
        """The weighted mean error of the labels, 0 where there are none."""
        total = example.weight.sum()
        return self._sum(output, example) / torch.where(total > 0, total, 1)

    def _sum(self, output: Tensor, example: Example) -> Tensor:
        return (example.weight * self._errors(output, example.target)).sum()

    def _errors(self, output: Tensor, target: Tensor) -> Tensor:
        smoothing = self.label_smoothing
        if self.error == "cross_entropy" and not target.is_floating_point():
            return F.cross_entropy(
                output,
                target,
                reduction="none",
                ignore_index=UNLABELLED,
                label_smoothing=smoothing,
            )
        if self.error == DISTILLED:
            shares, teacher = target.unbind(1)
            hard = find_class_loss("cross_entropy")(output, smoothed(shares, smoothing))
            return hard.lerp(distillation(output, teacher, self.temperature), self.teacher_share)
        soft = target if target.is_floating_point() else shares_of(target, self.classes)
        return find_class_loss(self.error)(output, smoothed(soft, smoothing))

    @torch.no_grad()
    def scores(self, output: Tensor, example: Example) -> dict[str, Tensor]:
        """Sums of loss and weight, and the counts of the labels and of those found.

        Of a mixed image the class of the greatest share counts.
        """
        known = example.weight > 0
        found = self.logits(output).argmax(1)
        return {
            "loss": self._sum(output, example),
            "weight": example.weight.sum(),
            "labelled": known.sum(),
            "correct": ((found == self.truth(example.target)) & known).sum(),
        }

    def truth(self, target: Tensor) -> Tensor:
        """The classes (B, …) of a target."""
        if not target.is_floating_point():
            return target
        return (target[:, 0] if self.error == DISTILLED else target).argmax(1)
