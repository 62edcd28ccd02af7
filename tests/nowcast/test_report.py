from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from PIL import Image

from nowcast.report import ForecasterFacts, ReportFacts, write_report
from nowcast.report.colours import (
    CLASSIC,
    EDGES_DBZ,
    MAP_COLOUR,
    MISSING_COLOUR,
    PALETTES,
    SOUND,
    Palette,
    classify,
    rgba,
)
from nowcast.report.figures import Axis
from nowcast.report.maps import LONGEST_SIDE, MapFrame, event_csi, png, thin
from nowcast.report.styles import make_styles
from nowcast.report.tables import make_table, nearest_to
from nowcast.report.verdict import verdict
from nowcast.report.wording import duration, nearest, percent, rounded, span
from nowcast.verification.tally import Tally
from pipeline.batch import NO_ECHO, ZR

NAMES = ("persistence", "extrapolation", "unet", "convlstm")
LEADS = (6, 12, 18, 24, 30, 36, 42, 48, 54, 60)
ISSUED = np.datetime64("2018-06-16T23:30:00")
VOID = {"meta", "link", "img", "br", "input"}


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
) -> tuple[xr.Dataset, xr.Dataset]:
    tally = Tally(names, leads, (0.1, 1.0, 5.0, 10.0), ZR(200, 1.6), (1.0, 5.0, 20.0, 40.0), 1.0)
    for issue in range(issues):
        observed, forecasts = make_fields(names, leads, shape, issue)
        if fill is not None:
            observed, forecasts = np.full_like(observed, fill), np.full_like(forecasts, fill)
        fields = {
            name: torch.from_numpy(field) for name, field in zip(names, forecasts, strict=True)
        }
        tally.update(ISSUED + np.timedelta64(6 * issue, "m"), fields, torch.from_numpy(observed))
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


def write(tmp_path: Path, scores: xr.Dataset, case: xr.Dataset, facts: ReportFacts) -> str:
    path = write_report(tmp_path / "new" / "report.html", scores, case, facts)
    assert [held.name for held in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def inputs() -> tuple[xr.Dataset, xr.Dataset]:
    return make_inputs()


@pytest.fixture(scope="module")
def text(inputs: tuple[xr.Dataset, xr.Dataset], tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("report"), *inputs, make_facts())


def test_page_is_whole_and_asks_for_no_address(text: str) -> None:
    page = Page(text)
    assert page.open == []
    assert len(page.addresses) > 20
    assert {address.split(":")[0][:1] for address in page.addresses} == {"d", "#"}
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"url\(|@import|https?://(?!example\.org/terms)", text)


def test_page_tells_every_number_of_its_table(
    text: str, inputs: tuple[xr.Dataset, xr.Dataset]
) -> None:
    scores, told = inputs[0], Page(text).text
    for lead in (6, 30, 60):
        at_lead = scores.sel(lead_time=lead)
        for threshold in (0.1, 1.0, 5.0):
            for value in at_lead["csi"].sel(threshold=threshold).to_numpy():
                assert f"{value:.3f}" in told
        for value in at_lead["fss"].sel(threshold=1.0, scale=20.0).to_numpy():
            assert f"{value:.3f}" in told
        for value in at_lead["mae"].to_numpy():
            assert f"{value:.3f}" in told


def test_page_tells_where_everything_comes_from(text: str) -> None:
    told = Page(text).text
    for fact in (
        *("Storms & <showers>", "Melbourne, 0.5 km", "Bureau of Meteorology", "9f2c1e77ab"),
        *("https://example.org/terms", "16 Jun 2018, 10:00 to 14:00 UTC", "12:00 to 12:06 UTC"),
        *("40 observed, 1 missing", "23 %", "unet-demo", "1 487 210", "75 s", "0.62 s"),
        *("Our ConvLSTM", "0.1.0+abc", "train 12 min 05 s", "together 12 min 08 s"),
        "sums over issue times, then the score",
    ):
        assert fact in told.replace("\u202f", " ")


def test_every_picture_has_words_and_holds_itself(text: str) -> None:
    pictures = Page(text).pictures
    shown = [picture for picture in pictures if "src" in picture]
    assert len(shown) == 4 * (1 + len(NAMES))
    assert all(picture["alt"] for picture in pictures)
    words = [str(picture["alt"]) for picture in shown]
    assert words[0].startswith("Observed at 23:36 UTC: ")
    assert words[-1].startswith("Persistence for 00:30 UTC, 17 Jun 2018, 60 min ahead: ")
    body = str(shown[0]["src"]).split(",")[1]
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == (31, 24)


