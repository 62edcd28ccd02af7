from __future__ import annotations

import socket
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import requests
import xarray as xr
from loguru import logger
from mlcast_dataset_validator.specs.source_data.radar_precipitation import validate_dataset

from data_catalog.storms import Storms, write_storms
from pipeline.export import Credits, Quantity, export_archive
from pipeline.frames import Grid
from pipeline.ingest import ingest
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store

Remark = tuple[str, str, str]

RECORD_LENGTH = ("FAIL", "3.3", "Minimum 3-year coverage")
ONLINE = ("WARNING", "5.4", "Creator software GitHub repository")
TOOLS_NOT_INSTALLED = {
    ("WARNING", "6.1", "GDAL availability"),
    ("WARNING", "6.2", "Cartopy availability"),
}
LICENCE_NOT_RECOMMENDED = ("WARNING", "5.2", "License compliance")
MAKER = Credits("Ada Lovelace <ada@example.org>")

each_quantity = pytest.mark.parametrize("quantity", get_args(Quantity))
as_said = pytest.mark.filterwarnings("ignore:.*MLCast expects:UserWarning")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large enough grid; frames 2, 5 and 6 of nine were lost."""
    event = Storms(height=256, width=272, frames=9, seed=3, lost=(2, 5, 6))
    folder = tmp_path_factory.mktemp("export")
    ingest(write_storms(folder / "files", event), folder / "store.zarr", product="storms")
    return folder / "store.zarr"


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that anything asked for; no answer is ever given."""
    hosts: list[str] = []

    def fail(host: str, *_: Any, **__: Any) -> None:
        hosts.append(host)
        raise socket.gaierror(f"no network in tests: {host}")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(socket.socket, "connect", fail)
    monkeypatch.setenv("NO_PROXY", "*")
    return hosts


def remarks(archive: Path, name: str) -> set[Remark]:
    """All that the validator does not pass, but for tools and a codec that it cannot see."""
    logger.remove()
    report, _ = validate_dataset(xr.open_zarr(archive))
    assert len(report.results) > 25
    found = {(r.status, r.section, r.requirement) for r in report.results if r.status != "PASS"}
    codec = [r.detail for r in report.results if r.requirement == f"DataArray compression {name}"]
    # in zarr format 3 it reads the name of the codec's class
    assert codec == [f"{name} DataArrays uses compression: zstdcodec, recommended is zstd"]
    return found - TOOLS_NOT_INSTALLED - {("WARNING", "4.2", f"DataArray compression {name}")}


def variable_of(archive: Path) -> xr.DataArray:
    opened = xr.open_zarr(archive)
    (name,) = set(opened.data_vars) - {"crs"}
    return opened[name]


@each_quantity
def test_the_validator_objects_to_record_length_and_what_it_looks_up_alone(
    quantity: Quantity, store: Path, looked_up: list[str], tmp_path: Path
) -> None:
    archive = export_archive(store, tmp_path / "a.zarr", quantity=quantity, publisher=MAKER)
    found = remarks(archive, str(variable_of(archive).name))
    assert found == {RECORD_LENGTH, ONLINE, LICENCE_NOT_RECOMMENDED}
    assert looked_up == ["api.github.com"]


@as_said
@pytest.mark.real
def test_the_validator_takes_an_archive_of_real_radar(
    data_dir: Path, looked_up: list[str], tmp_path: Path
) -> None:
    files = sorted((data_dir / "radar/bom_netcdf/melbourne_20180616").glob("*.nc"))[:12]
    assert len(files) == 12
    ingest(files, tmp_path / "store.zarr")
    archive = export_archive(tmp_path / "store.zarr", tmp_path / "a.zarr", publisher=MAKER)
    assert remarks(archive, "rain_rate") == {RECORD_LENGTH, ONLINE, LICENCE_NOT_RECOMMENDED}
    assert looked_up == ["api.github.com"]
    statement = xr.open_zarr(archive).attrs["license_statement"]
    assert statement == "http://www.bom.gov.au/other/copyright.shtml"


def test_with_three_years_and_a_repository_nothing_is_left_to_object_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for year in (2023, 2026):
        event = Storms(256, 256, frames=2, start=datetime(year, 5, 1), cadence_minutes=60)
        files = write_storms(tmp_path / str(year), event)
        ingest(files, tmp_path / "store.zarr", product=None)
    licensed = Credits(MAKER.creator, licence="CC-BY-4.0")
    archive = export_archive(tmp_path / "store.zarr", tmp_path / "a.zarr", publisher=licensed)
    answer = requests.Response()
    answer.status_code = 200
    monkeypatch.setattr(requests, "get", lambda *_, **__: answer)
    assert remarks(archive, "rain_rate") == set()
    assert xr.open_zarr(archive).missing_times.size > 26_000


