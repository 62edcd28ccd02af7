"""Every way to restore images, judged on the same noisy test images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nowcast.denoisers import Denoiser
from nowcast.evaluation import RestorationTally, image_psnr
from nowcast.report.denoise.facts import Kind, PictureRow
from nowcast.report.training_facts import TrainingFacts
from pipeline.image_loader import ImageLoader
from pipeline.noise import Noise
from pipeline.noisy import NoisyBatches
from pipeline.pictures import Integers

TEST_SEED, VALIDATION_SEED = 20_171, 20_172
PORTION = 256
SHOWN, SHOWN_AROUND = 6, 2
CLEAN = 0.0


@dataclass(frozen=True)
class Noisy:
    """Some images with noise of one level, and clean.

    Args:
        level: Of the noise.
        noisy: (N, C, H, W), 0 to 255.
        clean: The same without noise.
    """

    level: float
    noisy: Tensor
    clean: Tensor

    def some(self, count: int) -> Noisy:
        """At most so many, evenly chosen."""
        places = torch.from_numpy(evenly_chosen(len(self.clean), count))
        return Noisy(self.level, self.noisy[places], self.clean[places])


@dataclass(frozen=True)
class Entrant:
    """A way to restore images.

    Args:
        name: Like no other's.
        kind: Of method.
        prepare: Noisy and clean validation images of a level → the denoiser for that level.
        title: For readers.
        training: Of a network.
        slow: Whether it is judged on a fifth of the images.
    """

    name: str
    kind: Kind
    prepare: Callable[[Noisy], Denoiser]
    title: str = ""
    training: TrainingFacts | None = None
    slow: bool = False


@dataclass(frozen=True)
class Outcome:
    """How an entrant did at a level.

    Args:
        denoiser: What restored.
        tally: Of the judged images.
        psnr: (N,) of each image of the contest, NaN of those that it was not judged on.
        seconds: For all that it was.
        shown: Place among the judged images → what it made of it.
    """

    denoiser: Denoiser
    tally: RestorationTally
    psnr: NDArray[np.floating] = field(repr=False)
    seconds: float = 0.0
    shown: Mapping[int, NDArray[np.floating]] = field(default_factory=dict, repr=False)


Found = Mapping[str, Mapping[float, Outcome]]


@dataclass(frozen=True)
class Contest:
    """Images on which all entrants are judged alike.

    Args:
        test: Images that training never sees.
        validation: Images to tune on.
        noise: On them; None to judge the reproduction of clean images.
        levels: Of the noise, rising; CLEAN alone without.
        main: The level of which most is told.
        judge: Most test images for an entrant.
    """

    test: ImageLoader
    validation: ImageLoader
    noise: Noise | None
    levels: tuple[float, ...]
    main: float
    judge: int

    @property
    def chosen(self) -> Integers:
        """Places of the judged images in the sweep of the test images, evenly chosen."""
        return evenly_chosen(len(self.test), self.judge)

    @property
    def slow(self) -> Integers:
        """Places among the judged images of those for slow entrants."""
        return evenly_chosen(len(self.chosen), max(len(self.chosen) // 5, SHOWN + 2))

    def judged(self, entrants: Sequence[Entrant], tuned_on: int) -> Found:
        """Name of an entrant → level → how it did."""
        found: dict[str, dict[float, Outcome]] = {each.name: {} for each in entrants}
        for level in self.levels:
            test = self.images(self.test, level, self.judge)
            tune = self.images(self.validation, level, tuned_on)
            for each in entrants:
                found[each.name][level] = self._outcome(each, test, tune)
        return found

    def _outcome(self, entrant: Entrant, test: Noisy, tune: Noisy) -> Outcome:
        denoiser = entrant.prepare(tune)
        places = self.slow if entrant.slow else np.arange(len(test.clean))
        noisy, clean = test.noisy[torch.from_numpy(places)], test.clean[torch.from_numpy(places)]
        begun = time.perf_counter()
        restored = torch.cat([denoiser.denoise(part) for part in torch.split(noisy, PORTION)])
        seconds = time.perf_counter() - begun
        tally = RestorationTally()
        tally.update(restored, clean)
        psnr = np.full(len(test.clean), np.nan)
        psnr[places] = image_psnr(restored, clean)
        at = {int(place): n for n, place in enumerate(places)}
        shown = {place: restored[at[place]].numpy() for place in self.places_shown(test.level)}
        return Outcome(denoiser, tally, psnr, seconds, shown)

    def places_shown(self, level: float) -> list[int]:
        """Places among the judged images of those that are drawn at a level."""
        ends = (self.levels[0], self.levels[-1])
        count = SHOWN if level == self.main else SHOWN_AROUND * (level in ends)
        if not count:
            return []
        within = evenly_chosen(len(self.slow), count + 2)[1:-1]
        places: list[int] = self.slow[within].tolist()
        return places

    def whole(self, denoiser: Denoiser) -> RestorationTally:
        """Of every test image, at the main level."""
        tally = RestorationTally()
        for noisy, clean in self._sweep(self.test, self.main):
            tally.update(denoiser.denoise(noisy), clean)
        return tally

    def images(self, loader: ImageLoader, level: float, count: int) -> Noisy:
        """At most so many images of a part, evenly chosen, with their noise."""
        wanted = evenly_chosen(len(loader), count)
        noisy, clean, begin = [], [], 0
        for dirty, pure in self._sweep(loader, level):
            mine = wanted[(wanted >= begin) & (wanted < begin + len(pure))] - begin
            noisy.append(dirty[torch.from_numpy(mine)])
            clean.append(pure[torch.from_numpy(mine)])
            begin += len(pure)
        return Noisy(level, torch.cat(noisy), torch.cat(clean))

    def clean(self) -> Tensor:
        """The judged test images without noise."""
        wanted = self.test.indices[self.chosen]
        return self.test.split.read(wanted, self.test.frame)

    def _sweep(self, loader: ImageLoader, level: float) -> Iterator[tuple[Tensor, Tensor]]:
        if self.noise is None:
            return ((batch.frames, batch.frames) for batch in loader.sweep())
        seed = TEST_SEED if loader is self.test else VALIDATION_SEED
        noisy = NoisyBatches(loader, self.noise.at(level), seed)
        return ((b.frames, b.frames if b.label is None else b.label) for b in noisy.sweep())

    def rows(self, found: Found) -> tuple[PictureRow, ...]:
        """Test images as each entrant restored them, those of the main level first."""
        ends = dict.fromkeys((self.main, self.levels[0], self.levels[-1]))
        return tuple(row for level in ends for row in self._rows(level, found))

    def _rows(self, level: float, found: Found) -> Iterator[PictureRow]:
        test = self.images(self.test, level, self.judge)
        for place in self.places_shown(level):
            yield PictureRow(
                self._caption(int(self.chosen[place])),
                test.clean[place].numpy(),
                test.noisy[place].numpy(),
                {name: held[level].shown[place] for name, held in found.items()},
                None if level == self.main else level,
            )

    def _caption(self, place: int) -> str:
        index = int(self.test.indices[place])
        name = self.test.classes[int(self.test.split.labels[index])]
        return f"Test image {index}, {name}"


def evenly_chosen(images: int, count: int) -> Integers:
    """Places of at most so many of the images, spread evenly, rising."""
    if count >= images:
        return np.arange(images)
    return np.linspace(0, images - 1, count).round().astype(np.int64)
