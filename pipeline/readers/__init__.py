"""One file a format, one function each: read(path) -> frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import xarray as xr

from pipeline.readers import bom_netcdf, cf_netcdf, cf_zarr, fmi_pgm, knmi_hdf5, mch_gif
from pipeline.readers.cf_zarr import is_archive
from pipeline.readers.refusal import ReadError, refusing


class Format(Protocol):
    """What the module of a format offers."""

    def read(self, path: Path) -> xr.DataArray:
        """Frames as `make_frames` returns them; ValueError in one sentence if it cannot."""

    def recognises(self, path: Path) -> bool:
        """Whether the file's own first bytes or attributes tell of this format."""


__all__ = ["FORMATS", "READERS", "Format", "Reader", "is_archive", "sniff"]

Reader = Callable[[Path], xr.DataArray]

FORMATS: dict[str, Format] = {
    "fmi_pgm": fmi_pgm,
    "mch_gif": mch_gif,
    "knmi_hdf5": knmi_hdf5,
    "bom_netcdf": bom_netcdf,
    "cf_netcdf": cf_netcdf,
    "cf_zarr": cf_zarr,
}
FOLDERS = {"cf_zarr"}
READERS: dict[str, Reader] = {name: form.read for name, form in FORMATS.items()}


@refusing("a radar file")
def sniff(path: Path) -> str:
    """Name of the reader that fits, found from the content of the file or zarr folder.

    Raises:
        ValueError: If the file is empty, damaged, or of no format known here.
    """
    for name, form in FORMATS.items():
        if (path.is_file() or name in FOLDERS) and form.recognises(path):
            return name
    raise ReadError(f"expected one of the formats {sorted(FORMATS)}, found none of them")
