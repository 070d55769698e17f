import numpy as np
import pytest
import torch
from faster_whisper.feature_extractor import FeatureExtractor

from services.whisper.demo.features import LogMel, mask_bands, warp_voice


@pytest.fixture
def audio():
    return np.random.default_rng(1).normal(0, 0.1, (2, 16_000)).astype(np.float32)


def test_features_equal_those_of_faster_whisper(audio):
    features = LogMel()(torch.from_numpy(audio))

    expected = FeatureExtractor()(audio[1], padding=0)
    assert features.shape == (2, 80, 100)
    np.testing.assert_allclose(features[1].numpy(), expected[:, :100], atol=1e-4)  # float32 FFT


def test_warp_of_one_changes_nothing():
    features = torch.randn((2, 80, 7))

    assert torch.equal(warp_voice(features, torch.ones(2)), features)


def test_warp_moves_a_band_down_when_the_axis_is_stretched():
    features = torch.zeros((1, 80, 1))
    features[0, 40] = 1.0

    warped = warp_voice(features, torch.tensor([1.25]))

    assert int(warped[0, :, 0].argmax()) == 32


def test_masked_bands_hold_the_mean_and_the_rest_is_untouched():
    features = torch.randn((4, 80, 5))

    masked = mask_bands(features, torch.Generator().manual_seed(1), widest=10)

    changed = (masked != features).any(dim=2).sum(dim=1)
    assert masked.shape == features.shape
    assert changed.max() <= 10
    assert changed.sum() > 0
