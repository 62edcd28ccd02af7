"""The image benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.options import Json


def classify(
    data: Annotated[
        str, typer.Option(help="An image set of the catalog, or a folder of class folders.")
    ],
    recipe: Annotated[str, typer.Option(help="What to train: vgg-small, resnet-18, …")],
    out: Annotated[Path, typer.Option(help="Folder of the runs, the scores and the page.")],
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Another recipe for the same images and split; repeatable."),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the images in pixels.", min=1)] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training images.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the weights and the batches.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many training images.", min=1)
    ] = None,
    pretrained: Annotated[
        Path | None, typer.Option(help="A file of weights, torchvision's names, to begin with.")
    ] = None,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Train on the validation images too; keep the last weights."),
    ] = False,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out images that cannot be read.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was cut.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a classifier of images and try it on images that it never saw.

    Writes report.html, scores.json and predictions as CSV.
    """
    from flows.classification import Classification
    from flows.classification import classify as run

    request = Classification(
        data,
        recipe,
        out,
        tuple(compare or ()),
        size,
        epochs,
        seed,
        limit,
        pretrained,
        whole,
        skip_broken,
    )
    run(request, resume=resume).show(as_json)
