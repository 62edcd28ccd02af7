"""One valid time, ready to be counted: every part of a tally reads the same fields and masks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.counts import (
    Counts,
    are_alike,
    count_events,
    count_pixels,
    event_limit,
    rain_rates,
    reach_each,
    without_missing,
)
from nowcast.verification.protocol import FLOOR_DBZ, Protocol
from nowcast.verification.windows import Margin, SummedAreas


class Mask:
    """The compared pixels (H, W) and what follows from them alone."""

    def __init__(self, known: Tensor, widths: Sequence[int]) -> None:
        self.known = known
        self.widths = tuple(widths)
        self.pixels = count_pixels(known)
        self.whole = int(self.pixels) == known.numel()

    @cached_property
    def weight(self) -> Tensor:
        """1 where compared, else 0, float32."""
        return self.known.view(torch.uint8).float()

    @cached_property
    def margin(self) -> Margin:
        """Room for the windows."""
        height, width = self.known.shape
        return Margin((height, width), max(self.widths))

    @cached_property
    def shares(self) -> dict[int, NDArray[np.float32]]:
        """By width 1 / compared pixels in the window around a compared pixel, else 0, spread."""
        areas = SummedAreas(1, self.margin)
        areas.fill([self.known.cpu().numpy()])
        weight = self.margin.spread(self.weight.cpu().numpy())
        return {width: self._share(areas, weight, width) for width in self.widths}

    def _share(
        self, areas: SummedAreas, weight: NDArray[np.float32], width: int
    ) -> NDArray[np.float32]:
        share: NDArray[np.float32] = torch.zeros(weight.shape).numpy()
        for rows, (counts,) in areas.counts(width):
            np.divide(weight[rows], np.maximum(counts, 1, out=counts), out=share[rows])
        return share

    def cut(self, field: Tensor) -> Tensor:
        """A finite field, 0 where nothing is compared."""
        return field if self.whole else field * self.weight


class Masks:
    """Hands out the last mask again while the compared pixels stay the same."""

    def __init__(self, widths: Sequence[int]) -> None:
        self._widths = widths
        self._last: Mask | None = None

    def of(self, known: Tensor) -> Mask:
        """The mask of the compared pixels (H, W)."""
        last = self._last
        if last is None or not are_alike(last.known, known):
            last = self._last = Mask(known, self._widths)
        return last


class Frame:
    """The forecasts for one valid time, and what was observed.

    Args:
        protocol: What is compared, and how.
        fields: Of each forecaster (H, W) dBZ, or (M, H, W) of an ensemble's members.
        observed: (H, W) dBZ.
        masks: Where the mask may be found that a frame before it had.

    Missing: Compared is what was observed and forecast by every forecaster and member. Elsewhere
        fields hold NO_ECHO.

    Raises:
        ValueError: If a value is infinite.
    """

    def __init__(
        self,
        protocol: Protocol,
        fields: Sequence[Tensor],
        observed: Tensor,
        masks: Masks | None = None,
    ) -> None:
        self.protocol = protocol
        planes = [field.view(-1, *observed.shape) for field in fields]
        self.observed, self.seen = without_missing(observed)
        self.members, there = zip(*(without_missing(members) for members in planes), strict=True)
        present = torch.stack([members.all(0) for members in there])
        known = self.seen & present.all(0)
        self.missing = ~present
        self.mask = (masks or Masks(protocol.widths)).of(known)

    @cached_property
    def forecast(self) -> Tensor:
        """(F, H, W) dBZ; of an ensemble the reflectivity of its mean rain rate."""
        means = [self._mean(members) for members in self.members]
        return torch.stack(means) if len(means) > 1 else means[0][None]

    def _mean(self, members: Tensor) -> Tensor:
        if len(members) == 1:
            return members[0]
        zr = self.protocol.zr
        mean = rain_rates(zr, members).mean(0)
        return torch.from_numpy(zr.dbz(mean.cpu().numpy())).to(members)

    @cached_property
    def forecast_rate(self) -> Tensor:
        """(F, H, W) mm/h, 0 where nothing is compared."""
        return self.mask.cut(rain_rates(self.protocol.zr, self.forecast))

    @cached_property
    def observed_rate(self) -> Tensor:
        """(H, W) mm/h, 0 where nothing is compared."""
        return self.mask.cut(rain_rates(self.protocol.zr, self.observed))

    @cached_property
    def forecast_floored(self) -> Tensor:
        """(F, H, W) dBZ above FLOOR_DBZ, 0 below and where nothing is compared."""
        return self.mask.cut((self.forecast - FLOOR_DBZ).clamp_(min=0))

    @cached_property
    def observed_floored(self) -> Tensor:
        """(H, W) likewise."""
        return self.mask.cut((self.observed - FLOOR_DBZ).clamp_(min=0))

    def events(self, fields: Tensor) -> Tensor:
        """(..., T, H, W) bool: where fields (..., H, W) reach each threshold and are compared."""
        limits = [event_limit(dbz) for dbz in self.protocol.thresholds_dbz]
        events = reach_each(fields, limits)
        return events if self.mask.whole else events.logical_and_(self.mask.known)

    @cached_property
    def forecast_events(self) -> Tensor:
        """(F, T, H, W) bool."""
        return self.events(self.forecast)

    @cached_property
    def observed_events(self) -> Tensor:
        """(T, H, W) bool."""
        return self.events(self.observed)

    @cached_property
    def table(self) -> Counts:
        """The contingency tables, (F, T)."""
        return count_events(self.forecast_events, self.observed_events, self.mask.pixels)

    @cached_property
    def observed_class(self) -> Tensor:
        """(H, W) uint8: how many thresholds were reached."""
        return self.observed_events.view(torch.uint8).sum(0, dtype=torch.uint8)
