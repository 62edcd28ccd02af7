from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from flows.cli import app, main
from pipeline.store import Store

FIRST, LAST = "2026-06-01T00:00", "2026-06-01T03:18"


@pytest.fixture
def nowcast(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command line in this process: exit code, standard output, standard error."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nowcast", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    script = "import sys, flows.cli; print({'torch', 'prefect', 'xarray'} & set(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_every_command_and_option_is_explained(nowcast) -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        name = str(command.callback.__name__)
        code, out, _ = nowcast(name, "--help")
        assert code == 0
        assert (command.callback.__doc__ or "").split(".")[0][:30] in " ".join(out.split())


def test_ingest_takes_good_files_and_names_each_bad_one(
    nowcast, tmp_path: Path, storm_files: list[Path]
) -> None:
    bad = tmp_path / "bad.nc"
    bad.write_text("no radar")
    store = tmp_path / "s.zarr"
    code, out, err = nowcast("ingest", *storm_files[:3], bad, "--store", store)
    assert code == 1
    assert "3 observed; 1 file refused" in out
    assert err.strip().splitlines() == [
        line for line in err.strip().splitlines() if line.startswith(f"{bad}: ")
    ]
    code, out, err = nowcast("ingest", *storm_files[:3], "--store", store, "--json")
    assert code == 0
    assert json.loads(out)["frames"] == {"unchanged": 3}
    assert not err


def test_a_folder_stands_for_its_files_and_an_empty_one_is_refused(
    nowcast, tmp_path: Path, storm_files: list[Path]
) -> None:
    code, out, _ = nowcast("ingest", storm_files[0].parent, "--store", tmp_path / "s.zarr")
    assert code == 0
    assert f"{len(storm_files)} observed" in out
    (tmp_path / "empty").mkdir()
    code, _, err = nowcast("ingest", tmp_path / "empty", "--store", tmp_path / "s.zarr")
    assert code == 2
    assert "expected radar files, found none" in err


def test_info_tells_people_and_programs_the_same(nowcast, storm_store: Path) -> None:
    code, out, _ = nowcast("info", storm_store)
    assert code == 0
    assert "64 × 64 pixels of 1000 m" in out
    assert "2026-06-01 00:54" in out
    found = json.loads(nowcast("info", storm_store, "--json")[1])
    assert (found["frames"], found["slots"]["missing"]) == (33, 1)
    assert found["gaps"] == [["2026-06-01 00:54", "2026-06-01 00:54"]]


def test_a_forecast_file_holds_the_next_hour(nowcast, tmp_path: Path, storm_store: Path) -> None:
    out = tmp_path / "f.nc"
    words = ("forecast", storm_store, "--with", "extrapolation", "--out", out)
    assert nowcast(*words, "--at", "2026-06-01 02:00")[0] == 0
    forecast = xr.open_dataset(out, decode_timedelta=False)
    assert forecast["lead_time"].to_numpy().tolist() == list(range(6, 61, 6))
    assert forecast["issue_time"].to_numpy()[0] == np.datetime64("2026-06-01T02:00")
    assert forecast.attrs["forecaster"] == "extrapolation"
    assert nowcast(*words, "--at", "latest")[0] == 0
    latest = xr.open_dataset(out, decode_timedelta=False)["issue_time"].to_numpy()[0]
    assert latest == Store.open(storm_store).times[-1]


def test_verify_writes_scores_and_a_report(nowcast, tmp_path: Path, storm_store: Path) -> None:
    words = ("verify", storm_store, "--with", "extrapolation", "--from", FIRST, "--to", LAST)
    code, out, _ = nowcast(*words, "--out", tmp_path, "--json")
    assert code == 0
    found = json.loads(out)
    assert [row["forecaster"] for row in found["csi"]] == ["persistence", "extrapolation"]
    assert found["csi"][1]["6 min"] > found["csi"][0]["6 min"]
    with xr.open_dataset(tmp_path / "scores.nc", decode_timedelta=False) as scores:
        assert scores.attrs["product"] == "storms"
        assert scores["hits"].dims == ("forecaster", "issue_time", "lead_time", "threshold")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_verify_scores_forecast_files_and_counts_nothing_twice(
    nowcast, tmp_path: Path, storm_store: Path
) -> None:
    file, out = tmp_path / "f.nc", tmp_path / "v"
    made = ("--with", "extrapolation", "--at", "2026-06-01 02:00", "--out", file)
    assert nowcast("forecast", storm_store, *made)[0] == 0
    words = ("verify", storm_store, "--forecast", file, "--out", out, "--json", "--workers", 1)
    counted = []
    for _ in range(2):
        code, said, _ = nowcast(*words)
        assert code == 0
        counted.append(json.loads(said)["counted_issue_times"])
    assert counted == [1, 0]
    assert "Extrapolation" in (out / "report.html").read_text()
    code, _, _ = nowcast(*words, "--all-scores")
    assert code == 0
    with xr.open_dataset(out / "scores.nc", decode_timedelta=False) as scores:
        assert {"csi", "matched_csi", "power_ratio", "csi_map", "class_mae"} <= {*scores}
        assert {"ssim", "sal_structure"} <= {*scores}


def test_scores_of_two_periods_merge_into_those_of_both(
    nowcast, tmp_path: Path, storm_store: Path
) -> None:
    words = ("verify", storm_store, "--with", "extrapolation", "--lead", 30)
    for name, start, end in (("a", "00:00", "01:12"), ("b", "01:18", "03:00")):
        period = ("--from", f"2026-06-01T{start}", "--to", f"2026-06-01T{end}")
        assert nowcast(*words, *period, "--out", tmp_path / name)[0] == 0
    files = [tmp_path / name / "scores.nc" for name in "ab"]
    code, out, _ = nowcast("merge", *files, "--out", tmp_path / "scores.nc")
    assert code == 0
    assert out.strip() == str(tmp_path / "scores.nc")
    a, b, both = (
        xr.load_dataset(path, decode_timedelta=False) for path in (*files, tmp_path / "scores.nc")
    )
    assert both["hits"].sum() == a["hits"].sum() + b["hits"].sum()
    assert both["map_hits"].sum() == both["hits"].sum()
    assert both.attrs["product"] == "storms"
    code, _, err = nowcast("merge", files[0], files[0], "--out", tmp_path / "c.nc")
    assert code == 2
    assert "is in" in err
    assert not (tmp_path / "c.nc").exists()


MISTAKES = {
    "no store": (("info", "none.zarr"), "no store here; make one with `nowcast ingest"),
    "no forecaster": (
        ("forecast", "STORE", "--with", "oracle", "--out", "f.nc"),
        "no forecaster 'oracle'; expected one of",
    ),
    "no such time": (
        ("forecast", "STORE", "--with", "persistence", "--out", "f.nc", "--at", "2031-01-01"),
        "no frame at 2031-01-01 00:00; it holds frames from 2026-06-01 00:00",
    ),
    "a gap": (
        ("forecast", "STORE", "--with", "persistence", "--out", "f.nc", "--at", "2026-06-01T00:54"),
        "no frame at 2026-06-01 00:54",
    ),
    "between two slots": (
        ("forecast", "STORE", "--with", "persistence", "--out", "f.nc", "--at", "2026-06-01T00:55"),
        "expected a time every 6M from 2026-06-01 00:00, found 2026-06-01 00:55",
    ),
    "no time at all": (
        ("forecast", "STORE", "--with", "persistence", "--out", "f.nc", "--at", "tomorrow"),
        "expected a time such as 2018-06-16T12:00, found 'tomorrow'",
    ),
    "a lead time off the cadence": (
        ("forecast", "STORE", "--with", "persistence", "--out", "f.nc", "--lead", "20"),
        "expected a multiple of the cadence 6M, found 20 minutes",
    ),
    "another suffix": (
        ("forecast", "STORE", "--with", "persistence", "--out", "f.grib"),
        "expected a forecast file ending in .nc or .zarr",
    ),
    "a period without data": (
        ("verify", "STORE", "--with", "extrapolation", "--out", "v")
        + ("--from", "2031-01-01", "--to", "2031-01-02"),
        "no forecast of 10 steps can be verified from 2031-01-01 00:00",
    ),
    "no period": (
        ("verify", "STORE", "--with", "extrapolation", "--out", "v"),
        "verify: expected --from and --to, or forecast files to take them from",
    ),
    "no forecast file": (
        ("verify", "STORE", "--forecast", "f.nc", "--out", "v"),
        "f.nc: no forecast file here",
    ),
    "no Dask cluster": (
        ("verify", "STORE", "--with", "extrapolation", "--out", "v", "--dask", "nowhere")
        + ("--from", "2026-06-01", "--to", "2026-06-02"),
        "nowhere: expected a Dask scheduler with workers, found none",
    ),
    "no scores file": (
        ("merge", "a/scores.nc", "--out", "scores.nc"),
        "a/scores.nc: no scores file here",
    ),
    "no tensor set": (("train", "none", "--recipe", "unet", "--run", "r"), "no tensor set here"),
    "no recipe": (
        ("train", "none", "--recipe", "soup", "--run", "r"),
        "no recipe 'soup'; the table",
    ),
    "no product": (("catalog", "sun"), "no product 'sun'; the catalog holds"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_sentence(
    nowcast,
    mistake: str,
    tmp_path: Path,
    storm_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words, sentence = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    code, out, err = nowcast(*(str(storm_store) if word == "STORE" else word for word in words))
    assert code == 2
    assert sentence in err
    assert err.startswith("nowcast: ")
    assert len(err.strip().splitlines()) == 1
    assert not out
    assert not list(tmp_path.iterdir())
