"""Several frames in one object, as zarr's sharding codec lays them out.

A shard holds the compressed frames one after another, then an index of (offset, length) pairs of
little-endian uint64 for every place, 2⁶⁴ − 1 twice where there is none, then the CRC-32C of the
index.

Source: Zarr v3 sharding codec, https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/
"""

from __future__ import annotations

from collections.abc import Mapping

import google_crc32c
import numpy as np

ABSENT = 2**64 - 1


def index_bytes(places: int) -> int:
    """The length of a shard's index with its checksum."""
    return 16 * places + 4


def join(frames: Mapping[int, bytes], places: int) -> bytes:
    """The shard of compressed frames by place, in the order of their places."""
    index = np.full((places, 2), ABSENT, "<u8")
    offset = 0
    for place in sorted(frames):
        index[place] = offset, len(frames[place])
        offset += len(frames[place])
    end = index.tobytes()
    checksum = google_crc32c.value(end).to_bytes(4, "little")
    return b"".join([*(frames[place] for place in sorted(frames)), end, checksum])


def split(shard: bytes, places: int) -> dict[int, bytes]:
    """The compressed frames of a shard by place.

    Raises:
        ValueError: If the shard's index is damaged.
    """
    length = index_bytes(places)
    end, checksum = shard[-length:-4], shard[-4:]
    if len(shard) < length or google_crc32c.value(end).to_bytes(4, "little") != checksum:
        raise ValueError("shard: expected an index with its checksum, found it damaged")
    index = np.frombuffer(end, "<u8").reshape(places, 2)
    return {
        int(place): bytes(shard[int(offset) : int(offset) + int(size)])
        for place, (offset, size) in enumerate(index)
        if offset != ABSENT
    }
