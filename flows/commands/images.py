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


def denoise(
    data: Annotated[
        list[str],
        typer.Option(
            help="An image set of the catalog, a folder of class folders, skimage for the "
            "photographs of scikit-image, or a store of radar (.zarr); stores are repeatable."
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="What to train: denoise-unet, denoise-conv, ae-dense, vae, …")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the runs, the scores and the page.")],
    compare: Annotated[
        list[str] | None, typer.Option(help="Another recipe for the same images; repeatable.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help="Train and judge on this noise, not the recipe's: gaussian, salt_and_pepper, "
            "masking, poisson or speckle; of radar: receiver, clutter, spikes or all as radar."
        ),
    ] = None,
    level: Annotated[
        list[float] | None,
        typer.Option(
            help="Level of the noise at which to judge, for gaussian σ as a share of white; "
            "repeatable. With --noise, training draws its levels from this range too."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the images in pixels, if not their own.", min=1)
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training images.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the weights and the batches.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many training images.", min=1)
    ] = None,
    judge: Annotated[
        int, typer.Option(help="At most so many test images for each method; BM3D a fifth.", min=2)
    ] = 1000,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="A classic method to judge beside: mean, median, gaussian, bilateral, tv, nlm, "
            "wavelet, bm3d; repeatable; all that are installed if none is named."
        ),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint of `nowcast classify` on the same images, to tell how real the "
            "images are that a variational autoencoder draws."
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(
            help="A store of radar that never trains, for the figures; repeatable. Without it the "
            "last fifth of each store tests."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was cut.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network that restores noisy images, and try it beside the classic methods.

    All get the same noisy test images, on which none was trained or tuned.
    An autoencoder without noise is tried on how well its code reproduces images.
    Recipe radar-cleaner takes stores of radar, and is tried beside filters on clutter and rain.
    Writes report.html and scores.json.
    """
    from flows.denoising import Denoising
    from flows.denoising import denoise as run

    request = Denoising(
        ",".join(data),
        recipe,
        out,
        tuple(compare or ()),
        noise,
        tuple(level or ()),
        size,
        epochs,
        seed,
        limit,
        judge,
        tuple(against) if against else None,
        classifier,
        tuple(test or ()),
    )
    run(request, resume=resume).show(as_json)
