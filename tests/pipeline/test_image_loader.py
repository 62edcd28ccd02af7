from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_samples import CLASSES, encoded, pixels, split_of, write_class_folders
from PIL import Image

from pipeline.batch import Batch
from pipeline.images import Augmentation, ImageLoader, ImageSet, ImageSplit

ALL = Augmentation(True, 2, 15, 0.1, 0.3, 3, 0.4)


def shown(batch: Batch) -> list[int]:
    return batch.frames[:, 0, 0, 0].int().tolist()


def assert_same(one: Batch, other: Batch) -> None:
    torch.testing.assert_close(one.frames, other.frames, rtol=0, atol=0)
    assert one.label is not None
    assert other.label is not None
    torch.testing.assert_close(one.label, other.label, rtol=0, atol=0)


@pytest.mark.parametrize("augment", [None, Augmentation(flip=True, crop_padding=1), ALL])
@pytest.mark.parametrize("channels", [1, 3])
def test_batch_n_is_the_same_whatever_the_threads_and_the_start(
    augment: Augmentation | None, channels: int
) -> None:
    split = split_of(50, channels=channels)
    plain = list(ImageLoader(split, 8, augment=augment, threads=0, seed=3).stream(0, 16))
    for threads in (1, 2, 5):
        torch.manual_seed(threads)
        again = ImageLoader(split, 8, augment=augment, threads=threads, seed=3, kept_bytes=0)
        for n, batch in zip(range(5, 16), again.stream(5, 16), strict=True):
            assert_same(batch, plain[n])


def test_drawing_leaves_the_global_generators_alone() -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    list(ImageLoader(split_of(20, channels=3), 5, augment=ALL, threads=2).stream(0, 8))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


def test_other_seeds_and_other_epochs_have_other_orders() -> None:
    split = split_of(60)
    orders = {
        tuple(i for b in ImageLoader(split, 16, seed=s).stream(4 * e, 4 * e + 4) for i in shown(b))
        for s in (0, 1)
        for e in (0, 1, 2)
    }
    assert len(orders) == 6
    assert tuple(range(60)) not in orders


