from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nowcast.evaluation import CleaningTally
from pipeline.batch import NO_ECHO, ZR

MARSHALL_PALMER = ZR(200, 1.6)
DRY, LIGHT, HEAVY, GONE = NO_ECHO, 25.0, 40.0, math.nan


def fields(*rows: list[float]) -> list[Tensor]:
    return [torch.tensor(row).view(1, 1, 1, -1) for row in rows]


def tally_of(
    cleaned: Tensor, noisy: Tensor, clean: Tensor, *known: Tensor, thresholds: tuple = (0.5, 5.0)
) -> CleaningTally:
    tally = CleaningTally(thresholds, MARSHALL_PALMER)
    tally.update(cleaned, noisy, clean, *known)
    return tally


CLEAN = [LIGHT, LIGHT, HEAVY, DRY, DRY, DRY, GONE, HEAVY]
NOISY = [LIGHT, HEAVY, HEAVY, HEAVY, LIGHT, DRY, HEAVY, GONE]


def test_known_fields_have_known_scores() -> None:
    cleaned = [LIGHT, DRY, LIGHT, DRY, LIGHT, DRY, DRY, GONE]
    tally = tally_of(*fields(cleaned, NOISY, CLEAN))
    assert tally.csi() == pytest.approx([2 / 5, 0.0])
    assert tally.clutter_left() == pytest.approx([1 / 2, 0.0])
    assert tally.rain_lost() == pytest.approx([1 / 3, 1.0])
    assert tally.frames == 1


def test_fields_left_alone_keep_all_clutter_and_all_rain() -> None:
    tally = tally_of(*fields(NOISY, NOISY, CLEAN))
    assert tally.clutter_left().tolist() == [1, 1]
    assert tally.rain_lost().tolist() == [0, 0]


def test_an_empty_field_loses_all_of_both() -> None:
    for empty in ([DRY] * 8, [GONE] * 8):
        tally = tally_of(*fields(empty, NOISY, CLEAN))
        assert tally.clutter_left().tolist() == [0, 0]
        assert tally.rain_lost().tolist() == [1, 1]
        assert tally.csi().tolist() == [0, 0]


def test_clutter_is_counted_only_where_it_was_put() -> None:
    put = torch.tensor([False, False, False, True, False, False, False, False]).view(1, 1, 1, -1)
    cleaned = [LIGHT, LIGHT, HEAVY, DRY, LIGHT, DRY, DRY, GONE]
    tally = tally_of(*fields(cleaned, NOISY, CLEAN), put)
    assert tally.clutter_left()[0] == 0


def test_rain_that_the_noise_hid_is_not_lost_but_missed() -> None:
    cleaned = [*CLEAN[:-1], GONE]
    tally = tally_of(*fields(cleaned, NOISY, CLEAN))
    assert tally.rain_lost().tolist() == [0, 0]
    assert tally.csi() == pytest.approx([3 / 4, 1 / 2])
    restored = tally_of(*fields(CLEAN, NOISY, CLEAN))
    assert restored.csi().tolist() == [1, 1]


def test_tallies_add_to_the_whole_in_any_order() -> None:
    rng = np.random.default_rng(2)
    noise = torch.from_numpy(rng.uniform(-20, 50, (3, 6, 2, 9, 11))).float()
    noise[noise < -15] = math.nan
    whole = tally_of(*noise)
    parts = [tally_of(*noise[:, n]) for n in range(6)]
    both = parts[4] + (parts[1] + parts[0]) + parts[3] + parts[5] + parts[2]
    assert both.frames == whole.frames == 12
    for name, counts in whole.counts.items():
        assert counts.sum() > 0
        assert both.counts[name].tolist() == counts.tolist(), name


def test_scores_are_undefined_where_there_is_nothing() -> None:
    dry = fields([DRY] * 3, [DRY] * 3, [DRY] * 3)
    tally = tally_of(*dry)
    for scores in (tally.csi(), tally.clutter_left(), tally.rain_lost()):
        assert np.isnan(scores).all()


def test_a_single_field_needs_no_further_axes() -> None:
    single = [held[0, 0] for held in fields(NOISY, NOISY, CLEAN)]
    assert tally_of(*single).counts["rain"].tolist() == [3, 1]


def test_tallies_that_do_not_fit_are_refused() -> None:
    held = fields(NOISY, NOISY, CLEAN)
    with pytest.raises(ValueError, match="expected rising thresholds above 0 mm/h, found"):
        CleaningTally((5.0, 0.5), MARSHALL_PALMER)
    with pytest.raises(ValueError, match=r"expected two of .* make both alike"):
        tally_of(*held) + tally_of(*held, thresholds=(0.5,))
    with pytest.raises(ValueError, match=r"expected cleaned and noisy fields of \(1, 1, 1, 8\)"):
        tally_of(held[0][..., :4], *held[1:])
