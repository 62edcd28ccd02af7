"""Where a store may live: a folder, an object store, an Icechunk repository."""

from __future__ import annotations

from pathlib import Path

from pipeline.places.folder import FolderPlace
from pipeline.places.place import Address, Place

__all__ = ["Address", "Place", "place_of"]


def place_of(address: Address) -> Place:
    """The place that an address names: a folder's path, `s3://BUCKET/PREFIX`, `icechunk:PATH`.

    Raises:
        ValueError: If the address is of another kind.
    """
    scheme, found, rest = str(address).partition(":")
    if found and scheme in _OTHERS:
        try:
            return _OTHERS[scheme](address)
        except ImportError as error:
            raise ValueError(
                f"{address}: this kind of store needs more packages; "
                "install them with `pip install 'radar-nowcast[stores]'`"
            ) from error
    if rest.startswith("//"):
        raise ValueError(f"{address}: expected a folder, s3://BUCKET/PREFIX or icechunk:PATH")
    return FolderPlace(Path(address))


def _bucket(address: Address) -> Place:
    from pipeline.places.bucket import BucketPlace

    return BucketPlace(str(address))


def _icechunk(address: Address) -> Place:
    from pipeline.places.icechunk import IcechunkPlace

    return IcechunkPlace(Path(str(address).removeprefix("icechunk:")))


_OTHERS = {"s3": _bucket, "icechunk": _icechunk}
