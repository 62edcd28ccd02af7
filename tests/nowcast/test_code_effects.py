"""What settings do to autoencoders, in numbers."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from nowcast.explain.code_effects import (
    code_steps,
    layer_weights,
    nearest_images,
    pixels_that_count,
    unit_activity,
    weight_cosines,
)
from nowcast.models import build_network
from nowcast.report.denoise.effects import Panel, draw_filter_rows, effect_charts
from nowcast.report.styles import Style


def network_of(**options: object) -> Any:
    torch.manual_seed(0)
    return build_network("autoencoder", 1, 1, {"size": 4, **options}).eval()


def test_what_a_unit_looks_for_and_draws_is_found_in_every_layer() -> None:
    network = network_of(widths=(9, 5, 3), code_activation="linear", activation="linear")
    sides = [layer_weights(network, layer) for layer in range(3)]
    assert [tuple(forth.shape) for forth, _ in sides] == [(9, 16), (5, 9), (3, 5)]
    assert all(forth.shape == back.shape for forth, back in sides)
    images = torch.rand(2, 1, 4, 4)
    values = images.flatten(1)
    for forth, _ in sides:
        values = values @ forth.T
    torch.testing.assert_close(values, network.encode(images))
    for _, back in reversed(sides):
        values = values @ back
    torch.testing.assert_close(values, network(images).flatten(1))
    with pytest.raises(ValueError, match="expected a layer from 0 to 2, found 3"):
        layer_weights(network, 3)


def test_tied_units_draw_what_they_look_for_and_fresh_ones_draw_anything() -> None:
    tied = network_of(widths=(40, 6), tied=True)
    for layer in range(2):
        torch.testing.assert_close(weight_cosines(tied, layer), torch.ones((40, 6)[layer]))
    fresh = weight_cosines(network_of(widths=(40, 6)), 0)
    assert float(fresh.abs().max()) < 0.9
    assert abs(float(fresh.mean())) < 0.15


def test_activity_is_counted_unit_by_unit() -> None:
    codes = torch.tensor([[0.0, 0.5, -1.0], [0.0, 0.05, -1.0], [0.0, 0.05, 1.0], [0.0, 0.2, 1.0]])
    found = unit_activity(codes)
    torch.testing.assert_close(found.mean, torch.tensor([0.0, 0.2, 0.0]))
    torch.testing.assert_close(found.active, torch.tensor([0.0, 0.5, 1.0]))
    assert unit_activity(codes, above=0.3).active.tolist() == [0.0, 0.25, 1.0]


def test_a_local_filter_rests_on_few_pixels() -> None:
    even, spot = torch.ones(10), torch.zeros(10)
    spot[3] = -2.0
    pair = torch.tensor([3.0, 0.1, 0, 0, 0, 3.0, 0, 0, 0, 0])
    rests = pixels_that_count(torch.stack([even, spot, pair]))
    torch.testing.assert_close(rests, torch.tensor([0.9, 0.1, 0.2]))
    assert pixels_that_count(torch.zeros(1, 10)).item() == 1


def test_the_nearest_image_is_another_one() -> None:
    images = torch.tensor([0.0, 1.0, 1.4, 5.0])[:, None, None, None].expand(4, 1, 2, 2)
    assert nearest_images(images).tolist() == [1, 2, 1, 2]
    with pytest.raises(ValueError, match="expected at least 2 images, found 1"):
        nearest_images(images[:1])


def on_a_plane(count: int) -> Tensor:
    """Images that vary in two of their sixteen numbers alone."""
    frames = torch.full((count, 1, 4, 4), 0.5)
    frames[:, 0, 0, :2] = torch.rand(count, 2, generator=torch.Generator().manual_seed(1))
    return frames


def test_a_code_that_sees_only_the_data_stands_still_across_them() -> None:
    frames, network = on_a_plane(60), network_of(widths=(2,))
    blind = torch.zeros(2, 16)
    blind[0, 0] = blind[1, 1] = 3.0
    with torch.no_grad():
        network.encoder[0].weight.copy_(blind)
    steps = code_steps(network, frames, (0.01, 0.5))
    torch.testing.assert_close(steps.along, torch.ones(2), rtol=1e-3, atol=0)
    assert torch.all(steps.across < 0.6)
    with torch.no_grad():
        network.encoder[0].weight.copy_(blind / 100)
    smaller = code_steps(network, frames, (0.01, 0.5))
    torch.testing.assert_close(smaller.along, steps.along, rtol=1e-3, atol=0)
    torch.testing.assert_close(smaller.across, steps.across, rtol=1e-3, atol=0)


def test_a_code_that_sees_all_numbers_alike_moves_as_far_across() -> None:
    network = network_of(widths=(16,))
    with torch.no_grad():
        network.encoder[0].weight.copy_(torch.eye(16))
    steps = code_steps(network, on_a_plane(60), (0.05,))
    torch.testing.assert_close(steps.across, steps.along, rtol=1e-3, atol=0)


def test_charts_take_the_looks_that_names_have_already() -> None:
    known = {"plain": Style("plain", "plain", "#0072b2", "square")}
    panel = Panel("y", "x", {"new": ([1, 2], [3, 4]), "plain": ([1, 2], [5, 6])})
    key = effect_charts("Sparsity", "", [panel], known).key
    assert known["plain"] in key
    assert len({style.colour for style in key}) == len({style.marker for style in key}) == 2
    alike = {**known, "new": Style("new", "new", "#0072b2", "circle", "2 3")}
    key = effect_charts("Sparsity", "", [panel], alike).key
    assert [style.title for style in key] == ["new", "plain"]
    assert len({style.colour for style in key}) == 2


@pytest.mark.parametrize("powers", [False, True])
def test_lines_are_drawn_wherever_they_are_known(powers: bool) -> None:
    values = [0.2, 0.05, float("nan"), 0.02, 0.04]
    panel = Panel("loss", "pass", {"plain": (range(5), values)}, powers, holds=[0.5])
    chart = str(effect_charts("Stack", "", [panel]).charts[0].svg)
    (path,) = re.findall(r'class="line" d="([^"]*)"', chart)
    pieces = [piece.split("L") for piece in path.split("M")[1:]]
    assert [len(piece) for piece in pieces] == [2, 2]
    heights = [float(point.split(",")[1]) for piece in pieces for point in piece]
    assert heights[0] < heights[1] < heights[2]
    assert heights[3] < heights[2]
    assert ("0.5" in re.findall(r">([\d.]+)</text>", chart)) != powers


def test_filters_stand_under_each_other() -> None:
    rows = {"tied, draws": torch.randn(3, 1, 4, 4), "free, draws": torch.randn(2, 1, 4, 4)}
    figure = draw_filter_rows("Filters", "Each on its own scale.", rows)
    assert figure.alt == "Filters: 3 of tied, draws, 2 of free, draws"
    assert figure.png.startswith("data:image/png;base64,")
    assert draw_filter_rows("Filters", "", {"a": torch.randn(2, 3, 4, 4)}).png != figure.png
    with pytest.raises(ValueError, match="Filters: expected rows of one filter or more, found no"):
        draw_filter_rows("Filters", "", {"a": torch.zeros(0, 1, 4, 4)})
