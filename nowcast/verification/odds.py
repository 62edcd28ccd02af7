"""Scores of ensembles and of their probabilities, from sums.

Missing: Sums are over compared pixels alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.verification.counts import ratio


def fair_crps(members: Tensor, observed: Tensor) -> Tensor:
    """Fair continuous ranked probability score of each pixel.

    CRPS = Σ|x − o| / M − ΣΣ|x − x'| / (2 M (M − 1)) over the M members x. Range −∞ to ∞ for one
    pixel, 0 to ∞ on average, best 0. Of a single member the absolute error.

    Args:
        members: (M, ...) mm/h.
        observed: (...) mm/h.

    Source: Ferro, 2014, Quarterly Journal of the Royal Meteorological Society 140, 1917-1923,
        doi:10.1002/qj.2270.
    """
    size = len(members)
    error = (members - observed).abs().mean(0)
    if size == 1:
        return error
    rank = torch.arange(1 - size, size, 2, dtype=members.dtype, device=members.device)
    ordered = members.sort(0).values
    apart: Tensor = torch.tensordot(rank, ordered, 1) / (size * (size - 1))
    return error - apart


def mean_crps(crps: Tensor, pixels: Tensor) -> Tensor:
    """Mean fair continuous ranked probability score, as of `fair_crps`.

    CRPS = Σ / pixels. Range 0 to ∞ mm/h, best 0.

    Args:
        crps: Sums of any shape; the two must broadcast.
        pixels: Compared.

    Undefined: NaN where no pixel was compared.

    Source: Ferro, 2014, Quarterly Journal of the Royal Meteorological Society 140, 1917-1923,
        doi:10.1002/qj.2270.
    """
    return ratio(crps, pixels)


def spread_skill(spread: Tensor, squared_error: Tensor) -> Tensor:
    """Spread of the members for each unit of error of their mean.

    √(Σ (M + 1) / M variance / Σ(mean − observed)²). Range 0 to ∞, best 1; below 1 an ensemble is
    too sure of itself, a single forecast wholly.

    Args:
        spread: Sums of (M + 1) / M times the members' variance; the two must broadcast.
        squared_error: Sums.

    Undefined: NaN where there is no error.

    Source: Fortin et al., 2014, Journal of Hydrometeorology 15, 1708-1713,
        doi:10.1175/JHM-D-14-0008.1.
    """
    return ratio(spread, squared_error).sqrt()


def rank_shares(counts: Tensor) -> Tensor:
    """Share of the pixels at each rank of the observed among the members.

    Also called: rank histogram, Talagrand diagram. Range 0 to 1, best all the same.

    Args:
        counts: (..., M + 1).

    Undefined: NaN where no pixel was compared, and for forecasters of fewer members.

    Source: Hamill, 2001, Monthly Weather Review 129, 550-560,
        doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2.
    """
    return ratio(counts, counts.sum(-1, keepdim=True))


def brier_score(squared_error: Tensor, pixels: Tensor) -> Tensor:
    """Mean squared error of the forecast probability of an event.

    BS = Σ(p − e)² / pixels, e 1 for an event, else 0. Range 0 to 1, best 0.

    Args:
        squared_error: Sums (..., T).
        pixels: (...), compared.

    Undefined: NaN where no pixel was compared.

    Source: Brier, 1950, Monthly Weather Review 78, 1-3,
        doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    return ratio(squared_error, pixels[..., None])


def reliability(pixels: Tensor, probability: Tensor, events: Tensor) -> Tensor:
    """How far observed frequencies are from the probabilities; the Brier score's first part.

    Σk nk (pk − ok)² / n over bins k of nk pixels, mean probability pk and observed frequency ok.
    Brier score = reliability − resolution + uncertainty, exactly so where a bin holds a single
    probability. Range 0 to 1, best 0.

    Args:
        pixels: nk (..., K).
        probability: Sums of probability (..., K).
        events: Observed events (..., K).

    Undefined: NaN where no pixel was compared.

    Source: Murphy, 1973, Journal of Applied Meteorology 12, 595-600,
        doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    """
    apart = ratio((probability - events) ** 2, pixels).nan_to_num(0.0)
    return ratio(apart.sum(-1), pixels.sum(-1))


def resolution(pixels: Tensor, events: Tensor) -> Tensor:
    """How far observed frequencies differ between probabilities; the Brier score's second part.

    Σk nk (ok − ō)² / n as of `reliability`, ō the base rate. Range 0 to 1/4, best as the
    uncertainty.

    Args:
        pixels: nk (..., K).
        events: Observed events (..., K).

    Undefined: NaN where no pixel was compared.

    Source: Murphy, 1973, Journal of Applied Meteorology 12, 595-600,
        doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    """
    base_rate = ratio(events.sum(-1), pixels.sum(-1))
    apart = (ratio(events, pixels) - base_rate[..., None]) ** 2
    return ratio((pixels * apart).nan_to_num(0.0).sum(-1), pixels.sum(-1))


def uncertainty(pixels: Tensor, events: Tensor) -> Tensor:
    """What the base rate leaves open; the Brier score's third part, the same for every forecast.

    ō (1 − ō) of the base rate ō. Range 0 to 1/4.

    Args:
        pixels: (..., K).
        events: Observed events (..., K).

    Undefined: NaN where no pixel was compared.

    Source: Murphy, 1973, Journal of Applied Meteorology 12, 595-600,
        doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    """
    base_rate = ratio(events.sum(-1), pixels.sum(-1))
    return base_rate * (1 - base_rate)


def observed_frequency(pixels: Tensor, events: Tensor) -> Tensor:
    """Share of events where a probability was forecast: the reliability diagram.

    ok = events / pixels. Range 0 to 1, best the probability itself.

    Args:
        pixels: (..., K) by probability.
        events: Observed events (..., K).

    Undefined: NaN where a probability was never forecast.

    Source: Murphy, 1973, Journal of Applied Meteorology 12, 595-600,
        doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    """
    return ratio(events, pixels)


def roc_area(pixels: Tensor, events: Tensor) -> Tensor:
    """Chance that an event was given a higher probability than a pixel without one.

    Area under the curve of hit rate over false alarm rate, straight between probabilities. Range 0
    to 1, best 1, 1/2 for chance.
    Also called: ROC AUC.

    Args:
        pixels: (..., K) by rising probability.
        events: Observed events (..., K).

    Undefined: NaN where all pixels were observed events, or none.

    Source: Mason and Graham, 2002, Quarterly Journal of the Royal Meteorological Society 128,
        2145-2166, doi:10.1256/003590002320603584.
    """
    rates = []
    for counts in (events, pixels - events):
        from_top = F.pad(counts.to(torch.float64).flip(-1).cumsum(-1), (1, 0))
        rates.append(ratio(from_top, from_top[..., -1:]))
    return torch.trapezoid(*rates, dim=-1)
