"""Inside a network: what its layers see, what they ask for, and where its answers come from."""

from nowcast.explain.ascent import Ascent, maximise
from nowcast.explain.attribution import grad_cam, map_layer, occlusion
from nowcast.explain.embedding import Projection, embedding, pca, tsne
from nowcast.explain.layers import (
    activations,
    first_layer_filters,
    layer_names,
    layer_shapes,
)
from nowcast.explain.rain import RainSensitivity, heaviest_pixel, rain_sensitivity
from nowcast.explain.receptive_field import ReceptiveField, effective_receptive_field
from nowcast.explain.strongest import Strongest, strongest_images, strongest_of_channels

__all__ = [
    "Ascent",
    "Projection",
    "RainSensitivity",
    "ReceptiveField",
    "Strongest",
    "activations",
    "effective_receptive_field",
    "embedding",
    "first_layer_filters",
    "grad_cam",
    "heaviest_pixel",
    "layer_names",
    "layer_shapes",
    "map_layer",
    "maximise",
    "occlusion",
    "pca",
    "rain_sensitivity",
    "strongest_images",
    "strongest_of_channels",
    "tsne",
]
