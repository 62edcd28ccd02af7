from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nowcast.report.colours import (
    CLASSIC,
    EDGES_DBZ,
    MAP_COLOUR,
    MISSING_COLOUR,
    PALETTES,
    SOUND,
    Palette,
    classify,
    rgba,
)
from nowcast.report.maps import png
from pipeline.batch import NO_ECHO


def test_colour_of_a_known_reflectivity_is_its_class() -> None:
    dbz = np.array([[NO_ECHO, 4.99, 5.0], [37.2, 60.0, 75.0]])
    assert classify(dbz).tolist() == [[0, 0, 1], [7, 12, 12]]
    colours = rgba(dbz, CLASSIC)
    assert colours.dtype == np.uint8
    assert colours.shape == (2, 3, 4)
    assert colours[1, 0].tolist() == [0xFD, 0xF8, 0x02, 255]
    assert rgba(dbz)[0, 2].tolist() == [0x7F, 0xEB, 0xEB, 255]


def test_missing_is_grey_and_no_echo_transparent() -> None:
    missing, dry = rgba(np.array([np.nan, NO_ECHO]))
    assert missing.tolist() == [0xB4, 0xB4, 0xB0, 255]
    assert dry[3] == 0


def test_picture_holds_the_same_colours() -> None:
    dbz = np.float32([[np.nan, NO_ECHO, 12], [27, 44.9, 61]])
    for palette in PALETTES.values():
        picture = Image.open(io.BytesIO(png(dbz, palette)))
        np.testing.assert_array_equal(np.asarray(picture.convert("RGBA")), rgba(dbz, palette))


def test_each_class_has_its_colour() -> None:
    assert all(len(set(held.colours)) == len(EDGES_DBZ) for held in PALETTES.values())


# Machado, Oliveira and Fernandes, 2009, IEEE TVCG 15, 1291-1298: severity 1
VISIONS = {
    "full": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(palette: Palette, vision: str) -> np.ndarray:
    colours = (*palette.colours, MISSING_COLOUR, MAP_COLOUR)
    rgb = np.array([list(bytes.fromhex(colour[1:])) for colour in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VISIONS[vision]).T, 0, 1)
    to_xyz = [[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07218], [0.01933, 0.11919, 0.9503]]
    xyz = seen @ np.array(to_xyz).T / (0.95047, 1, 1.08883)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_keep_their_order_for_every_kind_of_vision(vision: str) -> None:
    colours = lab(SOUND, vision)
    assert np.all(np.diff(colours[: len(EDGES_DBZ), 0]) < -2)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert apart[~np.eye(len(colours), dtype=bool)].min() > 5
