from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from report_samples import LEADS, NAMES, Page, cases_of, make_facts, make_inputs, write

from nowcast.report import write_report
from nowcast.report.cases import Album
from nowcast.report.maps import MapFrame, event_csi
from nowcast.report.styles import make_styles
from nowcast.report.tables import make_table
from nowcast.verification.parts import PARTS
from pipeline.batch import NO_ECHO, ZR


@pytest.fixture(scope="module")
def inputs() -> tuple[xr.Dataset, xr.Dataset]:
    return make_inputs()


@pytest.fixture(scope="module")
def text(inputs: tuple[xr.Dataset, xr.Dataset], tmp_path_factory: pytest.TempPathFactory) -> str:
    scores, case = inputs
    return write(tmp_path_factory.mktemp("report"), scores, [case], make_facts())


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
        "rain rate through the Z–R relation below, compared as reflectivity",
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
    found = re.search(r'id="movies">(.*?)</script>', text, re.DOTALL)
    assert found
    (movie,) = json.loads(found[1])
    assert [step["minutes"] for step in movie["steps"]] == [0, *LEADS]
    titles = ["Observed", "Our ConvLSTM", "U-Net", "Extrapolation", "Persistence"]
    assert [shown["title"] for shown in movie["maps"]] == titles
    assert [len(shown["pictures"]) for shown in movie["maps"]] == [11, 10, 10, 10, 10]


def test_the_album_holds_a_picture_once_and_none_that_a_panel_shows() -> None:
    album = Album()
    for shown in ("a", "b", "a"):
        album.show(shown)
    assert [album.place(picture) for picture in ("c", "a", "c", "b", "d")] == [2, 0, 2, 1, 3]
    assert album.pictures == [0, 1, "c", "d"]


def test_every_case_has_its_panel_and_says_why(
    inputs: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    scores, case = inputs
    page = Page(write(tmp_path, scores, cases_of(case), make_facts()))
    assert len([picture for picture in page.pictures if "src" in picture]) == (4 + 4 + 3) * 5
    for fact in ("the wettest hour", "typical: the median CSI", "17 Jun 2018, 01:30 UTC"):
        assert fact in page.text


def test_a_report_without_a_case_is_refused(
    inputs: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected one case or more to look at, found none"):
        write_report(tmp_path / "report.html", inputs[0], [], make_facts())


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
        pytest.param({"parts": ("categorical",)}, id="counts alone"),
        pytest.param({"parts": tuple(PARTS), "fill": np.nan}, id="all parts, all missing"),
        pytest.param({"parts": tuple(PARTS), "fill": NO_ECHO}, id="all parts, all dry"),
    ],
)
def test_any_case_makes_a_page(changes: dict[str, object], tmp_path: Path) -> None:
    scores, case = make_inputs(**changes)  # type: ignore[arg-type]
    facts = make_facts(forecasters=(), gaps=(), seconds={}, wet_share=np.nan, code_version="")
    page = Page(write(tmp_path, scores, [case], facts))
    assert page.open == []
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)


def test_page_takes_nearest_leads_where_the_cadence_is_five_minutes(tmp_path: Path) -> None:
    scores, case = make_inputs(leads=range(5, 65, 5))
    page = Page(write(tmp_path, scores, [case], make_facts()))
    assert re.findall(r"\+(\d+) min", page.text) == ["5", "25", "40", "60"]


def test_a_case_may_show_fewer_forecasters_than_were_scored(
    inputs: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    scores, case = inputs
    page = Page(write(tmp_path, scores, [case.sel(forecaster=["unet"])], make_facts()))
    assert len([picture for picture in page.pictures if "src" in picture]) == 4 * 2
    assert "Persistence" in page.text


def test_an_unwritten_page_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    scores, case = make_inputs(issues=1, leads=(6,))
    with pytest.raises(KeyError):
        write_report(path, scores.drop_vars("csi"), [case], make_facts())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_table_marks_no_best_where_all_are_as_good() -> None:
    scores, _ = make_inputs(names=("unet",), issues=1)
    table = make_table(scores, make_styles(["unet"], {}))
    cells = [cell for _, rows in table.groups for _, row in rows for cell in row]
    assert len(cells) == 3 * len(table.columns)
    assert not any(cell.best for cell in cells)


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
