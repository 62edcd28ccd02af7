"""A store as an archive for others: the zarr that the MLCast collection takes."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.storage import LocalStore

from pipeline.layout import lay_out_places
from pipeline.mlcast import (
    Credits,
    Quantity,
    global_attributes,
    mapping_attributes,
    shortcomings,
)
from pipeline.packing import MISSING, SCALE, pack
from pipeline.places import Address
from pipeline.reflectivity import ZR
from pipeline.store import Store

__all__ = ["Credits", "Quantity", "export_archive"]

Progress = Callable[[int, int], None]
Encode = Callable[[NDArray[np.float32]], NDArray[Any]]

FRAMES_PER_SHARD = 24
ZSTD_LEVEL = 3
EPOCH_SECONDS = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}


@dataclass(frozen=True)
class Field:
    """How a quantity is stored in an archive.

    Args:
        dtype: Of the numbers on disk.
        missing: The number that stands for no value.
        attributes: CF's.
        encode: dBZ to the numbers.
    """

    dtype: str
    missing: float
    attributes: Mapping[str, Any]
    encode: Encode


def field_of(quantity: Quantity, zr: ZR) -> tuple[str, Field]:
    """The variable of a quantity and how it is stored.

    Raises:
        ValueError: If there is no such quantity.
    """
    relation: dict[str, Any] = {"zr_a": zr.a, "zr_b": zr.b}
    if quantity == "rain_rate":
        attributes = {
            "standard_name": "rainfall_flux",
            "long_name": "rain rate",
            "units": "kg m-2 h-1",
            "comment": "mm/h by Z = a R^b; 0 is dry, NaN was not observed",
        }
        return "rain_rate", Field("float32", np.nan, {**attributes, **relation}, zr.rain_rate)
    if quantity == "reflectivity":
        attributes = {
            "standard_name": "equivalent_reflectivity_factor",
            "long_name": "radar reflectivity",
            "units": "dBZ",
            "comment": "-32 dBZ is dry, NaN was not observed",
        }
        relation |= {"scale_factor": SCALE, "_FillValue": MISSING}
        field = Field("int16", MISSING, {**attributes, **relation}, pack)
        return "equivalent_reflectivity_factor", field
    raise ValueError(f"quantity: expected 'rain_rate' or 'reflectivity', found {quantity!r}")


def export_archive(
    address: Address,
    out: Path,
    *,
    quantity: Quantity = "rain_rate",
    publisher: Credits | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the observed frames of a store as an MLCast archive, whole or not at all.

    Zarr format 3, one frame a chunk, read and written some at a time. Slots that no frame fills
    are not on the time axis; those between the first and the last frame are in `missing_times`.
    The MLCast validator accepts the archive but for a record under three years and for the
    repository of `made_with`, which it looks up; a warning tells what else it will not accept.

    Args:
        address: The store.
        out: The folder to be.
        quantity: As what the frames are written.
        publisher: Who, under what name and terms.
        progress: Called with the frames done and the frames in all.

    Raises:
        FileExistsError: If something is at `out` already.
        ValueError: If the store holds no frame, or frames before its first came in meanwhile.
    """
    if out.exists():
        raise FileExistsError(f"{out}: expected a folder to make, found something there")
    store, publisher = Store.open(address), publisher or Credits()
    observed = np.flatnonzero(store.observed)
    if not observed.size:
        raise ValueError(f"{address}: expected frames to export, found none; ingest files first")
    name, field = field_of(quantity, store.zr)
    for sentence in shortcomings(store, publisher):
        warnings.warn(sentence, stacklevel=2)
    unfinished = out.with_name(f".{out.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        first = store.times[observed[0]]
        tags = global_attributes(store, quantity, first, publisher)
        group = zarr.open_group(unfinished, mode="w-", zarr_format=3, attributes=tags)
        lay_out_places(group, store.grid, mapping_attributes(store.grid))
        _write_times(group, store, observed)
        frames = _create_field(group, name, field, (observed.size, *store.grid.shape))
        for stretch, dbz in _read(store, observed):
            frames[stretch] = field.encode(dbz)
            if progress:
                progress(stretch.stop, observed.size)
        _check_unmoved(store)
        _consolidate(unfinished)
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return out


def _read(store: Store, slots: NDArray[np.integer]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """A shard of frames at a time, with their places among the frames."""
    for start in range(0, slots.size, FRAMES_PER_SHARD):
        some = slots[start : start + FRAMES_PER_SHARD]
        runs = np.split(some, np.flatnonzero(np.diff(some) > 1) + 1)
        dbz = [store.dbz(int(run[0]), int(run[-1]) + 1) for run in runs]
        yield slice(start, start + some.size), np.concatenate(dbz)


def _check_unmoved(store: Store) -> None:
    """Only in Icechunk does an open store keep its slots when its axis grows at the beginning."""
    if store.snapshot is None and Store.open(store.address).times[0] != store.times[0]:
        raise ValueError(
            f"{store.address}: expected a store at rest, found frames ingested before its first; "
            "export it again"
        )


def _create_field(
    group: zarr.Group, name: str, field: Field, shape: tuple[int, ...]
) -> zarr.Array[Any]:
    return group.create_array(
        name,
        shape=shape,
        chunks=(1, *shape[1:]),
        shards=(min(FRAMES_PER_SHARD, shape[0]), *shape[1:]),
        dtype=field.dtype,
        fill_value=field.missing,
        compressors=ZstdCodec(level=ZSTD_LEVEL),
        dimension_names=("time", "y", "x"),
        attributes={**field.attributes, "grid_mapping": "crs", "coordinates": "latitude longitude"},
    )


def _write_times(group: zarr.Group, store: Store, observed: NDArray[np.integer]) -> None:
    missing = np.setdiff1d(np.arange(observed[0], observed[-1]), observed)
    axis = {"standard_name": "time", "axis": "T"}
    lists = {"time": (observed, axis)}
    if missing.size:
        lists["missing_times"] = (missing, {"long_name": "times within the record without data"})
    for name, (slots, tags) in lists.items():
        group.create_array(
            name,
            data=store.times[slots].astype("datetime64[s]").astype(np.int64),
            chunks=(slots.size,),
            dimension_names=(name,),
            attributes={**tags, **EPOCH_SECONDS},
        )


def _consolidate(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(LocalStore(folder), zarr_format=3)
