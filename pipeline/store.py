"""The archive of one product: every valid time has its slot on a regular axis."""

from __future__ import annotations

import hashlib
import re
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from pipeline.frames import Grid
from pipeline.layout import STATUSES, array_of, lay_out
from pipeline.lock import await_swap
from pipeline.packing import unpack
from pipeline.reflectivity import ZR

VERSION = 1
FILLED = [STATUSES.index(name) for name in ("observed", "late", "revised")]


class Store:
    """Frames of one product on one grid at one cadence.

    Opens with plain `xarray.open_zarr` too. A frame counts only where its status says so.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self._group = group
        attributes = group.attrs.asdict()
        self.product = str(attributes["product"])
        self.licence = str(attributes["licence"])
        self.cadence = parse_cadence(str(attributes["cadence"]))
        self.zr = ZR(float(str(attributes["zr_a"])), float(str(attributes["zr_b"])))

    @classmethod
    def create(
        cls,
        path: Path,
        grid: Grid,
        zr: ZR,
        *,
        product: str,
        cadence: np.timedelta64,
        licence: str = "unknown",
    ) -> Store:
        """Lay out an empty store in a new folder.

        Raises:
            FileExistsError: If something stands at the path already.
        """
        if path.exists():
            raise FileExistsError(f"{path}: expected a path for a new store, found something there")
        attributes = {
            "Conventions": "CF-1.11",
            "title": f"Radar reflectivity, {product}",
            "product": product,
            "cadence": format_cadence(cadence),
            "licence": licence,
            "zr_a": zr.a,
            "zr_b": zr.b,
            "store_version": VERSION,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        lay_out(unfinished, grid, attributes)
        unfinished.rename(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open a store that `create` made.

        Raises:
            FileNotFoundError: If there is no store at the path.
            ValueError: If what is there is no store, or one of another version.
        """
        await_swap(path)
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: no store here; make one with `nowcast ingest FILES --store {path}`"
            )
        try:
            group = zarr.open_group(path, mode="r", zarr_format=3)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: expected a zarr store of radar frames, found none"
            ) from error
        version = group.attrs.get("store_version")
        if version != VERSION:
            raise ValueError(
                f"{path}: expected a store of version {VERSION}, found {version}; ingest it anew"
            )
        return cls(path, group)

    def __len__(self) -> int:
        return int(self._array("time").shape[0])

    @cached_property
    def grid(self) -> Grid:
        """The pixels' places."""
        x, y = self._array("x"), self._array("y")
        coordinates = {"x": ("x", x[:]), "y": ("y", y[:]), "crs": 0}
        places = xr.Dataset(coords=coordinates)
        places["crs"].attrs.update(self._array("crs").attrs.asdict())
        return Grid.of(places)

    @cached_property
    def times(self) -> NDArray[np.datetime64]:
        """(N,) valid times of the slots, UTC."""
        first: NDArray[np.int64] = np.asarray(self._array("time")[:1])
        seconds = self.cadence // np.timedelta64(1, "s") * np.arange(len(self))
        return (first + seconds).astype("datetime64[s]").astype("datetime64[ns]")

    @property
    def status(self) -> NDArray[np.int8]:
        """(N,) index into STATUSES."""
        return self.column("status")

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(N,) whether a frame fills the slot."""
        return np.isin(self.status, FILLED)

    @property
    def wet_share(self) -> NDArray[np.float32]:
        """(N,) share of the observed pixels with rain, NaN where unknown."""
        return self.column("wet_share")

    @property
    def observed_share(self) -> NDArray[np.float32]:
        """(N,) share of the pixels that were observed."""
        return self.column("observed_share")

    @property
    def source(self) -> NDArray[np.str_]:
        """(N,) names of the files that filled the slots."""
        return self.column("source")

    @property
    def content_hash(self) -> NDArray[np.str_]:
        """(N,) hashes of the packed frames."""
        return self.column("content_hash")

    def column(self, name: str, stretch: slice = slice(None)) -> NDArray[Any]:
        """One of the arrays along time, or a stretch of it."""
        values: NDArray[Any] = np.asarray(self._array(name)[stretch])
        return values

    def read(self, start: int, stop: int) -> NDArray[np.int16]:
        """(stop − start, H, W) packed frames of slots start … stop − 1, MISSING where unfilled."""
        frames: NDArray[np.int16] = np.asarray(self._array("reflectivity")[start:stop])
        return frames

    def dbz(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop − start, H, W) float32 dBZ, NaN where missing and where no frame fills the slot."""
        dbz = unpack(self.read(start, stop))
        filled = np.isin(self.column("status", slice(start, stop)), FILLED)
        dbz[~filled] = np.nan
        return dbz

    def slot(self, valid_time: np.datetime64) -> int:
        """The slot of a valid time; beyond the ends of the axis it may be < 0 or ≥ N.

        Raises:
            ValueError: If the time falls between two slots, or the axis has no slot yet.
        """
        if not len(self):
            raise ValueError(f"{self.path}: the store is empty; ingest files first")
        first = self.times[0]
        slot, rest = divmod(valid_time.astype("datetime64[ns]") - first, self.cadence)
        if rest:
            nearest = nearest_slot_time(valid_time, first, self.cadence)
            raise ValueError(
                f"{self.path}: expected a time every {format_cadence(self.cadence)[2:]} from "
                f"{clock(first)}, found {clock(valid_time)}; the nearest slot is {clock(nearest)}"
            )
        return int(slot)

    def fingerprint(self) -> str:
        """A hash that changes when, and only when, an observed frame does."""
        digest = hashlib.sha256()
        for time, content in zip(
            self.times[self.observed], self.content_hash[self.observed], strict=True
        ):
            digest.update(f"{time}{content}".encode())
        return digest.hexdigest()[:32]

    def _array(self, name: str) -> zarr.Array[Any]:
        return array_of(self._group, name)


def nearest_slot_time(
    valid_time: np.datetime64, origin: np.datetime64, cadence: np.timedelta64
) -> np.datetime64:
    """The time nearest to `valid_time` among origin + k · cadence."""
    return origin + round((valid_time - origin) / cadence) * cadence


def clock(time: np.datetime64) -> str:
    """A time as people read it: 2018-06-16 10:06."""
    return np.datetime_as_string(time, unit="m").replace("T", " ")


def format_cadence(cadence: np.timedelta64) -> str:
    """An ISO 8601 duration: PT6M."""
    seconds = int(cadence / np.timedelta64(1, "s"))
    return f"PT{seconds // 60}M" if seconds % 60 == 0 else f"PT{seconds}S"


def parse_cadence(text: str) -> np.timedelta64:
    """The time between slots, of an ISO 8601 duration in minutes or seconds.

    Raises:
        ValueError: If the text is none.
    """
    match = re.fullmatch(r"PT(\d+)([MS])", text)
    if not match:
        raise ValueError(f"cadence: expected a duration such as PT5M, found {text!r}")
    return np.timedelta64(int(match[1]) * (60 if match[2] == "M" else 1), "s")
