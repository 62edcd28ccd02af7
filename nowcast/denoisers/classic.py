"""The classic denoisers by name, and the best of each for a noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from nowcast.denoisers import filters

WHITE = 255.0
LEAST_LEVEL = 1e-3
LEAST_ERROR = 1e-6
COLOURS = 3

Parameters = Mapping[str, Any]
Image = NDArray[np.float32]


@dataclass(frozen=True)
class Classic:
    """A classic method and the parameters that are worth trying.

    Args:
        title: For people.
        apply: (image, **parameters) -> image; see `nowcast.denoisers.filters`.
        fixed: Values to try, whatever the noise, by parameter.
        relative: Factors of the noise's level to try, by parameter.
        exact: Parameters that are the level itself.
        first: The parameter that is chosen first, the others at their middle values; the others
            are tried with that one alone.
        trial: Parameters that hold while others are tried, for the sake of speed.
        package: What has to be installed.
    """

    title: str
    apply: Callable[..., Image]
    fixed: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    relative: Mapping[str, Sequence[float]] = field(default_factory=dict)
    exact: Sequence[str] = ()
    first: str = ""
    trial: Parameters = field(default_factory=dict)
    package: str = "skimage"

    @property
    def available(self) -> bool:
        """Whether its package is installed."""
        return find_spec(self.package) is not None

    def grid(self, level: float) -> list[Parameters]:
        """Parameters to try against noise of this standard deviation, as a share of white."""
        return _combined(self._values(level))

    def begin(self, level: float) -> list[Parameters]:
        """Those of the grid among which `first` is chosen."""
        values = self._values(level).items()
        middle = {name: [held[len(held) // 2]] for name, held in values if name != self.first}
        return _combined({name: middle.get(name, held) for name, held in values})

    def _values(self, level: float) -> dict[str, Sequence[Any]]:
        deviation = max(level, LEAST_LEVEL)
        values = dict(self.fixed)
        values |= {name: [f * deviation for f in by] for name, by in self.relative.items()}
        values |= {name: [deviation] for name in self.exact}
        return values

    def with_(self, parameters: Parameters) -> ClassicDenoiser:
        """The denoiser with these parameters."""
        return ClassicDenoiser(self, parameters)


def _combined(values: Mapping[str, Sequence[Any]]) -> list[Parameters]:
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


@dataclass(frozen=True)
class ClassicDenoiser:
    """A classic method with its parameters; colours (three channels) are restored together.

    Missing pixels are filled with the nearest known one beforehand and are missing again after.

    Args:
        classic: The method.
        parameters: Of its function; lengths in pixels, values as shares of white.
    """

    classic: Classic
    parameters: Parameters = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The method and its parameters."""
        shown = [
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.parameters.items()
        ]
        return f"{self.classic.title} ({', '.join(shown)})" if shown else self.classic.title

    def denoise(self, noisy: Tensor) -> Tensor:
        """(B, C, H, W) of 0 … 255, restored."""
        pixels = noisy.detach().cpu().numpy().astype(np.float32)
        restored = np.empty_like(pixels)
        for image, into in zip(pixels, restored, strict=True):
            into[:] = self._restored(image)
        return torch.from_numpy(restored).to(noisy.device)

    def _restored(self, image: Image) -> Image:
        missing = np.isnan(image)
        if missing.all():
            return image
        filled = (_filled(image, missing) if missing.any() else image) / np.float32(WHITE)
        apply = partial(self.classic.apply, **self.parameters)
        if len(image) == COLOURS:
            clean = apply(np.ascontiguousarray(np.moveaxis(filled, 0, -1)))
            restored = np.moveaxis(clean, -1, 0)
        else:
            restored = np.stack([apply(channel) for channel in filled])
        return np.where(missing, image, restored * np.float32(WHITE))


