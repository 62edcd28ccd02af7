"""Pages of denoisers that never were."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nowcast.evaluation import CleaningTally, RestorationTally, image_psnr
from nowcast.report.classes.facts import DataFacts
from nowcast.report.classes.pictures import image_uri
from nowcast.report.denoise.facts import (
    DenoiseFacts,
    MethodFacts,
    NoiseFacts,
    PictureRow,
    RadarFacts,
    WidthCurve,
)
from nowcast.report.training_facts import Curve, Curves, Figure, TrainingFacts
from pipeline.batch import NO_ECHO, ZR

MARSHALL_PALMER = ZR(200, 1.6)
LEVELS = (0.1, 0.2, 0.3, 0.4)
WEAKER = {"denoise-unet": 0.18, "denoise-conv": 0.22, "bm3d": 0.32, "nlm": 0.4, "nothing": 1.0}


def make_images(count: int = 12, channels: int = 1, side: int = 24) -> NDArray[np.float32]:
    """Discs on a ground, 0 to 255."""
    rng = np.random.default_rng(channels)
    y, x = np.mgrid[:side, :side] / side
    middles = rng.uniform(0.3, 0.7, (count, channels, 2, 1, 1))
    reach = rng.uniform(0.15, 0.35, (count, channels, 1, 1))
    inside = np.hypot(y - middles[:, :, 0], x - middles[:, :, 1]) < reach
    return np.where(inside, 210, 40).astype(np.float32)


def spoil(images: NDArray[np.float32], level: float, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, 255 * level, images.shape)
    return (images + noise).astype(np.float32)


def make_method(name: str, images: NDArray[np.float32], **known: Any) -> MethodFacts:
    """It takes away all but a share of the noise."""

    def restored(level: float) -> torch.Tensor:
        return torch.from_numpy(spoil(images, level * WEAKER.get(name, 0.5)))

    clean = torch.from_numpy(images)
    by_level = {level: RestorationTally() for level in LEVELS}
    for level, tally in by_level.items():
        tally.update(restored(level), clean)
    if name.startswith("denoise"):
        known = {"kind": "network", "training": make_training(name), **known}
    known = {"seconds_per_1000": 10 * WEAKER.get(name, 0.5), "by_level": by_level, **known}
    return MethodFacts(name, by_level[0.3], psnr=image_psnr(restored(0.3), clean), **known)


def make_training(name: str, epochs: int = 12, **known: Any) -> TrainingFacts:
    at = tuple(float(epoch) for epoch in range(1, epochs + 1))
    loss = tuple(0.004 + 0.02 / epoch for epoch in at)
    later = tuple(1.1 * value for value in loss)
    rate = Curve(at, (0.001,) * epochs)
    curves = Curves(Curve(at, loss), Curve(at, later), learning_rate=rate)
    recipe = {"Network": name, "Batch": 64, "Widths": "16, 32, 64"}
    costs = {"parameters": 120_000, "multiply_adds": 15_000_000, "seconds_training": 300.0}
    known = {"epochs": 12.0, "best_epoch": 10.0, "checkpoint": "0a1b2c3d", **costs, **known}
    return TrainingFacts(name, network="U-Net", recipe=recipe, curves=curves, **known)


def make_facts(channels: int = 1, side: int = 24, count: int = 12, **known: Any) -> DenoiseFacts:
    """A network against another and two classic methods."""
    images = make_images(count, channels, side)
    names = {"denoise-conv": {}, "nlm": {"title": "Non-local means", "parameter": "h = 0.8 σ"}}
    others = [make_method(name, images, **told) for name, told in names.items()]
    others.append(make_method("bm3d", images, title="BM3D", parameter="σ = 0.31"))
    others.append(make_method("nothing", images, kind="nothing", title="Nothing"))
    method = make_method("denoise-unet", images, title="U-Net denoiser")
    restored = {held.name: spoil(images, 0.3 * WEAKER[held.name]) for held in (method, *others)}
    rows = tuple(
        PictureRow(
            f"Test image {n}",
            images[n],
            spoil(images, 0.3)[n],
            {name: held[n] for name, held in restored.items()},
        )
        for n in range(3)
    )
    known = {
        "noise": NoiseFacts("Gaussian noise", "σ as a share of white", 0.3, (0.1, 0.3)),
        "rows": rows,
        "widths": make_widths(),
        "figures": (Figure("Latent map", image_uri(images[0]), "12 images in the plane"),),
        "machine": "2 cores",
        "seconds": {"training": 300.0, "methods": 60.0},
        **known,
    }
    data = DataFacts("Discs", (), f"{side} × {side} pixels", 1000, 100, len(images))
    return DenoiseFacts("U-Net denoiser on Discs", data, method, tuple(others), **known)


def make_widths() -> tuple[WidthCurve, ...]:
    widths = (2, 4, 8, 16)
    return (
        WidthCurve("Autoencoder", widths, (1500.0, 1000.0, 700.0, 520.0)),
        WidthCurve("PCA", widths, (2000.0, 1600.0, 1000.0, 500.0), exact=True),
    )


def make_fields(side: int = 40) -> dict[str, NDArray[np.float32]]:
    """Rain in dBZ, the same with clutter, and where it was cleaned."""
    y, x = np.mgrid[:side, :side] / side
    rain = 45 - 120 * np.hypot(y - 0.45, x - 0.4)
    clean = np.where(rain > 5, rain, NO_ECHO).astype(np.float32)
    clean[: side // 8] = np.nan
    spots = np.random.default_rng(4).random((side, side)) < 0.06
    noisy = np.where(spots, 38, clean).astype(np.float32)
    return {"clean": clean, "noisy": np.where(np.isnan(clean), np.nan, noisy), "spots": spots}


def clean_by(strength: float, fields: dict[str, NDArray[Any]], luck: float) -> NDArray[np.float32]:
    """It takes the clutter away as often as told, and rain the less often the luckier."""
    draws = np.random.default_rng(6).random(fields["clean"].shape)
    found = fields["spots"] & (draws < strength)
    rain = fields["clean"] > 20
    hurt = rain & (draws > 1 - luck * strength**3)
    return np.where(found | hurt, NO_ECHO, fields["noisy"]).astype(np.float32)


def make_radar(**known: Any) -> DenoiseFacts:
    """A network that cleans radar against a median."""
    fields = make_fields()
    clean, noisy = (torch.from_numpy(fields[name]) for name in ("clean", "noisy"))
    methods, restored = [], {}
    for name, luck in (("radar-cleaner", 0.05), ("median", 0.4), ("nothing", 0.0)):
        settings = {"off": 0.0} if name == "nothing" else {f"{n}": n / 4 for n in (1, 2, 3, 4)}
        cleaning = {}
        for setting, strength in settings.items():
            cleaning[setting] = CleaningTally((0.1, 1.0, 5.0), MARSHALL_PALMER)
            held = clean_by(strength, fields, luck)
            cleaning[setting].update(torch.from_numpy(held), noisy, clean)
        chosen = "off" if name == "nothing" else "3"
        restored[name] = clean_by(settings[chosen], fields, luck)
        training = make_training(name) if luck == 0.05 else None
        kind = {"radar-cleaner": "network", "nothing": "nothing"}.get(name, "classic")
        told = {"training": training, "kind": kind, "cleaning": cleaning, "chosen": chosen}
        methods.append(MethodFacts(name, **told))
    rows = (PictureRow("16 June 2018, 12:00 UTC", fields["clean"], fields["noisy"], restored),)
    radar = RadarFacts(MARSHALL_PALMER, 1.0, ("A storm, 1 field",), "Clutter was put on real rain.")
    data = DataFacts("Radar", (), "40 × 40 pixels", 100, 10, 1)
    known = {"radar": radar, "rows": rows, **known}
    return DenoiseFacts("Radar cleaner", data, methods[0], tuple(methods[1:]), **known)
