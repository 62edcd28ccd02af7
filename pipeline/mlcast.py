"""What an archive must say of itself to join the MLCast collection.

Source: mlcast-dataset-validator 0.4.0, specification radar_precipitation 0.3.0.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, cast, get_args

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from data_catalog.catalog import load_catalog
from pipeline.clock import format_cadence
from pipeline.frames import Grid
from pipeline.store import Store

Quantity = Literal["rain_rate", "reflectivity"]

VALIDATOR_VERSION = "0.4.0"
SMALLEST_SIDE = 256
LARGEST_PIXEL_M = 1010.0
LARGEST_DEVIATION = 1e-4
SPDX = re.compile(r"LicenseRef-[\w.-]+|MIT|[A-Za-z]+(-[A-Za-z]+)*-\d+(\.\d+)*(-[A-Za-z]+)*")
NO_SPDX = "LicenseRef-scancode-unknown-license-reference"
CREATOR = re.compile(r"[^<>]*[^<>\s] <[^\s@<>]+@[^\s@<>]+>")
IDENTIFIER = re.compile(r"[A-Z]{2}(-[A-Za-z0-9]+(_[A-Za-z0-9]+)*){2}")
NOBODY = "not stated <not-stated@example.invalid>"


@dataclass(frozen=True)
class Credits:
    """Who publishes an archive, under what name and terms.

    Args:
        creator: "Name <address@domain>".
        identifier: COUNTRY-ENTITY-QUANTITY, the country in two capitals, ZZ where unknown; by
            default of the product and the quantity.
        licence: SPDX; by default the store's.
        made_with: The repository and version that made it, by MLCast's convention
            https://github.com/mlcast-community/mlcast-dataset-ENTITY-NAME@VERSION, which its
            publisher has to set up; by default of the product and the quantity.

    Raises:
        ValueError: If the creator or the identifier is in another form.
    """

    creator: str = NOBODY
    identifier: str | None = None
    licence: str | None = None
    made_with: str | None = None

    def __post_init__(self) -> None:
        if not CREATOR.fullmatch(self.creator):
            raise ValueError(f"creator: expected 'Name <address@domain>', found {self.creator!r}")
        if self.identifier is not None and not IDENTIFIER.fullmatch(self.identifier):
            raise ValueError(
                "identifier: expected COUNTRY-ENTITY-QUANTITY such as FI-fmi-rain_rate, "
                f"found {self.identifier!r}"
            )


def quantity_named(name: str) -> Quantity:
    """The quantity of that name.

    Raises:
        ValueError: If an archive cannot hold it.
    """
    if name not in get_args(Quantity):
        raise ValueError(f"quantity: expected one of {sorted(get_args(Quantity))}, found {name!r}")
    return cast(Quantity, name)


def licence_attributes(store: Store, publisher: Credits) -> dict[str, str]:
    """The SPDX licence; where there is none, one for "unknown" and the provider's own words."""
    licence = publisher.licence or store.licence
    if SPDX.fullmatch(licence):
        return {"license": licence}
    return {"license": NO_SPDX, "license_statement": licence}


def global_attributes(
    store: Store, quantity: Quantity, first: np.datetime64, publisher: Credits
) -> dict[str, Any]:
    """The attributes of the archive's group.

    Args:
        store: What is exported.
        quantity: As what.
        first: Valid time of the first frame.
        publisher: Who, under what name and terms.
    """
    now, entry = datetime.now(UTC), load_catalog().products.get(store.product)
    entity, made_by = re.sub(r"[^A-Za-z0-9]+", "_", store.product).strip("_"), _version()
    repository = f"mlcast-community/mlcast-dataset-{entity}-{quantity}@v{made_by}"
    return {
        "Conventions": "CF-1.11",
        "title": entry.title if entry else f"Radar {quantity.replace('_', ' ')}, {store.product}",
        "institution": entry.provider if entry else "not stated",
        "source": f"weather radar, product {store.product}",
        "history": f"{now:%Y-%m-%dT%H:%M:%SZ} nowcast export, radar-nowcast {made_by}",
        **({"comment": entry.notes} if entry and entry.notes else {}),
        **licence_attributes(store, publisher),
        "cadence": format_cadence(store.cadence),
        "consistent_timestep_start": np.datetime_as_string(first, unit="s"),
        "mlcast_created_on": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "mlcast_created_by": publisher.creator,
        "mlcast_created_with": publisher.made_with or f"https://github.com/{repository}",
        "mlcast_dataset_version": f"{now:%Y.%m.%d}",
        "mlcast_dataset_validator_version": VALIDATOR_VERSION,
        "mlcast_dataset_identifier": publisher.identifier or f"ZZ-{entity}-{quantity}",
    }


def mapping_attributes(grid: Grid) -> dict[str, Any]:
    """The CF grid mapping of a grid, its well-known text with a bounding box."""
    attributes: dict[str, Any] = grid.coordinates()["crs"].attrs
    # another box would make PROJ choose another datum shift
    if grid.crs.area_of_use is not None:
        return attributes
    longitude, latitude = grid.longitude_latitude()
    usage = {
        "scope": "Weather radar.",
        "area": "The grid of the archive.",
        "bbox": {
            "south_latitude": float(latitude.min()),
            "west_longitude": float(longitude.min()),
            "north_latitude": float(latitude.max()),
            "east_longitude": float(longitude.max()),
        },
    }
    wkt = CRS.from_json_dict({**grid.crs.to_json_dict(), **usage}).to_wkt()
    return {**attributes, "crs_wkt": wkt, "spatial_ref": wkt}


def shortcomings(store: Store, publisher: Credits) -> Iterator[str]:
    """What of a store the MLCast collection does not take, one sentence each."""
    grid, here = store.grid, store.address
    if grid.crs.is_geographic:
        yield f"{here}: MLCast expects a projected grid, found longitude and latitude"
    elif _deviation(grid) > LARGEST_DEVIATION:
        yield (
            f"{here}: MLCast expects CF parameters that place the grid within "
            f"{LARGEST_DEVIATION:g}°, found CF unable to express its projection"
        )
    if min(grid.shape) < SMALLEST_SIDE:
        found = " × ".join(map(str, grid.shape))
        yield f"{here}: MLCast expects at least 256 × 256 pixels, found {found}"
    if grid.pixel_m > LARGEST_PIXEL_M:
        yield f"{here}: MLCast expects pixels of 1 km or less, found {grid.pixel_m:.0f} m"
    if (licence := licence_attributes(store, publisher).get("license_statement")) is not None:
        yield f"{here}: MLCast expects an SPDX licence, found {licence!r}; name one with --licence"
    if publisher.creator == NOBODY:
        yield f"{here}: MLCast expects who made the archive, found nobody; name them with --creator"


def _deviation(grid: Grid) -> float:
    """How far, in degrees, the CF parameters without the well-known text place the corners."""
    corners = np.meshgrid(grid.x[[0, -1]], grid.y[[0, -1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        parameters = {k: v for k, v in grid.crs.to_cf().items() if k != "crs_wkt"}
    try:
        told = Transformer.from_crs(CRS.from_cf(parameters), "EPSG:4326", always_xy=True)
    except (CRSError, KeyError):
        return float("inf")
    true = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    found, expected = np.array(told.transform(*corners)), np.array(true.transform(*corners))
    return float(np.abs((found - expected + 180) % 360 - 180).max())


def _version() -> str:
    try:
        return version("radar-nowcast")
    except PackageNotFoundError:
        return "0"
