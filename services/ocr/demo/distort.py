"""Turns clean ink into what scanners and cameras deliver: tilt, blur, bad light, noise, JPEG."""

from random import Random

import cv2
import numpy as np
import numpy.typing as npt

from services.ocr.demo.render import GrayImage


def distort(rng: Random, ink: GrayImage, strength: float) -> GrayImage:
    """A picture of the ink, in grey levels, of the same size.

    Args:
        rng: source of chance.
        ink: (height, width) uint8, ink 255 on paper 0.
        strength: 0 gives dark ink on light paper and nothing else, 1 the worst that training sees.
    """
    if rng.random() < 0.5 * strength:
        ink = _tilt(rng, ink, strength)
    if rng.random() < 0.3 * strength:
        ink = _thicken_or_thin(rng, ink)
    if rng.random() < 0.25 * strength:
        ink = _rule(rng, ink)
    if rng.random() < 0.5 * strength:
        ink = _lower_resolution(rng, ink, strength)
    if rng.random() < 0.35 * strength:
        ink = _blur(rng, ink, strength)
    picture = _light(rng, ink, strength)
    if rng.random() < 0.5 * strength:
        noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(ink.shape, np.float32)
        picture = picture + rng.uniform(2, 22) * strength * noise
    levels = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.35 * strength:
        levels = _jpeg(rng, levels)
    return levels


def _tilt(rng: Random, ink: GrayImage, strength: float) -> GrayImage:
    """Rotation about the middle plus slant; detectors straighten lines only roughly."""
    height, width = ink.shape
    # At the same angle a long line would leave its crop, so the rise is bounded, not the angle.
    slope = rng.uniform(-1, 1) * strength * min(0.05, 5.0 / width)
    slant = rng.uniform(-0.25, 0.25) * strength if rng.random() < 0.4 else 0.0
    matrix = np.array([[1, slant, -slant * height / 2], [slope, 1, -slope * width / 2]], np.float32)
    return np.asarray(
        cv2.warpAffine(ink, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8
    )


def _thicken_or_thin(rng: Random, ink: GrayImage) -> GrayImage:
    kernel = np.ones((2, 2), np.uint8)
    change = cv2.dilate if rng.random() < 0.5 else cv2.erode
    return np.asarray(change(ink, kernel), np.uint8)


def _rule(rng: Random, ink: GrayImage) -> GrayImage:
    """The line of a table or of a neighbouring row along an edge of the crop."""
    marked = ink.copy()
    y = rng.choice((rng.randint(0, 3), ink.shape[0] - 1 - rng.randint(0, 3)))
    marked[y : y + rng.randint(1, 2), :] = rng.randint(120, 255)
    return marked


def _lower_resolution(rng: Random, ink: GrayImage, strength: float) -> GrayImage:
    height, width = ink.shape
    factor = rng.uniform(1.0 - 0.62 * strength, 0.9)  # down to a line of about 18 px
    small = cv2.resize(
        ink, (max(2, round(width * factor)), round(height * factor)), interpolation=cv2.INTER_AREA
    )
    how = rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC))
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), np.uint8)


def _blur(rng: Random, ink: GrayImage, strength: float) -> GrayImage:
    if rng.random() < 0.7:
        return np.asarray(
            cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.4, 0.4 + 1.1 * strength)), np.uint8
        )
    return np.asarray(cv2.blur(ink, (rng.randint(1, 4), rng.randint(1, 3))), np.uint8)


def _light(rng: Random, ink: GrayImage, strength: float) -> npt.NDArray[np.float32]:
    """Grey levels of ink and paper, sometimes inverted, sometimes unevenly lit."""
    contrast = rng.uniform(255 - 175 * strength, 255)
    paper = rng.uniform(contrast, 255)
    coverage = ink.astype(np.float32) / 255
    picture = paper - contrast * coverage
    if rng.random() < 0.25 * strength:
        picture = 255 - picture
    if rng.random() < 0.3 * strength:
        ramp = np.linspace(-1, 1, ink.shape[1], dtype=np.float32) * rng.uniform(-40, 40) * strength
        picture = picture + ramp[None, :]
    return picture.astype(np.float32)


def _jpeg(rng: Random, levels: GrayImage) -> GrayImage:
    _, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(25, 80)])
    decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return np.asarray(decoded, np.uint8)
