"""Whisper's log-mel features for a batch, in torch, and two disturbances made on them."""

import torch
from faster_whisper.feature_extractor import FeatureExtractor
from torch import Tensor

N_MELS = 80
_N_FFT, _HOP = 400, 160
FRAMES_PER_S = 100


class LogMel:
    """The features of `faster_whisper.feature_extractor`, computed for many windows at once."""

    def __init__(self) -> None:
        """Make the filter bank."""
        self._filters = torch.from_numpy(FeatureExtractor(feature_size=N_MELS).mel_filters)
        self._window = torch.hann_window(_N_FFT)

    def __call__(self, audio: Tensor) -> Tensor:
        """Compute features.

        Args:
            audio: (n_windows, n_samples) float32 in [-1, 1], 16 kHz.

        Returns:
            (n_windows, 80, n_samples // 160) float32; 0.01 s a frame; each window is scaled by
            its own maximum.
        """
        spectrum = torch.stft(audio, _N_FFT, _HOP, window=self._window, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2
        log_mel = (self._filters @ power).clamp(min=1e-10).log10()
        floor = log_mel.amax(dim=(1, 2), keepdim=True) - 8.0
        return (torch.maximum(log_mel, floor) + 4.0) / 4.0


def warp_voice(features: Tensor, factors: Tensor) -> Tensor:
    """Stretch the frequency axis of each window, which sounds like a longer or shorter vocal tract.

    Args:
        features: (n_windows, n_mels, n_frames).
        factors: (n_windows,) about 0.85 to 1.15; 1 changes nothing.
    """
    n_mels = features.shape[1]
    places = (torch.arange(n_mels)[None] * factors[:, None]).clamp(
        max=n_mels - 1
    )  # (n_windows, n_mels)
    lower = places.floor().long().clamp(max=n_mels - 2)
    share = (places - lower)[..., None]
    index = lower[..., None].expand(-1, -1, features.shape[2])
    return features.gather(1, index) * (1 - share) + features.gather(1, index + 1) * share


def mask_bands(features: Tensor, generator: torch.Generator, *, widest: int = 10) -> Tensor:
    """Replace one random band of each window by its mean (SpecAugment, arXiv:1904.08779)."""
    n_windows, n_mels, _ = features.shape
    width = torch.randint(0, widest + 1, (n_windows, 1), generator=generator)
    first = (torch.rand((n_windows, 1), generator=generator) * (n_mels - width)).long()
    bands = torch.arange(n_mels)[None]
    masked = (bands >= first) & (bands < first + width)  # (n_windows, n_mels)
    return torch.where(masked[..., None], features.mean(dim=(1, 2), keepdim=True), features)
