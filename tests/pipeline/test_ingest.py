from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.check import check_store
from pipeline.frames import Grid, make_frames
from pipeline.ingest import ingest
from pipeline.layout import best_order
from pipeline.packing import pack, unpack
from pipeline.readers import READERS
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.summary import summarise

FIRST = np.datetime64("2020-01-01T00:00", "ns")
MARSHALL_PALMER = ZR(200, 1.6)
MakeFile = Callable[..., Path]
TOLERANT = """
[products.tolerant]
title = "A radar whose scans do not end on the minute"
provider = "somebody"
licence = "CC0-1.0"
obtain = "made up"
reader = "cf_netcdf"
cadence_minutes = 5
tolerance_seconds = 40
zr_a = 200
zr_b = 1.6
"""


@pytest.fixture
def make_file(tmp_path: Path, small_grid: Grid) -> MakeFile:
    """Writes the CF netCDF file of the k-th frame, five minutes apart."""

    def write(
        k: int,
        *,
        seed: int | None = None,
        grid: Grid = small_grid,
        zr: ZR = MARSHALL_PALMER,
        seconds: int = 0,
        name: str | None = None,
        units: str = "dBZ",
    ) -> Path:
        rng = np.random.default_rng(k if seed is None else seed)
        dbz = np.where(rng.random(grid.shape) < 0.7, NO_ECHO, rng.uniform(5, 50, grid.shape))
        dbz[0] = np.nan
        time = FIRST + np.timedelta64(300 * k + seconds, "s")
        frames = make_frames(dbz[None], [time], grid, source_quantity="dBZ", zr=zr)
        frames.attrs["units"] = units
        path = tmp_path / "files" / (name or f"frame{k:03d}.nc")
        path.parent.mkdir(exist_ok=True)
        frames.to_netcdf(path)
        return path

    return write


@pytest.fixture
def tolerant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A product of the user's whose frames may be 40 s from their slots."""
    catalog = tmp_path / "mine.toml"
    catalog.write_text(TOLERANT)
    monkeypatch.setenv("NOWCAST_CATALOG", str(catalog))
    return "tolerant"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_become_the_frames_of_a_store(tmp_path: Path, make_file: MakeFile) -> None:
    files = [make_file(k) for k in (0, 1, 3)]
    report = ingest(files, tmp_path / "s.zarr")
    assert report.exit_code == 0
    assert report.frames == {"observed": 3}
    store = Store.open(tmp_path / "s.zarr")
    assert store.observed.tolist() == [True, True, False, True]
    assert store.product == "cf_netcdf"
    expected = READERS["cf_netcdf"](files[2]).to_numpy()[0]
    np.testing.assert_allclose(store.dbz(3, 4)[0], expected, atol=0.0051)
    summary = summarise(store)
    assert summary.frames == 3
    assert summary.gaps == ((store.times[2], store.times[2]),)


def test_ingesting_twice_changes_no_byte(tmp_path: Path, make_file: MakeFile) -> None:
    files = [make_file(k) for k in range(4)]
    ingest(files, tmp_path / "s.zarr")
    before = contents(tmp_path / "s.zarr")
    assert ingest(files, tmp_path / "s.zarr").frames == {"unchanged": 4}
    assert contents(tmp_path / "s.zarr") == before


@pytest.mark.parametrize("workers", [1, 4])
def test_order_and_threads_do_not_matter(tmp_path: Path, make_file: MakeFile, workers: int) -> None:
    files = [make_file(k) for k in range(12)]
    ingest(files, tmp_path / "straight.zarr")
    shuffled = [files[k] for k in np.random.default_rng(1).permutation(12)]
    ingest(shuffled, tmp_path / "shuffled.zarr", workers=workers)
    assert contents(tmp_path / "straight.zarr") == contents(tmp_path / "shuffled.zarr")


def test_each_bad_file_gets_its_sentence_and_the_good_ones_go_in(
    tmp_path: Path, make_file: MakeFile, small_grid: Grid
) -> None:
    good = [make_file(k) for k in range(4)]
    shifted = Grid(small_grid.x + 5000, small_grid.y, small_grid.crs)
    bad = {
        make_file(5, grid=shifted): "expected the store's grid of x from -29500 to 29500, found",
        make_file(
            6, zr=ZR(300, 1.4)
        ): "expected the store's Z–R relation a=200, b=1.6, found a=300",
        make_file(7, seconds=77): "expected a valid time every 5M from 2020-01-01 00:00, found",
        make_file(8, units="m s-1", name="velocity.nc"): "m s-1",
        make_file(
            1, seed=99, name="frame001b.nc"
        ): "already given by frame001.nc with other pixels",
    }
    empty = tmp_path / "files" / "empty.nc"
    empty.touch()
    cut = tmp_path / "files" / "cut.nc"
    cut.write_bytes(good[0].read_bytes()[:3000])
    text = tmp_path / "files" / "notes.txt"
    text.write_text("light rain in the evening")
    absent = tmp_path / "files" / "absent.nc"
    bad |= {empty: "empty", cut: "", text: "expected one of the formats", absent: ""}
    report = ingest([*good, *bad], tmp_path / "s.zarr")
    assert report.exit_code == 1
    assert report.frames == {"observed": 4}
    reasons = {refusal.path: refusal.reason for refusal in report.refused}
    assert reasons.keys() == bad.keys()
    for path, part in bad.items():
        assert part in reasons[path]
        assert "\n" not in str(path)
    ingest(good, tmp_path / "clean.zarr")
    assert contents(tmp_path / "s.zarr") == contents(tmp_path / "clean.zarr")


