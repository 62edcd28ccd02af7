"""Synthetic storms of known motion, growth and decay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from data_catalog.cells import Cells, apply
from data_catalog.texture import Plane, sample, textures

NO_ECHO = -32.0
WEAKEST_ECHO = 7.0
ZR_A, ZR_B = 200.0, 1.6

EPOCH = "seconds since 1970-01-01"
PACKING = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -32768, "zlib": True}


@dataclass(frozen=True)
class Storms:
    """One event: a rain band with embedded and scattered cells, seen by a radar at the centre.

    Everything drifts with `motion`. Texture fades within its lifetime, cells grow, ripen and
    decay, and the band strengthens or weakens, so extrapolation is good at first and loses skill.

    Args:
        frames: Number of slots from `start`, one every `cadence_minutes`.
        seed: Decides the event: its heading, band, cells, speckle and blocked sector.
        start: Valid time of the first frame, UTC.
        lost: Frames that never arrived.
        speckle: Share of the pixels of a frame that hold an isolated false echo.
    """

    height: int = 192
    width: int = 192
    pixel_m: float = 1000.0
    cadence_minutes: int = 6
    frames: int = 28
    seed: int = 0
    start: datetime = datetime(2026, 6, 1)
    lost: tuple[int, ...] = ()
    speckle: float = 2e-4

    def __post_init__(self) -> None:
        if self.height < 2 or self.width < 2 or self.frames < 1:
            raise ValueError(
                "storms: expected at least one frame of 2 × 2 pixels, "
                f"found {self.frames} of {self.height} × {self.width}"
            )

    @property
    def valid_times(self) -> NDArray[np.datetime64]:
        """(T,) UTC."""
        step = np.timedelta64(self.cadence_minutes, "m").astype("timedelta64[ns]")
        first = np.datetime64(self.start).astype("datetime64[ns]")
        return np.asarray(first + step * np.arange(self.frames))

    @property
    def end(self) -> datetime:
        """Valid time of the last frame, UTC."""
        return self.start + timedelta(minutes=self.cadence_minutes * (self.frames - 1))

    def motion(self) -> Plane:
        """(2, H, W) pixels per frame that the air at each pixel moves: east, then south."""
        x, y = self._pixels()
        step = self._step()
        return np.stack([apply(step, x, y)[k] - (x, y)[k] for k in range(2)]).astype(np.float32)

    def visible(self) -> NDArray[np.bool_]:
        """(H, W) pixels within the radar's range and outside its blocked sector."""
        x, y = self._pixels()
        east, south = x - (self.width - 1) / 2, y - (self.height - 1) / 2
        distance = np.hypot(east, south)
        reach = 0.56 * min(self.height, self.width)
        azimuth = self._rng("blockage").uniform(-np.pi, np.pi)
        aside = np.abs(np.angle(np.exp(1j * (np.arctan2(south, east) - azimuth))))
        blocked = (aside < np.radians(2.5)) & (distance > 0.12 * reach)
        return np.asarray((distance <= reach) & ~blocked)

    def dbz(self) -> Plane:
        """(T, H, W) reflectivity: NaN where not visible, NO_ECHO where dry; lost frames all NaN."""
        frames = np.stack(list(self.truth()))
        rng = self._rng("speckle")
        false_echo = rng.random(frames.shape, np.float32) < self.speckle
        strength = rng.uniform(WEAKEST_ECHO, 35, np.count_nonzero(false_echo))
        frames[false_echo] = np.maximum(frames[false_echo], strength)
        frames[:, ~self.visible()] = np.nan
        frames[list(self.lost)] = np.nan
        return frames

    def truth(self) -> Iterator[Plane]:
        """Frame after frame (H, W) of the rain itself: no speckle, nothing missing."""
        x, y = self._pixels()
        cells, band = self._cells(), self._band_frame()
        for t, noise in enumerate(self._textures()):
            forward = np.linalg.matrix_power(self._step(), t)
            origin = apply(np.linalg.inv(forward), x, y)
            coarse, fine = (sample(texture, *origin) for texture in noise)
            stratiform = 27 * self._band(*origin, *band) * self._vigour(t) - 7 + 7 * coarse
            stratiform += 1.5 * fine
            convective = cells.dbz(t, forward, x.shape) + 5.5 * fine
            dbz = 10 * np.log10(10 ** (stratiform / 10) + 10 ** (convective / 10))
            yield np.where(dbz < WEAKEST_ECHO, NO_ECHO, np.minimum(dbz, 58)).astype(np.float32)

    def _rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode()])

    def _pixels(self) -> tuple[Plane, Plane]:
        y, x = np.mgrid[: self.height, : self.width].astype(np.float32)
        return x, y

    def _heading(self) -> tuple[float, float]:
        rng = self._rng("heading")
        speed = rng.uniform(9, 14) * 60 * self.cadence_minutes / self.pixel_m
        return speed, 2.4 * self.seed + rng.uniform(-0.4, 0.4)

    def _step(self) -> NDArray[np.float64]:
        """The flow over one frame as an affine map of pixel places: drift, rotation and shear."""
        rng = self._rng("flow")
        (speed, heading), turn = self._heading(), rng.uniform(-0.006, 0.006)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        linear = rotation @ np.array([[1, rng.uniform(-0.004, 0.004)], [0, 1]])
        centre = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        step = np.eye(3)
        step[:2, :2] = linear
        drift = speed * np.array([np.cos(heading), np.sin(heading)])
        step[:2, 2] = centre - linear @ centre + drift
        return step

    def _textures(self) -> Iterator[tuple[Plane, Plane]]:
        size, pixel_km = 2 * max(self.height, self.width), self.pixel_m / 1e3
        noise = textures(size, pixel_km, self.cadence_minutes, self._rng("texture"))
        return islice(noise, self.frames)

    def _vigour(self, t: float) -> float:
        phase = self._rng("vigour").uniform(0, 2 * np.pi)
        return float(0.88 + 0.12 * np.sin(phase + 2 * np.pi * t * self.cadence_minutes / 180))

    def _band_frame(self) -> tuple[float, float, float, float]:
        """Where the band lies at frame 0: a place on it, its heading, its phase of waviness."""
        rng = self._rng("band")
        midway = np.linalg.matrix_power(np.linalg.inv(self._step()), self.frames // 2)
        x, y, _ = midway @ (self.width / 2, self.height / 2, 1)
        heading = self._heading()[1] + rng.uniform(-0.5, 0.5)
        return float(x), float(y), heading, rng.uniform(0, 2 * np.pi)

    def _band(
        self, x: Plane, y: Plane, x0: float, y0: float, heading: float, phase: float
    ) -> Plane:
        """0 … 1: a wavy band, steep at its front, with broad rain behind."""
        unit = min(self.height, self.width)
        along = -(x - x0) * np.sin(heading) + (y - y0) * np.cos(heading)
        ahead = (x - x0) * np.cos(heading) + (y - y0) * np.sin(heading)
        ahead = ahead + 0.06 * unit * np.sin(along / (0.13 * unit) + phase)
        width = np.where(ahead > 0, 0.08, 0.28) * unit
        band: Plane = np.exp(-((ahead / width) ** 2) - (along / (0.6 * unit)) ** 4)
        return band

    def _cells(self) -> Cells:
        """Clusters of cells, most of them along the band, the others scattered."""
        rng = self._rng("cells")
        unit, km = min(self.height, self.width), 1e3 / self.pixel_m
        count = int(1.1 * (self.frames + 12) * (unit / km / 192) ** 2) + 4
        x0, y0, heading, phase = self._band_frame()
        along = rng.uniform(-0.7, 0.7, count) * unit
        line = -0.06 * unit * np.sin(along / (0.13 * unit) + phase)
        scattered = rng.random(count) < 0.35
        ahead = line + rng.normal(0, np.where(scattered, 0.5, 0.03)) * unit
        birth, strength = rng.uniform(-8, self.frames, count), rng.triangular(32, 43, 54, count)
        along, ahead, birth, strength = (np.repeat(v, 4) for v in (along, ahead, birth, strength))
        along = along + rng.normal(0, 6 * km, along.size)
        ahead = ahead + rng.normal(0, 4 * km, along.size)
        columns = (
            x0 + ahead * np.cos(heading) - along * np.sin(heading),
            y0 + ahead * np.sin(heading) + along * np.cos(heading),
            birth + rng.uniform(0, 60, along.size) / self.cadence_minutes,
            rng.uniform(35, 90, along.size) / self.cadence_minutes,
            strength + rng.uniform(-8, 3, along.size),
            rng.uniform(1.2, 3.5, along.size) * km,
            rng.uniform(1, 2, along.size),
            heading + np.pi / 2 + rng.normal(0, 0.5, along.size),
        )
        return Cells(*(column.astype(np.float32) for column in columns))


def demo_events(seed: int = 0) -> tuple[Storms, ...]:
    """Seven events of different headings, some hours apart, for a demonstration without data."""
    gaps = {2: (17,), 5: (2,)}
    first = datetime(2026, 6, 1)
    return tuple(
        Storms(seed=7 * seed + k, start=first + timedelta(hours=5 * k), lost=gaps.get(k, ()))
        for k in range(7)
    )


def event_periods(events: Sequence[Storms] = ()) -> tuple[tuple[datetime, datetime], ...]:
    """Valid times of the first and last frame of each event, by default of `demo_events`."""
    return tuple((event.start, event.end) for event in events or demo_events())


def write_storms(folder: Path, events: Storms | Sequence[Storms] = ()) -> list[Path]:
    """Write one CF netCDF file for each frame that was not lost, by default of `demo_events`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for event in (events,) if isinstance(events, Storms) else events or demo_events():
        coordinates, frames = _coordinates(event), event.dbz()
        for t in sorted(set(range(event.frames)) - set(event.lost)):
            valid_time = event.valid_times[t]
            stamp = pd.Timestamp(valid_time).strftime("%Y%m%d%H%M")
            paths.append(folder / f"storms_{stamp}.nc")
            _write_frame(paths[-1], frames[t], valid_time, coordinates)
    return paths


def _coordinates(event: Storms) -> dict[str, xr.Variable]:
    crs = CRS.from_proj4("+proj=aeqd +lat_0=60 +lon_0=25 +datum=WGS84 +units=m")
    variables = {"crs": xr.Variable((), np.int32(0), {**crs.to_cf(), "crs_wkt": crs.to_wkt()})}
    for name, size, sign in (("x", event.width, 1), ("y", event.height, -1)):
        place = sign * event.pixel_m * (np.arange(size) - (size - 1) / 2)
        attributes = {"standard_name": f"projection_{name}_coordinate", "units": "m"}
        variables[name] = xr.Variable(name, place, attributes)
    return variables


def _write_frame(
    path: Path, dbz: Plane, valid_time: np.datetime64, coordinates: dict[str, xr.Variable]
) -> None:
    attributes = {
        "standard_name": "equivalent_reflectivity_factor",
        "units": "dBZ",
        "grid_mapping": "crs",
        "zr_a": ZR_A,
        "zr_b": ZR_B,
    }
    time = xr.Variable("time", [valid_time], {"standard_name": "time"})
    dataset = xr.Dataset(
        {"reflectivity": (("time", "y", "x"), dbz[None], attributes)},
        {"time": time, **coordinates},
        {"Conventions": "CF-1.11", "title": "Synthetic storms", "zr_a": ZR_A, "zr_b": ZR_B},
    )
    dataset.to_netcdf(path, encoding={"reflectivity": PACKING, "time": {"units": EPOCH}})
