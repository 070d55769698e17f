"""A checkpoint of Ultralytics with random weights whose answers are spread like a trained one's."""

from pathlib import Path

import torch

from services.yolo.engines.torchvision_ops import ensure_torchvision
from services.yolo.sample import sample_canvas


def save_random_checkpoint(folder: Path, architecture: str) -> Path:
    """Write ``<architecture>.pt``.

    A fresh network answers the same everywhere. One picture through it in training mode gives its
    normalisation layers sensible statistics, and weaker class scores keep them from saturating, so
    that the order of detections is well defined.
    """
    ensure_torchvision()
    from ultralytics import YOLO

    torch.manual_seed(0)
    yolo = YOLO(f"{architecture}.yaml")
    network = yolo.model
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    picture = torch.from_numpy(sample_canvas(160, 160)).permute(2, 0, 1)[None].float() / 255
    network.train()
    with torch.no_grad():
        network(picture + 0.05 * torch.randn(2, 3, 160, 160))
    network.eval()
    for branch in ("cv3", "one2one_cv3"):
        for layers in getattr(network.model[-1], branch, None) or []:
            layers[-1].bias.data.fill_(-2.0)
            layers[-1].weight.data *= 0.1
    path = folder / f"{architecture}.pt"
    yolo.save(path)
    return path
