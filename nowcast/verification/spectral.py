"""How much detail does a forecast hold? Radially averaged power spectra by wavelength.

Costs about two thirds of the default parts together.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from nowcast.verification.counts import ratio
from nowcast.verification.frame import Frame
from nowcast.verification.part import BY_LEAD, POSITIVE, Part, Score, Sum
from nowcast.verification.protocol import BANDS

BY_WAVELENGTH = (*BY_LEAD, "wavelength")


def band_power(field: Tensor, bands: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Power of a field summed over the Fourier components of each band, and their number.

    Power is |FFT|² / pixels; a component and its mirror image count as two.

    Args:
        field: (H, W).
        bands: (H, W // 2 + 1) int64, the band of each component of a real transform; `count` for
            those in none.
        count: Number of bands.
    """
    height, width = field.shape
    power = torch.fft.rfft2(field).abs().square_().double() / (height * width)
    mirrored = torch.full_like(power, 2)
    mirrored[:, 0] = 1
    if width % 2 == 0:
        mirrored[:, -1] = 1
    sums = [
        torch.zeros(count + 1, dtype=torch.float64, device=field.device).index_add_(
            0, bands.view(-1), values.reshape(-1)
        )
        for values in (power * mirrored, mirrored)
    ]
    return sums[0][:count], sums[1][:count]


@lru_cache(maxsize=4)
def octave_thirds(height: int, width: int) -> Tensor:
    """The band of each component: thirds of octaves of wavelength, from two pixels on."""
    rows, columns = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    with np.errstate(divide="ignore"):
        octaves = np.log2(0.5 / np.hypot(rows[:, None], columns))
    band = np.round(3 * octaves)
    band[~((octaves >= 0) & (band < BANDS))] = BANDS
    return torch.from_numpy(band.astype(np.int64))


def count(frame: Frame) -> dict[str, Tensor]:
    """The mean power of each band of a frame's reflectivity above FLOOR_DBZ."""
    bands = octave_thirds(*frame.observed.shape).to(frame.observed.device)
    fields = [frame.observed_floored, *frame.forecast_floored]
    powers, components = zip(*(band_power(field, bands, BANDS) for field in fields), strict=True)
    held = components[0].clamp(min=1)
    return {
        "spectrum_observed_sum": powers[0] / held,
        "spectrum_sum": torch.stack(powers[1:]) / held,
        "spectrum_fields": (components[0] > 0).long(),
    }


def mean_power(power: Tensor, fields: Tensor) -> Tensor:
    """Radially averaged power spectral density of reflectivity above FLOOR_DBZ.

    RAPSD = mean over fields and over the Fourier components of a band of |FFT|² / pixels. Range 0
    to ∞ dBZ², best as observed.

    Args:
        power: Sums over fields of the mean power of a band, any shape; the two must broadcast.
        fields: Their number.

    Missing: Counts as FLOOR_DBZ, forecast and observed alike, where one of the two is missing.

    Undefined: NaN for wavelengths that the grid does not hold.

    Source: Ruzanski and Chandrasekar, 2011, IEEE Transactions on Geoscience and Remote Sensing 49,
        2296-2307, doi:10.1109/TGRS.2010.2103946.
    """
    return ratio(power, fields)


def power_ratio(power: Tensor, observed: Tensor) -> Tensor:
    """Power of the forecast for each unit of observed power at the same wavelength.

    Ratio = Σ forecast power / Σ observed power. Range 0 to ∞, best 1; below 1 a forecast is
    smoother than the rain.

    Args:
        power: Sums of the forecast, any shape; the two must broadcast.
        observed: Sums of the observed.

    Missing: As of `mean_power`.

    Undefined: NaN where nothing was observed, and for wavelengths that the grid does not hold.

    Source: Ruzanski and Chandrasekar, 2011, IEEE Transactions on Geoscience and Remote Sensing 49,
        2296-2307, doi:10.1109/TGRS.2010.2103946.
    """
    return ratio(power, observed)


_OBSERVED = ("lead_time", "wavelength")

PART = Part(
    count,
    {
        "spectrum_sum": Sum("sum of the forecasts' mean power", BY_WAVELENGTH, "dBZ2"),
        "spectrum_observed_sum": Sum("sum of the observed mean power", _OBSERVED, "dBZ2"),
        "spectrum_fields": Sum("fields with such wavelengths", _OBSERVED, dtype=np.int64),
    },
    {
        "spectrum": Score(
            "radially averaged power spectral density",
            mean_power,
            ("spectrum_sum", "spectrum_fields"),
            POSITIVE,
            "spectrum_observed",
            BY_WAVELENGTH,
            "dBZ2",
        ),
        "spectrum_observed": Score(
            "radially averaged power spectral density observed",
            mean_power,
            ("spectrum_observed_sum", "spectrum_fields"),
            POSITIVE,
            "spectrum_observed",
            _OBSERVED,
            "dBZ2",
        ),
        "power_ratio": Score(
            "power of the forecast for each unit observed",
            power_ratio,
            ("spectrum_sum", "spectrum_observed_sum"),
            POSITIVE,
            "1",
            BY_WAVELENGTH,
        ),
    },
)
