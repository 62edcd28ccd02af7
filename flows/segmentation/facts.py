"""What the page of a segmentation tells of its pictures, its networks and how they were judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data_catalog.catalog import load_catalog
from flows.images.facts import machine
from flows.segmentation.data import Segmentation, outlined
from flows.segmentation.evaluation import Evaluated
from flows.segmentation.judge import Judged
from flows.segmentation.runs import SegmentRun
from nowcast.checkpoint import code_version
from nowcast.instances import Separation
from nowcast.report.classes.facts import DataFacts
from nowcast.report.segment.facts import PictureFacts, SegmentFacts, SegmentRunFacts
from pipeline.masks.pixel_weights import PixelWeights

THINGS = {"nucleus": ("nucleus", "nuclei"), "cell": ("cell", "cells")}
RELATED = {"block": "slices of one block", "subject": "both eyes of a person"}
UNNAMED = ("object", "objects")


def facts_of(
    request: Segmentation, done: Sequence[Evaluated], seconds: Mapping[str, float]
) -> SegmentFacts:
    """All that the page shows.

    Args:
        request: What was asked for.
        done: The recipe, and those to compare it with.
        seconds: Stage → wall-clock time.
    """
    first = done[0]
    data = _data(first)
    return SegmentFacts(
        title=f"{data.title}: {first.trained.facts.shown}",
        data=data,
        run=_run(first, request),
        others=tuple(_run(each, request) for each in done[1:]),
        reference=first.jury.second if first.jury.second.rows else None,
        pictures=tuple(_picture(each) for each in first.jury.kept),
        things=THINGS.get(data.classes[-1], UNNAMED),
        related=RELATED.get(first.run.images.split_by, ""),
        peculiar=tuple(_peculiar([each.run for each in done], first.jury.kept)),
        code_version=code_version(),
        machine=machine(first.trained.device),
        seconds=seconds,
    )


def _data(each: Evaluated) -> DataFacts:
    run = each.run
    entry = load_catalog().image_sets.get(run.images.name)
    test = run.images.split("test")
    return DataFacts(
        title=entry.title.partition(",")[0] if entry else run.images.name,
        classes=run.images.classes,
        image=_extent(run),
        train=len(run.train),
        validation=len(run.validation),
        test=len(test),
        validation_from=run.validation.split.origin,
        provider=entry.obtain if entry else "",
        licence=entry.licence if entry else "",
    )


def _extent(run: SegmentRun) -> str:
    """Size and kind of the pictures, in words."""
    sizes = sorted({pair.header.size for pair in run.images.pairs})
    shown = " to ".join(
        f"{height} × {width}" for height, width in dict.fromkeys(sizes[:: len(sizes) - 1 or 1])
    )
    return f"{shown} pixels, {'grey' if run.images.channels == 1 else 'RGB'}"


def _run(each: Evaluated, request: Segmentation) -> SegmentRunFacts:
    jury, tuned = each.jury, each.jury.tuned
    pictures = "picture" if tuned.pictures == 1 else "pictures"
    mirrored = ", the mean over the picture and its mirror images" if request.flips else ""
    return SegmentRunFacts(
        training=each.trained.facts,
        pixels=jury.pixels,
        objects=jury.objects,
        unseparated=jury.unseparated,
        membranes=jury.membranes,
        rows=tuple(jury.rows),
        threshold=tuned.threshold,
        membrane=tuned.membrane,
        chosen=f"{tuned.pictures} {pictures} of validation",
        separation=separation_in_words(tuned.separation) if tuned.separation else "",
        inference=f"whole pictures, in overlapping tiles where a side is above {request.tile} "
        f"pixels{mirrored}",
        seconds_prediction=jury.seconds,
        megapixels_per_second=jury.area / 1e6 / jury.seconds if jury.seconds else None,
    )


def separation_in_words(separation: Separation) -> str:
    """How objects were made of probabilities."""
    ways = {
        "components": "connected pixels are one object",
        "border": "objects grow from where the class inside is above "
        f"{separation.seed_threshold:g}, over the class border",
        "h_maxima": "watershed of the distance to the background, smoothed by "
        f"{separation.smooth:g} pixels, from maxima {separation.h:g} pixels above their saddles",
        "peaks": "watershed of the distance to the background from maxima at least "
        f"{separation.min_distance} pixels apart",
    }
    return (
        f"{ways[separation.method]}; probability above {separation.threshold:g}, holes of up to "
        f"{separation.hole_size} pixels filled, objects below {separation.min_size} pixels left out"
    )


def _picture(judged: Judged) -> PictureFacts:
    answer, errors = judged.answer, judged.errors
    return PictureFacts(
        answer.name,
        pixels=answer.picture,
        truth=answer.classes,
        odds=answer.odds,
        found=judged.found,
        true_objects=judged.truth,
        found_objects=judged.objects,
        fates=None if errors is None else errors.drawn,
        counted=None if answer.counted.all() else answer.counted,
        second=answer.second,
        score=judged.score,
        numbers=judged.numbers,
    )


def _peculiar(runs: Sequence[SegmentRun], kept: Sequence[Judged]) -> list[str]:
    run, told = runs[0], [*_weighted(runs)]
    if run.normalise == "none":
        told.append(
            "Networks saw brightness less its mean over the training pictures, in standard "
            "deviations."
        )
    if run.normalise != "none":
        turned = "; where the background is light, the red channel was taken, upside down"
        told.append(
            "Networks saw every picture in grey, its 1st and 99.8th percentile brought to black "
            f"and white{turned if run.normalise == 'nuclei' else ''}."
        )
    if outlined(run.recipe, run.images):
        told.append(
            "The network names insides and outlines of objects; an object is its inside with the "
            "pixels next to it."
        )
    if any(not each.answer.counted.all() for each in kept):
        told.append(
            "Only pixels within the camera's field of view count, the picture's largest bright "
            "area."
        )
    return told


def _weighted(runs: Sequence[SegmentRun]) -> list[str]:
    """What border weights are, where a recipe has some."""
    weights = [
        (run, PixelWeights.of(run.recipe.pixel_weights)) for run in runs if run.recipe.pixel_weights
    ]
    names = [run.recipe.name for run, each in weights if each.border]
    if not names:
        return []
    return [
        f"In the training of {', '.join(names)} pixels in the gap between two objects weigh more, "
        "the more so the narrower it is (border weights)."
    ]
