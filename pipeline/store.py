"""The archive of one product: every valid time has its slot on a regular axis."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from pipeline.clock import clock, format_cadence, nearest_slot_time, parse_cadence
from pipeline.frames import Grid
from pipeline.layout import (
    SLOTS_PER_CHUNK,
    STATUSES,
    Order,
    array_of,
    lay_out,
    slots_per_shard,
)
from pipeline.packing import unpack
from pipeline.places import Address, Place, place_of
from pipeline.reflectivity import ZR

VERSION = 2
TRIES = 3
FILLED = [STATUSES.index(name) for name in ("observed", "late", "revised")]


class Store:
    """Frames of one product on one grid at one cadence.

    Opens with plain `xarray.open_zarr` too. A frame counts only where its status says so.
    """

    def __init__(self, place: Place, group: zarr.Group) -> None:
        self._place, self._group = place, group
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self.address, self.snapshot, self.movable = place.address, place.snapshot, place.movable
        attributes: Mapping[str, Any] = group.attrs.asdict()
        self.product, self.licence = str(attributes["product"]), str(attributes["licence"])
        self.cadence = parse_cadence(str(attributes["cadence"]))
        self.zr = ZR(float(attributes["zr_a"]), float(attributes["zr_b"]))
        self.order = cast(Order, attributes["scan_order"])
        self.quality = tuple[str, ...](attributes.get("quality", ()))
        self.quality_steps = tuple[str, ...](attributes.get("quality_steps", ()))
        self.shard = (self._array("reflectivity").shards or (None,))[0]

    @classmethod
    def create(
        cls,
        address: Address,
        grid: Grid,
        zr: ZR,
        *,
        product: str,
        cadence: np.timedelta64,
        licence: str = "unknown",
        order: Order = "C",
        quality: Mapping[str, Sequence[str]] | None = None,
    ) -> Store:
        """Lay out an empty store in a new place; `quality` as `Chain.attributes` tells it.

        Raises:
            FileExistsError: If something stands there already.
        """
        place = place_of(address)
        if place.exists():
            raise FileExistsError(
                f"{address}: expected a place for a new store, found something there"
            )
        attributes = {
            "Conventions": "CF-1.11",
            "title": f"Radar reflectivity, {product}",
            "product": product,
            "cadence": format_cadence(cadence),
            "licence": licence,
            "zr_a": zr.a,
            "zr_b": zr.b,
            "scan_order": order,
            "store_version": VERSION,
            **(quality or {}),
        }
        shard = slots_per_shard(cadence) if place.sharded else None
        with place.creating() as objects:
            lay_out(objects, grid, attributes, order=order, shard=shard)
        return cls.open(address)

    @classmethod
    def open(cls, address: Address) -> Store:
        """Open a store that `create` made.

        Raises:
            FileNotFoundError: If there is no store at the address.
            ValueError: If what is there is no store, or one of another version.
        """
        place = place_of(address)
        if not place.exists():
            raise FileNotFoundError(
                f"{address}: no store here; make one with `nowcast ingest FILES --store {address}`"
            )
        try:
            group = zarr.open_group(place.reading(), mode="r", zarr_format=3)
        except (ConnectionError, PermissionError):
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{address}: expected a zarr store of radar frames, found none"
            ) from error
        version = group.attrs.get("store_version")
        if version != VERSION:
            raise ValueError(
                f"{address}: expected a store of version {VERSION}, found {version}; ingest it anew"
            )
        return cls(place, group)

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
    def first(self) -> np.datetime64:
        """The first slot's time, UTC, of a store that has one."""
        seconds: NDArray[np.int64] = np.asarray(self._array("time")[:1])
        return cast(np.datetime64, seconds.astype("datetime64[s]").astype("datetime64[ns]")[0])

    @cached_property
    def times(self) -> NDArray[np.datetime64]:
        """(N,) valid times of the slots, UTC."""
        count = len(self)
        return self.first + self.cadence * np.arange(count) if count else np.empty(0, "M8[ns]")

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
    def content_hash(self) -> NDArray[np.str_]:
        """(N,) hashes of the packed frames."""
        return self.column("content_hash")

    def column(self, name: str, stretch: slice = slice(None)) -> NDArray[Any]:
        """One of the arrays along time, or a stretch of it."""
        return np.asarray(self._array(name)[stretch])

    def read(self, start: int, stop: int) -> NDArray[np.int16]:
        """(stop − start, H, W) packed frames of slots start … stop − 1, MISSING where unfilled.

        Raises:
            ValueError or RuntimeError: If a frame is damaged.
        """
        for left in reversed(range(TRIES)):
            try:
                return np.asarray(self._array("reflectivity")[start:stop], np.int16)
            except (ValueError, RuntimeError):
                # a writer may have replaced the shard between its index and its frames
                if not left:
                    raise
                time.sleep(0.05)
        raise AssertionError

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
            raise ValueError(f"{self.address}: the store is empty; ingest files first")
        slot, rest = divmod(valid_time.astype("datetime64[ns]") - self.first, self.cadence)
        if rest:
            nearest = clock(nearest_slot_time(valid_time, self.first, self.cadence))
            raise ValueError(
                f"{self.address}: expected a time every {format_cadence(self.cadence)[2:]} from "
                f"{clock(self.first)}, found {clock(valid_time)}; the nearest slot is {nearest}"
            )
        return int(slot)

    def slots_between(self, start: np.datetime64, end: np.datetime64) -> slice:
        """The slots whose times lie from `start` to `end`, both included."""
        first, stop = np.searchsorted(self.times, [start, end + np.timedelta64(1, "ns")])
        return slice(int(first), int(stop))

    def newest(self) -> np.datetime64 | None:
        """The time of the last slot that a frame fills; None if there is none."""
        last_chunk = max(len(self) - 1, 0) // SLOTS_PER_CHUNK
        for start in range(last_chunk * SLOTS_PER_CHUNK, -1, -SLOTS_PER_CHUNK):
            stretch = slice(start, start + SLOTS_PER_CHUNK)
            filled = np.flatnonzero(np.isin(self.column("status", stretch), FILLED))
            if filled.size:
                return self.first + int(start + filled[-1]) * self.cadence
        return None

    def fingerprint(self, stretch: slice = slice(None)) -> str:
        """A hash that changes when, and only when, an observed frame of these slots does."""
        filled = np.isin(self.column("status", stretch), FILLED)
        times, hashes = self.times[stretch][filled], self.column("content_hash", stretch)[filled]
        digest = hashlib.sha256()
        for valid_time, content in zip(times, hashes, strict=True):
            digest.update(f"{valid_time}{content}".encode())
        return digest.hexdigest()[:32]

    def size_bytes(self) -> int:
        """What the store takes up where it lives."""
        return self._place.size_bytes()

    def objects(self) -> int:
        """In how many files or objects."""
        return self._place.objects()

    def _array(self, name: str) -> zarr.Array[Any]:
        if name not in self._arrays:
            self._arrays[name] = array_of(self._group, name)
        return self._arrays[name]
