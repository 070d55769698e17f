"""Decode pictures with Pillow; runs in a media worker."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from shared.errors import PayloadTooLarge, UnsupportedMedia
from shared.media.limits import ImageLimits, Picture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def decode_image(path: str, limits: ImageLimits) -> Picture:
    """Decode the first frame of a picture to upright 8-bit RGB.

    Sixteen-bit channels are scaled to eight; transparent pixels are laid on the background, black
    or white, that the visible ones stand out from; EXIF orientation is applied, unreadable EXIF
    ignored.

    Args:
        path: file of ours.
        limits: bounds, checked on the header before anything is unpacked.

    Raises:
        UnsupportedMedia: not a picture of a supported format, or damaged.
        PayloadTooLarge: more pixels than the limit.
    """
    if not Path(path).stat().st_size:
        raise UnsupportedMedia("the file is empty")
    # Pillow refuses twice this number as soon as it reads a size, before it allocates anything.
    Image.MAX_IMAGE_PIXELS = -(-limits.max_pixels // 2)
    warnings.simplefilter("ignore")
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image, limits)
            image.load()
            _turn_upright(image)
            return Picture(np.ascontiguousarray(_to_rgb(image)))
    except Image.DecompressionBombError:
        raise PayloadTooLarge(
            f"the picture has too many pixels; the limit is {limits.max_pixels}"
        ) from None
    except UnidentifiedImageError:
        raise UnsupportedMedia(f"not a picture; supported are {', '.join(FORMATS)}") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError) as error:
        raise UnsupportedMedia(
            f"the picture is damaged and cannot be decoded ({type(error).__name__})"
        ) from None


def _check_size(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if min(width, height) < limits.min_side_px:
        raise UnsupportedMedia(f"the picture has no area ({width} x {height} pixels)")
    if width * height > limits.max_pixels:
        raise PayloadTooLarge(
            f"the picture has {width} x {height} pixels; the limit is {limits.max_pixels}"
        )


def _turn_upright(image: Image.Image) -> None:
    """Apply the EXIF orientation in place: Pillow's copy costs half as much as decoding did."""
    with contextlib.suppress(
        ValueError, TypeError, SyntaxError, OSError, KeyError, ZeroDivisionError
    ):
        ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 of any mode."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_wide_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_contrasting_background(np.asarray(image.convert("RGBA")))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _from_wide_grey(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if image.mode.startswith("I") else max(1.0, float(values.max()))
    grey = np.clip(values / top * 255, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_contrasting_background(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = rgba[:, :, 3:].astype(np.float32) / 255
    colour = rgba[:, :, :3].astype(np.float32)
    weight = float(alpha.sum())
    brightness = float((colour.mean(axis=2, keepdims=True) * alpha).sum() / weight) if weight else 0
    # A picture that is mostly opaque keeps the usual white; text on nothing needs contrast.
    background = 0.0 if brightness > 127 and weight < 0.5 * alpha.size else 255.0
    return (colour * alpha + background * (1 - alpha)).round().astype(np.uint8)
