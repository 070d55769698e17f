"""The two engines of the service, whichever library runs their networks.

A library (``rapid``, ``paddle``) opens a network; loading, the golden line, channel order and the
size of batches are the same for both and stand here.
"""

import logging
from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

from services.ocr.engines.golden import (
    check_found,
    check_read,
    golden_crop,
    golden_key,
    golden_page,
)
from services.ocr.engines.options import EngineOptions, detector_info, recogniser_info
from services.ocr.engines.probe import fastest_batch_size
from services.ocr.readings import FoundText, ImageArray, Reading
from services.ocr.weights import Weights
from shared.engine import EngineInfo
from shared.gpu.device import Device

log = logging.getLogger(__name__)

PROBE_PAGES = 2
"""Golden pages, one below the other, with which the batch size of searches is probed."""
PROBE_PX = 384
"""Width of the crops with which that of readings is."""


class DetectorNetwork(Protocol):
    """A loaded network that finds lines of text."""

    runtime: str
    compute_type: str

    def __call__(self, pictures: Sequence[ImageArray]) -> list[FoundText]:
        """Search pictures (height, width, 3) BGR of one shape, together."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class RecogniserNetwork(Protocol):
    """A loaded network that reads crops."""

    runtime: str
    compute_type: str

    def __call__(self, crops: Sequence[ImageArray], width_px: int) -> list[Reading]:
        """Read crops (height, width, 3) BGR, padded to ``width_px`` at the network's height."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class Library(Protocol):
    """What runs networks."""

    def choose_device(self, options: EngineOptions, weights: Weights) -> Device:
        """The device that the settings name, as far as the library can use it."""
        ...

    def open_detector(
        self, weights: Weights, options: EngineOptions, device: Device
    ) -> DetectorNetwork:
        """Load a detector.

        Raises:
            ModelMissing: this library cannot run the file.
        """
        ...

    def open_recogniser(
        self, weights: Weights, options: EngineOptions, device: Device
    ) -> RecogniserNetwork:
        """Load a recogniser; raises as ``open_detector``."""
        ...


class DetectorEngine:
    """Finds lines of text. A payload is a picture (height, width, 3) RGB, sides multiples of 32.

    The key is the picture's shape, so those of a batch fit together.
    """

    def __init__(self, options: EngineOptions, library: Library) -> None:
        """Nothing is loaded yet."""
        self._options, self._library = options, library
        self._network: DetectorNetwork | None = None
        self._batch_size = 1

    def load(self) -> EngineInfo:
        """Load the network."""
        weights = self._options.weights().detector
        device = self._library.choose_device(self._options, weights)
        network = self._library.open_detector(weights, self._options, device)
        page = np.concatenate([_as_bgr(golden_page())] * PROBE_PAGES)
        self._batch_size = fastest_batch_size(lambda count: network([page] * count))
        log.debug("detection: %d pictures at a time are fastest here", self._batch_size)
        self._network = network
        return detector_info(weights, device, network.runtime, network.compute_type)

    def warm_up(self) -> None:
        """Find the golden line."""
        check_found(self.run((), [golden_page()])[0])

    def run(self, key: Hashable, payloads: Sequence[ImageArray]) -> list[FoundText]:
        """Search pictures of one shape, as many at a time as was found to pay."""
        assert self._network is not None
        found: list[FoundText] = []
        for start in range(0, len(payloads), self._batch_size):
            pictures = [_as_bgr(each) for each in payloads[start : start + self._batch_size]]
            found += self._network(pictures)
        return found

    def close(self) -> None:
        """Free the network."""
        if self._network is not None:
            self._network.close()
        self._network = None


class RecogniserEngine:
    """Reads crops. Keys are (recogniser, bucket width in px); a payload is a crop (h, w, 3) RGB."""

    def __init__(self, options: EngineOptions, library: Library) -> None:
        """Nothing is loaded yet."""
        self._options, self._library = options, library
        self._weights: tuple[Weights, ...] = ()
        self._networks: dict[str, RecogniserNetwork] = {}
        self._batch_size = 1

    def load(self) -> EngineInfo:
        """Load the networks."""
        self._weights = self._options.weights().recognisers
        device = self._library.choose_device(self._options, self._weights[0])
        for weights in self._weights:
            network = self._library.open_recogniser(weights, self._options, device)
            self._networks[weights.name] = network
        first, crop = self._networks[self._weights[0].name], _as_bgr(golden_crop())
        self._batch_size = fastest_batch_size(lambda count: first([crop] * count, PROBE_PX))
        log.debug("recognition: %d crops at a time are fastest here", self._batch_size)
        return recogniser_info(self._weights, device, first.runtime, first.compute_type)

    def warm_up(self) -> None:
        """Read the golden line."""
        for weights in self._weights:
            reading = self.run(golden_key(weights.name), [golden_crop()])[0]
            if "en" in weights.languages:
                check_read(reading, weights.name)

    def run(self, key: Hashable, payloads: Sequence[ImageArray]) -> list[Reading]:
        """Read crops of one bucket, as many at a time as was found to pay."""
        assert isinstance(key, tuple)
        name, width_px = key
        readings: list[Reading] = []
        for start in range(0, len(payloads), self._batch_size):
            crops = [_as_bgr(each) for each in payloads[start : start + self._batch_size]]
            readings += self._networks[name](crops, width_px)
        return readings

    def close(self) -> None:
        """Free the networks."""
        for network in self._networks.values():
            network.close()
        self._networks.clear()


def _as_bgr(picture: ImageArray) -> ImageArray:
    """The channel order that PP-OCR networks were trained on."""
    return np.ascontiguousarray(picture[:, :, ::-1])