CLASSIC: dict[str, Classic] = {
    "nothing": Classic("nothing done", filters.nothing),
    "mean": Classic("mean", filters.mean, {"size": (3, 5, 7)}, package="scipy"),
    "median": Classic("median", filters.median, {"size": (3, 5, 7)}, package="scipy"),
    "gaussian": Classic(
        "Gaussian", filters.gaussian, {"width": (0.3, 0.5, 0.65, 0.8, 1.0, 1.25, 1.6, 2.2)},
        package="scipy",
    ),
    "bilateral": Classic(
        "bilateral", filters.bilateral, {"width": (0.8, 1.2, 2.0)},
        {"colour": (0.75, 1.25, 2.0, 3.0, 5.0)}, package="kornia",
    ),
    "tv": Classic(
        "total variation", filters.total_variation,
        relative={"weight": (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.4)},
    ),
    "nlm": Classic(
        "non-local means", filters.non_local_means, {"patch": (3, 5, 7), "distance": (6, 11)},
        {"h": (0.3, 0.45, 0.6, 0.8, 1.1)}, ("sigma",), "patch",
    ),
    "wavelet": Classic(
        "wavelet shrinkage", filters.wavelet,
        {"method": ("BayesShrink",), "family": ("db1", "db2"), "levels": (2, 3), "shifts": (3,)},
        {"sigma": (0.7, 1.0, 1.3)},
    ),
    "bm3d": Classic(
        "BM3D", filters.block_matching, relative={"sigma": (0.5, 0.75, 0.9, 1.0, 1.2, 1.5)},
        trial={"exact": False}, package="bm3d",
    ),
}  # fmt: skip


def tuned(name: str, noisy: Tensor, clean: Tensor, level: float | None = None) -> ClassicDenoiser:
    """The method with the parameters of the best mean PSNR on these images.

    Where one parameter is to be chosen first, not the whole grid is tried.

    Args:
        name: In CLASSIC.
        noisy: (B, C, H, W) of 0 … 255, of validation.
        clean: The same without noise.
        level: True standard deviation of the noise, as a share of white; None for the root mean
            square of noisy − clean, which is its equivalent for noise that is not Gaussian.

    Raises:
        ValueError: If there is no such method, its package is not installed, or no pixel is
            known in both.
    """
    if name not in CLASSIC:
        raise ValueError(f"no classic denoiser {name!r}; there are {sorted(CLASSIC)}")
    known = ~(noisy.isnan() | clean.isnan())
    if not known.any():
        raise ValueError(f"{name}: expected images to tune on, found no pixel that is known")
    classic = CLASSIC[name]
    if level is None:
        level = float((noisy - clean)[known].double().square().mean().sqrt()) / WHITE

    @cache
    def measured(*items: tuple[str, Any]) -> float:
        tried = classic.with_({**dict(items), **classic.trial})
        return _mean_psnr(tried.denoise(noisy), clean, known)

    def quality(parameters: Parameters) -> float:
        return measured(*parameters.items())

    grid, first = classic.grid(level), classic.first
    if first:
        chosen = max(classic.begin(level), key=quality)[first]
        grid = [parameters for parameters in grid if parameters[first] == chosen]
    return classic.with_(max(grid, key=quality))


def _mean_psnr(restored: Tensor, clean: Tensor, known: Tensor) -> float:
    """Mean over images, values beyond 0 … 255 cut off."""
    difference = restored.clamp(0, WHITE) - clean
    squares = torch.where(known, difference.double() ** 2, 0).flatten(1).sum(1)
    count = known.flatten(1).sum(1)
    error = (squares / count)[count > 0].clamp(min=LEAST_ERROR)
    return float((10 * torch.log10(WHITE**2 / error)).mean())


def _filled(image: Image, missing: NDArray[np.bool_]) -> Image:
    """Each missing pixel with the value of the nearest known one; a channel without one is 0."""
    filled = image.copy()
    for channel, lacking in zip(filled, missing, strict=True):
        if lacking.all():
            channel[:] = 0
            continue
        rows, columns = distance_transform_edt(lacking, return_distances=False, return_indices=True)
        channel[:] = channel[rows, columns]
    return filled
