"""The image benchmark of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.options import Json


def segment(
    data: Annotated[
        str,
        typer.Option(
            help="An image set of the catalog (isbi2012_em, dsb2018_nuclei, chase_db1), or your "
            "folder: images/ and masks/ with files of equal names."
        ),
    ],
    recipe: Annotated[
        str,
        typer.Option(help="What to train: unet-em, unet-nuclei, unet-vessels, unet-paper, …"),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the runs, the scores, the predictions and the page.")
    ],
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Another recipe for the same pictures and split; repeatable."),
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="Side in pixels of the pieces that train.", min=1)
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training pictures.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of the optimiser, instead of epochs.", min=1)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the weights and the batches.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many training pictures.", min=1)
    ] = None,
    flips: Annotated[
        bool,
        typer.Option("--flips", help="Answer with the mean over mirror images: four times slower."),
    ] = False,
    normalise: Annotated[
        str | None,
        typer.Option(
            help="Brightness made alike: none; percentiles, the 1st and 99.8th to black and white; "
            "or nuclei, which turns pictures of light background too. By default nuclei where "
            "masks number objects (16 bits)."
        ),
    ] = None,
    tile: Annotated[
        int,
        typer.Option(help="Side of the pieces of large pictures: less, less memory.", min=1),
    ] = 1088,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was cut.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network that names the class of each pixel, and try it on pictures it never saw.

    Masks hold 0 and 255, or a class 0 … K by pixel, or with 16 bits the number of each object.
    Touching objects are separated, cells between membranes parted; thresholds are chosen on the
    validation pictures. Where a recipe has border weights, pixels in narrow gaps between objects
    weigh more in training. Writes report.html, scores.json and predictions as PNG.
    """
    from flows.segmentation import Segmentation
    from flows.segmentation import segment as run

    request = Segmentation(
        data,
        recipe,
        out,
        tuple(compare or ()),
        crop,
        epochs,
        steps,
        seed,
        limit,
        flips,
        normalise,
        tile,
    )
    run(request, resume=resume).show(as_json)