@each_quantity
def test_an_archive_ingested_gives_the_frames_of_its_store(
    quantity: Quantity, store: Path, tmp_path: Path
) -> None:
    archive = export_archive(store, tmp_path / "a.zarr", quantity=quantity, publisher=MAKER)
    report = ingest([archive], tmp_path / "again.zarr")
    original, again = Store.open(store), Store.open(tmp_path / "again.zarr")
    assert not report.refused
    times = original.times[original.observed]
    np.testing.assert_array_equal(again.times[again.observed], times)
    assert times.size == 6
    for time in times:
        here, there = original.slot(time), again.slot(time)
        expected, found = original.dbz(here, here + 1), again.dbz(there, there + 1)
        assert np.isnan(expected).any()
        assert (expected == NO_ECHO).any()
        assert (expected > 20).any()
        np.testing.assert_array_equal(found, expected)
    assert again.zr == original.zr
    assert again.cadence == original.cadence
    assert original.grid.difference(again.grid) is None


def test_dry_is_no_rain_and_missing_stays_missing(store: Path, tmp_path: Path) -> None:
    archive = export_archive(store, tmp_path / "a.zarr", publisher=MAKER)
    original = Store.open(store)
    dbz = original.dbz(0, len(original))[original.observed]
    rate = variable_of(archive).to_numpy()
    assert rate.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(rate), np.isnan(dbz))
    np.testing.assert_array_equal(rate == 0, dbz == NO_ECHO)


def test_slots_without_a_frame_are_missing_times(store: Path, tmp_path: Path) -> None:
    opened = xr.open_zarr(export_archive(store, tmp_path / "a.zarr", publisher=MAKER))
    start, step = np.datetime64("2026-06-01T00:00"), np.timedelta64(6, "m")
    np.testing.assert_array_equal(opened.missing_times, start + step * np.array([2, 5, 6]))
    np.testing.assert_array_equal(opened.time, start + step * np.array([0, 1, 3, 4, 7, 8]))


def test_frames_are_read_a_few_at_a_time(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pipeline.export.FRAMES_PER_SHARD", 2)
    read, lengths, shown = Store.dbz, [], []
    monkeypatch.setattr(Store, "dbz", lambda self, a, b: lengths.append(b - a) or read(self, a, b))
    export_archive(
        store, tmp_path / "a.zarr", publisher=MAKER, progress=lambda *at: shown.append(at)
    )
    assert lengths == [2, 2, 2]
    assert shown == [(2, 6), (4, 6), (6, 6)]


def test_an_export_that_is_cut_leaves_nothing_behind(store: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_archive(store, tmp_path / "a.zarr", publisher=MAKER, progress=stop)
    assert list(tmp_path.iterdir()) == []
    export_archive(store, tmp_path / "a.zarr", publisher=MAKER)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_what_is_there_already_is_left_alone(store: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zarr").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a.zarr: expected a folder to make, found"):
        export_archive(store, tmp_path / "a.zarr")
    assert (tmp_path / "a.zarr").read_text() == "mine"


def test_frames_that_come_in_before_the_first_meanwhile_stop_the_export(tmp_path: Path) -> None:
    later = write_storms(tmp_path / "later", Storms(256, 256, frames=2))
    event = Storms(256, 256, frames=2, start=datetime(2026, 5, 31))
    earlier = write_storms(tmp_path / "earlier", event)
    ingest(later, tmp_path / "store.zarr", product="storms")
    with pytest.raises(ValueError, match="expected a store at rest, found frames ingested before"):
        export_archive(
            tmp_path / "store.zarr",
            tmp_path / "a.zarr",
            publisher=MAKER,
            progress=lambda *_: ingest(earlier, tmp_path / "store.zarr") and None,
        )
    assert not (tmp_path / "a.zarr").exists()


def test_an_archive_that_mlcast_does_not_take_is_written_with_a_warning(
    store: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="expects who made the archive, found nobody"):
        assert export_archive(store, tmp_path / "a.zarr").exists()


def test_an_empty_store_or_another_quantity_is_refused(
    store: Path, small_grid: Grid, tmp_path: Path
) -> None:
    cadence = np.timedelta64(5, "m")
    Store.create(tmp_path / "empty.zarr", small_grid, ZR(200, 1.6), product="p", cadence=cadence)
    with pytest.raises(ValueError, match=r"empty.zarr: expected frames to export, found none"):
        export_archive(tmp_path / "empty.zarr", tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="'rain_rate' or 'reflectivity', found 'snow'"):
        export_archive(store, tmp_path / "a.zarr", quantity="snow")
    assert not (tmp_path / "a.zarr").exists()
