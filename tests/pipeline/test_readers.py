from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import radar_samples as samples
import xarray as xr
from numpy.typing import NDArray
from radar_samples import SAMPLES

from data_catalog import load_catalog
from pipeline.frames import Grid, zr_of
from pipeline.readers import FORMATS, READERS, sniff
from pipeline.readers.counts import Counts, accumulation_table
from pipeline.reflectivity import NO_ECHO, ZR

each_format = pytest.mark.parametrize("name", sorted(READERS))


def rain(frames: xr.DataArray) -> NDArray[np.float64]:
    return zr_of(frames).rain_rate(frames.to_numpy().astype(np.float64))[0]


def test_every_reader_has_a_sample_and_every_product_a_reader() -> None:
    assert set(SAMPLES) == set(READERS) == set(FORMATS)
    assert {product.reader for product in load_catalog().products.values()} <= set(READERS)


@pytest.mark.parametrize("product", load_catalog().products.values(), ids=lambda p: p.name)
def test_reader_and_catalog_state_the_same_z_r(product, tmp_path: Path) -> None:
    frames = READERS[product.reader](SAMPLES[product.reader](tmp_path / "file"))
    assert zr_of(frames) == ZR(product.zr_a, product.zr_b)


@each_format
def test_frames_keep_the_contract(name: str, tmp_path: Path) -> None:
    frames = READERS[name](SAMPLES[name](tmp_path / "file"))
    assert frames.name == "reflectivity"
    assert frames.dims == ("time", "y", "x")
    assert frames.dtype == np.float32
    assert frames.attrs["units"] == "dBZ"
    assert Grid.of(frames).shape == frames.shape[1:]
    assert np.isnan(frames).any()
    assert (frames == NO_ECHO).any()
    assert frames.min() == NO_ECHO
    assert np.isfinite(frames.to_numpy()[~np.isnan(frames)]).all()


@each_format
def test_a_file_is_known_by_its_content_not_its_name(name: str, tmp_path: Path) -> None:
    assert sniff(SAMPLES[name](tmp_path / "no_such_suffix")) == name


@each_format
def test_a_truncated_file_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    whole = SAMPLES[name](tmp_path / "whole").read_bytes()
    drawn = np.random.default_rng(0).integers(len(whole), size=60)
    end_marks = [place + 1 for place in range(20, len(whole) - 1) if whole[place] == ord(";")]
    path = tmp_path / "cut"
    for length in {*range(24), *range(len(whole) - 24, len(whole)), *drawn, *end_marks[:80]}:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"expected .*found") as refusal:
            READERS[name](path)
        assert str(refusal.value).startswith(f"{path}: ")
        assert "\n" not in str(refusal.value)


@each_format
def test_sniffing_a_truncated_file_finds_its_format_or_refuses(name: str, tmp_path: Path) -> None:
    whole = SAMPLES[name](tmp_path / "whole").read_bytes()
    path = tmp_path / "cut"
    for length in (0, 1, 4, 12, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        try:
            assert sniff(path) == name
        except ValueError as refusal:
            assert str(refusal).startswith(f"{path}: expected")  # noqa: PT017


@each_format
def test_a_file_of_another_format_is_refused(name: str, tmp_path: Path) -> None:
    for other in sorted(set(READERS) - {name}):
        path = SAMPLES[other](tmp_path / other)
        with pytest.raises(ValueError, match=f"^{path}: expected"):
            READERS[name](path)


@pytest.mark.parametrize("content", [b"", b"\n", b"hello", b"\x1f\x8b", b"GIF89a", b"%PDF-1.7 "])
def test_an_unknown_file_is_not_sniffed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: expected"):
        sniff(path)


@each_format
def test_a_missing_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found no such file"):
        READERS[name](tmp_path / "nothing")
    with pytest.raises(ValueError, match=f"^{tmp_path}: expected"):
        READERS[name](tmp_path)


def test_threads_read_all_formats_at_once(tmp_path: Path) -> None:
    paths = {name: write(tmp_path / name) for name, write in SAMPLES.items()}
    alone = {name: READERS[name](path) for name, path in paths.items()}
    jobs = sorted(paths) * 12
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda name: READERS[sniff(paths[name])](paths[name]), jobs))
    for name, frames in zip(jobs, together, strict=True):
        xr.testing.assert_identical(frames, alone[name])


def test_fmi_counts_are_half_decibels_from_minus_32(tmp_path: Path) -> None:
    frames = READERS["fmi_pgm"](samples.write_fmi(tmp_path / "file"))
    np.testing.assert_array_equal(frames.to_numpy().ravel()[:255], np.arange(255) / 2 - 32)
    assert np.isnan(frames.to_numpy().ravel()[255])
    assert frames.time.item() == np.datetime64("2016-09-28T14:45", "ns").astype(int)


def test_mch_indices_are_logarithms_of_millimetres(tmp_path: Path) -> None:
    frames = READERS["mch_gif"](samples.write_mch(tmp_path / "renamed.gif"))
    index = np.arange(2, 251)
    millimetres = (10 ** ((index - 71.5) / 20) / 316) ** (1 / 1.5)
    first = rain(frames).ravel()[:256]
    np.testing.assert_allclose(first[index], 12 * millimetres, rtol=1e-6)
    np.testing.assert_array_equal(first[[0, 1, 251, 252, 253, 254]], 0)
    assert np.isnan(first[255])
    assert frames.time.to_numpy() == np.datetime64("2015-05-15T16:00")