def test_a_later_file_for_a_filled_slot_is_a_revision(tmp_path: Path, make_file: MakeFile) -> None:
    ingest([make_file(k) for k in range(3)], tmp_path / "s.zarr")
    before = Store.open(tmp_path / "s.zarr").content_hash[1]
    report = ingest([make_file(1, seed=99, name="corrected.nc")], tmp_path / "s.zarr")
    assert report.frames == {"revised": 1}
    assert "corrected.nc: replaces the frame of 2020-01-01 00:05" in report.revised[0]
    store = Store.open(tmp_path / "s.zarr")
    assert store.column("source")[1] == "corrected.nc"
    assert report.revised[0].endswith(f"hash {before} becomes {store.content_hash[1]}")


def test_two_files_in_one_slot_of_a_tolerant_product_contradict_each_other(
    tmp_path: Path, make_file: MakeFile, tolerant: str
) -> None:
    early, exact = make_file(1, seconds=-30, name="a.nc"), make_file(1, seed=7, name="b.nc")
    off = make_file(2, seconds=50, name="off.nc")
    first = make_file(0, seconds=20, name="first.nc")
    report = ingest([first, early, exact, off], tmp_path / "s.zarr", product=tolerant)
    reasons = {refusal.path: refusal.reason for refusal in report.refused}
    assert reasons.keys() == {exact, off}
    assert "2020-01-01 00:05 was already given by a.nc with other pixels" in reasons[exact]
    assert reasons[off] == (
        "expected a valid time every 5M from 2020-01-01 00:05, found 2020-01-01 00:10, 50 s from "
        "the nearest slot, where the product allows 40 s"
    )
    later = ingest([exact], tmp_path / "s.zarr")
    assert later.frames == {"revised": 1}
    store = Store.open(tmp_path / "s.zarr")
    slot = store.slot(FIRST + np.timedelta64(5, "m"))
    assert store.column("source")[slot] == "b.nc"
    assert ingest([make_file(1, seconds=10, seed=7, name="c.nc")], store.address).frames == {
        "unchanged": 1
    }


def test_frames_of_the_day_after_tomorrow_are_refused_until_the_clock_is_right(
    tmp_path: Path, make_file: MakeFile
) -> None:
    good, wrong = [make_file(k) for k in range(4)], make_file(3000)
    noon = np.datetime64("2020-01-01T12:00")
    store = tmp_path / "s.zarr"
    report = ingest([*good, wrong], store, now=noon)
    assert report.frames == {"observed": 4}
    assert [refusal.path for refusal in report.refused] == [wrong]
    assert report.refused[0].reason == (
        "expected a valid time that is past, found 2020-01-11 10:00 when this machine's clock says "
        "2020-01-01 12:00 UTC; check the clocks of both, then ingest the file again"
    )
    set_back = ingest([make_file(4), make_file(5)], store, now=noon - np.timedelta64(40, "D"))
    assert set_back.frames == {}
    assert len(set_back.refused) == 2
    assert ingest([make_file(4), make_file(5)], store, now=noon).frames == {"observed": 2}


def test_a_change_of_grid_in_the_middle_of_an_archive_is_refused_with_the_numbers(
    tmp_path: Path, make_file: MakeFile, small_grid: Grid
) -> None:
    half = Grid(small_grid.x[::2], small_grid.y[::2], small_grid.crs)
    files = [make_file(0), make_file(1), make_file(2, grid=half), make_file(3)]
    report = ingest(files, tmp_path / "s.zarr")
    assert report.frames == {"observed": 3}
    expected = "expected the store's grid of 48 × 60 pixels, found 24 × 30"
    assert [(r.path, r.reason) for r in report.refused] == [(files[2], expected)]


