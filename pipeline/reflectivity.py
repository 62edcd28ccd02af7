"""Reflectivity in dBZ and rain rate in mm/h, tied by a product's Z–R relation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Field = TypeVar("Field", NDArray[np.floating], Tensor)

NO_ECHO = -32.0


@dataclass(frozen=True)
class ZR:
    """The power law Z = a R^b between reflectivity factor Z (mm⁶ m⁻³) and rain rate R (mm/h).

    Source: Marshall, Langille and Palmer, 1947, Journal of Meteorology 4, 186-192.
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        if not (self.a > 0 and self.b > 0):
            raise ValueError(
                f"Z–R relation: expected a > 0 and b > 0, found a={self.a}, b={self.b}"
            )

    def rain_rate(self, dbz: Field) -> Field:
        """Rain rate in mm/h of reflectivity in dBZ, any shape; NO_ECHO is exactly 0, NaN stays."""
        exponent = dbz * (math.log(10) / (10 * self.b))
        power = exponent.exp() if hasattr(exponent, "exp") else np.exp(exponent)
        rate: Field = self.a ** (-1 / self.b) * power
        rate *= dbz > NO_ECHO
        return rate

    def dbz(self, rain_rate: NDArray[np.floating]) -> NDArray[np.floating]:
        """Reflectivity in dBZ of rain rate in mm/h, any shape; no rain is NO_ECHO, NaN stays."""
        with np.errstate(divide="ignore"):
            dbz = 10 * math.log10(self.a) + 10 * self.b * np.log10(np.maximum(rain_rate, 0))
        floored: NDArray[np.floating] = np.maximum(dbz, NO_ECHO)
        return floored

    def threshold_dbz(self, rain_rate: float) -> float:
        """The reflectivity in dBZ at which it rains `rain_rate` mm/h."""
        return float(self.dbz(np.asarray(rain_rate, dtype=np.float64)))
