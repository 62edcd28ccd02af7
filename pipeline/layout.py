"""The arrays of a store, as its contract names them, in Zarr format 3."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import zarr
from numcodecs import zstd
from numpy.typing import NDArray
from zarr.abc.store import Store as ZarrStore
from zarr.buffer import default_buffer_prototype
from zarr.codecs import BloscCodec, TransposeCodec, ZstdCodec

from pipeline.frames import Grid
from pipeline.packing import MISSING, SCALE

Order = Literal["C", "F"]

SLOTS_PER_CHUNK = 4096
TEXTS_PER_CHUNK = 1024
SHARD_PERIOD = np.timedelta64(2, "h")
# few distinct values: whole int16 words compress better than shuffled bytes or bits
LIVE_LEVEL = 2
SETTLED_LEVEL = 19
# 2⁻¹⁷ degree is less than a metre
DEGREE_STEPS = 2.0**17
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
    "settled": (
        "int8",
        0,
        {
            "long_name": "how the frame is compressed",
            "flag_values": [0, 1],
            "flag_meanings": "live settled",
        },
    ),
}


def slots_per_shard(cadence: np.timedelta64) -> int:
    """How many consecutive slots share a shard."""
    return max(1, round(SHARD_PERIOD / cadence))


def encode_frame(packed: NDArray[np.int16], order: Order, level: int = LIVE_LEVEL) -> bytes:
    """The chunk of one packed frame (H, W), as the codecs of the array would make it."""
    words = np.ascontiguousarray(packed.T if order == "F" else packed, "<i2")
    return bytes(zstd.compress(words, level=level))


def decode_frame(chunk: bytes, shape: tuple[int, int], order: Order) -> NDArray[np.int16]:
    """The packed frame (H, W) of a chunk.

    Raises:
        RuntimeError: If the chunk is damaged.
        ValueError: If it holds another number of pixels.
    """
    words = np.frombuffer(zstd.decompress(chunk), "<i2")
    return words.reshape(shape) if order == "C" else words.reshape(shape[::-1]).T


def best_order(packed: NDArray[np.int16]) -> Order:
    """Whether frames like this one get smaller row by row, "C", or column by column, "F"."""
    return "F" if len(encode_frame(packed, "F")) < len(encode_frame(packed, "C")) else "C"


def lay_out(
    objects: ZarrStore,
    grid: Grid,
    attributes: Mapping[str, Any],
    *,
    order: Order,
    shard: int | None,
) -> None:
    """Write an empty store: a grid, no slot yet.

    Args:
        objects: Where to; nothing is there.
        grid: The pixels' places.
        attributes: Of the group.
        order: How each frame is scanned.
        shard: How many slots share an object; None gives each frame its own.
    """
    group = zarr.open_group(objects, mode="w", zarr_format=3, attributes=dict(attributes))
    _lay_out_reflectivity(group, grid, order, shard)
    for name, (dtype, fill, cf_attributes) in PER_SLOT.items():
        group.create_array(
            name,
            shape=(0,),
            chunks=(TEXTS_PER_CHUNK if dtype == "str" else SLOTS_PER_CHUNK,),
            dtype=dtype,
            fill_value=fill,
            dimension_names=("time",),
            attributes=cf_attributes,
        )
    lay_out_places(group, grid)
    if shard:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            zarr.consolidate_metadata(objects, zarr_format=3)


def _lay_out_reflectivity(group: zarr.Group, grid: Grid, order: Order, shard: int | None) -> None:
    group.create_array(
        "reflectivity",
        shape=(0, *grid.shape),
        chunks=(1, *grid.shape),
        shards=(shard, *grid.shape) if shard else None,
        dtype="int16",
        fill_value=MISSING,
        filters=[TransposeCodec(order=(0, 2, 1))] if order == "F" else None,
        compressors=ZstdCodec(level=LIVE_LEVEL),
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


def lay_out_places(group: zarr.Group, grid: Grid, mapping: dict[str, Any] | None = None) -> None:
    """Write where the pixels are: latitude, longitude, x, y and crs.

    Args:
        group: Where to.
        grid: The pixels' places.
        mapping: Attributes of crs; by default the grid's own.
    """
    longitude, latitude = grid.longitude_latitude()
    for name, degrees, units in (
        ("latitude", latitude, "degrees_north"),
        ("longitude", longitude, "degrees_east"),
    ):
        group.create_array(
            name,
            data=(np.rint(degrees * DEGREE_STEPS) / DEGREE_STEPS).astype(np.float32),
            chunks=grid.shape,
            compressors=BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"),
            dimension_names=("y", "x"),
            attributes={"standard_name": name, "units": units},
        )
    for name, variable in grid.coordinates().items():
        group.create_array(
            name,
            data=np.asarray(variable.values),
            dimension_names=[str(dim) for dim in variable.dims],
            attributes=mapping if mapping and name == "crs" else variable.attrs,
        )


def resize(group: zarr.Group, slots: int) -> None:
    """Give every array along time this many slots; what is added is missing."""
    for name in PER_SLOT:
        array_of(group, name).resize((slots,))
    reflectivity = array_of(group, "reflectivity")
    reflectivity.resize((slots, *reflectivity.shape[1:]))


def publish(objects: ZarrStore) -> None:
    """Let readers of consolidated metadata see the new lengths: one object says them all."""
    asyncio.run(_publish(objects))


async def _publish(objects: ZarrStore) -> None:
    prototype = default_buffer_prototype()

    async def read(key: str) -> Any:
        found = await objects.get(key, prototype)
        if found is None:
            raise FileNotFoundError(f"{objects}: expected an object {key}, found none")
        return json.loads(found.to_bytes())

    root = await read("zarr.json")
    consolidated = root["consolidated_metadata"]["metadata"]
    names = [*PER_SLOT, "reflectivity"]
    found = await asyncio.gather(*(read(f"{name}/zarr.json") for name in names))
    consolidated.update(zip(names, found, strict=True))
    text = json.dumps(root, indent=2).encode()
    await objects.set("zarr.json", prototype.buffer.from_bytes(text))


def array_of(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """One array of a store.

    Raises:
        ValueError: If the store does not hold it.
    """
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise ValueError(f"{group.store_path}: expected an array {name!r}, found none")  # noqa: TRY004
    return array