@pytest.mark.parametrize("by_columns", [False, True])
def test_a_new_store_scans_frames_the_way_that_takes_less_room(
    tmp_path: Path, small_grid: Grid, by_columns: bool
) -> None:
    noise = np.random.default_rng(3).uniform(5, 50, small_grid.shape[by_columns])
    dbz = np.broadcast_to(noise if by_columns else noise[:, None], small_grid.shape).copy()
    path = tmp_path / "stripes.nc"
    frames = make_frames(dbz[None], [FIRST], small_grid, source_quantity="dBZ", zr=MARSHALL_PALMER)
    frames.to_netcdf(path)
    (tmp_path / "broken.nc").touch()
    report = ingest([tmp_path / "broken.nc", path], tmp_path / "s.zarr", product="storms")
    assert report.frames == {"observed": 1}
    assert len(report.refused) == 1
    store = Store.open(tmp_path / "s.zarr")
    assert store.order == best_order(pack(dbz))
    np.testing.assert_allclose(store.dbz(*span(store))[0], dbz, atol=0.0051)


def span(store: Store) -> tuple[int, int]:
    """From the first observed slot to behind the last."""
    filled = np.flatnonzero(store.observed)
    return int(filled[0]), int(filled[-1]) + 1


FULL_DISK = """
import resource, sys
from pathlib import Path
from pipeline.ingest import ingest
most = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    ingest([Path(name) for name in sys.argv[3:]], sys.argv[2], workers=1)
except OSError as error:
    sys.exit(str(error))
"""


def test_a_disk_that_fills_up_ends_the_ingest_and_the_next_completes_it(
    tmp_path: Path, make_file: MakeFile
) -> None:
    files = [make_file(k) for k in range(30)]
    store = tmp_path / "s.zarr"
    ingest(files[:3], store)
    most = 5000 + max(len(content) for content in contents(store).values())
    command = [sys.executable, "-c", FULL_DISK, str(most), str(store), *map(str, files)]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"{store}: expected to write frames, found ")
    assert failed.stderr.count("\n") == 1
    kept = Store.open(store)
    assert kept.observed.sum() >= 3
    assert check_store(store).damaged == ()
    assert ingest(files, store).refused == []
    assert Store.open(store).observed.sum() == 30
    ingest(files, tmp_path / "clean.zarr")
    clean = Store.open(tmp_path / "clean.zarr")
    assert Store.open(store).fingerprint() == clean.fingerprint()


def test_only_bad_files_make_no_store(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_text("no radar")
    report = ingest([tmp_path / "a.nc"], tmp_path / "s.zarr")
    assert report.exit_code == 1
    assert not (tmp_path / "s.zarr").exists()


def test_one_frame_of_an_unknown_product_asks_for_its_name(
    tmp_path: Path, make_file: MakeFile
) -> None:
    file = make_file(0)
    with pytest.raises(ValueError, match="name the product with --product"):
        ingest([file], tmp_path / "s.zarr")
    with pytest.raises(ValueError, match="no product 'sun'; the catalog holds"):
        ingest([file], tmp_path / "s.zarr", product="sun")
    with pytest.raises(ValueError, match="no reader 'sun'; there are"):
        ingest([file], tmp_path / "s.zarr", reader="sun")


EVENTS = {
    "bom_netcdf/melbourne_20180616": ("bom_melbourne", 41, 0.232),
    "bom_netcdf/mtstapylton_20201031": ("bom_mtstapylton", 24, 0.029),
    "fmi_pgm/20160928": ("fmi", 40, 0.303),
    "mch_gif/20150515": ("mch", 40, 0.171),
    "mch_gif/20170131": ("mch", 40, 0.207),
    "knmi_hdf5/20100826": ("knmi", 67, 0.522),
}


@pytest.mark.real
@pytest.mark.parametrize("event", EVENTS)
def test_a_real_event_becomes_a_store_without_gaps(
    tmp_path: Path, data_dir: Path, event: str
) -> None:
    product, frames, wet_share = EVENTS[event]
    files = sorted((data_dir / "radar" / event).iterdir())
    report = ingest(files, tmp_path / "s.zarr")
    assert report.exit_code == 0, report.refused
    summary = summarise(Store.open(tmp_path / "s.zarr"))
    assert (summary.product, summary.frames, summary.gaps) == (product, frames, ())
    assert summary.wet_share == pytest.approx(wet_share, abs=0.0006)


@pytest.mark.real
def test_stored_rain_is_the_rain_that_was_read(tmp_path: Path, data_dir: Path) -> None:
    source = sorted((data_dir / "radar" / "knmi_hdf5" / "20100826").iterdir())[:2]
    files = [Path(shutil.copy(path, tmp_path / path.name)) for path in source]
    ingest(files, tmp_path / "s.zarr", product="knmi")
    store = Store.open(tmp_path / "s.zarr")
    rate = store.zr.rain_rate(unpack(store.read(0, 1))[0])
    read = store.zr.rain_rate(READERS["knmi_hdf5"](files[0]).to_numpy()[0])
    np.testing.assert_allclose(rate, read, rtol=0.001)
