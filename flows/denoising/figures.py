"""Pictures of the inside of networks that restore images, and what their codes hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from flows.denoising.codes import Classifier, Realism
from flows.denoising.entrants import Restorer
from flows.denoising.judge import PORTION, Contest
from nowcast.explain import map_layer
from nowcast.explain.codes import (
    codes_of,
    jacobian_spectrum,
    prior_samples,
    quiet_share,
    traversals,
)
from nowcast.models import EncoderDecoder, VariationalAutoencoder
from nowcast.report.denoise.figures import (
    draw_atoms,
    draw_latent_map,
    draw_samples,
    draw_traversals,
)
from nowcast.report.inside.layers import draw_filters, draw_maps
from nowcast.report.training_facts import Figure
from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader

SAMPLES, ATOMS, VARIED = 32, 64, 8
FEWEST = 4
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
SLOPE_IMAGES, SLOPE_NUMBERS = 16, 2**21
SEED = 20_173


@dataclass(frozen=True)
class Inside:
    """What there is to see in a network.

    Args:
        figures: In reading order.
        note: What its codes are like, in half a sentence; empty without a code.
        realism: Of the images that it draws; None where it draws none or nobody can tell.
    """

    figures: tuple[Figure, ...]
    note: str = ""
    realism: Realism | None = None


def look_inside(
    restorer: Restorer,
    contest: Contest,
    train: ImageLoader,
    classifier: Classifier | None = None,
    title: str = "",
) -> Inside:
    """Filters and maps of a network; of codes a map, what they stand for, and samples.

    Args:
        restorer: The network, which is left on the CPU.
        contest: Its test images are shown.
        train: What trained it.
        classifier: Tells how real samples are.
        title: For the figures, where there are several networks.
    """
    network, clean = restorer.trained.network.cpu(), contest.clean()
    inputs = [restorer.task.pose(Batch(part)).inputs for part in torch.split(clean, PORTION)]
    first = inputs[0]
    figures = [_filters(network, clean.shape[1], title)]
    if restorer.width is None or not isinstance(network, EncoderDecoder):
        return Inside((*figures, *_maps(restorer, contest)))
    codes = codes_of(network, inputs)
    if len(codes) >= FEWEST and codes.shape[1] > 1:
        labels = contest.test.split.labels[contest.test.indices[contest.chosen]]
        classes = contest.test.classes
        figures.append(draw_latent_map(codes, torch.from_numpy(labels), classes, title))
    realism = None
    if isinstance(network, VariationalAutoencoder):
        made = _pixels(restorer, prior_samples(network, codes.shape[1], len(clean), SEED))
        realism = Realism.of(made, contest, train, classifier) if classifier else None
        figures.append(_samples(made, realism, title))
        figures.append(_runs(restorer, network, codes, title))
    elif _is_dense(network, first):
        figures.append(_atoms(restorer, network, codes, title))
    return Inside(tuple(figures), _note(network, codes, first[:SLOPE_IMAGES]), realism)


def _filters(network: nn.Module, channels: int, title: str) -> Figure:
    drawn = draw_filters(network, channels)
    return replace(drawn, title=f"{drawn.title}: {title}") if title else drawn


def _maps(restorer: Restorer, contest: Contest) -> Iterator[Figure]:
    """What a network sees in the first noisy image that is shown."""
    noisy = contest.images(contest.test, contest.main, contest.judge).noisy
    shown = noisy[contest.places_shown(contest.main)[:1]]
    network, inputs = restorer.trained.network, restorer.task.pose(Batch(shown)).inputs
    if len(shown) and map_layer(network, inputs) is not None:
        yield draw_maps(network, inputs, shown[0] / 255, "a test image")


def _pixels(restorer: Restorer, images: Tensor) -> Tensor:
    """What a network answers, 0 to 255."""
    return restorer.task.scaling.decode(images).clamp(0, 255)


def _is_dense(network: EncoderDecoder, inputs: Tensor) -> bool:
    with torch.inference_mode():
        return network.encode(inputs[:1]).ndim == 2


def _samples(images: Tensor, realism: Realism | None, title: str) -> Figure:
    if realism is None:
        return draw_samples(images[:SAMPLES], network=title)
    drawn = draw_samples(images[:SAMPLES], realism.drawn, realism.real, title)
    if realism.drawn is not None:
        return drawn
    told = (
        f" Their Fréchet distance to test images is not told: {realism.images} images are not "
        f"more than the {realism.features} features of the classifier."
    )
    return replace(drawn, sentence=drawn.sentence + told)


def _runs(restorer: Restorer, network: EncoderDecoder, codes: Tensor, title: str) -> Figure:
    """Along the values of the code that differ most from image to image."""
    numbers = codes.var(0).argsort(descending=True, stable=True)[:VARIED].sort().values.tolist()
    images = traversals(network, torch.zeros(codes.shape[1]), numbers, STEPS)
    names = [f"value {number}" for number in numbers]
    return draw_traversals(_pixels(restorer, images), STEPS, names, title)


def _atoms(restorer: Restorer, network: EncoderDecoder, codes: Tensor, title: str) -> Figure:
    """What the values of the code that differ most add to the image of the mean code."""
    spread = codes.std(0, correction=0)
    numbers = spread.argsort(descending=True, stable=True)[:ATOMS].sort().values
    moved = codes.mean(0).repeat(len(numbers) + 1, 1)
    moved[torch.arange(len(numbers)), numbers] += spread[numbers]
    with torch.inference_mode():
        images = restorer.task.scaling.decode(network.decode(moved))
    return draw_atoms(images[:-1] - images[-1:], title)


def _note(network: EncoderDecoder, codes: Tensor, inputs: Tensor) -> str:
    """How quiet a code is, and how much it moves with the image."""
    told = f"{100 * float(quiet_share(codes).mean()):.0f} % of the code near 0"
    if codes.shape[1] * inputs[0].numel() <= SLOPE_NUMBERS:
        slope = float(jacobian_spectrum(network, inputs).square().sum().sqrt())
        told += f", norm of its derivative {slope:.3g}"
    return told
