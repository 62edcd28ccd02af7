"""Any CF zarr archive of reflectivity or rain on a regular grid, such as MLCast's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import xarray as xr
from zarr.storage import LocalStore, ZipStore

from pipeline.readers.cf import Variables, frames_of, names_of_fields
from pipeline.readers.refusal import ReadError, refusing

KIND = "a CF zarr archive of reflectivity or rain"
ROOTS = ("zarr.json", ".zgroup", ".zmetadata")


@refusing(KIND)
def read(path: Path) -> xr.DataArray:
    """Every frame in the archive; the fill value is missing, no rain and -32 dBZ are no echo."""
    variables, attributes = _open(path)
    if "store_version" in attributes:
        raise ReadError("expected an archive, found a store; export it with `nowcast export`")
    return frames_of(variables, path, KIND)


def recognises(path: Path) -> bool:
    """Whether it is a zarr folder, or one in a zip, with a variable of reflectivity or rain."""
    return (is_archive(path) or _is_zip(path)) and bool(names_of_fields(_open(path)[0]))


def is_archive(path: Path) -> bool:
    """Whether the folder is one zarr group, and so one file to read."""
    return any((path / name).is_file() for name in ROOTS)


def _is_zip(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _open(path: Path) -> tuple[Variables, Mapping[str, Any]]:
    """The raw variables of the group and its attributes."""
    if not (is_archive(path) or _is_zip(path)):
        path.stat()
        raise ReadError(f"expected {KIND}, found no zarr group")
    objects = LocalStore(path, read_only=True) if path.is_dir() else ZipStore(path, mode="r")
    try:
        archive = xr.open_zarr(objects, chunks=None, consolidated=False, decode_cf=False)
    except (BadZipFile, FileNotFoundError) as fault:
        raise ReadError(f"expected {KIND}, found it damaged or without a zarr group") from fault
    return cast(Variables, archive.variables), archive.attrs
