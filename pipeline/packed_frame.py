"""One frame as a store will hold it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.layout import Order, decode_frame, encode_frame
from pipeline.packing import pack, unpack
from pipeline.quality import Shares, implausible
from pipeline.reflectivity import ZR


@dataclass(frozen=True, eq=False)
class PackedFrame:
    """One frame ready for its slot, as the chunk that the store will hold.

    Args:
        valid_time: UTC.
        chunk: int16 (H, W) in 0.01 dBZ, compressed.
        source: Name of the file that it came from.
        content_hash: SHA-256 of the packed pixels, the first 32 hexadecimal digits.
        shares: How much of it was observed and wet.
        implausible: Why it cannot be weather, or None.
        order: In which the chunk's pixels come.
    """

    valid_time: np.datetime64
    chunk: bytes
    source: str
    content_hash: str
    shares: Shares
    implausible: str | None
    order: Order = "C"

    @classmethod
    def of(
        cls,
        dbz: NDArray[np.float32],
        valid_time: np.datetime64,
        source: str,
        zr: ZR,
        order: Order = "C",
    ) -> Self:
        """Pack one frame (H, W) in dBZ, for a store of that scan order."""
        packed = np.ascontiguousarray(pack(dbz))
        return cls(
            valid_time,
            encode_frame(packed, order),
            source,
            content_hash(packed),
            Shares.of(packed, zr),
            implausible(packed),
            order,
        )

    def cleaned(
        self,
        clean: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        shape: tuple[int, int],
        zr: ZR,
    ) -> Self:
        """The same frame (H, W) after quality control, its hash and shares of what is left.

        One that is implausible is not weather, whatever may be left of it, and stays as it is.
        """
        if self.implausible:
            return self
        dbz = clean(unpack(decode_frame(self.chunk, shape, self.order)))
        return self.of(dbz, self.valid_time, self.source, zr, self.order)

    def ordered(self, order: Order, shape: tuple[int, int]) -> Self:
        """The same frame (H, W) with its pixels in another order, if they are not in it."""
        if order == self.order:
            return self
        packed = decode_frame(self.chunk, shape, self.order)
        return replace(self, chunk=encode_frame(packed, order), order=order)


def content_hash(packed: NDArray[np.int16]) -> str:
    """SHA-256 of packed pixels, row by row, the first 32 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(packed).data).hexdigest()[:32]
