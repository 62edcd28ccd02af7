"""What the numbers of a field of reflectivity or rain stand for, by CF names and units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.readers.refusal import ReadError
from pipeline.reflectivity import NO_ECHO, ZR

RELATION = ZR(200, 1.6)
REFLECTIVITIES = {"equivalent_reflectivity_factor"}
RATES = {"rainfall_rate", "rainfall_flux", "lwe_precipitation_rate", "precipitation_flux"}
AMOUNTS = {
    "rainfall_amount",
    "precipitation_amount",
    "thickness_of_rainfall_amount",
    "lwe_thickness_of_precipitation_amount",
}
PER_HOUR = {"h": 1.0, "hr": 1.0, "hour": 1.0, "s": 3600.0, "min": 60.0, "d": 1 / 24, "day": 1 / 24}
MM = {"mm": 1.0, "kg m-2": 1.0, "kg/m2": 1.0, "cm": 10.0, "m": 1000.0}
MM_PER_HOUR = {
    f"{depth}{form.format(time)}": factor * rate
    for (depth, factor), (time, rate), form in product(
        MM.items(), PER_HOUR.items(), (" {}-1", "/{}")
    )
}
# packed integers may say a little less than none
LEAST_RATE = -0.01


@dataclass(frozen=True)
class Quantity:
    """What the numbers of a field stand for.

    Args:
        name: In words, with the unit.
        zr: By which rain becomes reflectivity.
        factor: Millimetres an hour of 1 in the field's unit; None where the field is in dBZ.
    """

    name: str
    zr: ZR
    factor: float | None

    @classmethod
    def of(cls, name: str, tags: Mapping[str, Any], minutes: Callable[[], float]) -> Quantity:
        """The quantity of the variable `name`; amounts of rain fell in `minutes`.

        Raises:
            ReadError: If its unit is unknown.
        """
        said, units = tags.get("standard_name"), tags.get("units")
        zr = ZR(float(tags.get("zr_a", RELATION.a)), float(tags.get("zr_b", RELATION.b)))
        title, factor = "reflectivity, dBZ", None
        if said in RATES | AMOUNTS:
            known = MM_PER_HOUR if said in RATES else MM
            if _plain(units) not in known:
                raise ReadError(
                    f"expected {name} in a unit such as {_examples(known)}, found {units!r}"
                )
            title = f"{str(said).replace('_', ' ')}, {units}"
            factor = known[_plain(units)] * (60 / minutes() if said in AMOUNTS else 1)
        elif str(units).lower() != "dbz":
            raise ReadError(f"expected {name} in units 'dBZ', found {units!r}")
        return cls(str(tags.get("source_quantity", title)), zr, factor)

    def dbz(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Reflectivity of values as decoded: NaN stays, no rain and -32 dBZ or less is no echo.

        Raises:
            ReadError: If a value is infinite or rain is negative.
        """
        if self.factor is None:
            dbz = values.astype(np.float32)
        else:
            rate = values.astype(np.float64) * self.factor
            least = float(np.min(rate, initial=0, where=~np.isnan(rate)))
            if least < LEAST_RATE:
                raise ReadError(
                    f"expected rain of 0 or more, found {least:g} mm/h; "
                    "what is missing needs a _FillValue"
                )
            dbz = self.zr.dbz(rate).astype(np.float32)
        if np.isposinf(dbz).any():
            raise ReadError("expected finite numbers, found infinity")
        dbz[dbz <= NO_ECHO] = NO_ECHO
        return dbz


def _plain(units: object) -> str:
    """A unit as the tables here spell it: "kg m**-2 s^-1" is "kg m-2 s-1"."""
    return " ".join(str(units).replace("**", "").replace("^", "").split())


def _examples(known: Mapping[str, float]) -> str:
    return ", ".join(f"'{unit}'" for unit in known if "/" not in unit and "r-1" not in unit)
