from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pipeline.batch import NO_ECHO
from pipeline.noise import noise_of

SURE = 5
ALL = {"snr": -math.inf}


def spoiled(frames: Tensor, seed: int = 0, **options: object) -> Tensor:
    return noise_of(options)(frames, np.random.default_rng(seed))


def dry(*shape: int) -> Tensor:
    return torch.full(shape, NO_ECHO)


def power(dbz: Tensor) -> Tensor:
    return 10 ** (dbz.double() / 10)


@pytest.mark.parametrize("looks", [1, 4])
def test_receiver_noise_is_gamma_distributed_in_linear_power(looks: int) -> None:
    noise = power(spoiled(dry(20, 1, 64, 64), kind="receiver", level=10, looks=looks, **ALL))
    count, kurtosis = noise.numel(), 3 + 6 / looks
    assert abs(noise.mean() - 10) < SURE * 10 / math.sqrt(looks * count)
    assert abs(noise.var() * looks / 100 - 1) < SURE * math.sqrt((kurtosis - 1) / count)


def test_noise_adds_to_the_power_of_rain() -> None:
    rain = torch.full((20, 1, 64, 64), 20.0)
    gained = power(spoiled(rain, kind="receiver", level=15, **ALL)) - 100
    assert gained.min() > -1e-3
    assert abs(gained.mean() - 10**1.5) < SURE * 10**1.5 / math.sqrt(gained.numel())


@pytest.mark.parametrize("snr", [0.0, 3.0, 6.0])
def test_dry_pixels_show_speckle_where_noise_exceeds_the_ratio(snr: float) -> None:
    noise = spoiled(dry(20, 1, 64, 64), kind="receiver", level=5, snr=snr)
    share, echoes = math.exp(-(10 ** (snr / 10))), noise > NO_ECHO
    error = math.sqrt(share * (1 - share) / noise.numel())
    assert abs(echoes.double().mean() - share) < SURE * error
    assert noise[echoes].min() >= 5 + snr - 1e-4


def test_rain_below_the_noise_is_lost_and_heavy_rain_is_hardly_changed() -> None:
    frames = torch.full((1, 1, 64, 64), -10.0)
    frames[..., 32:] = 45
    noise = spoiled(frames, kind="receiver", level=10)
    assert (noise[..., :32] == NO_ECHO).float().mean() > 0.8
    assert (noise[..., 32:] - 45).abs().max() < 0.1


def test_ranged_noise_rises_with_the_square_of_the_distance() -> None:
    noise = power(spoiled(dry(1, 1, 256, 256), kind="receiver", level=20, ranged=True, **ALL))
    blocks = torch.nn.functional.avg_pool2d(noise, 16)[0, 0]
    assert 0.75 < blocks.max() / 100 < 1.25
    rows, columns = torch.meshgrid(*[torch.arange(16.0)] * 2, indexing="ij")
    terms = torch.stack([torch.ones(256), *(x.flatten() for x in (rows, columns))], 1).double()
    terms = torch.cat([terms, (rows**2 + columns**2).flatten()[:, None].double()], 1)
    fitted = terms @ torch.linalg.lstsq(terms, blocks.flatten()).solution
    unexplained = (blocks.flatten() - fitted).square().mean() / blocks.var()
    assert unexplained < 0.05
    assert blocks.max() > 2 * blocks.min()


@pytest.mark.parametrize("level", [0.01, 0.2, 1.0])
def test_clutter_covers_its_share_with_10_to_60_dbz(level: float) -> None:
    clutter = spoiled(dry(3, 1, 100, 120), kind="clutter", level=level)
    under = clutter > NO_ECHO
    assert under.sum((1, 2, 3)).tolist() == [round(level * 12000)] * 3
    assert clutter[under].min() >= 10
    assert clutter[under].max() <= 60
    assert clutter[under].std() > 5


