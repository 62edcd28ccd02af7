"""Any CF netCDF-4 file of reflectivity or rain on a regular grid, among them our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from pipeline.readers.cf import frames_of, names_of_fields
from pipeline.readers.hdf5 import BARE_DIMENSION, attributes, dimensions, is_hdf5
from pipeline.readers.refusal import ReadError, refusing

KIND = "a CF netCDF-4 file of reflectivity or rain"


@refusing(KIND)
def read(path: Path) -> xr.DataArray:
    """Every frame in the file; the fill value is missing, no rain and -32 dBZ are no echo."""
    if _is_classic(path):
        raise ReadError("expected netCDF-4, found netCDF classic; convert it with nccopy -k nc4")
    with h5py.File(path) as file:
        return frames_of(_variables(file), path, KIND)


def recognises(path: Path) -> bool:
    """Whether it is netCDF with a variable of reflectivity or rain."""
    if not is_hdf5(path):
        return _is_classic(path)
    with h5py.File(path) as file:
        return bool(names_of_fields(_variables(file)))


def _is_classic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == b"CDF"


def _variables(file: h5py.File) -> dict[str, xr.Variable]:
    return {
        name: xr.Variable(
            dimensions(dataset),
            indexing.LazilyIndexedArray(VariableOnDisk(dataset)),
            attributes(dataset),
        )
        for name, dataset in file.items()
        if isinstance(dataset, h5py.Dataset)
        and BARE_DIMENSION not in dataset.attrs.get("NAME", b"")
    }


class VariableOnDisk(BackendArray):
    """One variable of a file, which is opened again where it has been closed."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.shape, self.dtype = dataset.shape, dataset.dtype
        self._path, self._name, self._dataset = dataset.file.filename, dataset.name, dataset

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        if self._dataset:
            return self._dataset[key]
        with h5py.File(self._path) as file:
            return file[self._name][key]
