from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from image_samples import split_of

from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader
from pipeline.noise import noise_of
from pipeline.noisy import NoisyBatches

RANGE = noise_of({"kind": "gaussian", "level": (0.1, 0.5)})


def noisy_batches(batch_size: int = 8, seed: int = 3) -> NoisyBatches:
    return NoisyBatches(ImageLoader(split_of(40), batch_size, seed=1), RANGE, seed)


def swept(batches: NoisyBatches) -> torch.Tensor:
    return torch.cat([batch.frames for batch in batches.sweep()])


def test_batch_n_is_the_same_wherever_the_stream_begins() -> None:
    whole = list(noisy_batches().stream(0, 9))
    for n, batch in enumerate(noisy_batches().stream(6, 9), 6):
        assert torch.equal(batch.frames, whole[n].frames)
    assert not torch.equal(whole[0].frames - whole[0].label, whole[5].frames - whole[5].label)


def test_the_label_is_the_clean_batch() -> None:
    clean = ImageLoader(split_of(40), 8, seed=1)
    for noisy, plain in zip(noisy_batches().stream(0, 3), clean.stream(0, 3), strict=True):
        assert torch.equal(noisy.label, plain.frames)
        assert not torch.equal(noisy.frames, plain.frames)
    for noisy, plain in zip(noisy_batches().sweep(), clean.sweep(), strict=True):
        assert torch.equal(noisy.label, plain.frames)


def test_an_image_of_the_sweep_has_its_noise_whatever_the_batch_size() -> None:
    assert torch.equal(swept(noisy_batches(8)), swept(noisy_batches(13)))
    batches = noisy_batches()
    assert torch.equal(swept(batches), swept(batches))


def test_another_seed_is_another_noise() -> None:
    assert not torch.equal(swept(noisy_batches(seed=3)), swept(noisy_batches(seed=4)))
    one, other = (next(noisy_batches(seed=s).stream(0, 1)) for s in (3, 4))
    assert not torch.equal(one.frames, other.frames)
    assert torch.equal(one.label, other.label)


def test_lengths_are_those_of_the_clean_batches() -> None:
    batches = noisy_batches()
    assert (len(batches), batches.steps_per_epoch) == (40, 5)


class Endless:
    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        yield from (Batch(torch.zeros(2, 1, 4, 4)) for _ in range(start, stop))

    def sweep(self) -> Iterator[Batch]:
        yield Batch(torch.zeros(2, 1, 4, 4))


def test_batches_of_no_known_number_have_none_with_noise() -> None:
    batches = NoisyBatches(Endless(), RANGE)
    assert batches.steps_per_epoch is None
    assert len(list(batches.stream(0, 2))) == 2
    with pytest.raises(TypeError, match="has no len"):
        len(batches)
