"""The flows of the image benchmarks, started on demand."""

# annotations are needed as what they are: a flow goes to its process without this module's names
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

Positive = Annotated[int, Field(ge=1)]


@flow(name="classify")
def classify(
    data: str,
    recipe: str,
    out: Path,
    compare: list[str] | None = None,
    size: Positive | None = None,
    epochs: Annotated[float, Field(gt=0)] | None = None,
    seed: int | None = None,
    limit: Positive | None = None,
    pretrained: Path | None = None,
    resume: bool = True,
) -> State[None]:
    """A classifier of images, trained and tried on images that it never saw.

    Args:
        data: An image set of the catalog, or a folder of class folders.
        recipe: What to train: vgg-small, resnet-18, …
        out: Folder of the runs, the scores and the page.
        compare: More recipes for the same images and split.
        size: Side of the images in pixels, if not that of the recipe.
        epochs: Passes over the training images, if not those of the recipe.
        seed: Of the weights and the batches, if not that of the recipe.
        limit: At most so many training images.
        pretrained: A file of weights to begin with.
        resume: Whether to go on with runs that are in the folder.
    """
    from flows.classification import Classification
    from flows.classification import classify as run

    others = tuple(compare or ())
    request = Classification(data, recipe, out, others, size, epochs, seed, limit, pretrained)
    done = run(request, resume=resume)
    best = max(done.table, key=lambda row: row["accuracy"])
    told = f"{best['recipe']}: {best['accuracy']:.2%} of the test images; {done.report}"
    return Completed(message=told)


@flow(name="denoise")
def denoise(
    data: str,
    recipe: str,
    out: Path,
    compare: list[str] | None = None,
    noise: str | None = None,
    levels: list[float] | None = None,
    size: Positive | None = None,
    epochs: Annotated[float, Field(gt=0)] | None = None,
    seed: int | None = None,
    limit: Positive | None = None,
    judge: Annotated[int, Field(ge=2)] = 1000,
    against: list[str] | None = None,
    classifier: Path | None = None,
    resume: bool = True,
) -> State[None]:
    """A network that restores noisy images, trained and tried beside the classic methods.

    Args:
        data: An image set of the catalog, a folder of class folders, skimage, or a radar store.
        recipe: What to train: denoise-unet, denoise-conv, ae-dense, vae, …
        out: Folder of the runs, the scores and the page.
        compare: More recipes for the same images.
        noise: gaussian, salt_and_pepper, masking, poisson or speckle, if not that of the recipe.
        levels: Of the noise, at which to judge, if not those of the recipe.
        size: Side of the images in pixels, if not their own.
        epochs: Passes over the training images, if not those of the recipe.
        seed: Of the weights and the batches, if not that of the recipe.
        limit: At most so many training images.
        judge: At most so many test images for each method.
        against: Classic methods to judge beside; all that are installed if none is named.
        classifier: Checkpoint whose features tell how real images are that were drawn.
        resume: Whether to go on with runs that are in the folder.
    """
    from flows.denoising import Denoising
    from flows.denoising import denoise as run

    others, judged_at = tuple(compare or ()), tuple(levels or ())
    rivals = tuple(against) if against else None
    request = Denoising(
        *(data, recipe, out, others, noise, judged_at, size, epochs, seed, limit),
        *(judge, rivals, classifier),
    )
    done = run(request, resume=resume)
    return Completed(message=f"{done.sentence()}; {done.report}")


@flow(name="segment")
def segment(
    data: str,
    recipe: str,
    out: Path,
    compare: list[str] | None = None,
    crop: Positive | None = None,
    epochs: Annotated[float, Field(gt=0)] | None = None,
    steps: Positive | None = None,
    seed: int | None = None,
    limit: Positive | None = None,
    flips: bool = False,
    normalise: Literal["none", "percentiles", "nuclei"] | None = None,
    resume: bool = True,
) -> State[None]:
    """A network that names the class of each pixel, tried on pictures that it never saw.

    Args:
        data: An image set of the catalog, or a folder of images and masks.
        recipe: What to train: unet-em, unet-nuclei, unet-vessels, unet-paper, …
        out: Folder of the runs, the scores, the predictions and the page.
        compare: More recipes for the same pictures and split.
        crop: Side in pixels of the pieces that train, if not that of the recipe.
        epochs: Passes over the training pictures, if not the steps of the recipe.
        steps: Of the optimiser, instead of epochs.
        seed: Of the weights and the batches, if not that of the recipe.
        limit: At most so many training pictures.
        flips: Whether to answer with the mean over mirror images.
        normalise: How brightness is made alike, if not as the masks suggest.
        resume: Whether to go on with runs that are in the folder.
    """
    from flows.segmentation import Segmentation
    from flows.segmentation import segment as run

    others = tuple(compare or ())
    request = Segmentation(
        *(data, recipe, out, others, crop, epochs, steps, seed, limit, flips, normalise)
    )
    done = run(request, resume=resume)
    return Completed(message=f"{done.sentence()}; {done.report}")
