"""How well radar is cleaned: counts that add, and the scores read from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.categorical import critical_success_index
from nowcast.verification.counts import count_pixels, event_limit, ratio, reach_each
from pipeline.batch import ZR

Scores = NDArray[np.float64]
Counts = NDArray[np.int64]
KINDS = ("hits", "misses", "false_alarms", "clutter", "left", "rain", "lost")


class CleaningTally:
    """Counts of pixels by threshold; a + b is the tally of both, the same in any order.

    Args:
        thresholds: Rain rates in mm/h, rising.
        zr: Between reflectivity and rain rate.

    Missing: A pixel that is missing in the clean fields is not counted. One that is missing in the
        cleaned fields is no rain.

    Raises:
        ValueError: If thresholds are none, not above 0 or not rising.
    """

    def __init__(self, thresholds: Sequence[float], zr: ZR) -> None:
        held = tuple(float(rate) for rate in thresholds)
        if not held or held[0] <= 0 or list(held) != sorted(set(held)):
            raise ValueError(
                f"cleaning tally: expected rising thresholds above 0 mm/h, found {list(held)}"
            )
        self.thresholds, self.zr = held, zr
        self.frames = 0
        self.counts: dict[str, Counts] = {name: np.zeros(len(held), np.int64) for name in KINDS}

    def update(
        self, cleaned: Tensor, noisy: Tensor, clean: Tensor, contaminated: Tensor | None = None
    ) -> None:
        """Add fields.

        Args:
            cleaned: (…, H, W) dBZ, NaN where nothing is left or known.
            noisy: What was cleaned.
            clean: What the noise was put upon.
            contaminated: Bool, where it was put; None for all pixels.

        Raises:
            ValueError: If shapes differ.
        """
        _check(cleaned, noisy, clean)
        limits = [event_limit(self.zr.threshold_dbz(rate)) for rate in self.thresholds]
        fields = (held.detach().float() for held in (cleaned, noisy, clean))
        after, before, true = (reach_each(held, limits) for held in fields)
        known, seen = ~clean.isnan().unsqueeze(-3), ~noisy.isnan().unsqueeze(-3)
        spoilt = known if contaminated is None else known & contaminated.unsqueeze(-3)
        clutter, rain = before & ~true & spoilt, true & seen
        counted = {
            "hits": after & true,
            "misses": ~after & true,
            "false_alarms": after & ~true & known,
            "clutter": clutter,
            "left": clutter & after,
            "rain": rain,
            "lost": rain & ~after,
        }
        for name, where in counted.items():
            self.counts[name] += count_pixels(where).reshape(-1, len(limits)).sum(0).cpu().numpy()
        self.frames += clean[..., 0, 0].numel()

    def __add__(self, other: CleaningTally) -> CleaningTally:
        if (self.thresholds, self.zr) != (other.thresholds, other.zr):
            raise ValueError(
                f"cleaning tally: expected two of {self.thresholds} mm/h by {self.zr}, found "
                f"{other.thresholds} by {other.zr}; make both alike"
            )
        both = CleaningTally(self.thresholds, self.zr)
        both.frames = self.frames + other.frames
        both.counts = {name: held + other.counts[name] for name, held in self.counts.items()}
        return both

    def csi(self) -> Scores:
        """(T,) critical success index of the cleaned rain against the clean rain.

        CSI = hits / (hits + misses + false alarms). Range 0 to 1, best 1.

        Undefined: NaN where neither had rain.

        Source: Schaefer, 1990, Weather and Forecasting 5, 570-575.
        """
        held = (torch.from_numpy(self.counts[name]) for name in KINDS[:3])
        scores: Scores = critical_success_index(*held).numpy()
        return scores

    def clutter_left(self) -> Scores:
        """(T,) share of the clutter that is still there.

        Clutter is what reaches the threshold in the noisy but not in the clean field. Range 0 to 1,
        best 0; of fields that are not cleaned 1.

        Undefined: NaN where there was no clutter.
        """
        return self._share("left", "clutter")

    def rain_lost(self) -> Scores:
        """(T,) share of the rain of the clean field that is gone.

        Rain that the noisy field has missing does not count. Range 0 to 1, best 0; of fields that
        are not cleaned 0 unless the noise itself pushed rain below the threshold.

        Undefined: NaN where there was no rain.
        """
        return self._share("lost", "rain")

    def _share(self, part: str, whole: str) -> Scores:
        parts, wholes = (torch.from_numpy(self.counts[name]) for name in (part, whole))
        shares: Scores = ratio(parts, wholes).numpy()
        return shares


def _check(cleaned: Tensor, noisy: Tensor, clean: Tensor) -> None:
    shapes = {tuple(held.shape) for held in (cleaned, noisy, clean)}
    if len(shapes) > 1:
        raise ValueError(
            f"cleaning tally: expected cleaned and noisy fields of {tuple(clean.shape)}, found "
            f"{tuple(cleaned.shape)} and {tuple(noisy.shape)}"
        )
