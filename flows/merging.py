"""Scores files of different issue times into one, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from flows.scores_files import ONE_AT_A_TIME, Headers, opened, opened_netcdf, read_headers
from nowcast.verification.parts import sums_of
from nowcast.verification.protocol import Protocol
from nowcast.verification.scores_file import scores_from

ROWS = 64
BLOCK = 256
COMPRESSION = {"zlib": True, "complevel": 1}
ISSUE_TIME = {"units": "seconds since 1970-01-01", "dtype": "int64"}


def merge_scores(files: Sequence[Path], out: Path, **attributes: str | float) -> Path:
    """Write one scores file of several, of different issue times: exactly that of one run over all.

    Never more than BLOCK issue times are in memory. The result appears whole or not at all.

    Args:
        files: Scores files of one protocol.
        out: The file to write; it may be among them.
        attributes: Of the result, besides those that all files share.

    Raises:
        FileNotFoundError: If a file is absent.
        ValueError: If there is no file, or they differ in protocol or share an issue time.
    """
    headers = read_headers(files)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}")
    _lay_out(files[0], headers, unfinished, attributes)
    _append(_fill(headers, unfinished), unfinished)
    with opened(unfinished) as sums:
        scores = xr.Dataset(scores_from(sums, headers.protocol.parts)).reset_coords(drop=True)
    _append(scores.drop_vars(list(scores.coords)), unfinished)
    return unfinished.replace(out)


def _append(variables: xr.Dataset, path: Path) -> None:
    encoding = dict.fromkeys(variables.data_vars, COMPRESSION)
    variables.to_netcdf(path, mode="a", engine="netcdf4", encoding=encoding)


def protocol_of(path: Path) -> Protocol:
    """The protocol that a scores file states.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is no scores file.
    """
    return read_headers([path]).protocol


def _lay_out(first: Path, headers: Headers, path: Path, attributes: dict[str, str | float]) -> None:
    """An empty file with the axes of the first, and what all files say of themselves."""
    with opened(first) as scores:
        empty = scores[_by_issue_time(headers.protocol)].isel(issue_time=slice(0)).load()
    empty.attrs = headers.shared | attributes
    path.unlink(missing_ok=True)
    empty.drop_encoding().to_netcdf(
        path,
        engine="netcdf4",
        unlimited_dims=["issue_time"],
        encoding=_encoding(empty) | {"issue_time": ISSUE_TIME},
    )


def _encoding(sums: xr.Dataset) -> dict[str, dict[str, Any]]:
    return {
        str(name): {
            **COMPRESSION,
            "chunksizes": [
                ROWS if dim == "issue_time" else max(size, 1) for dim, size in values.sizes.items()
            ],
        }
        for name, values in sums.data_vars.items()
    }


def _by_issue_time(protocol: Protocol) -> list[str]:
    return [name for name, kind in sums_of(protocol.parts).items() if not kind.pooled]


def _fill(headers: Headers, path: Path) -> xr.Dataset:
    """Copy the sums of each file to their rows; the sums of all issue times together."""
    single, pooled = _by_issue_time(headers.protocol), xr.Dataset()
    together = [name for name in sums_of(headers.protocol.parts) if name not in single]
    times = headers.every_issue_time
    with opened_netcdf(path, "a") as merged:
        with ONE_AT_A_TIME:
            merged["issue_time"][:] = times.astype("datetime64[s]").astype(np.int64)
        for file, issued in zip(headers.files, headers.issue_times, strict=True):
            rows = np.searchsorted(times, issued)
            with opened_netcdf(file) as scores, ONE_AT_A_TIME:
                for name in single:
                    _copy(scores[name], merged[name], rows)
                pooled = _added(pooled, [scores[name] for name in together], file)
    return pooled


def _copy(sums: Any, merged: Any, rows: NDArray[np.int64]) -> None:
    """Copy sums to rows of the issue times, BLOCK at once where the rows follow each other."""
    here, there = (variable.dimensions.index("issue_time") for variable in (sums, merged))
    follow = bool((np.diff(rows) == 1).all())
    for first in range(0, rows.size, BLOCK):
        last = min(first + BLOCK, rows.size)
        values = sums[(*[slice(None)] * here, slice(first, last))]
        order = [sums.dimensions.index(dim) for dim in merged.dimensions]
        values, before = values.transpose(order), [slice(None)] * there
        if follow:
            merged[(*before, slice(int(rows[first]), int(rows[last - 1]) + 1))] = values
            continue
        for row, value in zip(rows[first:last], np.moveaxis(values, there, 0), strict=True):
            merged[(*before, int(row))] = value


def _added(pooled: xr.Dataset, variables: Sequence[Any], path: Path) -> xr.Dataset:
    held = xr.Dataset(
        {
            variable.name: (
                variable.dimensions,
                variable[:],
                {name: variable.getncattr(name) for name in variable.ncattrs()},
            )
            for variable in variables
        }
    )
    if not pooled.data_vars:
        return held
    if pooled.sizes != held.sizes:
        raise ValueError(
            f"{path}: expected maps of {dict(pooled.sizes)} cells, found {dict(held.sizes)}; "
            "maps of one grid alone add"
        )
    return pooled.assign({n: pooled[n].copy(data=pooled[n] + held[n]) for n in pooled})