def test_animation_holds_every_frame_of_every_forecaster(text: str) -> None:
    found = re.search(r'id="movie">(.*?)</script>', text, re.DOTALL)
    assert found
    movie = json.loads(found[1])
    assert [step["minutes"] for step in movie["steps"]] == [0, *LEADS]
    titles = ["Observed", "Our ConvLSTM", "U-Net", "Extrapolation", "Persistence"]
    assert [shown["title"] for shown in movie["maps"]] == titles
    assert [len(shown["pictures"]) for shown in movie["maps"]] == [11, 10, 10, 10, 10]


def test_download_holds_every_score_and_sum(
    text: str, inputs: tuple[xr.Dataset, xr.Dataset]
) -> None:
    address = next(held for held in Page(text).addresses if held.startswith("data:text/csv"))
    numbers = pd.read_csv(io.BytesIO(base64.b64decode(address.split(",")[1])))
    scores = inputs[0]
    for name in ("csi", "fss", "mae", "missing_share", "hits", "pixels"):
        told = numbers[numbers["score"] == name]["value"].to_numpy()
        held = scores[name].sum("issue_time") if "issue_time" in scores[name].dims else scores[name]
        np.testing.assert_allclose(np.sort(told), np.sort(held.to_numpy().ravel()), rtol=1e-8)
    row = numbers.query(
        "score == 'fss' & forecaster == 'unet' & lead_minutes == 30 "
        "& threshold_mm_h == 1 & scale_km == 20"
    )
    chosen = scores["fss"].sel(forecaster="unet", lead_time=30, threshold=1, scale=20)
    assert row["value"].item() == pytest.approx(float(chosen))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"issues": 1}, id="one issue time"),
        pytest.param({"fill": NO_ECHO}, id="all dry"),
        pytest.param({"fill": np.nan}, id="all missing"),
        pytest.param({"shape": (7, 3)}, id="odd size"),
        pytest.param({"names": ("extrapolation",)}, id="one forecaster"),
        pytest.param({"names": ("a", "b", "unet-x", *"cdefghi")}, id="strangers"),
        pytest.param({"leads": range(5, 65, 5)}, id="five minutes"),
        pytest.param({"leads": (10,)}, id="one lead"),
        pytest.param({"units": "degrees_north"}, id="degrees"),
    ],
)
def test_any_case_makes_a_page(changes: dict[str, object], tmp_path: Path) -> None:
    scores, case = make_inputs(**changes)  # type: ignore[arg-type]
    facts = make_facts(forecasters=(), gaps=(), seconds={}, wet_share=np.nan, code_version="")
    page = Page(write(tmp_path, scores, case, facts))
    assert page.open == []
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)


def test_page_takes_nearest_leads_where_the_cadence_is_five_minutes(tmp_path: Path) -> None:
    page = Page(write(tmp_path, *make_inputs(leads=range(5, 65, 5)), make_facts()))
    assert re.findall(r"\+(\d+) min", page.text) == ["5", "25", "40", "60"]


