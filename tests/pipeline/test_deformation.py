from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.deformation import Deformation, Sample, displacements, resampled

STILL = {"elastic": 0.0, "flip": False, "quarter_turns": False}


def sample_of(side: int = 40) -> Sample:
    picture = torch.from_numpy(
        np.random.default_rng(0).uniform(0, 255, (2, side, side)).astype(np.float32)
    )
    label = (picture[0] > 128).float()
    return Sample.of(picture, label, 1 + label)


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_displacements_are_the_bicubic_ones_and_meet_the_nodes() -> None:
    nodes = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0)) * 10
    moved = displacements(nodes, 65)
    expected = F.interpolate(nodes[None], (65, 65), mode="bicubic", align_corners=True)[0]
    assert torch.allclose(moved, expected, atol=1e-4)
    assert torch.allclose(moved[:, ::32, ::32], nodes, atol=1e-4)


def test_displacements_have_the_deviation_asked_for() -> None:
    lines = torch.arange(64.0).expand(64, 64)
    sample = Sample.of(torch.stack([lines.T, lines]) + 500, torch.zeros(64, 64))
    large = sample._replace(planes=F.pad(sample.planes, (300,) * 4), label=torch.zeros(664, 664))
    moves = []
    for seed in range(300):
        piece = Deformation(elastic=4, flip=False, quarter_turns=False)(
            large, 300, 300, 64, generator(seed)
        )
        moves.append(piece.picture[:, 32, 32] - sample.picture[:, 32, 32])
    found = torch.stack(moves)
    inside = found[(found.abs() < 20).all(1)]
    assert len(inside) == 300
    assert inside.std().item() == pytest.approx(4, rel=0.1)
    assert abs(inside.mean().item()) < 0.5


def test_without_changes_a_piece_is_what_it_was() -> None:
    sample = sample_of()
    piece = Deformation(**STILL)(sample, 5, 7, 20, generator())
    assert torch.allclose(piece.picture, sample.picture[:, 5:25, 7:27], atol=1e-2)
    assert torch.equal(piece.label, sample.label[5:25, 7:27])
    assert piece.weight is not None
    assert torch.allclose(piece.weight, 1 + piece.label, atol=1e-4)


def test_flips_and_quarter_turns_give_all_eight_views_exactly() -> None:
    sample = sample_of(9)
    views = [
        torch.rot90(mirrored, k, (0, 1))
        for mirrored in (sample.label, sample.label.flip(1))
        for k in range(4)
    ]
    seen = set()
    for seed in range(60):
        piece = Deformation(elastic=0)(sample, 0, 0, 9, generator(seed))
        matches = [k for k, view in enumerate(views) if torch.equal(piece.label, view)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert seen == set(range(8))


def test_picture_label_and_weight_move_together() -> None:
    yy, xx = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    disc = ((yy - 50) ** 2 + (xx - 40) ** 2 < 400).float()
    sample = Sample.of(disc[None] * 255, disc, 1 + disc * 3)
    for seed in range(5):
        change = Deformation(rotate=30, zoom=0.2)
        piece = change(sample, 0, 0, 96, generator(seed))
        assert piece.weight is not None
        assert 0.136 * 0.5 < piece.label.mean() < 0.136 * 2
        assert torch.equal(piece.label.unique(), torch.tensor([0.0, 1.0]))
        agree = ((piece.picture[0] > 127.5).float() == piece.label).float().mean()
        assert agree > 0.995
        assert torch.allclose(piece.weight, 1 + piece.picture[0] / 85, atol=1e-3)


def test_a_turn_and_a_zoom_are_those_of_the_angle_and_the_factor() -> None:
    yy, xx = torch.meshgrid(torch.arange(101.0), torch.arange(101.0), indexing="ij")
    sample = Sample.of(torch.stack([yy, xx]), torch.zeros(101, 101))
    turned = [
        Deformation(**STILL, rotate=30, zoom=0.1)(sample, 0, 0, 101, generator(seed)).picture
        for seed in range(20)
    ]
    for rows, columns in turned:
        down = torch.stack([rows[51, 50] - rows[50, 50], columns[51, 50] - columns[50, 50]])
        right = torch.stack([rows[50, 51] - rows[50, 50], columns[50, 51] - columns[50, 50]])
        assert abs(torch.dot(down, right)) < 1e-3
        assert 1 / 1.1 - 1e-3 <= down.norm() <= 1 / 0.9 + 1e-3
        assert abs(torch.atan2(down[1], down[0])) <= np.radians(30) + 1e-3
        assert rows[50, 50] == pytest.approx(50, abs=1e-3)
    assert len({round(rows[51, 50].item(), 3) for rows, _ in turned}) > 15


@pytest.mark.parametrize("beyond", [5, 30])
def test_borders_are_mirrored_however_far_beyond(beyond: int) -> None:
    sample = sample_of(12)
    places = torch.arange(-float(beyond), 12 + beyond)
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    found = resampled(sample, rows, columns)
    around = (beyond, beyond)
    expected = np.pad(sample.picture.numpy(), [(0, 0), around, around], mode="reflect")
    assert np.allclose(found.picture.numpy(), expected, atol=1e-2)
    label = np.pad(sample.label.numpy(), beyond, mode="reflect")
    assert np.array_equal(found.label.numpy(), label)


def test_brightness_contrast_and_gamma_change_the_picture_alone() -> None:
    sample = sample_of()
    for name in ("brightness", "contrast", "gamma"):
        piece = Deformation(**STILL, **{name: 0.3})(sample, 0, 0, 40, generator())
        assert (piece.picture - sample.picture).abs().mean() > 2
        assert piece.picture.min() >= 0
        assert piece.picture.max() <= 255
        assert torch.equal(piece.label, sample.label)
        assert piece.weight is not None
        assert torch.allclose(piece.weight, 1 + sample.label, atol=1e-4)
    assert sample.picture.equal(sample_of().picture)


def test_the_generator_alone_decides() -> None:
    sample, change = sample_of(), Deformation(rotate=20, zoom=0.2, brightness=0.1)
    first, same, other = (change(sample, 0, 0, 40, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.planes, same.planes)
    assert not torch.equal(first.planes, other.planes)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected elastic of 0 or more .*found -1"):
        Deformation(elastic=-1)
    with pytest.raises(ValueError, match="expected zoom of 0 or more and below 1, found 1"):
        Deformation(zoom=1)
    with pytest.raises(ValueError, match="expected a grid of 2 nodes or more, found 1"):
        Deformation(grid=1)
    with pytest.raises(ValueError, match=r"expected options of .*found \['warp'\]"):
        Deformation.of({"warp": 3})
    assert Deformation.of({"elastic": 3}).elastic == 3
