"""What the page of a segmentation shows that its tallies do not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.membrane_tally import MembraneTally
from nowcast.evaluation.object_matching import ObjectTally
from nowcast.evaluation.overlaps import Labels, Mask
from nowcast.evaluation.segment_tally import SegmentTally
from nowcast.report.classes.facts import DataFacts
from nowcast.report.training_facts import TrainingFacts

Subject = Literal["membranes", "objects", "pixels"]


@dataclass(frozen=True)
class SegmentRunFacts:
    """One network, how it was trained and how it did on the test pictures.

    Args:
        training: Of the network.
        pixels: Tally of the test pictures by pixel.
        objects: Tally by object; None of plain classes.
        unseparated: The same where each connected component is an object.
        membranes: Tally of the cells that membranes part; class 0 is membrane then.
        rows: A row a test picture: its name as "picture" and numbers by name. Shown are those of
            "dice", "pixel_error", "second_dice", "f1", "average_precision", "objects",
            "objects_found", "v_rand", "rand_split", "rand_merge", "v_info", the names of
            `ObjectErrors.counts` and "merged_unseparated". Runs are compared picture by picture.
        threshold: Of two classes, the probability from which a pixel was taken for the second;
            None for the most probable class.
        membrane: Probability of membrane below which a pixel was inside a cell, one of the
            tally's thresholds.
        chosen: What chose them and the separation, "2 pictures of validation".
        separation: How objects were made of probabilities, in words.
        inference: How whole pictures were answered, in words.
        seconds_prediction: That the network took for all test pictures.
        megapixels_per_second: In prediction.
    """

    training: TrainingFacts
    pixels: SegmentTally
    _: KW_ONLY
    objects: ObjectTally | None = None
    unseparated: ObjectTally | None = None
    membranes: MembraneTally | None = None
    rows: tuple[Mapping[str, Any], ...] = ()
    threshold: float | None = None
    membrane: float | None = None
    chosen: str = ""
    separation: str = ""
    inference: str = ""
    seconds_prediction: float | None = None
    megapixels_per_second: float | None = None

    @property
    def name(self) -> str:
        """Of its recipe."""
        return self.training.name

    @property
    def shown(self) -> str:
        """Its title for readers."""
        return self.training.shown


@dataclass(frozen=True, eq=False)
class PictureFacts:
    """One test picture and what was found in it.

    Args:
        name: As in the rows of the run.
        pixels: (C, H, W) of 0 to 255, one channel or three.
        truth: (H, W) true classes, −1 where unknown.
        odds: (K, H, W) probability of each class.
        found: (H, W) classes that were found.
        true_objects: (H, W) from 1, background 0, −1 where unknown; cells where class 0 is
            membrane.
        found_objects: (H, W) from 1, background 0.
        fates: (H, W) `Fate` of each pixel's object, as `ObjectErrors.drawn`.
        counted: (H, W) which pixels count; None for all.
        second: (H, W) classes as a second observer drew them.
        score: By which pictures are ordered, the lowest first; NaN before all.
        numbers: Its row.
    """

    name: str
    pixels: NDArray[np.floating]
    truth: Labels
    odds: NDArray[np.floating]
    found: Labels
    _: KW_ONLY
    true_objects: Labels | None = None
    found_objects: Labels | None = None
    fates: NDArray[np.uint8] | None = None
    counted: Mask | None = None
    second: Labels | None = None
    score: float = np.nan
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentFacts:
    """All that the page of a segmentation shows.

    Args:
        title: Headline.
        data: The pictures and their classes; how they were split as `validation_from`.
        run: Whose page it is.
        others: Runs on the same pictures to compare it with.
        reference: Tally by pixel of a second human observer on the same pictures.
        reference_title: Who that is.
        pictures: Test pictures to draw, in any order.
        things: What one object and several are called, ("nucleus", "nuclei").
        related: Which pictures are not independent of each other, "both eyes of a person".
        peculiar: Sentences on what readers must know of how it was judged.
        code_version: Of this program.
        machine: What it ran on.
        seconds: Stage → wall-clock time; they add up to the whole.
    """

    title: str
    data: DataFacts
    run: SegmentRunFacts
    others: tuple[SegmentRunFacts, ...] = ()
    _: KW_ONLY
    reference: SegmentTally | None = None
    reference_title: str = "Second observer"
    pictures: tuple[PictureFacts, ...] = ()
    things: tuple[str, str] = ("object", "objects")
    related: str = ""
    peculiar: tuple[str, ...] = ()
    code_version: str = ""
    machine: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[SegmentRunFacts, ...]:
        """The run and the others."""
        return (self.run, *self.others)

    @property
    def trainings(self) -> tuple[TrainingFacts, ...]:
        """Of all runs."""
        return tuple(run.training for run in self.runs)

    @property
    def subject(self) -> Subject:
        """What is asked of each picture: cells between membranes, objects, or classes alone."""
        if self.run.membranes is not None:
            return "membranes"
        return "objects" if self.run.objects is not None else "pixels"

    @property
    def named(self) -> tuple[str, str]:
        """What one object and several are called; cells between membranes."""
        usual = self.things == ("object", "objects")
        return ("cell", "cells") if self.subject == "membranes" and usual else self.things
