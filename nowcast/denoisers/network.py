"""A trained network as a denoiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nowcast.tasks import DenoiseTask
from pipeline.batch import Batch

IMAGES = 256


class NetworkDenoiser:
    """A network trained for DenoiseTask, applied in physical units.

    Args:
        network: Put into evaluation mode and moved to the device.
        task: What it was trained for.
        device: Where it is computed.
        precision: "32-true" or "bf16-mixed".
        name: How pages call it.

    Missing: a missing pixel is 0 for the network, and missing in the answer.
    """

    def __init__(
        self,
        network: nn.Module,
        task: DenoiseTask,
        device: str | torch.device = "cpu",
        precision: str = "32-true",
        name: str = "network",
    ) -> None:
        self.network = network.eval().to(device)
        self.task, self.device, self.words = task, torch.device(device), name
        self.mixed = precision == "bf16-mixed"

    @torch.inference_mode()
    def denoise(self, noisy: Tensor) -> Tensor:
        """(B, C, H, W) in physical units, restored, where the noisy ones are."""
        return torch.cat([self._restored(images) for images in torch.split(noisy.float(), IMAGES)])

    def _restored(self, noisy: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            output = self.network(self.task.pose(Batch(noisy.to(self.device))).inputs)
        restored = self.task.scaling.decode(output.float()).to(noisy.device)
        return torch.where(noisy.isnan(), noisy, restored)
