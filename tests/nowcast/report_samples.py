"""Scores files and cases to make reports of, and a reader of their pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from nowcast.report import ForecasterFacts, ReportFacts, write_report
from nowcast.verification.protocol import DEFAULT_PARTS
from nowcast.verification.tally import Tally
from pipeline.batch import NO_ECHO, ZR

VOID = {"meta", "link", "img", "br", "input"}

NAMES = ("persistence", "extrapolation", "unet", "convlstm")

LEADS = (6, 12, 18, 24, 30, 36, 42, 48, 54, 60)

ISSUED = np.datetime64("2018-06-16T23:30:00")


def make_fields(
    names: Sequence[str], leads: Sequence[int], shape: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    observed = np.float32(draw.normal(18, 12, (len(leads), *shape)))
    noise = draw.normal(0, 4, (len(names), len(leads), *shape))
    forecasts = np.float32(observed + noise * (1 + np.arange(len(names)))[:, None, None, None])
    observed[:, :2, :3] = np.nan
    return np.maximum(observed, NO_ECHO), np.maximum(forecasts, NO_ECHO)


def make_inputs(
    names: Sequence[str] = NAMES,
    leads: Sequence[int] = LEADS,
    shape: tuple[int, int] = (24, 31),
    issues: int = 2,
    fill: float | None = None,
    units: str = "m",
    step_minutes: int = 6,
    members: int = 1,
    parts: Sequence[str] = DEFAULT_PARTS,
) -> tuple[xr.Dataset, xr.Dataset]:
    """A scores file, and the case of its last issue time; members beyond 1 are of STEPS alone."""
    tally = Tally(
        *(names, leads, (0.1, 1.0, 5.0, 10.0), ZR(200, 1.6), (1.0, 5.0, 20.0, 40.0), 1.0),
        members=members,
        parts=tuple(parts),
    )
    for issue in range(issues):
        observed, forecasts = make_fields(names, leads, shape, issue)
        if fill is not None:
            observed, forecasts = np.full_like(observed, fill), np.full_like(forecasts, fill)
        fields = {
            name: torch.from_numpy(field) for name, field in zip(names, forecasts, strict=True)
        }
        if members > 1:
            noise = torch.randn((members, *observed.shape), generator=torch.manual_seed(issue))
            fields["steps"] = (fields["steps"] + 5 * noise).clamp(min=NO_ECHO)
        time = ISSUED + np.timedelta64(step_minutes * issue, "m")
        tally.update(time, fields, torch.from_numpy(observed))
    step = 1000.0 if units == "m" else 0.01
    case = xr.Dataset(
        {
            "past": (("time", "y", "x"), observed[:1]),
            "observed": (("lead_time", "y", "x"), observed),
            "forecast": (("forecaster", "lead_time", "y", "x"), forecasts),
        },
        {
            "time": [ISSUED.astype("datetime64[ns]")],
            "lead_time": list(leads),
            "forecaster": list(names),
            "x": ("x", step * np.arange(shape[1]), {"units": units}),
            "y": ("y", 60 - step * np.arange(shape[0]), {"units": units}),
        },
        {"issue_time": str(ISSUED)},
    )
    return tally.to_dataset(), case


def make_facts(**changes: object) -> ReportFacts:
    facts: dict[str, object] = {
        "title": "Storms & <showers>",
        "product": "Melbourne, 0.5 km",
        "provider": "Bureau of Meteorology",
        "licence": "https://example.org/terms",
        "period": (datetime(2018, 6, 16, 10), datetime(2018, 6, 16, 14)),
        "cadence_minutes": 6,
        "frames": 40,
        "missing_slots": 1,
        "wet_share": 0.232,
        "gaps": ("12:00 to 12:06 UTC",),
        "forecasters": (
            ForecasterFacts("unet", None, "9f2c1e77ab", "unet-demo", 1487210, 75.2, 0.62),
            ForecasterFacts("convlstm", "Our ConvLSTM"),
        ),
        "code_version": "0.1.0+abc",
        "seconds": {"ingest": 3.0, "train": 725.0},
    }
    return ReportFacts(**{**facts, **changes})  # type: ignore[arg-type]


class Page(HTMLParser):
    """A page's addresses, texts and pictures; refuses tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.text = ""
        self.bold: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        held = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag == "img":
            self.pictures.append(held)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data
        if self.open and self.open[-1] == "b":
            self.bold.append(data)


def cases_of(case: xr.Dataset) -> list[xr.Dataset]:
    """Three cases of the same fields, hours apart, the last with fewer lead times."""
    reasons = ("the wettest hour", "typical: the median CSI", "the worst: the lowest CSI")
    cases = []
    for hours, why in enumerate(reasons):
        later = np.timedelta64(hours, "h")
        attributes = {"issue_time": str(ISSUED + later), "why": why}
        held = case.roll(x=2 * hours).assign_coords(time=case["time"] + later)
        cases.append(held.assign_attrs(attributes))
    return [*cases[:-1], cases[-1].isel(lead_time=slice(0, 6))]


def write(
    tmp_path: Path, scores: xr.Dataset, cases: Sequence[xr.Dataset], facts: ReportFacts
) -> str:
    path = write_report(tmp_path / "new" / "report.html", scores, cases, facts)
    assert [held.name for held in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")
