"""The recogniser's network: convolutions that flatten the line's height, then read along its width.

There is no recurrent layer: convolutions train several times faster on a CPU (bfloat16 matrix units
where there are any), and the receptive field of about ten characters is enough without a language
model.
"""

import torch
from torch import Tensor, nn

from services.ocr.demo.alphabet import CLASS_COUNT

FRAME_PX = 4  # width of the picture that one output step stands for
_BGR_WEIGHTS = (0.114, 0.587, 0.299)  # luma of ITU-R BT.601, in the channel order OpenCV delivers


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(channels, channels),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Recogniser(nn.Module):
    """Maps pictures of text lines to a distribution over classes at every step along the line."""

    luma: Tensor

    def __init__(self) -> None:
        """An untrained network."""
        super().__init__()
        self.register_buffer("luma", torch.tensor(_BGR_WEIGHTS).view(1, 3, 1, 1))
        self.features = nn.Sequential(
            _convolution(1, 32, stride=2),  # 24 rows
            _convolution(32, 64, stride=2),  # 12 rows, FRAME_PX px a column
            _Residual(64),
            _convolution(64, 128, stride=(2, 1)),
            _Residual(128),
            _convolution(128, 192, stride=(2, 1)),
            _Residual(192),
            _convolution(192, 256, kernel=(3, 1), padding=(0, 0)),  # 1 row
            _convolution(256, 256, kernel=(1, 5), padding=(0, 2)),
            nn.Dropout(0.1),
        )
        self.classify = nn.Conv2d(256, CLASS_COUNT, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Unnormalised class scores.

        Args:
            pictures: (batch, 3, 48, width) float32 in [-1, 1], BGR, zeros right of the text.

        Returns:
            (batch, width / FRAME_PX, CLASS_COUNT).
        """
        return self.scores((pictures * self.luma).sum(dim=1, keepdim=True))

    def scores(self, gray: Tensor) -> Tensor:
        """The same for pictures of one channel, (batch, 1, 48, width)."""
        features: Tensor = self.features(gray)
        scores: Tensor = self.classify(features)
        return scores.squeeze(2).transpose(1, 2)


class Exported(nn.Module):
    """What the ONNX file holds: probabilities, as PaddleOCR's and RapidOCR's decoders expect."""

    def __init__(self, recogniser: Recogniser) -> None:
        """Wrap a trained network."""
        super().__init__()
        self.recogniser = recogniser

    def forward(self, pictures: Tensor) -> Tensor:
        """Class probabilities, (batch, steps, CLASS_COUNT)."""
        return torch.softmax(self.recogniser(pictures), dim=2)


def _convolution(
    inputs: int,
    outputs: int,
    *,
    kernel: int | tuple[int, int] = 3,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 1,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
