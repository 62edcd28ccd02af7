"""Scores files on disk, of which no more is in memory than what is used."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from nowcast.verification.protocol import Protocol
from pipeline.clock import clock

# netCDF is not safe for threads; xarray takes the same lock
ONE_AT_A_TIME: Any = NETCDF4_PYTHON_LOCK
OF_A_PART = ("seconds", "made_by", "frames_fingerprint")

Times = NDArray[np.datetime64]


@contextmanager
def opened(path: Path) -> Iterator[xr.Dataset]:
    """A scores file, read as far as it is used.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is none.
    """
    with opened_netcdf(path) as held:
        make_store: Any = xr.backends.NetCDF4DataStore
        yield xr.open_dataset(make_store(held), decode_timedelta=False, cache=False)


@contextmanager
def opened_netcdf(path: Path, mode: Literal["r", "a"] = "r") -> Iterator[Any]:
    """The same as a netCDF4.Dataset, values as they are stored; to be used under ONE_AT_A_TIME."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no scores file here")
    with ONE_AT_A_TIME:
        try:
            held = netCDF4.Dataset(path, mode)
        except OSError as error:
            raise ValueError(f"{path}: expected a scores file in netCDF-4") from error
        held.set_auto_maskandscale(False)
        for variable in held.variables.values():
            _keep_two_chunks(variable)
    try:
        yield held
    finally:
        with ONE_AT_A_TIME:
            held.close()


def _keep_two_chunks(variable: Any) -> None:
    """NetCDF keeps up to 64 MB of every variable otherwise."""
    shape = variable.chunking()
    if isinstance(shape, list) and variable.dtype is not str:
        variable.set_var_chunk_cache(2 * math.prod(shape) * variable.dtype.itemsize)


@dataclass(frozen=True)
class Headers:
    """What several scores files of one protocol and of different issue times say of themselves.

    Args:
        files: In the order of their first issue times; those without any left out.
        protocol: Of all.
        issue_times: Of each file, in its own order.
        shared: Attributes that all have.
    """

    files: tuple[Path, ...]
    protocol: Protocol
    issue_times: tuple[Times, ...]
    shared: dict[str, Any]

    @property
    def every_issue_time(self) -> Times:
        """Those of all files, in order."""
        return np.sort(np.concatenate([np.empty(0, "datetime64[ns]"), *self.issue_times]))


def read_headers(files: Sequence[Path]) -> Headers:
    """The headers of scores files.

    Raises:
        FileNotFoundError: If a file is absent.
        ValueError: If there is no file, or they differ in protocol or share an issue time.
    """
    if not files:
        raise ValueError("merge: expected at least one scores file, found none")
    shared, held = read_header(files[0])
    protocol, times = _protocol(shared, files[0]), [held]
    stated = {name: shared[name] for name in ("protocol", "protocol_id")}
    for path in files[1:]:
        attributes, held = read_header(path)
        if {name: attributes.get(name) for name in stated} != stated:
            difference = protocol.difference(_protocol(attributes, path))
            if difference:
                raise ValueError(
                    f"{path}: expected {difference}; only scores of one protocol merge"
                )
        absent = object()
        shared = {n: v for n, v in shared.items() if _same(attributes.get(n, absent), v)}
        times.append(held)
    _refuse_twice(files, times)
    kept = {name: value for name, value in shared.items() if name not in OF_A_PART}
    filled = [place for place in range(len(files)) if times[place].size]
    order = sorted(filled, key=lambda place: int(times[place][0].astype(np.int64)))
    return Headers(tuple(files[n] for n in order), protocol, tuple(times[n] for n in order), kept)


def read_header(path: Path) -> tuple[dict[str, Any], Times]:
    """Attributes and issue times of a scores file, as they lie in it.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is none.
    """
    with opened_netcdf(path) as held, ONE_AT_A_TIME:
        attributes = {name: held.getncattr(name) for name in held.ncattrs()}
        axis = held.variables.get("issue_time")
        if axis is None or "units" not in axis.ncattrs():
            raise ValueError(f"{path}: expected a scores file, found no issue_time")
        coded = xr.Variable("issue_time", axis[:], {"units": axis.units})
    decoded = xr.conventions.decode_cf_variable("issue_time", coded)
    return attributes, decoded.to_numpy().astype("datetime64[ns]")


def _protocol(attributes: dict[str, Any], path: Path) -> Protocol:
    try:
        return Protocol.of(xr.Dataset(attrs=attributes))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _same(here: object, there: object) -> bool:
    return json.dumps(here, default=str) == json.dumps(there, default=str)


def _refuse_twice(files: Sequence[Path], times: Sequence[Times]) -> None:
    every = np.concatenate(times)
    of = np.repeat(np.arange(len(files)), [held.size for held in times])
    order = np.argsort(every, kind="stable")
    twice = np.flatnonzero(np.diff(every[order]) == np.timedelta64(0))
    if not twice.size:
        return
    first = min(twice, key=lambda place: int(of[order[place + 1]]))
    here, there = (files[of[order[place]]] for place in (first + 1, first))
    raise ValueError(
        f"{here}: issue time {clock(every[order[first]])} is in {there} too; count it once"
    )
