from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from image_samples import idx_bytes, pixels, write_idx_set

from pipeline.idx import read_idx, read_labelled
from pipeline.images import ImageLoader, ImageSet


@pytest.mark.parametrize("shape", [(5,), (4, 3, 2), (0, 28, 28), (2, 3, 4, 5)])
@pytest.mark.parametrize("zipped", [True, False])
def test_an_array_reads_back_as_it_was_written(
    shape: tuple[int, ...], zipped: bool, tmp_path: Path
) -> None:
    array, path = pixels(*shape), tmp_path / "array"
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if zipped else content)
    np.testing.assert_array_equal(read_idx(path), array)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"unsigned bytes \(0x0000080n\), found it begins with 0x$"),
        (b"\0\0\x0d\x03" + bytes(12), "found it begins with 0x00000d03"),
        (b"PNG!" + bytes(12), "found it begins with 0x504e4721"),
        (b"\0\0\x08\x03" + bytes(5), "expected an IDX header of 16 bytes, it ends"),
        (
            idx_bytes(pixels(3, 2))[:-1],
            r"expected 6 bytes for an array of \(3, 2\), found 5; fetch",
        ),
        (idx_bytes(pixels(3, 2)) + b"!", r"expected 6 bytes .*, found more; fetch it again"),
        (gzip.compress(idx_bytes(pixels(99, 99)))[:500], "expected an IDX file, found .*; fetch"),
        (b"\x1f\x8b nonsense", "expected an IDX file, found .*; fetch it again"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as refusal:
        read_idx(path)
    assert str(refusal.value).startswith(str(path))


def test_a_header_that_claims_too_much_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.write_bytes(b"\0\0\x08\x03" + b"\xff\xff" * 6 + b"few")
    with pytest.raises(ValueError, match="found 3; fetch it again"):
        read_idx(path)


def test_images_and_labels_must_belong_together(tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(idx_bytes(pixels(5, 3, 3)))
    labels.write_bytes(idx_bytes(np.arange(4, dtype=np.uint8)))
    with pytest.raises(ValueError, match=r"N labels in labels, found \(5, 3, 3\) and \(4,\)"):
        read_labelled(images, labels, 10)
    labels.write_bytes(idx_bytes(np.arange(5, dtype=np.uint8)))
    assert read_labelled(images, labels, 5).labels.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="labels: expected labels below 4, found 4; correct"):
        read_labelled(images, labels, 4)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_folder_of_idx_files_is_an_image_set(zipped: bool, tmp_path: Path) -> None:
    images = write_idx_set(tmp_path / "mine", zipped=zipped)
    mine = ImageSet.open(tmp_path / "mine")
    assert (mine.name, mine.classes, mine.channels, mine.size) == (
        "mine", ("0", "1", "2"), 1, (6, 6),
    )  # fmt: skip
    train, validation, test = (mine.split(p) for p in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (54, 6, 30)
    np.testing.assert_array_equal(test.read(range(30))[:, 0].numpy(), images[:30])
    assert test.image(7).shape == (1, 6, 6)
    assert test.image(7).unique().tolist() == [7]


def test_the_names_of_the_catalog_are_found_below_a_root(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "mnist")
    assert ImageSet.open("mnist", tmp_path).classes == tuple("0123456789")
    with pytest.raises(ValueError, match=r"^fashion_mnist: expected its files in one of .*obtain"):
        ImageSet.open("fashion_mnist", tmp_path)


def test_the_environment_names_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx_set(tmp_path / "mnist")
    monkeypatch.setenv("NOWCAST_DATA", str(tmp_path))
    assert ImageSet.open("mnist").path == tmp_path / "mnist"


def test_a_name_that_is_nowhere_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder of images or an image set .*'mnist'.* neither"):
        ImageSet.open("minst")
    with pytest.raises(
        ValueError, match="expected IDX files, CIFAR batches, or images in one fold"
    ):
        ImageSet.open(tmp_path)


@pytest.mark.real
@pytest.mark.parametrize(("name", "mean", "deviation"), [
    ("fashion_mnist", 0.2860, 0.3530), ("mnist", 0.1307, 0.3081),
])  # fmt: skip
def test_the_real_sets_have_their_published_counts_and_statistics(
    name: str, mean: float, deviation: float, data_dir: Path
) -> None:
    images = ImageSet.open(name, data_dir)
    parts = [images.split(part) for part in ("train", "validation", "test")]
    assert sum(map(len, parts[:2])) == 60_000
    assert len(parts[2]) == 10_000
    assert abs(len(parts[1]) - 6000) <= 5
    both = parts[0].counts + parts[1].counts
    if name == "fashion_mnist":
        assert both.tolist() == [6000] * 10
        assert parts[1].counts.tolist() == [600] * 10
    found = np.array([ImageLoader(part, 1000).statistics() for part in parts[:2]])[..., 0] / 255
    share = np.array([len(parts[0]), len(parts[1])]) / 60_000
    assert share @ found[:, 0] == pytest.approx(mean, abs=5e-5)
    square = share @ (found[:, 0] ** 2 + found[:, 1] ** 2)
    assert np.sqrt(square - mean**2) == pytest.approx(deviation, abs=1e-4)
