"""Draw what was found on the picture and encode it."""

import colorsys
import io
from collections.abc import Sequence
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from services.yolo.letterbox import Pixels
from services.yolo.schemas import ClassScore, Detection, Keypoint

PictureType = Literal["image/png", "image/jpeg"]

GOLDEN_ANGLE = 0.381966  # of a turn: colours of neighbouring ids lie far apart
JPEG_QUALITY = 90
Colour = tuple[int, int, int]


def draw(
    pixels: Pixels,
    detections: Sequence[Detection],
    classes: Sequence[ClassScore],
    content_type: PictureType,
) -> bytes:
    """The picture with boxes, outlines, keypoints and labels.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        detections: in pixels of the picture; the best is drawn last, on top.
        classes: of a classified picture, written into its corner.
        content_type: format of the answer.
    """
    image = Image.fromarray(pixels)
    brush = ImageDraw.Draw(image)
    unit = max(2, round(max(image.size) / 400))  # line width in pixels
    font = ImageFont.load_default(size=max(10, 6 * unit))
    for detection in reversed(detections):
        _draw_one(brush, detection, unit, font)
    for number, each in enumerate(classes):
        text = f"{each.class_name} {each.confidence:.2f}"
        _label(brush, (unit, unit + 8 * unit * number), text, colour_of(each.class_id), font)
    buffer = io.BytesIO()
    if content_type == "image/png":
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def colour_of(class_id: int) -> Colour:
    """A colour for a class, the same every time."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * GOLDEN_ANGLE % 1.0, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_one(
    brush: ImageDraw.ImageDraw,
    detection: Detection,
    unit: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    colour = colour_of(detection.class_id)
    box = detection.box
    if detection.polygon and len(detection.polygon) > 1:
        points = [*detection.polygon, detection.polygon[0]]
        brush.line(points, fill=colour, width=unit, joint="curve")
    else:
        brush.rectangle((box.x1, box.y1, box.x2, box.y2), outline=colour, width=unit)
    for point in detection.keypoints or []:
        _dot(brush, point, unit, colour)
    text = f"{detection.class_name} {detection.confidence:.2f}"
    _label(brush, (box.x1, max(0, box.y1 - 8 * unit)), text, colour, font)


def _dot(brush: ImageDraw.ImageDraw, point: Keypoint, radius: int, colour: Colour) -> None:
    around = (point.x - radius, point.y - radius, point.x + radius, point.y + radius)
    brush.ellipse(around, fill=colour)


def _label(
    brush: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    colour: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    brush.rectangle(brush.textbbox(corner, text, font=font), fill=colour)
    is_dark = sum(colour) < 3 * 128
    brush.text(corner, text, fill=(255, 255, 255) if is_dark else (0, 0, 0), font=font)
