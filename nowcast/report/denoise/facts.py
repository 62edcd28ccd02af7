"""What the page of a denoiser shows that its tallies do not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.cleaning import CleaningTally
from nowcast.evaluation.restoration import RestorationTally
from nowcast.report.classes.facts import DataFacts
from nowcast.report.lines import ChartGroup
from nowcast.report.training_facts import Figure, TrainingFacts
from pipeline.batch import ZR

Kind = Literal["network", "classic", "nothing"]


@dataclass(frozen=True)
class NoiseFacts:
    """What was done to the images before they were to be restored.

    Args:
        title: In the middle of a sentence, "Gaussian noise".
        knob: What its level is, "σ as a share of white"; heads the axis of levels.
        level: At which `MethodFacts.tally` was counted and the pictures were made.
        trained: From and to which the networks saw it; None if it differs or they saw none.
    """

    title: str
    knob: str
    level: float
    trained: tuple[float, float] | None = None


@dataclass(frozen=True)
class MethodFacts:
    """One way to restore images, and how it did on the test images.

    Args:
        name: Short and like no other's of the page.
        tally: Of the test images at the noise's level; None for a cleaner of radar.
        title: For readers.
        kind: "nothing" is the noisy image itself.
        training: Of a network.
        parameter: What was tuned for it on validation images, "h = 0.8 σ".
        by_level: Level of the noise → its tally, the level of `tally` among them.
        psnr: (N,) dB of each test image in the order of the split (`image_psnr`), NaN of those it
            was not judged on. Methods that have it are compared on the images they share.
        psnr_by_level: Level of the noise → the same at that level.
        cleaning: Of radar, setting → its tally, from the mildest setting to the strictest; its
            settings are the points of a curve.
        chosen: The setting that was chosen on validation frames, a key of `cleaning`.
        seconds_per_1000: Wall-clock time of restoring 1000 images.
        note: Anything else in a sentence.
    """

    name: str
    tally: RestorationTally | None = None
    _: KW_ONLY
    title: str = ""
    kind: Kind = "classic"
    training: TrainingFacts | None = None
    parameter: str = ""
    by_level: Mapping[float, RestorationTally] = field(default_factory=dict)
    psnr: NDArray[np.floating] | None = None
    psnr_by_level: Mapping[float, NDArray[np.floating]] = field(default_factory=dict)
    cleaning: Mapping[str, CleaningTally] = field(default_factory=dict)
    chosen: str = ""
    seconds_per_1000: float | None = None
    note: str = ""

    @property
    def shown(self) -> str:
        """Its title, or that of its training, or its name."""
        return self.title or (self.training.shown if self.training else "") or self.name

    @property
    def cleaned(self) -> CleaningTally | None:
        """The tally of the chosen setting, or of the only one."""
        if self.chosen:
            return self.cleaning[self.chosen]
        return next(iter(self.cleaning.values())) if len(self.cleaning) == 1 else None


@dataclass(frozen=True)
class PictureRow:
    """One test image as each method restored it.

    Args:
        caption: "Test image 12, ankle boot".
        clean: Pixels 0 to 255, (C, H, W) of one channel or three; dBZ (H, W) for radar.
        noisy: What the methods were given.
        restored: Name of a method → what it made of it; those absent are not drawn.
        level: Of the noise, where it is not that of the page.
        zr: Of radar, where it is not that of the page.
    """

    caption: str
    clean: NDArray[np.floating]
    noisy: NDArray[np.floating]
    restored: Mapping[str, NDArray[np.floating]]
    level: float | None = None
    zr: ZR | None = None


@dataclass(frozen=True)
class WidthCurve:
    """Error of reconstruction by the number of values in the code.

    Args:
        name: Of one network of several widths, or "PCA"; that of a method, where it is one.
        widths: Rising.
        mse: Mean squared error of pixels 0 to 255 of the test images at each width.
        exact: Whether it is of principal components, the best linear code.
    """

    name: str
    widths: tuple[int, ...]
    mse: tuple[float, ...]
    exact: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.mse):
            raise ValueError(
                f"{self.name}: expected as many errors as widths, found {len(self.mse)} and "
                f"{len(self.widths)}"
            )


@dataclass(frozen=True)
class RadarFacts:
    """How the cleaners of radar were judged.

    Args:
        zr: Between reflectivity and rain rate, for the colours of maps.
        threshold: mm/h at which clutter left and rain lost are drawn, one of the tallies'.
        events: What was cleaned, one line each: product, period, frames.
        sentence: How noise was put in.
        several: Whether products of other relations were judged too, each by its own.
    """

    zr: ZR
    threshold: float
    events: tuple[str, ...] = ()
    sentence: str = ""
    several: bool = False


@dataclass(frozen=True)
class DenoiseFacts:
    """All that the page of a denoiser or an autoencoder shows.

    Args:
        title: Headline.
        data: The images; without classes where they are of no matter.
        method: Whose page it is.
        others: What it is compared with on the same noisy images.
        noise: None where clean images were to be reproduced.
        rows: Test images as pictures.
        widths: Curves of error by width of the code.
        figures: Pictures of the inside, in reading order; `nowcast.report.denoise.figures` and
            `nowcast.report.inside.layers` draw them.
        effects: What settings do, with and without; `nowcast.report.denoise.effects` draws them.
        radar: Where the methods have `cleaning`.
        peculiar: Sentences on what readers must know of how it was judged, "BM3D took 3 s an
            image, so that all methods are judged on 500 of 10 000 images".
        code_version: Of this program.
        machine: What it ran on.
        seconds: Stage → wall-clock time; they add up to the whole.
    """

    title: str
    data: DataFacts
    method: MethodFacts
    others: tuple[MethodFacts, ...] = ()
    _: KW_ONLY
    noise: NoiseFacts | None = None
    rows: tuple[PictureRow, ...] = ()
    widths: tuple[WidthCurve, ...] = ()
    figures: tuple[Figure, ...] = ()
    effects: tuple[ChartGroup, ...] = ()
    radar: RadarFacts | None = None
    peculiar: tuple[str, ...] = ()
    code_version: str = ""
    machine: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[MethodFacts, ...]:
        """The method and the others."""
        return (self.method, *self.others)

    @property
    def trainings(self) -> tuple[TrainingFacts, ...]:
        """Of the methods that were trained."""
        return tuple(held.training for held in self.methods if held.training is not None)
