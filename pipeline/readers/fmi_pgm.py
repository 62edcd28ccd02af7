"""Reflectivity composites of the Finnish Meteorological Institute: PGM, gzipped or plain."""

from __future__ import annotations

import gzip
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr
from pyproj import CRS, Proj

from pipeline.frames import Grid, make_frames
from pipeline.readers.refusal import ReadError, refusing
from pipeline.reflectivity import ZR

KIND = "an FMI PGM file"
RELATION = ZR(223, 1.53)
MISSING = 255
# the sphere on which the corners and metersperpixel of the header agree to a millimetre
EARTH_RADIUS_M = 6_371_288

DBZ = ((np.arange(256) - 64) / 2).astype(np.float32)
DBZ[MISSING] = np.nan

HEADER = re.compile(rb"P5\s((?:#[^\n]*\n)+)\s*(\d+)\s+(\d+)\s+(\d+)\s")


@refusing(KIND)
def read(path: Path) -> xr.DataArray:
    """One frame, dBZ as measured; count 255 is missing, count 0 is no echo."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    header = HEADER.match(content)
    if header is None:
        raise ReadError("expected a binary PGM (P5) with FMI's comment lines, found another header")
    width, height, largest = (int(number) for number in header.groups()[1:])
    if largest != MISSING:
        raise ReadError(f"expected 8-bit counts up to {MISSING}, found up to {largest}")
    if len(content) - header.end() != width * height:
        raise ReadError(
            f"expected {height} × {width} pixels, found {len(content) - header.end()} bytes of them"
        )
    notes = _notes(header[1])
    counts = np.frombuffer(content, np.uint8, offset=header.end())
    return make_frames(
        np.take(DBZ, counts).reshape(1, height, width),
        [_valid_time(notes)],
        _grid((height, width), notes["bottomleft"], notes["topright"], _projection(notes)),
        source_quantity="reflectivity, dBZ",
        zr=RELATION,
    )


def recognises(path: Path) -> bool:
    """Whether it is a PGM whose comments name an obstime and a producttype."""
    with path.open("rb") as file:
        magic = file.read(2)
    if magic not in (b"\x1f\x8b", b"P5"):
        return False
    with gzip.open(path) if magic != b"P5" else path.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"P5") and b"# obstime " in head and b"# producttype " in head


def _notes(comments: bytes) -> dict[str, str]:
    lines = (line.lstrip("# ").split(maxsplit=1) for line in comments.decode("ascii").splitlines())
    notes = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    wanted = {"obstime", "param", "type", "bottomleft", "topright"}
    if not wanted <= notes.keys():
        raise ReadError(f"expected comments {sorted(wanted)}, found no {sorted(wanted - {*notes})}")
    if "reflectivity" not in notes["param"].lower():
        raise ReadError(f"expected a reflectivity, found the quantity {notes['param']!r}")
    return notes


def _valid_time(notes: dict[str, str]) -> np.datetime64:
    try:
        return np.datetime64(datetime.strptime(notes["obstime"], "%Y%m%d%H%M"))
    except ValueError as error:
        raise ReadError(f"expected obstime YYYYmmddHHMM, found {notes['obstime']!r}") from error


def _projection(notes: dict[str, str]) -> tuple[float, float, float]:
    if notes["type"] != "stereographic":
        raise ReadError(f"expected a stereographic projection, found {notes['type']!r}")
    names = ("centrallatitude", "centrallongitude", "truelatitude")
    latitude, longitude, true_latitude = (float(notes[name]) for name in names)
    return latitude, longitude, true_latitude


@lru_cache(maxsize=4)
def _grid(
    shape: tuple[int, int], south_west: str, north_east: str, centre: tuple[float, float, float]
) -> Grid:
    crs = CRS.from_dict(
        {
            "proj": "stere",
            "lat_0": centre[0],
            "lon_0": centre[1],
            "lat_ts": centre[2],
            "R": EARTH_RADIUS_M,
            "units": "m",
        }
    )
    project = Proj(crs)
    corners = [[float(degrees) for degrees in text.split()] for text in (south_west, north_east)]
    (west, south), (east, north) = (project(longitude, latitude) for longitude, latitude in corners)
    pixel = ((east - west) / shape[1], (north - south) / shape[0])
    return Grid.from_corner(shape, west, north, pixel, crs)