def test_knmi_counts_are_hundredths_of_a_millimetre_in_five_minutes(tmp_path: Path) -> None:
    frames = READERS["knmi_hdf5"](samples.write_knmi(tmp_path / "file"))
    np.testing.assert_allclose(rain(frames)[0], [0, 0.12, np.nan, np.nan, 20.52], rtol=1e-6)
    assert frames.time.to_numpy() == np.datetime64("2010-08-27T00:00")


def test_bom_counts_are_twentieths_of_a_millimetre_in_the_file_s_interval(tmp_path: Path) -> None:
    frames = READERS["bom_netcdf"](samples.write_bom(tmp_path / "file"))
    np.testing.assert_allclose(rain(frames)[0], [0, 0.3, np.nan, 18, 0, 0.9], rtol=1e-6)
    assert frames.time.to_numpy() == np.datetime64("2020-10-31T12:50")


@pytest.mark.parametrize("labels", [0.0, 0.25])
def test_a_bom_grid_is_centred_on_its_radar_however_pixels_are_labelled(
    labels: float, tmp_path: Path
) -> None:
    frames = READERS["bom_netcdf"](samples.write_bom(tmp_path / "file", labels))
    np.testing.assert_allclose(frames.x, [-1250, -750, -250, 250, 750, 1250])
    np.testing.assert_allclose(frames.y, [750, 250, -250, -750])


@pytest.mark.parametrize("signed", [True, False])
def test_every_count_comes_back_from_its_reflectivity(signed: bool) -> None:
    zr = ZR(200, 1.6)
    table = accumulation_table(Counts(0.01, 0.0, frozenset({7}), signed), 5, zr)
    counts = np.arange(1, 32768)
    found = zr.rain_rate(table.astype(np.float64))[counts] / 12 / 0.01
    np.testing.assert_allclose(np.delete(found, 6), np.delete(counts, 6), rtol=2e-6)
    assert np.isnan(table[7])
    assert (table[40000] == NO_ECHO) == signed


BAD: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "fmi velocity": ("fmi_pgm", lambda p: samples.write_fmi(p, param="Velocity"), "'Velocity'"),
    "fmi time": ("fmi_pgm", lambda p: samples.write_fmi(p, obstime="noon"), "found 'noon'"),
    "fmi mercator": ("fmi_pgm", lambda p: samples.write_fmi(p, type="mercator"), "'mercator'"),
    "fmi corner": ("fmi_pgm", lambda p: samples.write_fmi(p, topright="34"), "damaged"),
    "mch shape": ("mch_gif", lambda p: samples.write_mch(p, shape=(64, 71)), "found 64 × 71"),
    "mch product": ("mch_gif", lambda p: samples.write_mch(p, "PRDT=RZC151351600"), "PRDT=AQC"),
    "mch hour": ("mch_gif", lambda p: samples.write_mch(p, "ACCUm=000060"), "found '000060'"),
    "mch no time": ("mch_gif", lambda p: samples.write_mch(p, "none"), "found it in neither"),
    "mch day 400": ("mch_gif", lambda p: samples.write_mch(p, "AQC154001600"), "AQC154001600"),
    "knmi dBZ": (
        "knmi_hdf5",
        lambda p: samples.write_knmi(p, image1={"image_geo_parameter": "REFLECTIVITY_[DBZ]"}),
        "found 'REFLECTIVITY_",
    ),
    "knmi formula": (
        "knmi_hdf5",
        lambda p: samples.write_knmi(p, calibration={"calibration_formulas": "GEO=PV^2"}),
        "expected a calibration like",
    ),
    "knmi no interval": (
        "knmi_hdf5",
        lambda p: samples.write_knmi(
            p, overview={"product_datetime_start": "27-AUG-2010;00:00:00.000"}
        ),
        "positive scale and interval",
    ),
    "knmi month": (
        "knmi_hdf5",
        lambda p: samples.write_knmi(
            p, overview={"product_datetime_end": "27-HEU-2010;00:00:00.000"}
        ),
        "found '27-HEU-2010",
    ),
    "knmi shape": (
        "knmi_hdf5",
        lambda p: samples.write_knmi(p, geographic={"geo_number_rows": [9]}),
        "expected 9 × 5 pixels, found 4 × 5",
    ),
    "bom units": (
        "bom_netcdf",
        lambda p: samples.write_bom(p, precipitation={"units": "m s-1"}),
        "units 'kg m-2', found 'm s-1'",
    ),
    "bom quantity": (
        "bom_netcdf",
        lambda p: samples.write_bom(p, precipitation={"standard_name": "radial_velocity"}),
        "found 'radial_velocity'",
    ),
    "bom epoch": (
        "bom_netcdf",
        lambda p: samples.write_bom(p, valid_time={"units": "hours"}),
        "expected times in 'seconds",
    ),
    "bom miles": ("bom_netcdf", lambda p: samples.write_bom(p, x={"units": "mi"}), "found 'mi'"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_file_that_says_something_else_is_refused(case: str, tmp_path: Path) -> None:
    name, write, reason = BAD[case]
    path = write(tmp_path / "file")
    with pytest.raises(ValueError, match=reason) as refusal:
        READERS[name](path)
    assert str(refusal.value).startswith(f"{path}: expected")


def test_an_mch_time_is_read_from_the_name_where_the_comment_has_none(tmp_path: Path) -> None:
    path = samples.write_mch(tmp_path / "AQC163662355V_00005.801.gif", "generated by Meteoswiss")
    assert READERS["mch_gif"](path).time.to_numpy() == np.datetime64("2016-12-31T23:55")
