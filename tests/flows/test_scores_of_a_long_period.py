from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

from flows.cases import csi_by_issue_time
from flows.merging import COMPRESSION, merge_scores
from flows.scores_files import opened, read_header
from nowcast.verification.parts import PARTS
from nowcast.verification.tally import SCALES_KM, THRESHOLDS, Tally
from pipeline.batch import ZR

IN_A_FILE = 320
FEW, MANY = 16, 64
START = np.datetime64("2025-01-01T00:00", "ns")
STEP = np.timedelta64(5, "m")


def counted(
    count: int, names: tuple[str, ...] = ("persistence", "network"), **choices: Any
) -> Tally:
    """Issue times of drawn fields, all from START on."""
    parts = tuple(name for name in PARTS if name not in ("sal", "similarity", "probabilistic"))
    known: dict[str, Any] = {"cadence_minutes": 5, "parts": parts} | choices
    tally = Tally(names, [5, 10], THRESHOLDS, ZR(200.0, 1.6), SCALES_KM, 1.0, **known)
    generator = torch.Generator().manual_seed(1)
    for n in range(count):
        fields = 20 + 12 * torch.randn(len(names) + 1, 2, 24, 24, generator=generator)
        tally.update(START + n * STEP, dict(zip(names, fields, strict=False)), fields[-1])
    return tally


def written(path: Path, tally: Tally) -> Path:
    sums = tally.sums().assign_attrs(seconds="{}")
    encoding = dict.fromkeys(sums.data_vars, COMPRESSION)
    sums.to_netcdf(path, engine="netcdf4", encoding=encoding)
    return path


