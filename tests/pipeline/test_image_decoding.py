from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from image_samples import encoded, pixels
from PIL import Image

from pipeline.image_decoding import Frame, conform, decode, header

COLOURS = Image.fromarray(pixels(9, 13, 3))
GREY = Image.fromarray(pixels(9, 13))


def plain(image: Image.Image) -> np.ndarray:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("image", [COLOURS, GREY], ids=["RGB", "L"])
def test_a_lossless_picture_is_decoded_as_it_is(kind: str, image: Image.Image) -> None:
    found = decode(encoded(image, kind), "x", Frame())
    np.testing.assert_array_equal(found, plain(image))
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("I;16", 1)],
)
@pytest.mark.parametrize("wanted", [None, 1, 3])
def test_every_mode_becomes_grey_or_colour(mode: str, channels: int, wanted: int | None) -> None:
    image = GREY.convert("I").convert(mode) if mode == "I;16" else COLOURS.convert(mode)
    content = encoded(image)
    assert decode(content, "x", Frame(channels=wanted)).shape == (wanted or channels, 9, 13)
    assert header(io.BytesIO(content)) == (channels, 9, 13)


def test_sixteen_bits_keep_their_upper_eight() -> None:
    deep = np.arange(99, 65536, 256, dtype=np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        found = decode(encoded(Image.fromarray(deep), kind), "x", Frame())
        np.testing.assert_array_equal(found[0], np.arange(256).reshape(16, 16))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_samples_without_a_range_are_refused(mode: str) -> None:
    with pytest.raises(ValueError, match=f"a.tif: .*found samples of mode '{mode}', of which no r"):
        decode(encoded(GREY.convert(mode), "TIFF"), "a.tif", Frame())


def test_transparent_parts_become_white() -> None:
    image = Image.new("RGBA", (4, 2), (200, 100, 0, 0))
    image.putpixel((1, 1), (200, 100, 0, 255))
    found = decode(encoded(image), "x", Frame())
    assert found[:, 1, 1].tolist() == [200, 100, 0]
    found[:, 1, 1] = 255
    assert (found == 255).all()
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    see_through = decode(encoded(palette, transparency=0), "x", Frame())
    assert see_through[:, 0].T.tolist() == [[255, 255, 255], [40, 50, 60]]


def test_cmyk_becomes_its_colours() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        red = decode(encoded(cmyk, kind), "x", Frame())
        assert np.abs(red.mean((1, 2)) - [255, 0, 0]).max() < 3
    assert decode(encoded(cmyk, "JPEG"), "x", Frame(channels=1)).shape == (1, 16, 16)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_as_its_exif_says(orientation: int) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = COLOURS.transpose(turns[orientation]) if orientation > 1 else COLOURS
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(stored, exif=exif)
    np.testing.assert_array_equal(decode(content, "x", Frame()), plain(COLOURS))
    assert header(io.BytesIO(content)) == (3, 9, 13)


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (40, 40), (1, 200), (3, 2)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("framing", ["crop", "squeeze"])
def test_every_shape_becomes_the_square_asked_for(
    shape: tuple[int, int], kind: str, framing: Any
) -> None:
    content = encoded(Image.fromarray(pixels(*shape, 3)), kind)
    assert decode(content, "x", Frame(20, framing=framing)).shape == (3, 20, 20)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_crop_keeps_the_centre_and_a_squeeze_all(kind: str) -> None:
    wide = np.zeros((40, 120), np.uint8)
    wide[:, 40:80] = 200
    content = encoded(Image.fromarray(wide), kind)
    crop = decode(content, "x", Frame(20))[0].astype(int)
    assert abs(crop[:, 1:-1] - 200).max() <= 3
    squeeze = decode(content, "x", Frame(20, framing="squeeze"))[0].astype(int)
    assert abs(squeeze[:, :5]).max() <= 5
    assert abs(squeeze[:, 9:11] - 200).max() <= 5


@pytest.mark.parametrize("framing", ["crop", "squeeze"])
def test_making_a_picture_smaller_averages_it(framing: Any) -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 200).astype(np.uint8)
    small = decode(encoded(Image.fromarray(board)), "x", Frame(16, framing=framing))
    assert abs(small.astype(int) - 100).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_a_cut_off_file_is_refused_by_name(kind: str, share: float) -> None:
    content = encoded(Image.fromarray(pixels(64, 64, 3)), kind)
    with pytest.raises(ValueError, match=r"^cats/7: expected a whole image \(JPEG.*skip broken im"):
        decode(content[: int(share * len(content))], "cats/7", Frame())


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(1000)])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"x: expected a whole image .*, found no image; replace"):
        decode(content, "x", Frame())
    assert header(io.BytesIO(content)) is None


def test_a_picture_that_would_burst_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"expected a whole image .*found Image size .* exceeds"):
        decode(encoded(COLOURS), "x", Frame())


def test_of_an_animation_the_first_picture_counts() -> None:
    first, second = Image.new("L", (5, 5), 0), Image.new("L", (5, 5), 250)
    content = encoded(first, "GIF", save_all=True, append_images=[second])
    assert decode(content, "x", Frame(channels=1)).max() == 0


def test_what_conforms_already_is_not_copied() -> None:
    picture = pixels(3, 8, 8)
    for frame in (Frame(), Frame(8, 3), Frame(channels=3)):
        assert conform(picture, frame) is picture
    wide = pixels(1, 8, 12)
    assert conform(wide, Frame()) is wide
    assert conform(wide, Frame(8)).shape == (1, 8, 8)
    np.testing.assert_array_equal(conform(wide, Frame(8)), wide[:, :, 2:10])
    assert conform(wide, Frame(channels=3)).shape == (3, 8, 12)