def test_other_batches_and_other_seeds_are_augmented_otherwise() -> None:
    split = split_of(2, size=40)
    spots = split.pictures.pixels  # type: ignore[attr-defined]
    spots[...] = pixels(40, 40)
    shifted = Augmentation(crop_padding=15)
    found = [
        ImageLoader(split, 2, seed=seed, augment=shifted).batch(n).frames.numpy().tobytes()
        for seed in (0, 1)
        for n in range(4)
    ]
    assert len(set(found)) == 8


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 32, 33, 100])
@pytest.mark.parametrize("whole_epochs", [True, False])
def test_an_epoch_holds_each_image_once(count: int, whole_epochs: bool) -> None:
    loader = ImageLoader(split_of(count), 16, whole_epochs=whole_epochs)
    steps = loader.steps_per_epoch
    if whole_epochs:
        for epoch in range(3):
            batches = list(loader.stream(epoch * steps, (epoch + 1) * steps))
            assert len(batches) == steps
            assert sorted(i for b in batches for i in shown(b)) == list(range(count))
            assert all(len(b.frames) > 1 for b in batches) or count == 1
    else:
        drawn = [i for b in loader.stream(0, 3 * steps) for i in shown(b)]
        assert len(drawn) == 3 * steps * 16
        for epoch in range(len(drawn) // count):
            part = drawn[epoch * count : (epoch + 1) * count]
            assert sorted(part) == list(range(count))


def test_batches_are_full_but_for_the_last() -> None:
    sizes = [len(b.frames) for b in ImageLoader(split_of(54), 16).stream(0, 8)]
    assert sizes == [16, 16, 16, 6] * 2
    joined = ImageLoader(split_of(33), 16)
    assert joined.steps_per_epoch == 2
    assert [len(b.frames) for b in joined.stream(0, 2)] == [16, 17]


def test_labels_go_with_their_images() -> None:
    loader = ImageLoader(split_of(60), 7)
    for batch in [*loader.stream(0, 20), *loader.sweep()]:
        assert batch.label is not None
        assert batch.label.dtype == torch.int64
        assert batch.label.tolist() == [i % 3 for i in shown(batch)]
        assert batch.frames.dtype == torch.float32


@pytest.mark.parametrize("kept_bytes", [0, 10**9])
def test_a_sweep_goes_in_order_and_changes_nothing(kept_bytes: int) -> None:
    loader = ImageLoader(split_of(50), 16, augment=ALL, kept_bytes=kept_bytes)
    batches = list(loader.sweep())
    assert [i for b in batches for i in shown(b)] == list(range(50))
    assert [len(b.frames) for b in batches] == [16, 16, 16, 2]
    assert all(b.label is not None and b.label.ndim == 1 for b in batches)
    torch.testing.assert_close(batches[1].frames, loader.split.read(range(16, 32)))


def folders(tmp_path: Path) -> ImageSplit:
    write_class_folders(tmp_path, ("train", "val", "test"), each=6)
    return ImageSet.open(tmp_path).split("train")


def spoil(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "train" / name / "2.png" for name in CLASSES[:2]]
    paths[0].write_bytes(encoded(Image.fromarray(pixels(40, 40, 3)), "JPEG")[:700])
    paths[1].write_bytes(b"no image")
    return paths


@pytest.mark.parametrize("kept_bytes", [0, 10**9])
def test_broken_images_are_refused_by_name(kept_bytes: int, tmp_path: Path) -> None:
    split = folders(tmp_path)
    spoilt = spoil(tmp_path)
    loader = ImageLoader(split, 64, size=8, kept_bytes=kept_bytes)
    with pytest.raises(
        ValueError, match=r"2\.png: expected a whole image .*, found .*; replace"
    ) as refusal:
        loader.batch(0)
    named = [str(path) in str(refusal.value) for path in spoilt]
    assert all(named) if kept_bytes else any(named)


@pytest.mark.parametrize("kept_bytes", [0, 10**9])
def test_broken_images_are_skipped_and_named(kept_bytes: int, tmp_path: Path) -> None:
    split = folders(tmp_path)
    spoilt = spoil(tmp_path)
    loader = ImageLoader(split, 4, size=8, kept_bytes=kept_bytes, broken="skip")
    assert len(loader.broken) == 2
    for path, fault in zip(spoilt, loader.broken, strict=True):
        assert fault.startswith(f"{path}: expected a whole image")
    assert len(loader) == len(split) - 2 == 16
    assert sum(len(b.frames) for b in loader.sweep()) == 16
    assert not any(split.name_of(int(i)) in map(str, spoilt) for i in loader.indices)
    for batch in loader.stream(0, 10):
        assert batch.label is not None
        np.testing.assert_array_equal(shown(batch), 60 * batch.label.numpy() + 20)


def test_a_part_of_broken_images_only_is_refused(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / name).mkdir()
        for k in range(9):
            (tmp_path / name / f"{k}.jpg").write_bytes(b"no")
    split = ImageSet.open(tmp_path).split("train")
    with pytest.raises(ValueError, match=r"train: expected whole images, found .* and 16 more"):
        ImageLoader(split, 4, size=8, broken="skip")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"batch_size": 0}, "expected batch_size and size of 1 or more .*, found 0, None and 1"),
        ({"batch_size": 2, "size": 0}, "found 2, 0 and 1"),
        ({"batch_size": 2, "channels": 4}, "1 or 3 channels, found 2, None and 4"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ImageLoader(split_of(9), **options)


def test_a_loader_of_nothing_or_of_unlike_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train: expected images, found none"):
        ImageLoader(split_of(0), 4)
    split = folders(tmp_path)
    with pytest.raises(ValueError, match="train: expected a size, for its images differ"):
        ImageLoader(split, 4)
    with pytest.raises(ValueError, match="train: expected images of one size, found"):
        split.read([0, 1])


def test_size_and_channels_are_as_asked_for(tmp_path: Path) -> None:
    loader = ImageLoader(split_of(9, size=6, channels=3), 4, size=10, channels=1)
    assert loader.batch(0).frames.shape == (4, 1, 10, 10)
    grey = ImageLoader(split_of(9), 4, channels=3).batch(0).frames
    assert grey.shape == (4, 3, 6, 6)
    torch.testing.assert_close(grey[:, 0], grey[:, 2])


def test_memory_holds_decoded_images_only_within_the_bound(tmp_path: Path) -> None:
    split = folders(tmp_path)
    decoded: list[int] = []
    original = type(split.pictures).decode

    class Counted(type(split.pictures)):  # type: ignore[misc]
        def decode(self, i: int, frame: Any) -> Any:
            decoded.append(i)
            return original(self, i, frame)

    pictures = Counted(split.pictures.files, split.pictures.labels)
    counted = ImageSplit("train", split.classes, "", pictures, split.members)
    need = len(split) * 3 * 8 * 8
    for kept_bytes, each in ((need, 1), (need - 1, 3)):
        decoded.clear()
        loader = ImageLoader(counted, 4, size=8, kept_bytes=kept_bytes)
        list(loader.stream(0, 3 * loader.steps_per_epoch))
        assert set(Counter(decoded).values()) == {each}


def test_statistics_are_those_of_all_pixels() -> None:
    split = split_of(200, channels=3)
    mean, deviation = ImageLoader(split, 32).statistics()
    assert mean == pytest.approx([99.5] * 3)
    assert deviation == pytest.approx([np.arange(200).std()] * 3)


def test_a_grey_png_set_stays_grey(tmp_path: Path) -> None:
    for k, name in enumerate(CLASSES):
        (tmp_path / name).mkdir()
        for i in range(3):
            image = Image.new("L", (5, 7), 10 * k)
            (tmp_path / name / f"{i}.png").write_bytes(encoded(image))
    images = ImageSet.open(tmp_path)
    assert (images.channels, images.size) == (1, (7, 5))
    assert ImageLoader(images.split("train"), 2).batch(0).frames.shape == (3, 1, 7, 5)
