"""Scores files of different issue times into one, however many there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.verification.parts import sums_of
from nowcast.verification.protocol import Protocol
from nowcast.verification.scores_file import scores_from
from pipeline.clock import clock

ROWS = 64
COMPRESSION = {"zlib": True, "complevel": 1}
ISSUE_TIME = {"units": "seconds since 1970-01-01", "dtype": "int64"}
OF_A_PART = ("seconds", "made_by", "frames_fingerprint")


@dataclass(frozen=True)
class _Header:
    path: Path
    protocol: Protocol
    issue_times: NDArray[np.datetime64]
    attributes: dict[str, Any]


def merge_scores(files: Sequence[Path], out: Path, **attributes: str | float) -> Path:
    """Write one scores file of several, of different issue times: exactly that of one run over all.

    Never more than one of the files is in memory. The result appears whole or not at all.

    Args:
        files: Scores files of one protocol.
        out: The file to write; it may be among them.
        attributes: Of the result; those that all files share are kept.

    Raises:
        FileNotFoundError: If a file is absent.
        ValueError: If there is no file, or they differ in protocol or share an issue time.
    """
    headers = [_header(path) for path in files]
    if not headers:
        raise ValueError("merge: expected at least one scores file, found none")
    _check(headers)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}")
    times = np.sort(np.concatenate([header.issue_times for header in headers]))
    _lay_out(headers, unfinished, attributes)
    pooled = _fill(headers, times, unfinished)
    _append(pooled, unfinished)
    with xr.open_dataset(unfinished, decode_timedelta=False, cache=False) as sums:
        scores = xr.Dataset(scores_from(sums, headers[0].protocol.parts)).reset_coords(drop=True)
    _append(scores.drop_vars(list(scores.coords)), unfinished)
    return unfinished.replace(out)


def _append(variables: xr.Dataset, path: Path) -> None:
    encoding = dict.fromkeys(variables.data_vars, COMPRESSION)
    variables.to_netcdf(path, mode="a", engine="netcdf4", encoding=encoding)


@contextmanager
def opened(path: Path) -> Iterator[xr.Dataset]:
    """A scores file, read as far as it is used.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is none.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no scores file here")
    try:
        scores = xr.open_dataset(path, engine="netcdf4", decode_timedelta=False, cache=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: expected a scores file in netCDF-4") from error
    with scores:
        yield scores


def protocol_of(path: Path) -> Protocol:
    """The protocol that a scores file states.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is no scores file.
    """
    return _header(path).protocol


def _header(path: Path) -> _Header:
    with opened(path) as scores:
        try:
            protocol = Protocol.of(scores)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        times = scores["issue_time"].to_numpy().astype("datetime64[ns]")
        return _Header(path, protocol, times, scores.attrs)


def _check(headers: Sequence[_Header]) -> None:
    first = headers[0]
    held: dict[np.datetime64, Path] = {}
    for header in headers:
        difference = first.protocol.difference(header.protocol)
        if difference:
            raise ValueError(
                f"{header.path}: expected {difference}; only scores of one protocol merge"
            )
        for time in header.issue_times:
            if time in held:
                raise ValueError(
                    f"{header.path}: issue time {clock(time)} is in {held[time]} too; count it once"
                )
            held[time] = header.path


def _lay_out(headers: Sequence[_Header], path: Path, attributes: dict[str, str | float]) -> None:
    """An empty file with the axes of the first, and what all files say of themselves."""
    shared = Counter(
        (name, json.dumps(value, default=str))
        for header in headers
        for name, value in header.attributes.items()
    )
    with opened(headers[0].path) as scores:
        names = _by_issue_time(headers[0].protocol)
        empty = scores[names].isel(issue_time=slice(0)).load()
    kept = {
        name: value
        for name, value in headers[0].attributes.items()
        if name not in OF_A_PART and shared[name, json.dumps(value, default=str)] == len(headers)
    }
    empty.attrs = kept | attributes
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


def _fill(headers: Sequence[_Header], times: NDArray[np.datetime64], path: Path) -> xr.Dataset:
    """Copy the sums of each file to their rows; the sums of all issue times together."""
    pooled = xr.Dataset()
    single = _by_issue_time(headers[0].protocol)
    together = [name for name in sums_of(headers[0].protocol.parts) if name not in single]
    with netCDF4.Dataset(path, "a") as merged:
        merged.set_auto_maskandscale(False)
        merged["issue_time"][:] = times.astype("datetime64[s]").astype(np.int64)
        held = [header for header in headers if header.issue_times.size]
        for header in sorted(held, key=lambda header: int(header.issue_times[0].astype(int))):
            rows = np.searchsorted(times, header.issue_times)
            with opened(header.path) as scores:
                for name in single:
                    _put(merged[name], rows, scores[name])
                pooled = _added(pooled, scores[together].load(), header.path)
    return pooled.drop_vars(list(pooled.coords)).drop_encoding().drop_attrs(deep=False)


def _put(variable: Any, rows: NDArray[np.int64], sums: xr.DataArray) -> None:
    """Write sums at rows of the issue times, all at once where the rows follow each other."""
    place = variable.dimensions.index("issue_time")
    before = (slice(None),) * place
    values = sums.transpose(*variable.dimensions).to_numpy()
    if np.array_equal(rows, np.arange(rows[0], rows[0] + rows.size)):
        variable[(*before, slice(int(rows[0]), int(rows[0]) + rows.size))] = values
        return
    for row, value in zip(rows, np.moveaxis(values, place, 0), strict=True):
        variable[(*before, int(row))] = value


def _added(here: xr.Dataset, there: xr.Dataset, path: Path) -> xr.Dataset:
    if not here.data_vars:
        return there
    if here.sizes != there.sizes:
        raise ValueError(
            f"{path}: expected maps of {dict(here.sizes)} cells, found {dict(there.sizes)}; "
            "maps of one grid alone add"
        )
    return here.assign({name: here[name].copy(data=here[name] + there[name]) for name in here})
