"""The sums of a classification, from which all its scores are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from torch import Tensor

from nowcast.evaluation import calibration, confusion, separation
from nowcast.evaluation.calibration import Reliability
from nowcast.evaluation.confusion import Average, Counts, Scores
from nowcast.evaluation.judged import Judged, judge, least_sure, most_confident
from nowcast.evaluation.verdicts import UNIT, Verdicts, in_units


class ClassTally:
    """Sums over images; a + b is the tally of both, the same in any order and any parts.

    Args:
        classes: How many there are, 2 or more.
        keep: How many mistakes and unsure images are remembered.
        score_bins: Of the histograms from which ROC curves are read.
        confidence_bins: Of the reliability diagram.
    """

    def __init__(
        self, classes: int, *, keep: int = 24, score_bins: int = 8192, confidence_bins: int = 15
    ) -> None:
        if classes < 2:
            raise ValueError(f"class tally: expected 2 classes or more, found {classes}")
        self.classes, self.keep = classes, keep
        shapes = {
            "confusion": (classes, classes),
            "ranks": (classes,),
            "of_class": (classes, score_bins),
            "of_others": (classes, score_bins),
            "sure_images": (confidence_bins,),
            "sure_right": (confidence_bins,),
            "sure_sum": (confidence_bins,),
            "loss": (1,),
        }
        self.sums: dict[str, Counts] = {
            name: np.zeros(shape, np.int64) for name, shape in shapes.items()
        }
        self.mistakes: tuple[Judged, ...] = ()
        self.least_sure: tuple[Judged, ...] = ()

    def update(self, logits: Tensor, label: Tensor, index: Tensor) -> None:
        """Add images.

        Args:
            logits: (B, K), or (B, 1) or (B,) of the second of two classes.
            label: (B,) from 0 to K − 1; images of −1 are not counted.
            index: (B,) their places in the split.

        Raises:
            ValueError: If shapes, labels or logits are not as expected.
        """
        verdicts = Verdicts.of(logits, label, index, self.classes)
        if not len(verdicts.label):
            return
        self._count_classes(verdicts)
        self._count_confidence(verdicts)
        self._remember(
            judge(verdicts.index, verdicts.label, verdicts.predicted, verdicts.confidence)
        )

    def __add__(self, other: ClassTally) -> ClassTally:
        if self._shape() != other._shape():
            raise ValueError(
                f"class tally: expected two of {self._shape()}, found {other._shape()}; "
                "make both alike"
            )
        both = ClassTally(**self._shape())
        both.sums = {name: sums + other.sums[name] for name, sums in self.sums.items()}
        both.mistakes, both.least_sure = self.mistakes, self.least_sure
        both._remember([*other.mistakes, *other.least_sure])
        return both

    @property
    def images(self) -> int:
        """How many were counted."""
        return int(self.sums["confusion"].sum())

    @property
    def right(self) -> int:
        """How many of them were right."""
        return int(np.trace(self.sums["confusion"]))

    @property
    def support(self) -> Counts:
        """(K,) images of each class."""
        labelled: Counts = self.sums["confusion"].sum(1)
        return labelled

    def confusion(self) -> Counts:
        """(K, K) images, a row for each label, a column for each predicted class."""
        return self.sums["confusion"].copy()

    def accuracy(self) -> float:
        """Share of the images whose class was right."""
        return confusion.accuracy(self.sums["confusion"])

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Wilson's interval of the accuracy."""
        return confusion.wilson_interval(self.right, self.images, level)

    def top(self, count: int) -> float:
        """Share of the images whose class was among the `count` most probable.

        Range 0 to 1, best 1. Of classes given the same, the one of the lower label comes first.

        Undefined: NaN without images.
        """
        return float(confusion.share(self.sums["ranks"][:count].sum(), self.images))

    def precision(self) -> Scores:
        """(K,) share of the images taken for a class that are of it."""
        return confusion.precision(self.sums["confusion"])

    def recall(self) -> Scores:
        """(K,) share of a class's images that were taken for it."""
        return confusion.recall(self.sums["confusion"])

    def f1(self) -> Scores:
        """(K,) harmonic mean of precision and recall."""
        return confusion.f1(self.sums["confusion"])

    def averaged(self, scores: Scores, average: Average = "macro") -> float:
        """One score of all classes, by `confusion.averaged`."""
        return confusion.averaged(scores, self.sums["confusion"], average)

    def log_loss(self) -> float:
        """Mean of −ln of the probability given to the label.

        Range 0 to infinity, best 0. Also called: cross entropy, ignorance score in nats.

        Undefined: NaN without images.
        """
        return float(confusion.share(self.sums["loss"][0] * UNIT, self.images))

    def roc(self, label: int) -> tuple[Scores, Scores]:
        """False and true positive rate of a class against the others."""
        return separation.roc(self.sums["of_class"][label], self.sums["of_others"][label])

    def auc(self) -> Scores:
        """(K,) area under the ROC curve of each class against the others."""
        return self._by_class(separation.auc)

    def auc_error(self) -> Scores:
        """(K,) the most by which binning can have changed `auc`."""
        return self._by_class(separation.auc_error)

    def reliability(self) -> Reliability:
        """Accuracy by the probability of the predicted class."""
        confidence = self.sums["sure_sum"].astype(np.float64) * UNIT
        return calibration.reliability(
            self.sums["sure_images"], self.sums["sure_right"], confidence
        )

    def calibration_error(self) -> float:
        """Expected calibration error of the predicted class's probability."""
        return calibration.calibration_error(self.reliability())

    def _by_class(self, score: Callable[[Counts, Counts], float]) -> Scores:
        pairs = zip(self.sums["of_class"], self.sums["of_others"], strict=True)
        return np.array([score(own, others) for own, others in pairs])

    def _count_classes(self, verdicts: Verdicts) -> None:
        label = verdicts.label
        np.add.at(self.sums["confusion"], (label, verdicts.predicted), 1)
        np.add.at(self.sums["ranks"], verdicts.rank, 1)
        np.add.at(self.sums["loss"], 0, in_units(verdicts.loss).sum())
        bins = separation.bin_of(verdicts.log_odds, self.sums["of_class"].shape[1])
        every = np.arange(self.classes)
        own = label[:, None] == every
        places = np.broadcast_to(every, own.shape)
        np.add.at(self.sums["of_class"], (places[own], bins[own]), 1)
        np.add.at(self.sums["of_others"], (places[~own], bins[~own]), 1)

    def _count_confidence(self, verdicts: Verdicts) -> None:
        bins = calibration.bin_of(verdicts.confidence, len(self.sums["sure_images"]))
        np.add.at(self.sums["sure_images"], bins, 1)
        np.add.at(self.sums["sure_right"], bins, verdicts.label == verdicts.predicted)
        np.add.at(self.sums["sure_sum"], bins, in_units(verdicts.confidence))

    def _remember(self, images: Sequence[Judged]) -> None:
        wrong = [image for image in images if image.label != image.predicted]
        self.mistakes = most_confident({*self.mistakes, *wrong}, self.keep)
        self.least_sure = least_sure({*self.least_sure, *images}, self.keep)

    def _shape(self) -> dict[str, int]:
        return {
            "classes": self.classes,
            "keep": self.keep,
            "score_bins": self.sums["of_class"].shape[1],
            "confidence_bins": len(self.sums["sure_images"]),
        }


def tally_classes(
    batches: Iterable[tuple[Tensor, Tensor, Tensor]], classes: int, *, keep: int = 24
) -> ClassTally:
    """The tally of batches (logits, label, index)."""
    tally = ClassTally(classes, keep=keep)
    for logits, label, index in batches:
        tally.update(logits, label, index)
    return tally
