"""What the page of any image benchmark tells of its images and of the machine."""

from __future__ import annotations

import os
import platform

from data_catalog.catalog import load_catalog
from flows.images.runs import ImageRun
from nowcast.report.classes.facts import DataFacts


def data_facts(run: ImageRun) -> DataFacts:
    """The images of a run, the parts and where they come from."""
    channels, height, width = run.train.shape
    kind = "grey" if channels == 1 else "RGB"
    entry = load_catalog().image_sets.get(run.images.name)
    return DataFacts(
        title=entry.title.partition(",")[0] if entry else run.images.name,
        classes=run.images.classes,
        image=f"{height} × {width} pixels, {kind}",
        train=len(run.train),
        validation=len(run.validation),
        test=len(run.test),
        validation_from=run.validation_from,
        provider=entry.obtain if entry else "",
        licence=entry.licence if entry else "",
        refused=(*run.train.broken, *run.validation.broken, *run.test.broken),
    )


def machine(device: str) -> str:
    """What a network was trained on, for readers."""
    if device != "cpu":
        return device
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors, no GPU"
