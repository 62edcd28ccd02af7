"""What codes are worth: errors by their width, and how real images are that are drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from flows.denoising.entrants import Restorer, training_images
from flows.denoising.judge import PORTION, Contest, evenly_chosen
from nowcast.checkpoint import load_checkpoint
from nowcast.denoisers import Denoiser, PCADenoiser
from nowcast.evaluation import frechet_distance
from nowcast.evaluation.restoration import image_mse
from nowcast.explain import embedding, layer_shapes
from nowcast.report.denoise.facts import WidthCurve
from nowcast.tasks import ClassifyTask
from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader


@dataclass(frozen=True)
class Classifier:
    """A trained classifier whose last features tell images apart.

    Args:
        network: In evaluation mode, on the CPU.
        task: What it was trained for.
        layer: The last with vectors, before the logits.
        name: Of its recipe.
    """

    network: nn.Module
    task: ClassifyTask
    layer: str
    name: str

    @classmethod
    def read(cls, path: Path, shape: tuple[int, ...]) -> Classifier:
        """The classifier of a checkpoint, for images (C, H, W).

        Raises:
            ValueError: If there is none, or it is of other images.
        """
        if not path.is_file():
            raise ValueError(
                f"{path}: expected the checkpoint of a classifier, found no such file; "
                "train one with `nowcast classify`"
            )
        held = load_checkpoint(path)
        task, crop = held.task, held.recipe.crop
        if not isinstance(task, ClassifyTask) or (task.channels, crop, crop) != shape:
            channels, height, width = shape
            raise ValueError(
                f"{path}: expected a classifier of images of {channels} × {height} × {width}, "
                f"found a network of {type(task).__name__} for {task.inputs} × {crop} × {crop}"
            )
        shapes = layer_shapes(held.network, torch.zeros(1, *shape))
        logits = list(shapes.values())[-1]
        vectors = [name for name, size in shapes.items() if len(size) == 2 and size != logits]
        return cls(held.network, task, (vectors or list(shapes))[-1], held.recipe.name)

    def features(self, images: Tensor) -> Tensor:
        """(N, F) of images (N, C, H, W), 0 to 255."""
        pixels = torch.split(images.clamp(0, 255), PORTION)
        inputs = (self.task.pose(Batch(part, _unknown(part))).inputs for part in pixels)
        return embedding(self.network, self.layer, inputs)


def _unknown(images: Tensor) -> Tensor:
    return torch.zeros(len(images), dtype=torch.int64)


def width_curves(
    restorers: Sequence[Restorer], contest: Contest, train: ImageLoader
) -> tuple[WidthCurve, ...]:
    """Error of reproducing clean test images, of each code and of PCA at every width.

    All are clipped to 0 … 255.
    """
    coded = [(each, each.width) for each in restorers if each.width is not None]
    if not coded:
        return ()
    clean = contest.clean()
    components = training_images(train)
    most = min(len(components), clean[0].numel())
    widest = max(width for _, width in coded)
    powers = [2**n for n in range(1, 13) if 2**n <= min(2 * widest, most)]
    widths = sorted({*powers, *(width for _, width in coded if width <= most)})
    whole = PCADenoiser.fit(components, max(widths))
    narrowed = (PCADenoiser(whole.mean, whole.components[:width]) for width in widths)
    exact = tuple(_error(each, clean) for each in narrowed)
    curves = [WidthCurve("PCA", tuple(widths), exact, exact=True)]
    for each, width in coded:
        error = _error(each.denoiser, clean)
        curves.append(WidthCurve(each.trained.facts.shown, (width,), (error,)))
    return tuple(curves)


def _error(denoiser: Denoiser, clean: Tensor) -> float:
    return float(image_mse(denoiser.denoise(clean), clean).mean())


@dataclass(frozen=True)
class Realism:
    """How far images lie from test images, as a classifier sees both.

    Args:
        drawn: The Fréchet distance of images that a network drew; None where there are not more
            images than features, which leaves covariances without their full rank.
        real: That of as many training images.
        images: How many were compared of each.
        features: That the classifier finds in an image.
    """

    drawn: float | None
    real: float | None
    images: int
    features: int

    @classmethod
    def of(
        cls, drawn: Tensor, contest: Contest, train: ImageLoader, classifier: Classifier
    ) -> Realism:
        """Of as many drawn images (N, C, H, W) as test images are judged."""
        clean = contest.clean()
        real = train.split.read(train.indices[evenly_chosen(len(train), len(clean))], train.frame)
        test = classifier.features(clean)
        images, features = min(len(drawn), len(real), len(test)), test.shape[1]
        if images <= features:
            return cls(None, None, images, features)
        far, near = (frechet_distance(classifier.features(each), test) for each in (drawn, real))
        return cls(far, near, images, features)
