"""Do forecast and observed rain have the same objects? Structure, amplitude and location.

Costs about five times the default parts together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.counts import ratio
from nowcast.verification.frame import Frame
from nowcast.verification.part import Part, Score, Sum

QUANTILE, SHARE = 0.95, 1 / 15

Rates = NDArray[np.float64]


class Objects(NamedTuple):
    """What the three components are made of: of one field of rain.

    Args:
        mean: Rain rate over the compared pixels.
        centre: Of mass (y, x).
        scatter: Mean distance of the objects' centres from it, weighted by rain.
        volume: Mean of rain / peak rate over objects, weighted by rain.
    """

    mean: float
    centre: Rates
    scatter: float
    volume: float


def find_objects(rates: Rates, least: float, pixels: int) -> Objects | None:
    """The objects of a field: pixels that touch by a side and have a 15th of its heavy rain.

    Heavy rain is the 95th percentile of the rates of at least `least`.

    Args:
        rates: (H, W) mm/h, 0 where nothing is compared.
        least: Rate from which it rains.
        pixels: Number of compared pixels.

    Returns:
        None where it does not rain.
    """
    from scipy import ndimage

    rain = rates[rates >= least]
    if not rain.size:
        return None
    labels, count = ndimage.label(rates >= SHARE * np.quantile(rain, QUANTILE))
    every = np.arange(1, count + 1)
    mass = ndimage.sum_labels(rates, labels, every)
    peaks = ndimage.maximum(rates, labels, every)
    centres = np.array(ndimage.center_of_mass(rates, labels, every))
    centre = np.array(ndimage.center_of_mass(rates))
    distances = np.hypot(*(centres - centre).T)
    scatter, volume = (np.average(values, weights=mass) for values in (distances, mass / peaks))
    return Objects(float(rates.sum() / pixels), centre, float(scatter), float(volume))


def compare_objects(
    forecast: Objects, observed: Objects, shape: tuple[int, int]
) -> tuple[float, float, float]:
    """S, A and L of one pair of fields.

    S = (Vf − Vo) / ½(Vf + Vo) of the volumes V, range −2 to 2, above 0 for objects too large or too
    flat. A = (Df − Do) / ½(Df + Do) of the mean rates D, range −2 to 2, above 0 for too much rain.
    L = |cf − co| / d + 2 |rf − ro| / d of the centres c, the scatters r and the diagonal d, range
    0 to 2. Best 0, all three.

    Args:
        forecast: Its objects.
        observed: Likewise.
        shape: Of the fields.

    Source: Wernli et al., 2008, Monthly Weather Review 136, 4470-4487, doi:10.1175/2008MWR2415.1;
        threshold of objects: Wernli et al., 2009, Weather and Forecasting 24, 1472-1484,
        doi:10.1175/2009WAF2222271.1.
    """
    diagonal = math.hypot(*shape)
    apart = float(np.hypot(*(forecast.centre - observed.centre)))
    location = (apart + 2 * abs(forecast.scatter - observed.scatter)) / diagonal
    structure = _excess(forecast.volume, observed.volume)
    return structure, _excess(forecast.mean, observed.mean), location


def _excess(here: float, there: float) -> float:
    return 2 * (here - there) / (here + there)


def count(frame: Frame) -> dict[str, Tensor]:
    """Components of a frame, 0 and no case where forecast or observed has no rain."""
    least, pixels = frame.protocol.thresholds[0], int(frame.mask.pixels)
    there = find_objects(_rates(frame.observed_rate), least, pixels)
    rows = []
    for field in frame.forecast_rate:
        here = find_objects(_rates(field), least, pixels)
        both = here and there
        found = compare_objects(here, there, tuple(field.shape)) if here and there else (0, 0, 0)
        sizes = [abs(value) for value in found[:2]]
        rows.append(torch.tensor([*found, *sizes, float(both is not None)], dtype=torch.float64))
    return dict(zip(PART.sums, torch.stack(rows).T, strict=True))


def _rates(field: Tensor) -> Rates:
    return field.cpu().numpy().astype(np.float64)


def mean_component(component: Tensor, cases: Tensor) -> Tensor:
    """Mean of a component of SAL over pairs of fields, as of `compare_objects`.

    Mean = Σ component / cases. Range 0 to 2, −2 to 2 where signed; best 0.

    Args:
        component: Sums of any shape; the two must broadcast.
        cases: Pairs of fields with rain in both.

    Missing: Counts as dry, forecast and observed alike, where one of the two is missing.

    Undefined: NaN where no pair has rain in both.

    Source: Wernli et al., 2008, Monthly Weather Review 136, 4470-4487, doi:10.1175/2008MWR2415.1.
    """
    return ratio(component, cases)


def _score(words: str, component: str, reach: str) -> Score:
    return Score(words, mean_component, (f"sal_{component}_sum", "sal_cases"), reach, "0")


PART = Part(
    count,
    {
        "sal_structure_sum": Sum("sum of S"),
        "sal_amplitude_sum": Sum("sum of A"),
        "sal_location_sum": Sum("sum of L"),
        "sal_structure_size_sum": Sum("sum of |S|"),
        "sal_amplitude_size_sum": Sum("sum of |A|"),
        "sal_cases": Sum("pairs of fields with rain in both", dtype=np.int64),
    },
    {
        "sal_structure": _score("structure of SAL", "structure", "-2 to 2"),
        "sal_amplitude": _score("amplitude of SAL", "amplitude", "-2 to 2"),
        "sal_location": _score("location of SAL", "location", "0 to 2"),
        "sal_structure_size": _score("size of SAL's structure", "structure_size", "0 to 2"),
        "sal_amplitude_size": _score("size of SAL's amplitude", "amplitude_size", "0 to 2"),
    },
)