def test_clutter_comes_in_clusters_of_small_spots_with_strong_gradients() -> None:
    clutter = spoiled(dry(1, 1, 256, 256), kind="clutter", level=0.03)[0, 0].numpy()
    under = clutter > NO_ECHO
    labels, count = ndimage.label(under)
    assert 1 <= np.median(np.bincount(labels.ravel())[1:]) <= 6
    assert count > 30
    near = ndimage.uniform_filter(under.astype(float), 9)[under].mean()
    assert near > 4 * 0.03
    beside = under[:, 1:] & under[:, :-1]
    assert np.abs(np.diff(clutter))[beside].mean() > 5


def test_stronger_rain_stays_what_it_is_under_clutter_and_spikes() -> None:
    for kind in ("clutter", "spikes"):
        hail = torch.full((1, 1, 32, 32), 65.0)
        assert torch.equal(spoiled(hail, kind=kind, level=1), hail)


def test_clutter_stays_in_its_place_while_its_strength_and_the_spikes_change() -> None:
    clutter = spoiled(dry(2, 3, 64, 64), kind="clutter", level=0.1)
    under = clutter > NO_ECHO
    assert torch.equal(under[:, 0], under[:, 2])
    assert not torch.equal(clutter[:, 0], clutter[:, 2])
    spikes = spoiled(dry(2, 3, 64, 64), kind="spikes", level=0.1) > NO_ECHO
    assert not torch.equal(spikes[:, 0], spikes[:, 2])


def test_spikes_fill_their_share_of_the_field_in_the_mean() -> None:
    spikes = spoiled(dry(300, 1, 32, 32), kind="spikes", level=0.05)
    share = (spikes > NO_ECHO).double().mean((1, 2, 3))
    assert abs(share.mean() - 0.05) < SURE * math.sqrt(0.05 * 0.95 * 0.1 / 300)
    assert spikes.max() < 40 + 5 * 1.5


def test_spikes_are_straight_and_narrow() -> None:
    for seed in range(5):
        spike = spoiled(dry(1, 1, 128, 128), seed, kind="spikes", level=0.01)[0, 0] > NO_ECHO
        labels, _ = ndimage.label(spike.numpy(), np.ones((3, 3)))
        sizes = np.bincount(labels.ravel())[1:]
        if not (sizes > 40).any():
            continue
        rows, columns = np.nonzero(labels == 1 + sizes.argmax())
        deviations = np.linalg.svd(
            np.stack([rows - rows.mean(), columns - columns.mean()]), compute_uv=False
        )
        assert deviations[1] < 0.2 * deviations[0]
        return
    pytest.fail("expected a spike of more than 40 pixels in five frames, found none")


@pytest.mark.parametrize("level", [0.1, 0.5])
def test_missing_sectors_take_their_share_in_the_mean_and_in_all_frames_alike(
    level: float,
) -> None:
    gone = spoiled(torch.full((600, 2, 16, 16), 30.0), kind="sectors", level=level).isnan()
    assert torch.equal(gone[:, 0], gone[:, 1])
    share = gone.double().mean((1, 2, 3))
    assert abs(share.mean() - level) < SURE * math.sqrt(level * (1 - level) / 600)


def test_what_a_sector_leaves_is_unchanged() -> None:
    frames = torch.arange(64.0 * 64).reshape(1, 1, 64, 64) % 60
    left = spoiled(frames, kind="sectors", level=0.3)
    assert 0 < left.isnan().float().mean() < 1
    assert torch.equal(left[~left.isnan()], frames[~left.isnan()])


def test_the_mixture_is_of_all_kinds() -> None:
    frames = dry(60, 1, 64, 64)
    mixed = spoiled(frames, kind="radar", level=1)
    assert mixed.isnan().any()
    assert mixed[~mixed.isnan()].min() == NO_ECHO
    assert (mixed > 50).any()
    speckled = ((mixed > NO_ECHO) & (mixed < 22)).sum() / (~mixed.isnan()).sum()
    # all but the 5 % under clutter and 1 % under spikes, of which a quarter is weak itself
    assert 0.94 < speckled / math.exp(-(10**0.3)) < 1.1
    milder = spoiled(frames, kind="radar", level=0.1)
    assert (milder > 20).sum() < 0.3 * (mixed > 20).sum()
