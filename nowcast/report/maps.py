"""Radar maps as small pictures, and where their axes' kilometres lie."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from nowcast.report.colours import SOUND, Palette, classify
from nowcast.verification.categorical import critical_success_index, event_limit
from pipeline.batch import ZR

LONGEST_SIDE = 640
# zlib.Z_RLE: 25 times as fast as the smallest of the others, and smaller on classes of reflectivity
RUNS = 3
KM_PER_DEGREE = 111.1949
Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its share of the axis' length, from the left or from the top."""

    share: float
    label: str


@dataclass(frozen=True)
class MapFrame:
    """The box that every map of a case shares; kilometres count from its middle."""

    width_km: float
    height_km: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]

    @classmethod
    def of(cls, case: xr.Dataset) -> MapFrame:
        """The box around the pixels of a case."""
        x, y = (case[name].to_numpy().astype(np.float64) for name in ("x", "y"))
        scale_x = scale_y = 1e-3
        if str(case["x"].attrs.get("units", "m")).startswith("degree"):
            scale_y = KM_PER_DEGREE
            scale_x = KM_PER_DEGREE * float(np.cos(np.radians(y.mean())))
        width, height = _extent(x) * scale_x, _extent(y) * scale_y
        step = tick_step(max(width, height))
        return cls(width, height, _ticks(width, step), _ticks(height, step, down=True))

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width_km / self.height_km


def _extent(centres: NDArray[np.float64]) -> float:
    if centres.size < 2:
        return 1.0
    return float(np.ptp(centres) * centres.size / (centres.size - 1))


def tick_step(length: float, most: int = 5) -> float:
    """The round step (1, 2 or 5 × 10ⁿ) that sets at most `most` marks on a length."""
    powers = 10.0 ** np.arange(-4, 7)
    steps = sorted(digit * power for digit, power in product((1, 2, 5), powers))
    return float(next((step for step in steps if length / step <= most), steps[-1]))


def _ticks(length: float, step: float, *, down: bool = False) -> tuple[Tick, ...]:
    reach = int(0.46 * length / step)
    places = step * np.arange(-reach, reach + 1)
    sign = -1 if down else 1
    return tuple(
        Tick(float(0.5 + sign * place / length), f"{place:g}".replace("-", "−")) for place in places
    )


def thin(field: NDArray[Kind]) -> NDArray[Kind]:
    """Every n-th pixel of (H, W), so that neither side is above LONGEST_SIDE.

    Pixels are left out, never averaged: an average of rain and no echo is rain nobody saw.
    """
    picks = [
        np.linspace(0, side - 1, min(side, LONGEST_SIDE)).round().astype(int)
        for side in field.shape
    ]
    thinned: NDArray[Kind] = field[np.ix_(*picks)]
    return thinned


def png(dbz: NDArray[np.floating], palette: Palette = SOUND) -> bytes:
    """(H, W) reflectivity as a PNG of palette colours, row 0 on top."""
    return indexed_png(classify(dbz), palette.lookup)


def indexed_png(classes: NDArray[np.uint8], lookup: NDArray[np.uint8]) -> bytes:
    """(H, W) places in a table (classes, 4) of RGBA as a PNG, row 0 on top."""
    picture = Image.fromarray(classes)
    picture.putpalette(lookup[:, :3].tobytes())
    buffer = io.BytesIO()
    opacity = lookup[:, 3].tobytes()
    picture.save(buffer, "PNG", transparency=opacity, compress_type=RUNS)
    return buffer.getvalue()


def picture_uri(picture: bytes) -> str:
    """A PNG as an address that holds itself."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def data_uri(dbz: NDArray[np.floating]) -> str:
    """(H, W) reflectivity as the address of a picture that holds itself."""
    return picture_uri(png(thin(dbz)))


def event_csi(
    forecasts: NDArray[np.floating], observed: NDArray[np.floating], threshold: float, zr: ZR
) -> NDArray[np.float64]:
    """CSI (F,) of maps (F, H, W) dBZ against one observed map (H, W) at a rain rate in mm/h.

    Missing: Pixels that were not observed or that any forecaster left missing are not compared.
    Undefined: NaN where nothing was forecast nor observed.
    """
    known = ~np.isnan(observed) & ~np.isnan(forecasts).any(0)
    limit = event_limit(zr.threshold_dbz(threshold))
    forecast_events, observed_events = (forecasts >= limit) & known, (observed >= limit) & known
    counts = (
        forecast_events & observed_events,
        ~forecast_events & observed_events,
        forecast_events & ~observed_events,
    )
    sums = (torch.from_numpy(events.sum((-2, -1))) for events in counts)
    csi: NDArray[np.float64] = critical_success_index(*sums).numpy()
    return csi
