from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data_catalog.storms import Storms, write_storms
from flows import entrants, parts
from flows import program as module
from flows.entrants import Filed, Live
from flows.parts import identity
from flows.program import hash_of, program
from flows.scoring import Scored, score_period
from flows.verification import Comparison, Request
from nowcast.checkpoint import code_version
from nowcast.forecasters import Rollout
from nowcast.recipes import RECIPES
from nowcast.tasks import NowcastTask
from pipeline.forecasts import make_forecast, write_forecast
from pipeline.ingest import ingest
from pipeline.store import Store

SLOTS = (5, 6)


@pytest.fixture(scope="module")
def shower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of an hour and a half of rain on few pixels; read only."""
    folder = tmp_path_factory.mktemp("shower")
    event = Storms(height=32, width=32, frames=15, seed=3)
    ingest(write_storms(folder / "files", event), folder / "shower.zarr", product="storms")
    return folder / "shower.zarr"


def forecast_file(path: Path, store: Store, dbz: float = 20.0) -> Path:
    """Forecasts of one value, issued at SLOTS."""
    fields = np.full((len(SLOTS), 2, *store.grid.shape), dbz, np.float32)
    issued = [store.times[slot] for slot in SLOTS]
    about = {"forecaster": "filed"}
    forecast = make_forecast(fields, issued, store.cadence, store.grid, store.zr, about)
    return write_forecast(path, forecast)


def verify(store: Path, files: Iterable[Path], out: Path) -> Scored:
    request = Request(str(store), (), tuple(files), lead_minutes=12)
    comparison = Comparison.load(request)
    times = comparison.store.times
    return score_period(comparison, request, (times[0], times[-1]), out, workers=1)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_forecasts_are_known_by_what_they_hold(shower: Path, tmp_path: Path, suffix: str) -> None:
    store = Store.open(shower)
    file, out = forecast_file(tmp_path / f"f{suffix}", store), tmp_path / "v"
    assert verify(shower, [file], out).counted == len(SLOTS)
    inside = [file] if file.is_file() else [path for path in file.rglob("*") if path.is_file()]
    for path in inside:
        os.utime(path, (1, 1))
    assert verify(shower, [file], out).counted == 0
    moved = tmp_path / "elsewhere" / f"g{suffix}"
    moved.parent.mkdir()
    shutil.move(file, moved)
    assert verify(shower, [moved], out).counted == 0
    before = xr.load_dataset(out / "scores.nc")
    forecast_file(moved, store, 40.0)
    assert verify(shower, [moved], out).counted == len(SLOTS)
    after = xr.load_dataset(out / "scores.nc")
    assert (after["mae"] > before["mae"]).sel(forecaster="filed").all()


def test_a_file_is_read_again_only_if_it_changed(
    shower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(shower)
    file = forecast_file(tmp_path / "f.nc", store)
    times = store.times[list(SLOTS)]
    filed = Filed("filed", 1, 2, {time: (file, n) for n, time in enumerate(times)})
    read = []

    def hashed(files: Iterable[tuple[str, Path]]) -> str:
        read.append(1)
        return hash_of(files)

    monkeypatch.setattr(entrants, "hash_of", hashed)
    first = filed.fingerprint(times)
    assert filed.fingerprint(times) == first
    assert len(read) == 1
    forecast_file(file, store, 30.0)
    assert filed.fingerprint(times) != first
    assert len(read) == 2


def test_another_program_counts_again(
    shower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = forecast_file(tmp_path / "f.nc", Store.open(shower))
    verify(shower, [file], tmp_path / "v")
    assert verify(shower, [file], tmp_path / "v").counted == 0
    monkeypatch.setattr(parts, "program", lambda: "another")
    assert verify(shower, [file], tmp_path / "v").counted == len(SLOTS)


def test_a_program_is_its_version_and_the_files_that_decide_what_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[str] = []

    def listed(files: Iterable[tuple[str, Path]]) -> str:
        held.extend(name for name, _ in files)
        return hash_of(files)

    assert program().startswith(code_version())
    monkeypatch.setattr(module, "hash_of", listed)
    assert program.__wrapped__() == program()
    needed = ["nowcast/verification/tally.py", "nowcast/motion.py", "pipeline/store.py"]
    assert {*needed, "flows/forecasting.py", "nowcast/forecasters/rollout.py"} <= {*held}
    assert not [name for name in held if "nowcast/report/" in name]


def test_files_are_told_apart_by_name_and_content(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    a, b, c = (tmp_path / name for name in "abc")
    assert hash_of([("x", a), ("y", c)]) == hash_of([("y", c), ("x", b)])
    assert len({hash_of(held) for held in ([("x", a)], [("x", c)], [("y", a)], [])}) == 4


def test_sums_follow_from_checkpoint_protocol_and_frames(shower: Path) -> None:
    comparison = Comparison.of(Store.open(shower), ["extrapolation"], 12)
    known = identity(comparison, SLOTS)
    assert identity(Comparison.of(Store.open(shower), ["extrapolation"], 12), SLOTS) == known
    longer = Comparison.of(Store.open(shower), ["extrapolation"], 18)
    everything = replace(comparison, all_scores=True)
    others = [identity(other, SLOTS)["made_by"] for other in (longer, everything)]
    for fingerprint in ("aaaa", "bbbb"):
        network = Live(_network(fingerprint))
        entered = replace(comparison, entrants=comparison.entrants | {"net": network})
        others.append(identity(entered, SLOTS)["made_by"])
    assert len({known["made_by"], *others}) == 5
    later = identity(comparison, (6, 7))
    assert later["made_by"] == known["made_by"]
    assert later["frames_fingerprint"] != known["frames_fingerprint"]


def _network(fingerprint: str) -> Rollout:
    recipe = next(recipe for recipe in RECIPES.values() if isinstance(recipe.task, NowcastTask))
    assert isinstance(recipe.task, NowcastTask)
    return Rollout(recipe.build_network(), recipe.task, "net", fingerprint)
