"""Convective cells that grow, ripen and decay while they drift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_catalog.texture import Plane

NOTHING_DBZ = -60.0


class Cells(NamedTuple):
    """Elliptic cells, one entry each.

    Args:
        x: Pixels east at frame 0.
        y: Pixels south at frame 0.
        birth: Frame at which the cell appears.
        life: Frames that it lasts.
        peak_dbz: Reflectivity of its core at half its life.
        radius: Pixels, across.
        stretch: Length over breadth.
        angle: Direction of its long axis, radians from east to south.
    """

    x: Plane
    y: Plane
    birth: Plane
    life: Plane
    peak_dbz: Plane
    radius: Plane
    stretch: Plane
    angle: Plane

    def dbz(self, t: float, forward: NDArray[np.floating], shape: tuple[int, ...]) -> Plane:
        """(H, W) dBZ at frame t of the cells alive, drifted by the affine map `forward`."""
        plane = np.full(shape, NOTHING_DBZ, np.float32)
        x, y = apply(forward, self.x, self.y)
        age = (t - self.birth) / self.life
        for k in np.flatnonzero((age > 0) & (age < 1)).tolist():
            self._draw(k, float(np.sin(np.pi * age[k]) ** 0.7), (float(x[k]), float(y[k])), plane)
        return plane

    def _draw(self, k: int, vigour: float, place: tuple[float, float], plane: Plane) -> None:
        radius, stretch = self.radius[k] * (0.5 + 0.5 * vigour), self.stretch[k]
        (x, y), reach = place, int(6 * radius * stretch) + 1
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        part = plane[top : max(int(y) + reach, 0), left : max(int(x) + reach, 0)]
        south, east = np.indices(part.shape, np.float32)
        offset = (east + (left - x) + 1j * (south + (top - y))) * np.exp(-1j * self.angle[k])
        squared = ((offset.real / stretch) ** 2 + offset.imag**2) / radius**2
        core = self.peak_dbz[k] - 25 * (1 - vigour)
        np.maximum(part, core - 10 * (np.sqrt(1 + 2.5 * squared) - 1), out=part)


def apply(affine: NDArray[np.floating], x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Where an affine map (3, 3) takes the places (x, y)."""
    m = affine.astype(np.float32)
    return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]
