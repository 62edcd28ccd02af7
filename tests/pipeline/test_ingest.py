from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.frames import Grid, make_frames
from pipeline.ingest import ingest
from pipeline.packing import unpack
from pipeline.readers import READERS
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.summary import summarise

FIRST = np.datetime64("2020-01-01T00:00", "ns")
MARSHALL_PALMER = ZR(200, 1.6)
MakeFile = Callable[..., Path]


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
    assert store.source[1] == "corrected.nc"
    assert report.revised[0].endswith(f"hash {before} becomes {store.content_hash[1]}")


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
