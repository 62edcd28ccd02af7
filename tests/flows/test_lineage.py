from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from flows.commands.lineage import lineage
from flows.forecasting import fitting_forecaster, forecast_dataset, issue_forecast
from flows.lineage import trace
from flows.links import Link
from flows.merging import merge_scores
from flows.program import program
from flows.publishing import verify_period
from flows.scores_lineage import origins_of_scores
from flows.source_files import Sources
from flows.training import train_network
from flows.verification import Comparison, Request
from nowcast.checkpoint import code_version, load_checkpoint, save_checkpoint
from nowcast.recipes import find_recipe
from pipeline.forecasts import read_forecast, write_forecast
from pipeline.ingest import ingest
from pipeline.packed_frame import PackedFrame
from pipeline.store import Store
from pipeline.tensors import Acceptance, build_tensors
from pipeline.writer import StoreWriter

TINY = replace(find_recipe("unet-demo"), steps=1, batch_size=2, crop=32, validate_every=1)
ISSUED = "2026-06-01T02:00"
SEEN = [f"2026-06-01T{time}:00" for time in ("01:48", "01:54", "02:00")]


@pytest.fixture(scope="module")
def made(storm_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and what was made of it step by step, in a folder that was moved afterwards."""
    home = tmp_path_factory.mktemp("lineage") / "home"
    store = shutil.copytree(storm_store, home / "store.zarr")
    tensors = build_tensors(Store.open(store), home / "tensors")
    with warnings.catch_warnings(action="ignore"):
        checkpoint = train_network([tensors.path], TINY, home / "runs" / "tiny")
    for name, forecaster in (("unet", str(checkpoint)), ("extrapolation", "extrapolation")):
        forecast = issue_forecast(str(store), forecaster, ISSUED, 30)
        write_forecast(home / "forecasts" / f"{name}.nc", forecast)
    request = Request(str(store), (str(checkpoint),), lead_minutes=30)
    period = (np.datetime64("2026-06-01T01:00"), np.datetime64("2026-06-01T03:00"))
    published = verify_period(request, period, home / "verified")
    comparison = Comparison.load(request)
    slots = [
        comparison.store.slot(np.datetime64(time))
        for time in ("2026-06-01T01:12", "2026-06-01T02:30")
    ]
    told = origins_of_scores(comparison, request, slots)
    merge_scores([published.scores], published.scores, product="storms", **told)
    return home.rename(home.with_name("moved"))


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to break."""
    return shutil.copytree(made, tmp_path / "home")


def behind(link: Link, kind: str) -> list[Link]:
    return [found for _, found in link.walk() if found.kind == kind]


def put(address: Path, time: str, dbz: float) -> None:
    store = Store.open(address)
    frame = np.full(store.grid.shape, dbz, np.float32)
    packed = PackedFrame.of(frame, np.datetime64(time, "ns"), "new.nc", store.zr)
    with StoreWriter(address) as writer:
        writer.fill([packed])


def test_a_forecast_leads_back_to_every_frame_and_file(home: Path, storm_files: list[Path]) -> None:
    link = trace(home / "forecasts" / "unet.nc", Sources((storm_files[0].parent,), hashed=True))
    assert link.faults == []
    kinds = [(depth, found.kind) for depth, found in link.walk()]
    assert kinds == [
        (0, "forecast"),
        (1, "forecaster"),
        (2, "checkpoint"),
        (3, "recipe"),
        (3, "tensor set"),
        (4, "store"),
        (5, "frames"),
        (5, "source files"),
        (3, "code version"),
        (1, "store"),
        (2, "frames"),
        (2, "source files"),
        (1, "code version"),
    ]
    trained, seen = behind(link, "frames")
    assert len(trained.frames) == trained.facts["count"] == 33
    assert [frame.valid_time for frame in seen.frames] == SEEN
    store = Store.open(home / "store.zarr")
    slot = store.slot(np.datetime64(ISSUED))
    hashes = store.content_hash[slot - 2 : slot + 1].tolist()
    assert [frame.content_hash for frame in seen.frames] == hashes
    for frame in seen.frames:
        assert frame.file is not None
        assert frame.sha256 == hashlib.sha256(Path(frame.file).read_bytes()).hexdigest()
        assert Path(frame.file).name == frame.source
    assert all(frame.yields for frame in (*trained.frames, *seen.frames))


def test_a_forecast_names_what_it_was_made_of(home: Path) -> None:
    store = Store.open(home / "store.zarr")
    checkpoint = home / "runs" / "tiny" / "best.safetensors"
    forecaster = fitting_forecaster(str(checkpoint), store)
    told = forecast_dataset(store, forecaster, 10, 5, checkpoint_path="here", fallback="why").attrs
    assert (told["forecaster"], told["checkpoint_path"]) == ("unet-demo", "here")
    assert told["checkpoint"] == load_checkpoint(checkpoint).fingerprint
    assert (told["product"], told["fallback"]) == ("storms", "why")
    assert (told["store"], told["code_version"]) == (str(store.address), code_version())
    assert told["program"] == program()
    assert told["store_fingerprint"] == store.fingerprint(slice(8, 11))
    inputs = json.loads(told["inputs"])
    assert [frame["valid_time"][11:] for frame in inputs] == ["00:48:00", "01:00:00"]
    assert [frame["content_hash"] for frame in inputs] == store.content_hash[[8, 10]].tolist()


def test_one_forecast_from_a_loaded_forecaster_is_that_of_the_command(home: Path) -> None:
    store = Store.open(home / "store.zarr")
    slot = store.slot(np.datetime64(ISSUED))
    forecaster = fitting_forecaster("extrapolation", store)
    here = forecast_dataset(store, forecaster, slot, 5)
    assert here.identical(issue_forecast(home / "store.zarr", "extrapolation", ISSUED, 30))


def test_a_forecaster_without_weights_ends_the_chain(home: Path) -> None:
    link = trace(home / "forecasts" / "extrapolation.nc")
    assert link.faults == []
    assert not behind(link, "checkpoint")
    assert behind(link, "source files")[0].name == "not looked for"


def test_a_fallback_is_traced_as_what_it_is(home: Path) -> None:
    store = Store.open(home / "store.zarr")
    attributes = {"forecaster": "unet", "made_by": "extrapolation", "fallback": "no weights"}
    forecast = forecast_dataset(
        store, fitting_forecaster("extrapolation", store), 20, 5, **attributes
    )
    link = trace(write_forecast(home / "forecasts" / "f.nc", forecast))
    assert link.faults == []
    assert link.facts["fallback"] == "no weights"


def replace_checkpoint(home: Path) -> None:
    path = home / "runs" / "tiny" / "best.safetensors"
    held = load_checkpoint(path)
    with torch.no_grad():
        next(held.network.parameters()).add_(1)
    save_checkpoint(path, held.network, held.recipe, 2, {}, held.provenance)


def rebuild_tensors(home: Path) -> None:
    shutil.rmtree(home / "tensors")
    put(home / "store.zarr", "2026-06-01T00:00", 12.0)
    build_tensors(Store.open(home / "store.zarr"), home / "tensors")


BREAKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a checkpoint that was replaced": (
        replace_checkpoint,
        r"best\.safetensors: expected checkpoint \w{16}, found \w{16}; it was replaced",
    ),
    "a checkpoint that is gone": (
        lambda home: shutil.rmtree(home / "runs"),
        r"best\.safetensors: expected checkpoint \w{16}, found no file",
    ),
    "a tensor set that is gone": (
        lambda home: shutil.rmtree(home / "tensors"),
        r"best\.safetensors: expected its tensor set of storms from .* found none; it was removed",
    ),
    "a tensor set of other frames": (
        rebuild_tensors,
        r"found none, only of other content in .*tensors; it was removed or built anew",
    ),
    "a tensor set of other rules": (
        lambda home: build_tensors(
            Store.open(home / "store.zarr"), home / "tensors", acceptance=Acceptance(gain=1)
        ),
        r"tensors: expected content \w{32}, found \w{32}; built anew since",
    ),
    "a damaged tensor set": (
        lambda home: (home / "tensors" / "windows.npz").write_bytes(b"no"),
        r"tensors: the tensor set is damaged",
    ),
    "a frame that was revised": (
        lambda home: put(home / "store.zarr", SEEN[1], 12.0),
        r"the frame of 2026-06-01 01:54:00 was revised since, hash \w+ became \w+",
    ),
    "a store that is gone": (
        lambda home: shutil.rmtree(home / "store.zarr"),
        r"store\.zarr: no store here",
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_link_is_named(home: Path, what: str) -> None:
    do, sentence = BREAKS[what]
    do(home)
    faults = trace(home / "forecasts" / "unet.nc").faults
    assert any(re.search(sentence, fault) for fault in faults), faults


def test_the_chain_is_followed_as_far_as_it_holds(home: Path) -> None:
    shutil.rmtree(home / "store.zarr")
    seen = behind(trace(home / "forecasts" / "extrapolation.nc"), "frames")[0]
    assert [frame.valid_time for frame in seen.frames] == SEEN
    assert {frame.state for frame in seen.frames} == {"unknown"}


def test_a_late_frame_and_a_cleared_one_differ_from_what_was_used(home: Path) -> None:
    store = Store.open(home / "store.zarr")
    forecast = forecast_dataset(store, fitting_forecaster("extrapolation", store), 10, 5)
    path = write_forecast(home / "late.nc", forecast)
    assert trace(path).faults == []
    late = {"valid_time": "2026-06-01T00:54:00", "source": "a.nc", "content_hash": "ab"}
    inputs = [late, *json.loads(forecast.attrs["inputs"])]
    other = forecast.assign_attrs(inputs=json.dumps(inputs))
    (fault,) = trace(write_forecast(home / "cleared.nc", other)).faults
    assert fault.endswith("the frame of 2026-06-01 00:54:00 was cleared since")
    put(home / "store.zarr", "2026-06-01T00:54", 12.0)
    (fault,) = trace(path).faults
    assert fault.endswith("the frame of 2026-06-01 00:54:00 came in since, it was not used")


def test_several_frames_that_differ_make_one_sentence(home: Path) -> None:
    for time in SEEN[1:]:
        put(home / "store.zarr", time, 12.0)
    link = trace(home / "forecasts" / "extrapolation.nc")
    (fault,) = link.faults
    assert fault.endswith("; 1 more differ")
    assert behind(link, "frames")[0].facts == {"count": 3, "differ": 2}


def test_only_reading_every_frame_finds_a_flipped_bit(home: Path) -> None:
    frames = home / "tensors" / "frames.npy"
    content = bytearray(frames.read_bytes())
    content[-1] ^= 1
    frames.write_bytes(content)
    assert trace(home / "tensors").faults == []
    told: list[tuple[int, int]] = []
    sources = Sources(hashed=True, progress=lambda done, total: told.append((done, total)))
    (fault,) = trace(home / "tensors", sources).faults
    assert told[-1] == (31, 31)
    assert fault.endswith("1 of its frames are not those of the store; build it anew")


def test_only_reading_it_again_finds_a_source_file_that_was_replaced(
    home: Path, tmp_path: Path, storm_files: list[Path]
) -> None:
    inbox = shutil.copytree(storm_files[0].parent, tmp_path / "inbox")
    store = Store.open(home / "store.zarr")
    slot = store.slot(np.datetime64(ISSUED))
    before, last = (str(name) for name in store.column("source", slice(slot - 1, slot + 1)))
    shutil.copyfile(inbox / before, inbox / last)
    path = home / "forecasts" / "extrapolation.nc"
    assert trace(path, Sources((inbox,))).faults == []
    (fault,) = trace(path, Sources((inbox,), hashed=True)).faults
    assert re.search(
        rf"{last}: expected the frame of 2026-06-01 02:00:00 with content hash \w+, found none; ",
        fault,
    )
    (inbox / before).write_bytes(b"no radar")
    (fault,) = trace(path, Sources((inbox,), hashed=True)).faults
    assert fault.endswith("; 1 more differ")


def test_frames_after_quality_control_are_not_looked_for_in_their_files(
    run: Callable[..., Result], storm_files: list[Path], tmp_path: Path
) -> None:
    inbox = storm_files[0].parent
    ingest(storm_files[:4], tmp_path / "s.zarr", product="storms", quality=["median"])
    path = tmp_path / "f.nc"
    write_forecast(path, issue_forecast(str(tmp_path / "s.zarr"), "persistence", "latest", 30))
    told = run(path, "--files", inbox, "--hash")
    assert told.exit_code == 0
    assert "compared no, for quality control (median:3) changed the frames" in told.stdout
    link = trace(path, Sources((inbox,), hashed=True))
    (seen,) = behind(link, "frames")
    assert {frame.yields for frame in seen.frames} == {None}
    for frame in seen.frames:
        assert frame.file is not None
        assert frame.sha256 == hashlib.sha256(Path(frame.file).read_bytes()).hexdigest()
    (files,) = behind(trace(path, Sources((inbox,))), "source files")
    assert "compared" not in files.facts


def test_a_store_of_a_relative_address_is_found_from_anywhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    forecast = issue_forecast("store.zarr", "extrapolation", ISSUED, 30)
    assert forecast.attrs["store"] == "store.zarr"
    path = write_forecast(home / "forecasts" / "f.nc", forecast)
    monkeypatch.chdir("/")
    link = trace(path)
    assert link.faults == []
    assert behind(link, "store")[0].name == str(home / "store.zarr")


def test_a_checkpoint_that_tells_nothing_is_a_broken_link(home: Path) -> None:
    path = home / "runs" / "tiny" / "best.safetensors"
    held = load_checkpoint(path)
    save_checkpoint(home / "bare.safetensors", held.network, held.recipe, 1, {})
    faults = trace(home / "bare.safetensors").faults
    assert faults == [f"{home}/bare.safetensors: does not say what it was trained on"]
    assert trace(home / "runs" / "tiny").faults == []


UNTOLD = {
    "inputs": ("inputs", None, r"f\.nc: does not tell inputs; forecast anew"),
    "store": ("store", None, r"f\.nc: does not tell store; forecast anew"),
    "code": ("code_version", None, "code: the version that made it is not told"),
    "maker": ("forecaster", "oracle", r"f\.nc: does not name the checkpoint of oracle"),
    "path": ("checkpoint", "ab" * 8, r"f\.nc: does not name its checkpoint's path"),
    "nonsense": ("inputs", "[1]", r"f\.nc: expected frames with valid_time, .* found \[1\]"),
    "product": ("product", "x", r"store.zarr: expected a store of product x, found storms"),
}


@pytest.mark.parametrize("what", UNTOLD)
def test_what_a_forecast_does_not_tell_is_named(home: Path, made: Path, what: str) -> None:
    name, value, sentence = UNTOLD[what]
    forecast = read_forecast(made / "forecasts" / "extrapolation.nc")
    kept = {key: held for key, held in forecast.attrs.items() if key != name}
    forecast.attrs = kept | ({name: value} if value else {})
    (fault,) = trace(write_forecast(home / "f.nc", forecast)).faults
    assert re.search(sentence, fault), fault


@pytest.mark.parametrize("file", ["scores.nc", "report.html"])
def test_scores_and_their_report_lead_back_to_network_and_frames(home: Path, file: str) -> None:
    link = trace(home / "verified" / file)
    assert link.faults == []
    names = [found.name for found in behind(link, "forecaster")]
    assert names == ["persistence", "unet-demo"]
    assert len(behind(link, "checkpoint")) == 1
    seen = behind(link, "frames")[-1]
    assert seen.name == "2026-06-01T01:00:00 to 2026-06-01T03:00:00"
    assert seen.facts["count"] == 21
    put(home / "store.zarr", "2026-06-01T02:48", 12.0)
    (fault,) = trace(home / "verified" / file).faults[-1:]
    assert "some were revised, added or cleared since" in fault


def test_scores_of_forecast_files_lead_back_to_the_checkpoints_that_these_name(
    home: Path,
) -> None:
    files = (home / "forecasts" / "unet.nc",)
    request = Request(str(home / "store.zarr"), files=files)
    comparison = Comparison.load(request)
    slot = comparison.store.slot(np.datetime64(ISSUED))
    told = json.loads(origins_of_scores(comparison, request, [slot])["forecasters_from"])
    (checkpoint,) = told["unet-demo"]["checkpoints"]
    assert checkpoint["checkpoint"] == read_forecast(files[0]).attrs["checkpoint"]
    assert checkpoint["files"] == 1
    assert told["unet-demo"]["folders"] == [str(home / "forecasts")]


def test_scores_that_tell_nothing_are_a_broken_link(home: Path) -> None:
    path = home / "verified" / "scores.nc"
    with netCDF4.Dataset(path, "a") as held:
        for name in ("store", "frames_seen", "forecasters_from"):
            if name in held.ncattrs():
                held.delncattr(name)
    assert trace(path).faults == [
        f"{path}: does not tell store, frames_seen, forecasters_from; verify anew"
    ]
    path.unlink()
    report = path.with_name("report.html")
    assert trace(report).faults == [f"{path}: the scores of {report} are gone"]


@pytest.fixture
def run() -> Callable[..., Result]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(lineage)
    return lambda *words: CliRunner().invoke(app, list(map(str, words)))


def test_the_command_shows_the_chain_and_all_of_it_as_json(
    home: Path, storm_files: list[Path], run: Callable[..., Result]
) -> None:
    path, folder = home / "forecasts" / "unet.nc", storm_files[0].parent
    shown = run(path, "--files", folder, "--hash")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == f"forecast: {path}"
    assert any("… 27 more" in line for line in lines)
    assert len(lines) < 40
    told = run(path, "--json")
    link = json.loads(told.stdout)
    assert (told.exit_code, link["whole"], link["broken"]) == (0, True, [])
    seen = link["origins"][1]["origins"][0]["frames"]
    assert [frame["valid_time"] for frame in seen] == SEEN


def test_the_command_ends_with_1_and_a_sentence_if_a_link_is_broken(
    home: Path, tmp_path: Path, run: Callable[..., Result]
) -> None:
    path = home / "forecasts" / "extrapolation.nc"
    empty = tmp_path / "empty"
    empty.mkdir()
    shown = run(path, "--files", empty)
    assert shown.exit_code == 1
    assert f"{empty}: expected the source file" in shown.stderr
    assert "found none; nor 2 more" in shown.stderr
    told = run(path, "--files", empty, "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["whole"] is False


def test_the_inbox_of_the_configuration_is_looked_in(
    home: Path,
    storm_files: list[Path],
    run: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(home)
    (home / "nowcast.toml").write_text(f"inbox = '{storm_files[0].parent}'")
    told = json.loads(run("forecasts/extrapolation.nc", "--json").stdout)
    files = told["origins"][1]["origins"][1]
    assert (files["name"], files["found"]) == (str(storm_files[0].parent), 3)


def test_what_cannot_be_traced_is_refused(tmp_path: Path, home: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.nc: nothing here to trace back"):
        trace(tmp_path / "none.nc")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match=r"a\.txt: expected a forecast, scores, a report, a chec"):
        trace(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"store\.zarr: expected a forecast file"):
        trace(home / "store.zarr")
