"""A blurred forecast gets the reflectivities of the latest frame back."""

import math

import torch
from moving_cells import storm

from nowcast.forecasters.matching import match_distribution
from pipeline.batch import NO_ECHO


def test_a_match_has_the_reference_s_values_in_the_forecast_s_order() -> None:
    reference = torch.tensor([[[[10.0, 20.0, 30.0, NO_ECHO]]]])
    forecast = torch.tensor([[[[9.0, 5.1, 7.0, 6.0]]]])
    assert match_distribution(forecast, reference)[0, 0, 0].tolist() == [30, NO_ECHO, 20, 10]


def test_echoes_beyond_the_reference_s_wet_area_vanish_and_none_appears() -> None:
    reference = torch.tensor([[[[40.0, 35.0, 30.0, 25.0]]]])
    forecast = torch.tensor([[[[NO_ECHO, NO_ECHO, 8.0, 6.0]]]])
    matched = match_distribution(forecast, reference)[0, 0, 0]
    assert matched.tolist() == [NO_ECHO, NO_ECHO, 40, 35]


def test_a_frame_matched_with_itself_is_itself() -> None:
    reference = storm(2, 1)[:, -1:]
    matched = match_distribution(reference, reference)
    torch.testing.assert_close(matched, reference, equal_nan=True)


def test_missing_pixels_stay_missing_and_have_no_say() -> None:
    reference = torch.tensor([[[[50.0, 20.0, math.nan, 10.0]]]])
    forecast = torch.tensor([[[[math.nan, 9.0, 9.0, 8.0]]]])
    matched = match_distribution(forecast, reference)[0, 0, 0]
    assert matched[0].isnan()
    assert matched[1:].tolist() == [20, NO_ECHO, 10]


def test_dry_and_all_missing_frames_are_ordinary() -> None:
    dry = torch.full((1, 1, 4, 5), NO_ECHO)
    blind = torch.full((1, 1, 4, 5), math.nan)
    wet = torch.full((1, 2, 4, 5), 20.0)
    assert (match_distribution(wet, dry) == NO_ECHO).all()
    assert (match_distribution(wet, blind) == NO_ECHO).all()
    assert match_distribution(blind.expand(1, 2, 4, 5), dry).isnan().all()
    assert (match_distribution(dry, wet[:, :1]) == NO_ECHO).all()
