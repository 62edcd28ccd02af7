"""Classic filters of one image, of SciPy, scikit-image, kornia and bm3d.

Each takes an image (H, W), or (H, W, 3) with colours, where white is 1, and its parameters.
A constant image comes back as it is, to rounding; one of a single row or column is no exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]

LEAST_SIDE = 16


def nothing(image: Image) -> Image:
    """The image itself."""
    return image


def mean(image: Image, size: int) -> Image:
    """The mean of a square of `size` pixels a side."""
    smooth: Image = ndimage.uniform_filter(image, size, axes=(0, 1))
    return smooth


def median(image: Image, size: int) -> Image:
    """The median of a square of `size` pixels a side."""
    middle: Image = ndimage.median_filter(image, size, axes=(0, 1))
    return middle


def gaussian(image: Image, width: float) -> Image:
    """The mean weighted by a Gaussian with a standard deviation of `width` pixels."""
    smooth: Image = ndimage.gaussian_filter(image, width, axes=(0, 1))
    return smooth


def bilateral(image: Image, colour: float, width: float) -> Image:
    """The mean weighted by Gaussians of the distance (`width`) and of the difference (`colour`).

    Source: Tomasi and Manduchi, 1998, doi:10.1109/ICCV.1998.710815.
    """
    from kornia.filters import bilateral_blur

    # scikit-image 0.26 shears the Gaussian of the distance: a single white pixel grows oblique
    side = 2 * math.ceil(3 * width) + 1
    pixels = torch.from_numpy(image).reshape(1, *image.shape[:2], -1).permute(0, 3, 1, 2)
    smooth = bilateral_blur(
        pixels, (side, side), colour, (width, width), "replicate", color_distance_type="l2"
    )
    return smooth[0].permute(1, 2, 0).reshape(image.shape).numpy()


def total_variation(image: Image, weight: float) -> Image:
    """Least squares plus `weight` times the total variation.

    Source: Chambolle, 2004, doi:10.1023/B:JMIV.0000011325.36760.1e.
    """
    from skimage.restoration import denoise_tv_chambolle

    apply: Callable[..., Image] = denoise_tv_chambolle
    return apply(image, weight, channel_axis=_channels(image))


def non_local_means(image: Image, h: float, sigma: float, patch: int, distance: int) -> Image:
    """The mean of pixels weighted by how alike their patches are.

    An image of fewer pixels than LEAST_SIDE a side is mirrored up to that.

    Args:
        image: The image.
        h: How fast the weight falls with the difference of patches.
        sigma: Standard deviation of the noise.
        patch: Side of a patch in pixels.
        distance: How far away patches are sought, in pixels.

    Source: Buades, Coll and Morel, 2005, doi:10.1109/CVPR.2005.38.
    """
    from skimage.restoration import denoise_nl_means

    padded = _at_least(image, LEAST_SIDE)
    smooth: Image = denoise_nl_means(
        padded, patch, distance, h, fast_mode=True, sigma=sigma, channel_axis=_channels(image)
    )
    return smooth[: image.shape[0], : image.shape[1]]


def wavelet(
    image: Image, sigma: float, method: str, family: str, levels: int, shifts: int
) -> Image:
    """Soft thresholds for wavelet coefficients, averaged over shifts of the image.

    An image of fewer pixels than LEAST_SIDE a side is mirrored up to that.

    Args:
        image: The image.
        sigma: Standard deviation of the noise.
        method: Of the thresholds: "BayesShrink" or "VisuShrink".
        family: Of the wavelet, as PyWavelets calls it.
        levels: How many scales are thresholded, as far as the image has them.
        shifts: Greatest shift along each axis in pixels; 0 for none.

    Source: Chang, Yu and Vetterli, 2000, doi:10.1109/83.862633.
    """
    import pywt
    from skimage.restoration import cycle_spin, denoise_wavelet

    axis, padded = _channels(image), _at_least(image, LEAST_SIDE)
    scales = min(levels, pywt.dwtn_max_level(padded.shape[:2], family))
    options = {"sigma": sigma, "wavelet": family, "method": method, "wavelet_levels": scales,
               "channel_axis": axis}  # fmt: skip
    if axis is not None:
        options["sigma"] = [sigma] * image.shape[axis]
    smooth: Image = cycle_spin(
        padded, denoise_wavelet, shifts, func_kw=options, workers=1, channel_axis=axis
    )
    return smooth[: image.shape[0], : image.shape[1]]


def block_matching(image: Image, sigma: float, exact: bool = True) -> Image:
    """BM3D: alike patches, stacked and shrunk together; for Gaussian noise.

    An image of fewer pixels than LEAST_SIDE a side is mirrored up to that.

    Args:
        image: The image.
        sigma: Standard deviation of the noise.
        exact: Whether variances take into account that patches overlap (0.1 dB better, and ten
            times slower on small images); else as first published.

    Raises:
        ValueError: If the package bm3d is not installed.

    Source: Dabov, Foi, Katkovnik and Egiazarian, 2007, doi:10.1109/TIP.2007.901238; Mäkinen,
    Azzari and Foi, 2020, doi:10.1109/TIP.2020.3014721.
    """
    try:
        import bm3d
    except ImportError as error:
        raise ValueError(
            "bm3d: expected the package of that name, found none; `pip install bm3d` (its licence "
            "excludes commercial use)"
        ) from error
    profile = bm3d.BM3DProfile()
    # more threads take longer on small images, and their sums depend on who is first
    profile.num_threads = 1
    profile.nf = profile.nf if exact else 0
    if np.ptp(image) == 0:
        return image
    if image.ndim == 3 and not _is_colourful(image):
        return np.stack([block_matching(one, sigma, exact) for one in np.moveaxis(image, 2, 0)], 2)
    apply: Callable[..., Image] = bm3d.bm3d if image.ndim == 2 else bm3d.bm3d_rgb
    smooth = apply(_at_least(image, LEAST_SIDE), sigma, profile)
    return smooth[: image.shape[0], : image.shape[1]].reshape(image.shape)


def _is_colourful(image: Image) -> bool:
    """Whether brightness and both differences of colour vary, by whose ranges bm3d divides."""
    red, green, blue = np.moveaxis(image, 2, 0)
    planes = (red + green + blue, red - blue, red - 2 * green + blue)
    return all(np.ptp(plane) > 0 for plane in planes)


def _channels(image: Image) -> int | None:
    return -1 if image.ndim == 3 else None


def _at_least(image: Image, side: int) -> Image:
    lacking = [(0, max(side - size, 0)) for size in image.shape[:2]]
    return np.pad(image, lacking + [(0, 0)] * (image.ndim - 2), "symmetric")
