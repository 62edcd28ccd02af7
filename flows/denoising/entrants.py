"""Who takes part when images are restored: networks, classic methods, principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from flows.denoising.judge import Contest, Entrant, Found, Noisy, Outcome, evenly_chosen
from flows.images.runs import Trained
from nowcast.denoisers import (
    CLASSIC,
    ClassicDenoiser,
    Denoiser,
    NetworkDenoiser,
    PCADenoiser,
    tuned,
)
from nowcast.evaluation import RestorationTally
from nowcast.models import EncoderDecoder
from nowcast.report.classes.words import grouped
from nowcast.report.denoise.facts import Kind, MethodFacts
from nowcast.tasks import DenoiseTask
from pipeline.image_loader import ImageLoader

NOTHING = "nothing"
SLOW = "bm3d"
TUNED_ON, SLOW_TUNED_ON = 24, 6
PCA_WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256)
PCA_IMAGES, PCA_IMAGES_IF_LARGE, LARGE = 10_000, 1000, 1024  # numbers of an image


@dataclass(frozen=True)
class Restorer:
    """A trained network that restores images.

    Args:
        trained: By a recipe of DenoiseTask.
        width: Numbers of its code; None without a code.
    """

    trained: Trained
    width: int | None = None

    @classmethod
    def of(cls, trained: Trained, shape: tuple[int, ...]) -> Restorer:
        """With the numbers of its code for an image (C, H, W)."""
        return cls(trained, width_of(trained.network, shape))

    @property
    def task(self) -> DenoiseTask:
        """What it was trained for."""
        task = self.trained.task
        if not isinstance(task, DenoiseTask):
            raise TypeError(f"{self.trained.facts.name}: expected a network of DenoiseTask")
        return task

    @property
    def denoiser(self) -> NetworkDenoiser:
        """It, where it was trained."""
        held, fabric = self.trained, self.trained.fabric
        precision = str(fabric.strategy.precision.precision)
        name = held.facts.shown
        return NetworkDenoiser(held.network, self.task, fabric.device, precision, name)


def opponents(names: Sequence[str] | None) -> tuple[str, ...]:
    """Classic methods by their names, the noisy image itself among them; None for all installed.

    Raises:
        ValueError: If there is no such method, or its package is not installed.
    """
    if names is None:
        return tuple(name for name, held in CLASSIC.items() if held.available)
    for name in names:
        if name not in CLASSIC:
            raise ValueError(f"no classic method {name!r}; there are {sorted(CLASSIC)}")
        if not CLASSIC[name].available:
            package = CLASSIC[name].package
            raise ValueError(
                f"{name}: expected package {package!r}, found none; install it, or leave {name} out"
            )
    return tuple(dict.fromkeys((NOTHING, *names)))


def width_of(network: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Numbers of the code of a network's image (C, H, W).

    None where it has no code, or maps of as many numbers as the image, which are none.
    """
    if not isinstance(network, EncoderDecoder):
        return None
    image = torch.zeros(1, *shape)
    with torch.inference_mode():
        code = network.encode(image)
    return None if code.ndim > 2 and code.numel() >= image.numel() else code.numel()


def entrants_of(
    restorers: Sequence[Restorer], contest: Contest, train: ImageLoader, against: Sequence[str]
) -> list[Entrant]:
    """The networks, the classic methods that were asked for, and principal components."""
    networks = [_network(each) for each in restorers]
    components = _pca(restorers[0].width, train, clean=contest.noise is None)
    if contest.noise is None:
        return [*networks, *components]
    gaussian = contest.noise.kind == "gaussian"
    return [*networks, *(_classic(name, gaussian) for name in against), *components]


def _network(restorer: Restorer) -> Entrant:
    facts, denoiser = restorer.trained.facts, restorer.denoiser
    return Entrant(facts.name, "network", lambda _: denoiser, facts.title, facts)


def _classic(name: str, gaussian: bool) -> Entrant:
    def prepare(images: Noisy) -> Denoiser:
        some = images.some(SLOW_TUNED_ON) if name == SLOW else images
        return tuned(name, some.noisy, some.clean, images.level if gaussian else None)

    kind: Kind = "nothing" if name == NOTHING else "classic"
    title = CLASSIC[name].title
    return Entrant(name, kind, prepare, title[:1].upper() + title[1:], slow=name == SLOW)


def _pca(width: int | None, train: ImageLoader, *, clean: bool) -> list[Entrant]:
    """As wide as a code; where there is none, as wide as takes most noise away."""
    images = training_images(train)
    most = min(len(images), images[0].numel())
    if clean and (width is None or width > most):
        return []
    whole = PCADenoiser.fit(images, most)
    if width is not None and width <= most:
        chosen = partial(_best, [_narrowed(whole, width)])
        return [Entrant(f"pca-{width}", "classic", chosen, f"PCA of width {width}")]
    tried = [_narrowed(whole, width) for width in PCA_WIDTHS if width <= most]
    return [Entrant("pca", "classic", partial(_best, tried), "PCA")]


def training_images(train: ImageLoader) -> Tensor:
    """Those from which components are taken, evenly chosen, (N, C, H, W)."""
    large = torch.Size(train.shape).numel() > LARGE
    count = PCA_IMAGES_IF_LARGE if large else PCA_IMAGES
    return train.split.read(train.indices[evenly_chosen(len(train), count)], train.frame)


def _narrowed(whole: PCADenoiser, width: int) -> PCADenoiser:
    return PCADenoiser(whole.mean, whole.components[:width])


def _best(tried: Sequence[PCADenoiser], images: Noisy) -> Denoiser:
    def psnr(denoiser: PCADenoiser) -> float:
        tally = RestorationTally()
        tally.update(denoiser.denoise(images.noisy), images.clean)
        return tally.psnr()

    return tried[0] if len(tried) == 1 else max(tried, key=psnr)


def methods_of(
    entrants: Sequence[Entrant], found: Found, contest: Contest
) -> tuple[MethodFacts, ...]:
    """What a page tells of each entrant, in their order."""
    first = found[entrants[0].name][contest.main]
    return tuple(_method(each, found[each.name], first, contest) for each in entrants)


def _method(
    entrant: Entrant, levels: Mapping[float, Outcome], first: Outcome, contest: Contest
) -> MethodFacts:
    main = levels[contest.main]
    network = entrant.kind == "network"
    if entrant.slow and main.tally.images < first.tally.images:
        same = first.psnr[contest.slow].mean()
        note = f"on {main.tally.images} images, where the first has {same:.2f} dB"
    elif network and main.tally.images < len(contest.test):
        whole = contest.whole(main.denoiser)
        note = f"{whole.psnr():.2f} dB on all {grouped(whole.images)} test images"
    else:
        note = ""
    return MethodFacts(
        entrant.name,
        main.tally,
        title=entrant.title,
        kind=entrant.kind,
        training=entrant.training,
        parameter=_tuned(main.denoiser),
        by_level={level: each.tally for level, each in levels.items()} if contest.noise else {},
        psnr=main.psnr,
        psnr_by_level={level: each.psnr for level, each in levels.items()} if contest.noise else {},
        seconds_per_1000=1000 * main.seconds / main.tally.images,
        note=note,
    )


def _tuned(denoiser: Denoiser) -> str:
    """What was chosen on validation images."""
    if isinstance(denoiser, PCADenoiser):
        return f"width {len(denoiser.components)}"
    if not isinstance(denoiser, ClassicDenoiser):
        return ""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in denoiser.parameters.items()
    )
