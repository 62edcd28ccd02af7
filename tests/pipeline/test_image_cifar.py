from __future__ import annotations

import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from image_samples import CLASSES, cifar_pickle, pixels, write_cifar

from pipeline.cifar import read_pickle
from pipeline.images import ImageSet


class Evil:
    def __init__(self, function: object, *arguments: object) -> None:
        self.made_with = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.made_with


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("archived", [False, True])
def test_batches_are_read_from_their_folder_and_from_their_archive(
    protocol: int, archived: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar(folder, 20, protocol)
    place = folder
    if archived:
        place = tmp_path / "fetched"
        place.mkdir()
        with tarfile.open(place / "cifar-10-python.tar.gz", "w:gz") as archive:
            archive.add(folder, folder.name)
    images = ImageSet.open(place)
    assert (images.classes, images.channels, images.size) == (CLASSES, 3, (32, 32))
    test = images.split("test")
    expected = pixels(20, 3072, seed=5).reshape(20, 3, 32, 32)
    np.testing.assert_array_equal(test.read(range(20)).numpy(), expected)
    assert test.labels.tolist() == [i % 3 for i in range(20)]
    assert len(images.split("train")) + len(images.split("validation")) == 100


def test_a_pickle_of_python_2_is_read() -> None:
    rows = bytes(range(12))
    content = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
        b"q\x04K\x00\x85q\x05U\x01bq\x06\x87q\x07Rq\x08(K\x01K\x02K\x06\x86q\tcnumpy\ndtype\nq\n"
        b"U\x02u1q\x0bK\x00K\x01\x87q\x0cRq\r(K\x03U\x01|q\x0eNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tq\x0fb\x89U\x0c" + rows + b"q\x10tq\x11bU\x06labelsq\x12]q\x13(K\x03K\x01eu."
    )
    held = read_pickle(content, "old")
    assert held[b"labels"] == [3, 1]
    np.testing.assert_array_equal(held[b"data"].pixels, np.arange(12).reshape(2, 6))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps(Evil(os.system, "touch touched")), "found posix.system, which no CIFAR"),
        (pickle.dumps({"data": Evil(eval, "1")}), "found builtins.eval, which no CIFAR batch"),
        (pickle.dumps({"data": Evil(getattr, "a", "b")}, 2), "found __builtin__.getattr"),
        (b"cnumpy\nload\n(S'x'\ntR.", "found numpy.load, which no CIFAR batch holds"),
        (b"cnumpy.core.multiarray\nfrombuffer\n.", "found numpy.core.multiarray.frombuffer"),
        (b"c_codecs\ndecode\n.", "found _codecs.decode"),
        (b"c_codecs\nencode\n(VQQ==\nVhex\ntR.", "encoded as 'hex', expected latin1"),
        (b"Pnumber\n.", "expected a dict of a CIFAR batch, found"),
        (pickle.dumps([1, 2]), "found a list"),
        (pickle.dumps({"data": np.arange(3.0)}), "found an array of type .*, expected bytes by"),
        (pickle.dumps({"data": np.array([None])}), "found an array of type .*, expected bytes by"),
        (pickle.dumps({"data": {1, 2}}, 2), "set, which no CIFAR batch holds"),
        (b"", "expected a dict of a CIFAR batch, found"),
        (b"not a pickle", "expected a dict of a CIFAR batch, found"),
        (cifar_pickle(4, 3)[:5000], "expected a dict of a CIFAR batch, found"),
        (b"cnumpy\ndtype\n}U\x04nameU\x01xsb.", "expected a dict of a CIFAR batch, found"),
    ],
)  # fmt: skip
def test_nothing_but_plain_data_is_unpickled(
    content: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=reason) as refusal:
        read_pickle(content, "batch")
    assert str(refusal.value).startswith("batch: expected a dict of a CIFAR batch, found ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (cifar_pickle(4, 5), r"labels below 3, found \(4, 3072\) and \(4,\); obtain"),
        (cifar_pickle(4, 3, b"coarse"), r"N labels below 3, found \(4, 3072\) and \(\)"),
        (
            pickle.dumps({b"labels": [0]}),
            r"expected \(N, 3072\) bytes and .*found \(0,\) and \(1,\)",
        ),
        (pickle.dumps({b"labels": [0.5], b"data": pixels(1, 3072)}), "labels below 3, found"),
        (pickle.dumps({b"labels": [0], b"data": pixels(2, 3072)}), r"found \(2, 3072\) and \(1,\)"),
        (pickle.dumps({b"labels": [0], b"data": pixels(1, 3071)}), r"found \(1, 3071\) and \(1,\)"),
    ],
)
def test_a_batch_must_hold_images_and_their_labels(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    write_cifar(tmp_path / "c")
    (tmp_path / "c" / "test_batch").write_bytes(content)
    with pytest.raises(ValueError, match=reason) as refusal:
        ImageSet.open(tmp_path / "c").split("test")
    assert str(refusal.value).startswith(str(tmp_path / "c" / "test_batch"))


def test_a_batch_that_is_lacking_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar(folder)
    (folder / "data_batch_3").unlink()
    with pytest.raises(ValueError, match=r"data_batch_3: expected a file of CIFAR, found .*obtain"):
        ImageSet.open(folder).split("train")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    (folder / "test_batch").unlink()
    with pytest.raises(
        ValueError, match=r"tar.gz: expected cifar-10-batches-py/data_batch_3 in it"
    ):
        ImageSet.open(tmp_path).split("train")


def test_classes_other_than_the_catalog_says_are_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar10" / "cifar-10-batches-py")
    with pytest.raises(
        ValueError, match=r"expected the classes \['airplane'.*found \['ant', 'bee'"
    ):
        ImageSet.open("cifar10", tmp_path)


def test_a_hundred_classes_have_their_own_names(tmp_path: Path) -> None:
    names = [f"n{k}".encode() for k in range(100)]
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": names}, 2))
    for part, count in (("train", 1000), ("test", 100)):
        (folder / part).write_bytes(cifar_pickle(count, 100, b"fine_labels"))
    images = ImageSet.open(tmp_path)
    assert images.classes[7] == "n7"
    assert images.split("validation").counts.tolist() == [1] * 100
    (folder / "meta").write_bytes(pickle.dumps({b"names": 3}))
    with pytest.raises(ValueError, match="meta: expected a list of fine_label_names, found None"):
        ImageSet.open(tmp_path)
