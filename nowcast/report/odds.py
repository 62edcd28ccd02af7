"""How good an ensemble's odds are: reliability, ranks, and scores of the whole distribution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.report.axes import Axis
from nowcast.report.figures import SQUARE, Canvas, Line, curve, nothing
from nowcast.report.lines import Chart, Source, drawn, reach
from nowcast.report.styles import Style
from nowcast.report.wording import nearest, number, percent
from nowcast.verification.pooling import pooled

LEAD = 30
RANK_LEADS = (30, 60)
THRESHOLDS = (0.1, 1.0, 5.0)
BARS = 0.16
COUNTS = ("probability_pixels", "probability_sum")


def ensembles(source: Source) -> dict[str, Style]:
    """The forecasters of more than one member."""
    if not source.has("rank_histogram") or source.scores.sizes["rank"] < 3:
        return {}
    ranks = source.scores["rank_histogram"]
    return {
        name: style
        for name, style in source.styles.items()
        if bool(np.isfinite(ranks.sel(forecaster=name)).any())
    }


def by_lead(source: Source) -> tuple[Chart, ...]:
    """CRPS of all and spread for each unit of error of the ensembles."""
    held = ensembles(source)
    if not held or not source.has("crps", "spread_skill"):
        return ()
    spread = [line for line in source.lines("spread_skill") if line.style.name in held]
    return (
        source.chart("CRPS", "Fair CRPS, mm/h", source.lines("crps")),
        source.chart(
            "Spread", "Spread for each unit of error", spread, Axis.of_ratios(reach(spread))
        ),
    )


def make_reliability(source: Source) -> tuple[Chart, ...]:
    """Reliability diagrams at about half an hour, where there are ensembles."""
    held = ensembles(source)
    if not held or not source.has("observed_frequency", *COUNTS):
        return ()
    lead = nearest(source.scores["lead_time"], [LEAD])[0]
    at_lead = source.scores.isel(lead_time=lead)
    at_lead = at_lead.assign({name: pooled(at_lead[name]) for name in COUNTS})
    charts = []
    for n in nearest(at_lead["threshold"], THRESHOLDS):
        rate = float(at_lead["threshold"][n])
        heading = f"≥ {rate:g} mm/h, {source.leads[lead]} min"
        charts.append(Chart(heading, drawn(_reliability(heading, at_lead.isel(threshold=n), held))))
    return tuple(charts)


@dataclass(frozen=True)
class _Odds:
    """By forecast probability: how often rain came, and the share of the pixels."""

    line: Line
    share: NDArray[np.float64]

    @classmethod
    def of(cls, scores: xr.Dataset, style: Style) -> _Odds:
        """Of the probabilities that so many members can give; sums pooled over issue times."""
        members, tenths = scores.sizes["rank"] - 1, scores.sizes["probability"] - 1
        given = np.unique((np.arange(members + 1) / members * tenths).round().astype(int))
        mine = scores.sel(forecaster=style.name).isel(probability=given)
        pixels = mine["probability_pixels"]
        mean = mine["probability_sum"] / pixels
        told = (mean, mine["observed_frequency"], pixels / pixels.sum())
        x, y, share = (values.to_numpy().astype(np.float64) for values in told)
        return cls(Line(style, x, y), share)

    @property
    def tips(self) -> list[str]:
        """What each point says."""
        held = zip(self.line.x, self.line.y, self.share, strict=True)
        return [
            f"{self.line.style.title}\nforecast {percent(float(x))}, came {percent(float(y))}\n"
            f"{percent(float(share))} of the pixels"
            for x, y, share in held
        ]


def _reliability(heading: str, scores: xr.Dataset, styles: Mapping[str, Style]) -> str:
    canvas = Canvas(
        Axis.of_shares(), Axis.of_shares(), "forecast probability", "observed frequency", SQUARE
    )
    held = [_Odds.of(scores, style) for style in styles.values()]
    lines = [odds.line for odds in held]
    told = "; ".join(_told(line) for line in lines)
    return canvas.picture(
        f"Reliability diagram, {heading}. {told}",
        f'<path class="one" d="M{canvas.at(0, 0)}L{canvas.at(1, 1)}"/>',
        *(_sharpness(canvas, odds, n, len(held)) for n, odds in enumerate(held)),
        nothing(canvas, lines),
        *(curve(canvas, odds.line, odds.tips) for odds in held),
    )


def _sharpness(canvas: Canvas, odds: _Odds, place: int, count: int) -> str:
    width = 12 / count
    path = []
    for probability, part in zip(odds.line.x, odds.share, strict=True):
        if np.isfinite(probability) and part > 0:
            left = canvas.across(float(probability)) - 6 + place * width
            top = canvas.down(BARS * float(np.sqrt(part)))
            path.append(f"M{left:.1f},{canvas.bottom}V{top:.1f}h{width:.1f}V{canvas.bottom}z")
    return f'<path class="bars" d="{"".join(path)}" fill="{odds.line.style.colour}"/>'


def _told(line: Line) -> str:
    known = np.flatnonzero(np.isfinite(line.x) & np.isfinite(line.y))
    places = [f"{percent(float(line.x[n]))} came {percent(float(line.y[n]))}" for n in known]
    return f"{line.style.title}, forecast and came: {', '.join(places) or 'undefined'}"


def make_ranks(source: Source) -> tuple[Chart, ...]:
    """Rank histograms of each ensemble at about 30 and 60 minutes."""
    charts = []
    for name, style in ensembles(source).items():
        for lead in nearest(source.scores["lead_time"], RANK_LEADS):
            held = source.scores["rank_histogram"].isel(lead_time=lead).sel(forecaster=name)
            heading = f"{style.title}, {source.leads[lead]} min"
            charts.append(Chart(heading, drawn(_ranks(heading, style, held.to_numpy()))))
    return tuple(charts)


def _ranks(heading: str, style: Style, shares: NDArray[np.float64]) -> str:
    count = len(shares)
    every = max(1, -(-count // 10))
    ticks = tuple((float(rank), str(rank)) for rank in range(0, count, every))
    canvas = Canvas(
        Axis(-0.7, count - 0.3, ticks),
        Axis.from_zero(np.append(shares, 1 / count)),
        "members below the observed",
    )
    bars = []
    for rank, share in enumerate(shares):
        if np.isfinite(share):
            left, right = canvas.across(rank - 0.42), canvas.across(rank + 0.42)
            size = f'width="{right - left:.1f}" height="{canvas.bottom - canvas.down(share):.1f}"'
            title = escape(f"{rank} of {count - 1} below: {number(float(share), 3)}")
            corner = f'x="{left:.1f}" y="{canvas.down(share):.1f}"'
            bars.append(f"<rect {corner} {size}><title>{title}</title></rect>")
    line = [Line(style, np.arange(count, dtype=np.float64), shares.astype(np.float64))]
    even = (
        f"M{canvas.across(-0.7):.1f},{canvas.down(1 / count):.1f}H{canvas.across(count - 0.3):.1f}"
    )
    told = ", ".join(number(float(share), 3) for share in shares)
    return canvas.picture(
        f"Rank histogram, {heading}: {told}; even would be {number(1 / count, 3)}",
        nothing(canvas, line),
        f'<g fill="{style.colour}">{"".join(bars)}</g><path class="even" d="{even}"/>',
    )
