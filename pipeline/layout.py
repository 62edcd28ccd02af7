"""The arrays of a store, as its contract names them, in Zarr format 3."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import zstd
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.storage import LocalStore

from pipeline.frames import Grid
from pipeline.packing import MISSING, SCALE

SLOTS_PER_CHUNK = 1024
# few distinct values: whole int16 words compress better than shuffled bytes or bits
ZSTD_LEVEL = 2
STATUSES = ("missing", "observed", "late", "revised", "refused")

PER_SLOT: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "time": (
        "int64",
        0,
        {
            "standard_name": "time",
            "units": "seconds since 1970-01-01",
            "calendar": "proleptic_gregorian",
            "axis": "T",
        },
    ),
    "status": (
        "int8",
        0,
        {
            "long_name": "what is known of the slot",
            "flag_values": list(range(len(STATUSES))),
            "flag_meanings": " ".join(STATUSES),
        },
    ),
    "wet_share": (
        "float32",
        float("nan"),
        {"long_name": "share of the observed pixels with rain", "units": "1"},
    ),
    "observed_share": (
        "float32",
        0.0,
        {"long_name": "share of the pixels that were observed", "units": "1"},
    ),
    "source": ("str", "", {"long_name": "name of the file that filled the slot"}),
    "content_hash": ("str", "", {"long_name": "SHA-256 of the packed frame, 32 digits"}),
}


def frame_key(slot: int) -> str:
    """Where in a store the chunk of a slot's frame is."""
    return f"reflectivity/c/{slot}/0/0"


def encode_frame(packed: NDArray[np.int16]) -> bytes:
    """The chunk of one packed frame (H, W), as the codecs of the array would make it."""
    return bytes(zstd.compress(packed.astype("<i2", order="C", copy=False), level=ZSTD_LEVEL))


def lay_out(path: Path, grid: Grid, attributes: Mapping[str, Any]) -> None:
    """Write an empty store: a grid, no slot yet."""
    group = zarr.open_group(path, mode="w-", zarr_format=3, attributes=dict(attributes))
    _lay_out_reflectivity(group, grid)
    for name, (dtype, fill, cf_attributes) in PER_SLOT.items():
        group.create_array(
            name,
            shape=(0,),
            chunks=(SLOTS_PER_CHUNK,),
            dtype=dtype,
            fill_value=fill,
            dimension_names=("time",),
            attributes=cf_attributes,
        )
    _lay_out_places(group, grid)
    publish(path)


def _lay_out_reflectivity(group: zarr.Group, grid: Grid) -> None:
    group.create_array(
        "reflectivity",
        shape=(0, *grid.shape),
        chunks=(1, *grid.shape),
        dtype="int16",
        fill_value=MISSING,
        compressors=ZstdCodec(level=ZSTD_LEVEL),
        dimension_names=("time", "y", "x"),
        attributes={
            "standard_name": "equivalent_reflectivity_factor",
            "long_name": "radar reflectivity",
            "units": "dBZ",
            "scale_factor": SCALE,
            "_FillValue": MISSING,
            "grid_mapping": "crs",
            "coordinates": "latitude longitude",
            "ancillary_variables": "status",
        },
    )


def _lay_out_places(group: zarr.Group, grid: Grid) -> None:
    longitude, latitude = grid.longitude_latitude()
    for name, degrees, units in (
        ("latitude", latitude, "degrees_north"),
        ("longitude", longitude, "degrees_east"),
    ):
        group.create_array(
            name,
            data=degrees.astype(np.float32),
            chunks=grid.shape,
            dimension_names=("y", "x"),
            attributes={"standard_name": name, "units": units},
        )
    for name, variable in grid.coordinates().items():
        group.create_array(
            name,
            data=np.asarray(variable.values),
            dimension_names=[str(dim) for dim in variable.dims],
            attributes=variable.attrs,
        )


def resize(group: zarr.Group, slots: int) -> None:
    """Give every array along time this many slots; what is added is missing."""
    for name in PER_SLOT:
        array_of(group, name).resize((slots,))
    reflectivity = array_of(group, "reflectivity")
    reflectivity.resize((slots, *reflectivity.shape[1:]))


def publish(path: Path) -> None:
    """Let readers see the new lengths: one file, replaced at once, says them all."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(LocalStore(path), zarr_format=3)


def array_of(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """One array of a store.

    Raises:
        ValueError: If the store does not hold it.
    """
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise ValueError(f"{group.store_path}: expected an array {name!r}, found none")  # noqa: TRY004
    return array