def test_a_case_may_show_fewer_forecasters_than_were_scored(
    inputs: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    scores, case = inputs
    page = Page(write(tmp_path, scores, case.sel(forecaster=["unet"]), make_facts()))
    assert len([picture for picture in page.pictures if "src" in picture]) == 4 * 2
    assert "Persistence" in page.text


def test_an_unwritten_page_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    scores, case = make_inputs(issues=1, leads=(6,))
    with pytest.raises(KeyError):
        write_report(path, scores.drop_vars("csi"), case, make_facts())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def hand_scores(**csi: tuple[float, float]) -> xr.Dataset:
    values = np.array(list(csi.values()))[..., None]
    dims = ("forecaster", "lead_time", "threshold")
    return xr.Dataset(
        {"csi": (dims, values), "frequency_bias": (dims, np.ones_like(values))},
        {
            "forecaster": list(csi),
            "lead_time": [30, 60],
            "threshold": [1.0],
            "issue_time": pd.date_range("2018-06-16", periods=3),
        },
    )


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (
            hand_scores(unet=(0.6, 0.3), extrapolation=(0.5, 0.4)),
            "For rain of ≥ 1 mm/h, U-Net leads at 30 min (CSI 0.600, next Extrapolation 0.500) "
            "and Extrapolation leads at 60 min (CSI 0.400, next U-Net 0.300).",
        ),
        (
            hand_scores(unet=(0.6, 0.5), persistence=(0.4, 0.3)),
            "For rain of ≥ 1 mm/h, U-Net leads at 30 min (CSI 0.600, next Persistence 0.400) "
            "and at 60 min (CSI 0.500, next Persistence 0.300).",
        ),
        (
            hand_scores(unet=(0.60004, 0.0), persistence=(0.6, 0.0)),
            "For rain of ≥ 1 mm/h, U-Net and Persistence are level at 30 min (CSI 0.600) "
            "and no forecast hit any at 60 min.",
        ),
        (
            hand_scores(unet=(0.6, np.nan)),
            "For rain of ≥ 1 mm/h, U-Net, alone here, reaches a CSI of 0.600 at 30 min "
            "and there was nothing to score at 60 min.",
        ),
    ],
)
def test_verdict_claims_what_the_numbers_hold(scores: xr.Dataset, sentence: str) -> None:
    names = [str(name) for name in scores["forecaster"].to_numpy()]
    told = verdict(scores, make_styles(names, {}))
    assert told.startswith(sentence)
    assert told.endswith("Counts of 3 issue times are pooled; no confidence interval is given.")


def test_verdict_owns_up_to_one_case_and_to_lost_rain() -> None:
    scores = hand_scores(unet=(0.6, 0.5), persistence=(0.4, 0.3)).isel(issue_time=[0])
    scores["frequency_bias"][:, 1] = 0.4
    told = verdict(scores, make_styles(["unet", "persistence"], {}))
    assert "At 60 min U-Net forecasts 0.40 times the observed rain area." in told
    assert told.endswith("it shows one case and ranks nobody.")


def test_best_of_the_table_is_nearest_to_the_aim_by_ratio() -> None:
    assert nearest_to(1, np.array([0.5, 1.6, np.nan])).tolist() == [False, True, False]
    assert nearest_to(0, np.array([0.2, 0.1, 0.1])).tolist() == [False, True, True]
    assert not nearest_to(1, np.full(2, np.nan)).any()


def test_table_marks_no_best_where_all_are_as_good() -> None:
    scores, _ = make_inputs(names=("unet",), issues=1)
    table = make_table(scores, make_styles(["unet"], {}))
    cells = [cell for _, rows in table.groups for _, row in rows for cell in row]
    assert len(cells) == 3 * len(table.columns)
    assert not any(cell.best for cell in cells)


def test_colour_of_a_known_reflectivity_is_its_class() -> None:
    dbz = np.array([[NO_ECHO, 4.99, 5.0], [37.2, 60.0, 75.0]])
    assert classify(dbz).tolist() == [[0, 0, 1], [7, 12, 12]]
    colours = rgba(dbz, CLASSIC)
    assert colours.dtype == np.uint8
    assert colours.shape == (2, 3, 4)
    assert colours[1, 0].tolist() == [0xFD, 0xF8, 0x02, 255]
    assert rgba(dbz)[0, 2].tolist() == [0x7F, 0xEB, 0xEB, 255]


def test_missing_is_grey_and_no_echo_transparent() -> None:
    missing, dry = rgba(np.array([np.nan, NO_ECHO]))
    assert missing.tolist() == [0xB4, 0xB4, 0xB0, 255]
    assert dry[3] == 0


def test_picture_holds_the_same_colours() -> None:
    dbz = np.float32([[np.nan, NO_ECHO, 12], [27, 44.9, 61]])
    for palette in PALETTES.values():
        picture = Image.open(io.BytesIO(png(dbz, palette)))
        np.testing.assert_array_equal(np.asarray(picture.convert("RGBA")), rgba(dbz, palette))


def test_each_class_has_its_colour() -> None:
    assert all(len(set(held.colours)) == len(EDGES_DBZ) for held in PALETTES.values())


