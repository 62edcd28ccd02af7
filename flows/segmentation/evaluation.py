"""One recipe of a segmentation: trained, tuned on validation, judged on whole test pictures."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flows.images.runs import Trained
from flows.segmentation.answers import Answerer
from flows.segmentation.data import Segmentation, has_membranes, outlined
from flows.segmentation.files import writer
from flows.segmentation.judge import Jury
from flows.segmentation.runs import SegmentRun
from flows.segmentation.tuning import tune
from nowcast.training import Progress
from pipeline.masks import Part
from pipeline.masks.samples import MaskSamples


@dataclass(frozen=True)
class Evaluated:
    """A trained network and what it did on the test pictures.

    Args:
        run: Its recipe and pictures.
        trained: The network.
        jury: That heard all test pictures.
        seconds: For what came after the training.
    """

    run: SegmentRun
    trained: Trained
    jury: Jury
    seconds: float

    @property
    def name(self) -> str:
        """Of its recipe."""
        return self.run.recipe.name


def evaluate(
    request: Segmentation, run: SegmentRun, resume: bool, progress: Progress | None
) -> Evaluated:
    """Train a network, then try the best checkpoint on the test pictures and write what it says.

    Raises:
        ValueError: As `train_recipe` does, or if a picture is broken.
    """
    trained = run.trained(resume, progress)
    begun = time.perf_counter()
    tuned = tune(_answerer(request, run, trained, "validation"), has_membranes(run.images))
    jury = Jury(len(run.images.classes), tuned)
    folder = request.out / "predictions" / run.recipe.name
    answers = _answerer(request, run, trained, "test").all()
    jury.hear(answers, writer(folder, run.images.classes))
    return Evaluated(run, trained, jury, time.perf_counter() - begun)


def _answerer(request: Segmentation, run: SegmentRun, trained: Trained, part: Part) -> Answerer:
    samples = MaskSamples(
        run.images.split(part), run.recipe.task.inputs, run.normalise, kept_bytes=0
    )
    flat = outlined(run.recipe, run.images)
    return Answerer(trained, samples, flat, request.flips, request.tile)