@pytest.fixture(scope="module")
def long_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """MANY scores files that follow each other, of IN_A_FILE issue times each."""
    folder = tmp_path_factory.mktemp("long")
    short = [written(tmp_path_factory.mktemp("short") / "0.nc", counted(IN_A_FILE // 4))]
    for n in range(1, 4):
        short.append(later(short[0], short[0].with_name(f"{n}.nc"), n * IN_A_FILE // 4))
    first = merge_scores(short, folder / "p00.nc")
    return [first, *(later(first, folder / f"p{n:02d}.nc", n * IN_A_FILE) for n in range(1, MANY))]


def later(path: Path, to: Path, steps: int) -> Path:
    """A copy of a file, its issue times moved."""
    shutil.copy(path, to)
    with netCDF4.Dataset(to, "a") as moved:
        moved["issue_time"][:] += steps * 300
    return to


def test_memory_does_not_grow_with_the_period(long_files: list[Path], tmp_path: Path) -> None:
    program = """
        import resource, sys
        from pathlib import Path
        from flows.cases import csi_by_issue_time
        from flows.merging import merge_scores
        from flows.scores_files import opened
        from nowcast.report.intervals import make_intervals
        from nowcast.report.numbers import all_numbers
        from nowcast.report.styles import make_styles
        from nowcast.report.verdict import verdict
        from nowcast.verification.diebold_mariano import compare_errors
        from nowcast.verification.scores_file import by_hour

        folder, out, *counts = sys.argv[1:]
        for count in map(int, counts):
            merge_scores(sorted(Path(folder).glob("*.nc"))[:count], Path(out))
            with opened(Path(out)) as scores:
                assert len(all_numbers(scores, make_intervals(scores))) > 2
                assert "issue times are pooled" in verdict(
                    scores, make_styles(scores["forecaster"].to_numpy().tolist(), {})
                )[2]
                assert csi_by_issue_time(scores, "network").size == scores.sizes["issue_time"]
                compare_errors(scores, "persistence", "network")
                by_hour("csi", scores)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    words = [str(long_files[0].parent), str(tmp_path / "scores.nc"), *map(str, (FEW, MANY))]
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    short, long = (1024 * int(line) for line in ran.stdout.split())
    with opened(tmp_path / "scores.nc") as scores:
        assert scores.sizes["issue_time"] == MANY * IN_A_FILE
        held = sum(sums.nbytes for sums in scores.data_vars.values() if "issue_time" in sums.dims)
    more = held * (MANY - FEW) / MANY
    assert more > 100_000_000
    assert long - short < more / 4


def test_files_in_any_order_and_interleaved_merge_to_exactly_one_run(tmp_path: Path) -> None:
    whole = counted(45)
    rows = list(whole.rows)
    shares = [rows[:10] + rows[30:], rows[10:30:2], rows[11:30:2]]
    files = []
    for n, share in enumerate(shares):
        part = counted(0)
        part.rows = {time: whole.rows[time] for time in share}
        part.pooled = whole.pooled if n == 0 else {k: 0 * v for k, v in whole.pooled.items()}
        files.append(written(tmp_path / f"{n}.nc", part))
    merged = xr.load_dataset(merge_scores(files[::-1], tmp_path / "m.nc"), decode_timedelta=False)
    xr.testing.assert_identical(merged.drop_attrs(), whole.to_dataset().drop_attrs())


def test_attributes_that_all_files_share_are_kept(tmp_path: Path) -> None:
    files = []
    for n in range(2):
        sums = counted(4).sums().isel(issue_time=slice(2 * n, 2 * n + 2))
        stated = {"product": "storms", "made": f"on day {n}", "seconds": "{}"}
        files.append(tmp_path / f"{n}.nc")
        sums.assign_attrs(stated).to_netcdf(files[-1], engine="netcdf4")
    attributes, times = read_header(merge_scores(files, tmp_path / "m.nc", station="Melbourne"))
    assert attributes["product"] == "storms"
    assert attributes["station"] == "Melbourne"
    assert not {"made", "seconds"} & {*attributes}
    np.testing.assert_array_equal(times, START + np.arange(4) * STEP)


def test_files_that_do_not_merge_get_a_sentence(tmp_path: Path) -> None:
    out = tmp_path / "m.nc"
    good = written(tmp_path / "good.nc", counted(2))
    other = written(tmp_path / "other.nc", counted(2, ("persistence",)))
    (tmp_path / "text.nc").write_text("no scores")
    xr.Dataset({"a": 1.0}).to_netcdf(tmp_path / "plain.nc", engine="netcdf4")
    plain = xr.Dataset(coords={"issue_time": [START]})
    plain.to_netcdf(tmp_path / "times.nc", engine="netcdf4")
    mistakes: dict[str, list[Path]] = {
        "expected at least one scores file, found none": [],
        r"absent\.nc: no scores file here": [good, tmp_path / "absent.nc"],
        r"text\.nc: expected a scores file in netCDF-4": [good, tmp_path / "text.nc"],
        r"plain\.nc: expected a scores file, found no issue_time": [tmp_path / "plain.nc"],
        r"times\.nc: scores: expected the attribute 'protocol'": [tmp_path / "times.nc"],
        r"other\.nc: expected .*; only scores of one protocol merge": [good, other],
        r"good\.nc: issue time 2025-01-01 00:00 is in .*good\.nc too; count it once": [good, good],
    }
    for sentence, files in mistakes.items():
        with pytest.raises((ValueError, FileNotFoundError), match=sentence):
            merge_scores(files, out)
        assert not out.exists()


def test_the_best_cases_are_found_a_few_issue_times_at_a_time() -> None:
    sums = counted(30).sums()[["hits", "misses", "false_alarms"]]
    times = [START + (30 * n + np.arange(30)) * STEP for n in range(10)]
    scores = xr.concat([sums.assign_coords(issue_time=time) for time in times], "issue_time")
    one = scores.sel(forecaster="network", threshold=1.0)
    either = one["hits"] + one["misses"] + one["false_alarms"]
    expected = (one["hits"] / either.where(either > 0)).mean("lead_time")
    found = csi_by_issue_time(scores, "network")
    assert scores.sizes["issue_time"] > 256
    np.testing.assert_allclose(found, expected)
