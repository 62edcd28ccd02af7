"""Which mask belongs to which picture of a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipeline.image_decoding import SUFFIXES
from pipeline.image_folders import PARTS
from pipeline.masks.decoding import Header, Page, read_header

PICTURES = ("images", "image", "imgs")
MASKS = ("labels", "label", "masks", "mask")
ENDINGS = ("", "_mask", "_masks", "_label", "_labels")
OBSERVED = re.compile(r"(?P<stem>.*\d[LR])_(?P<observer>1st|2nd)HO")
EYE = re.compile(r"(?P<person>.*\d)[-_]?(?:L|R|OS|OD)")
NAMED = 5


@dataclass(frozen=True)
class MaskPair:
    """A picture, its mask, and what a second observer drew.

    Args:
        name: The picture's file without its ending, and the page of a stack.
        part: "train", "validation" or "test" where the folder says so, else "".
        header: Of the picture.
        deep: Whether the mask has more than 8 bits.
    """

    name: str
    picture: Page
    mask: Page
    second: Page | None
    part: str
    header: Header
    deep: bool


def find_pairs(folder: Path) -> tuple[MaskPair, ...]:
    """The pictures of a folder with their masks, in the order of their names.

    A folder holds images|image and labels|label|masks|mask with equal names, perhaps below
    train, validation and test; or pictures NAME beside masks NAME_1stHO and NAME_2ndHO.

    Raises:
        ValueError: If there is no picture, or one lacks its mask or is of another size.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder of images and masks, found none")
    parts = {path: PARTS.get(path.name.lower(), "") for path in _folders(folder)}
    homes = {path: part for path, part in parts.items() if part and _subfolder(path, PICTURES)}
    found: list[MaskPair] = []
    for home, part in (homes or {folder: ""}).items():
        found += _pairs_in(home, part)
    return tuple(found)


def person_of(name: str) -> str | None:
    """Whose eye a picture shows, by a name that ends in L or R behind a number."""
    match = EYE.fullmatch(name)
    return match["person"] if match else None


def are_slices(pairs: tuple[MaskPair, ...]) -> bool:
    """Whether pictures are neighbours: pages, or numbers without a gap, all of one size."""
    if len(pairs) < 2 or len({pair.header.size for pair in pairs}) > 1:
        return False
    if all(pair.picture.stacked for pair in pairs):
        return True
    names = [pair.name for pair in pairs]
    if not all(name.isdecimal() for name in names):
        return False
    return all(b - a == 1 for a, b in pairwise(map(int, names)))


def _pairs_in(folder: Path, part: str) -> Iterator[MaskPair]:
    pictures, masks = _subfolder(folder, PICTURES), _subfolder(folder, MASKS)
    if pictures is None:
        observed = {m["stem"]: path for path in _files(folder) if (m := _observed(path, "1st"))}
        if observed:
            yield from _observed_pairs(folder, observed)
            return
        raise ValueError(
            f"{folder}: expected folders images and labels (or masks) with files of equal names, "
            f"found no images folder; put the pictures into {folder / 'images'}"
        )
    if masks is None:
        raise ValueError(
            f"{folder}: expected masks beside {pictures.name} in one of {list(MASKS)}, found none"
        )
    files = sorted(_files(pictures), key=_order)
    if not files:
        raise ValueError(
            f"{pictures}: expected images ({', '.join(sorted(SUFFIXES))}), found no images"
        )
    by_stem = {path.stem: path for path in _files(masks)}
    seconds = _subfolder(folder, ("labels2", "second"))
    second_by_stem = {path.stem: path for path in _files(seconds)} if seconds else {}
    yield from _matched(files, by_stem, second_by_stem, masks, part)


def _matched(
    files: list[Path], masks: dict[str, Path], seconds: dict[str, Path], place: Path, part: str
) -> Iterator[MaskPair]:
    chosen = {path: _of_stem(path.stem, masks) for path in files}
    missing = [path.name for path, mask in chosen.items() if mask is None]
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise ValueError(
            f"{place}: expected a mask for every image, found no mask for image "
            f"{', '.join(missing[:NAMED])}{more}; give the mask the image's name"
        )
    for path, mask in chosen.items():
        if mask is not None:
            yield from _pages(path.stem, path, mask, _of_stem(path.stem, seconds), part)


def _observed_pairs(folder: Path, observed: dict[str, Path]) -> Iterator[MaskPair]:
    seconds = {m["stem"]: path for path in _files(folder) if (m := _observed(path, "2nd"))}
    pictures = [path for path in _files(folder) if not OBSERVED.fullmatch(path.stem)]
    yield from _matched(sorted(pictures, key=_order), observed, seconds, folder, "")


def _pages(
    stem: str, picture: Path, mask: Path, second: Path | None, part: str
) -> Iterator[MaskPair]:
    header, other = read_header(picture), read_header(mask)
    for path, found in ((mask, other), *(((second, read_header(second)),) if second else ())):
        if found.size != header.size or found.pages != header.pages:
            raise ValueError(
                f"{path}: expected a mask of {_extent(header)} as the image {picture.name} has, "
                f"found {_extent(found)}; sizes must be the same"
            )
    stacked = header.pages > 1
    for number in range(header.pages):
        yield MaskPair(
            name=f"{stem} {number:0{len(str(header.pages - 1))}d}" if stacked else stem,
            picture=Page(picture, number, stacked),
            mask=Page(mask, number, stacked),
            second=Page(second, number, stacked) if second else None,
            part=part,
            header=header,
            deep=other.deep,
        )


def _extent(header: Header) -> str:
    height, width = header.size
    return f"{height} × {width}" + (f" on {header.pages} pages" if header.pages > 1 else "")


def _of_stem(stem: str, files: dict[str, Path]) -> Path | None:
    return next((files[stem + end] for end in ENDINGS if stem + end in files), None)


def _observed(path: Path, observer: str) -> re.Match[str] | None:
    match = OBSERVED.fullmatch(path.stem)
    return match if match and match["observer"] == observer else None


def _order(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdecimal() else -1), path.name


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    below = {path.name.lower(): path for path in _folders(folder)}
    return next((below[name] for name in names if name in below), None)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _files(folder: Path) -> list[Path]:
    shown = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in shown if path.suffix.lower() in SUFFIXES)
