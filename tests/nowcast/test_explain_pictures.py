from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from explained_networks import small_network, stripes, trained_on_stripes
from moving_cells import storm
from PIL import Image
from torch import Tensor, nn

from nowcast.explain import rain_sensitivity
from nowcast.forecasters import Rollout
from nowcast.models import MODELS, build_network
from nowcast.report.classes.facts import Figure
from nowcast.report.inside import inside_figures
from nowcast.report.inside.layers import draw_fields, draw_filters, draw_maps
from nowcast.report.inside.pictures import (
    Sheet,
    Tile,
    heat,
    photograph,
    signed,
    spelled,
    tinted,
)
from nowcast.report.inside.rain import draw_sensitivity
from nowcast.report.inside.sweep import Sweep
from nowcast.scaling import MinMax
from nowcast.tasks import ClassifyTask, NowcastTask
from pipeline.batch import Batch

CLASSES = ("level", "upright")


class Stripes:
    """Batches of pixel values 0 to 255."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        yield from list(self.sweep())[start:stop]

    def sweep(self) -> Iterator[Batch]:
        pairs = zip(self.images.split(12), self.labels.split(12), strict=True)
        yield from (Batch(255 * images, labels) for images, labels in pairs)


class Unlabelled(Stripes):
    """The same images without their classes."""

    def sweep(self) -> Iterator[Batch]:
        yield Batch(self.images)


def pixels(figure: Figure) -> np.ndarray:
    kind, content = figure.png.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def is_no_flat_picture(figure: Figure) -> None:
    colours = np.bincount((pixels(figure).astype(np.int64) @ [65536, 256, 1]).ravel())
    assert np.count_nonzero(colours) > 20, figure.title
    assert figure.title
    assert len(figure.alt) > 20
    assert figure.sentence.endswith(".")


def task(classes: int = 2) -> ClassifyTask:
    return ClassifyTask(classes, 1, MinMax(0, 255))


def test_the_inside_of_a_trained_classifier_is_shown_whole() -> None:
    figures = inside_figures(trained_on_stripes(), task(), Stripes(*stripes()), CLASSES)
    assert [figure.title for figure in figures] == [
        "Where the evidence lies",
        "The images as the network groups them",
        "What channels look for",
        "What each class asks for",
        "Filters of the first layer",
        "What the layers see",
        "How far the layers see",
    ]
    for figure in figures:
        is_no_flat_picture(figure)
    assert "level named so" in figures[0].alt
    assert "40 images of 2 classes" in figures[1].alt


def test_the_weights_and_the_modes_stay_as_they_were() -> None:
    network = trained_on_stripes()
    network.train()
    before = {name: held.clone() for name, held in network.state_dict().items()}
    inside_figures(network, task(), Stripes(*stripes()), CLASSES)
    assert all(torch.equal(held, before[name]) for name, held in network.state_dict().items())
    assert all(part.training for part in network.modules())


def test_a_network_without_maps_shows_what_it_has() -> None:
    torch.manual_seed(0)
    network = build_network("mlp", 1, 2, {"size": 16, "hidden": (12, 6)})
    figures = inside_figures(network, task(), Stripes(*stripes()), CLASSES)
    titles = [figure.title for figure in figures]
    assert "Filters of the first layer" in titles
    assert "What channels look for" in titles
    assert "What the layers see" not in titles
    assert "Grad-CAM" not in figures[0].sentence
    for figure in figures:
        is_no_flat_picture(figure)


def test_a_network_of_one_logit_is_shown_too() -> None:
    network = nn.Sequential(trained_on_stripes(), nn.Linear(2, 1, bias=False))
    nn.init.constant_(network[1].weight[0, :1], -1.0)
    nn.init.constant_(network[1].weight[0, 1:], 1.0)
    figures = inside_figures(network, task(1), Stripes(*stripes()), CLASSES)
    is_no_flat_picture(figures[0])
    assert "upright named so" in figures[0].alt


def test_images_without_a_label_are_left_out() -> None:
    images, labels = stripes()
    labels[:10] = -1
    sweep = Sweep(trained_on_stripes(), task(), Stripes(images, labels), 25)
    assert sweep.labels.tolist() == labels[10:35].tolist()
    assert torch.equal(torch.cat(list(sweep.inputs())), images[10:35] * 255 / 255)
    assert {held.said for held in sweep.examples()} == {0, 1}


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="inside figures: expected at least one image, found none"):
        inside_figures(trained_on_stripes(), task(), Stripes(*stripes()), CLASSES, images=0)
    with pytest.raises(ValueError, match="expected labels beside the images, found none"):
        inside_figures(trained_on_stripes(), task(), Unlabelled(*stripes()), CLASSES)


@pytest.mark.parametrize("name", MODELS)
def test_the_layers_of_every_network_are_drawn(name: str) -> None:
    network, frames = small_network(name)
    is_no_flat_picture(draw_filters(network))
    if name in ("mlp", "autoencoder"):
        with pytest.raises(ValueError, match=r"(MLP|Autoencoder): expected layers with maps"):
            draw_maps(network, frames[:1], frames[0, :1], "noise")
        return
    is_no_flat_picture(draw_maps(network, frames[:1], frames[0, :1], "noise"))
    is_no_flat_picture(draw_fields(network, frames, samples=2))


def test_where_rain_comes_from_is_drawn_upstream() -> None:
    held = NowcastTask(cadence_minutes=5)
    options = {"widths": (4, 8), "zero_output": True}
    rollout = Rollout(build_network("unet", held.inputs, held.outputs, options), held)
    past = storm(3.0, 0.0)[0]
    found = rain_sensitivity(rollout, past, (55, 93), 30)
    figure = draw_sensitivity(found, past, rollout.forecast(past[None], 6)[0, -1], 5)
    is_no_flat_picture(figure)
    assert figure.title == "Where the rain in 30 min comes from"
    assert "18 left of it" in figure.sentence


def test_missing_pixels_are_drawn_as_missing() -> None:
    held = NowcastTask(cadence_minutes=5)
    options = {"widths": (4, 8), "zero_output": True}
    rollout = Rollout(build_network("unet", held.inputs, held.outputs, options), held)
    past = storm(0.0, 0.0)[0]
    past[:, :, 85:] = math.nan
    figure = draw_sensitivity(rain_sensitivity(rollout, past, (55, 75), 10), past)
    grey = (pixels(figure) == [0xB4, 0xB4, 0xB0]).all(-1)
    assert grey.mean() > 0.05


def test_colours_know_their_ends_and_their_middle() -> None:
    ends = torch.tensor([[-2.0, 0.0, 2.0]])
    assert signed(ends, 2).tolist() == [[[0xB3, 0x58, 0x06], [0xF7] * 3, [0x54, 0x27, 0x88]]]
    assert heat(ends, -2, 2)[0, [0, 2]].tolist() == [[0x00, 0x22, 0x4E], [0xFE, 0xE8, 0x38]]
    assert photograph(torch.tensor([[[0.0, 1.0, 2.0]]])).tolist() == [
        [[0] * 3, [255] * 3, [255] * 3]
    ]
    middle = tinted(photograph(torch.zeros(1, 1, 3)), ends, 2)[0, 1]
    assert middle.tolist() == [160, 160, 160]


def test_words_are_spelled_with_the_letters_there_are() -> None:
    assert spelled("Größe: −3 × 4 Ω") == "Gro?e: -3 x 4 ?"
    assert spelled("école") == "ecole"


def test_a_sheet_is_as_large_as_its_tiles_and_words() -> None:
    tile = Tile(photograph(torch.rand(1, 4, 4)), "below")
    plain = Sheet([[tile, tile]], 40).draw()
    named = Sheet([[tile, tile]], 40, ("a", "b"), ("a long name of a row",)).draw()
    assert plain.size[0] == 2 * (2 * 48 + 8)
    assert named.size[0] > plain.size[0] + 150
    assert named.size[1] > plain.size[1]
