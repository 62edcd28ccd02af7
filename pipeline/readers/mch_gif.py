"""Rain accumulations of MeteoSwiss: GIF whose palette index is a logarithmic count."""

from __future__ import annotations

import io
import re
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image
from pyproj import CRS

from pipeline.frames import Grid, make_frames
from pipeline.readers.refusal import ReadError, refusing
from pipeline.reflectivity import NO_ECHO, ZR

KIND = "a MeteoSwiss GIF file"
RELATION = ZR(316, 1.5)
SHAPE = (640, 710)
MISSING = 255
DRY = [0, 1, 251, 252, 253, 254]
MINUTES = 5

# index i is (10^((i - 71.5)/20) / 316)^(1/1.5) mm in five minutes
DBZ = (np.arange(256) - 71.5) / 2 + 10 * RELATION.b * np.log10(60 / MINUTES)
DBZ = DBZ.astype(np.float32)
DBZ[DRY] = NO_ECHO
DBZ[MISSING] = np.nan

STAMP = re.compile(r"AQC(\d{2})(\d{3})(\d{2})(\d{2})")


@refusing(KIND)
def read(path: Path) -> xr.DataArray:
    """One frame; index 255 is missing, 0, 1 and 251 to 254 are no echo.

    The time is that of the file's comment; of the file's name where there is no comment.
    """
    content = path.read_bytes()
    if not content.endswith(b";"):
        raise ReadError(f"expected {KIND}, found no end mark: truncated or not a GIF")
    with Image.open(io.BytesIO(content), formats=("GIF",)) as image:
        if image.size != SHAPE[::-1] or image.mode != "P":
            found = f"{image.height} × {image.width} in mode {image.mode}"
            raise ReadError(f"expected {SHAPE[0]} × {SHAPE[1]} pixels of a palette, found {found}")
        comment = image.info.get("comment", b"").decode("latin-1")
        counts = np.asarray(image)
    _check_quantity(comment)
    return make_frames(
        np.take(DBZ, counts)[np.newaxis],
        [_valid_time(comment, path)],
        _grid(),
        source_quantity="rain accumulation, mm in 5 min",
        zr=RELATION,
    )


def recognises(path: Path) -> bool:
    """Whether it is a GIF of MeteoSwiss's size with a palette."""
    with path.open("rb") as file:
        head = file.read(13)
    size = (int.from_bytes(head[8:10], "little"), int.from_bytes(head[6:8], "little"))
    return head[:6] in (b"GIF87a", b"GIF89a") and size == SHAPE and head[10] & 0x80 != 0


def _check_quantity(comment: str) -> None:
    for name, wanted in (("PRDT", "AQC"), ("ACCUm", f"{MINUTES:06}")):
        found = re.search(rf"\b{name}=(\S*)", comment)
        if found and not found[1].startswith(wanted):
            raise ReadError(f"expected {name}={wanted} in the comment, found {found[1]!r}")


def _valid_time(comment: str, path: Path) -> np.datetime64:
    stamp = STAMP.search(comment) or STAMP.search(path.name)
    if stamp is None:
        raise ReadError(
            "expected the time as AQC, YYjjjHHMM in the file's comment or name, found it in neither"
        )
    year, day, hour, minute = (int(part) for part in stamp.groups())
    if not (1 <= day <= 366 and hour < 24 and minute < 60):
        raise ReadError(f"expected the time as AQC, YYjjjHHMM, found {stamp[0]!r}")
    start = datetime(2000 + year, 1, 1)
    return np.datetime64(start + timedelta(days=day - 1, hours=hour, minutes=minute))


@lru_cache(maxsize=1)
def _grid() -> Grid:
    """Swiss CH1903 / LV03."""
    return Grid.from_corner(SHAPE, 255_000, 480_000, (1000, 1000), CRS.from_epsg(21781))
