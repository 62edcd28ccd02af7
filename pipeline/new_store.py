"""What kind of store suits the first files of an archive?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_catalog.catalog import load_catalog
from data_catalog.product import Product
from pipeline.decoding import DecodedFile
from pipeline.layout import Order
from pipeline.places import Address
from pipeline.quality_steps import PRODUCT, Wanted
from pipeline.store import Store

ANYONES_FORMATS = ("cf_netcdf", "cf_zarr")


def create_for(
    store: Address,
    head: Sequence[DecodedFile],
    entry: Product | None,
    order: Order,
    wanted: Wanted = PRODUCT,
) -> None:
    """Lay out an empty store.

    Args:
        store: Where.
        head: The first files; without an entry they tell the product and the cadence.
        entry: What the catalog says of the product.
        order: How frames are scanned.
        wanted: Quality steps that the store is to have.

    Raises:
        ValueError: If the product cannot be told, or a quality step is unknown.
    """
    first = head[0]
    times = np.unique([frame.valid_time for file in head for frame in file.frames])
    cadence = np.diff(times).min() if len(times) > 1 else None
    entry = entry or _recognise(first, cadence)
    if entry is not None:
        cadence = np.timedelta64(entry.cadence)
    if cadence is None:
        raise ValueError(
            f"{first.path}: one frame does not tell the cadence; name the product with --product"
        )
    Store.create(
        store,
        first.grid,
        first.zr,
        product=entry.name if entry else first.reader,
        cadence=cadence,
        licence=entry.licence if entry else "unknown",
        order=order,
        quality=wanted.chain(entry).attributes,
    )


def _recognise(first: DecodedFile, cadence: np.timedelta64 | None) -> Product | None:
    """The catalog entry that files of this reader and cadence belong to."""
    if first.reader in ANYONES_FORMATS:
        return None
    fitting = [
        product
        for product in load_catalog().products.values()
        if product.reader == first.reader
        and (cadence is None or np.timedelta64(product.cadence) == cadence)
    ]
    if len(fitting) > 1:
        names = ", ".join(product.name for product in fitting)
        raise ValueError(f"{first.path}: may be any of {names}; name one with --product")
    return fitting[0] if fitting else None