# Machado, Oliveira and Fernandes, 2009, IEEE TVCG 15, 1291-1298: severity 1
VISIONS = {
    "full": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(palette: Palette, vision: str) -> np.ndarray:
    colours = (*palette.colours, MISSING_COLOUR, MAP_COLOUR)
    rgb = np.array([list(bytes.fromhex(colour[1:])) for colour in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VISIONS[vision]).T, 0, 1)
    to_xyz = [[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07218], [0.01933, 0.11919, 0.9503]]
    xyz = seen @ np.array(to_xyz).T / (0.95047, 1, 1.08883)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_keep_their_order_for_every_kind_of_vision(vision: str) -> None:
    colours = lab(SOUND, vision)
    assert np.all(np.diff(colours[: len(EDGES_DBZ), 0]) < -2)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert apart[~np.eye(len(colours), dtype=bool)].min() > 5


def test_thinned_map_has_only_values_that_were_there() -> None:
    field = np.random.default_rng(1).normal(size=(3, 1000))
    thinned = thin(field)
    assert thinned.shape == (3, LONGEST_SIDE)
    assert set(thinned.ravel()) <= set(field.ravel())
    assert (thinned[:, 0] == field[:, 0]).all()
    assert (thinned[:, -1] == field[:, -1]).all()


def test_map_is_measured_in_kilometres_from_its_middle() -> None:
    _, case = make_inputs(shape=(20, 40), issues=1)
    frame = MapFrame.of(case)
    assert (frame.width_km, frame.height_km) == pytest.approx((40, 20))
    assert [(tick.share, tick.label) for tick in frame.x_ticks] == [
        (pytest.approx(0.25), "−10"),
        (pytest.approx(0.5), "0"),
        (pytest.approx(0.75), "10"),
    ]
    degrees = make_inputs(shape=(20, 40), issues=1, units="degrees_north")[1]
    frame = MapFrame.of(degrees.assign_coords(y=degrees["y"] + 0.095))
    assert frame.height_km == pytest.approx(22.239, rel=1e-4)
    assert frame.aspect == pytest.approx(1, rel=1e-2)


def test_csi_in_the_corner_is_that_of_the_tally(inputs: tuple[xr.Dataset, xr.Dataset]) -> None:
    scores, case = make_inputs(issues=1)
    found = event_csi(
        case["forecast"].sel(lead_time=30).to_numpy(),
        case["observed"].sel(lead_time=30).to_numpy(),
        1.0,
        ZR(200, 1.6),
    )
    expected = scores["csi"].sel(lead_time=30, threshold=1.0)
    np.testing.assert_allclose(found, expected.sel(forecaster=case["forecaster"]))


def test_styles_differ_and_networks_come_first() -> None:
    names = ["persistence", "unet", "strange", "unet-demo", "extrapolation", "convlstm"]
    styles = make_styles(names, {"strange": "Stranger"})
    ordered = ["convlstm", "unet", "unet-demo", "strange", "extrapolation", "persistence"]
    assert list(styles) == ordered
    assert len({style.colour for style in styles.values()}) == len(names)
    assert styles["unet-demo"].title == "U-Net demo"
    assert styles["strange"].title == "Stranger"
    assert styles["persistence"].dash


def test_bias_axis_marks_one_and_holds_every_ratio() -> None:
    axis = Axis.of_ratios(np.array([0.3, 1.1, np.nan, 0.0]))
    assert [label for _, label in axis.ticks] == ["1/4", "1/2", "1", "2"]
    assert axis.height(0.0) == axis.height(0.25)
    assert axis.height(1.0) == pytest.approx((2 * axis.height(2.0) + axis.height(0.25)) / 3)


def test_numbers_and_times_read_well() -> None:
    assert [rounded(value) for value in (0.0751, 1.26, 98.6, 205.3)] == [
        "0.075",
        "1.3",
        "99",
        "210",
    ]
    assert [percent(value) for value in (0, 0.012, 0.5, np.nan)] == ["0 %", "1.2 %", "50 %", "–"]
    told = [duration(seconds) for seconds in (0.042, 75.4, 725, 7800, None)]
    assert told == ["0.042 s", "75 s", "12 min 05 s", "2 h 10 min", "–"]
    late, early = datetime(2018, 6, 17, 1), datetime(2018, 6, 16, 23)
    assert span(early, late) == "16 Jun 2018, 23:00 to 17 Jun 2018, 01:00 UTC"
    assert nearest([5, 10, 60], (6, 7, 58)) == [0, 2]
