import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from shared.errors import PayloadTooLarge, UnsupportedMedia
from shared.media.images import decode_image
from shared.media.limits import ImageLimits
from shared.testing import peak_memory


@pytest.fixture
def decode(tmp_path):
    def decode(image, kind="PNG", limits=None, **options):
        path = tmp_path / "picture"
        if isinstance(image, bytes):
            path.write_bytes(image)
        else:
            image.save(path, kind, **options)
        return decode_image(str(path), limits or ImageLimits()).pixels

    return decode


def grey_ramp(mode="L"):
    """2 x 4 pixels from black to white."""
    return Image.fromarray(np.linspace(0, 255, 8).astype(np.uint8).reshape(2, 4)).convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
def test_every_mode_becomes_rgb(decode, mode):
    pixels = decode(Image.new(mode, (5, 3)), kind="TIFF")

    assert (pixels.shape, pixels.dtype) == ((3, 5, 3), np.uint8)


def test_sixteen_bits_are_scaled_to_eight(decode):
    wide = Image.fromarray(np.array([[0, 32896, 65535]], np.uint16))

    assert decode(wide)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (1, 3)), (6, (0, 1))])
def test_orientation_of_exif_is_applied(decode, orientation, corner):
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = orientation

    pixels = decode(image, exif=exif)

    assert pixels[corner].tolist() == [255, 255, 255]
    assert pixels.shape[:2] == ((4, 2) if orientation == 6 else (2, 4))


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
def test_text_on_nothing_stands_out_from_its_background(decode, ink, paper):
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    image.putpixel((5, 5), (ink, ink, ink, 255))

    pixels = decode(image)

    assert pixels[5, 5].tolist() == [ink] * 3
    assert pixels[0, 0].tolist() == [paper] * 3


def test_first_frame_of_an_animation_is_taken(decode):
    frames = [Image.new("L", (3, 3), value) for value in (10, 200, 250)]

    assert decode(frames[0], kind="GIF", save_all=True, append_images=frames[1:]).max() == 10


def test_more_pixels_than_the_limit_are_refused(decode):
    with pytest.raises(PayloadTooLarge, match="the limit is 1199"):
        decode(Image.new("L", (30, 40)), limits=ImageLimits(max_pixels=1199))

    assert decode(Image.new("L", (30, 40)), limits=ImageLimits(max_pixels=1200)).shape[:2] == (
        40,
        30,
    )


def test_pixels_are_counted_before_anything_is_unpacked(decode):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk
    bomb += struct.pack(">I", zlib.crc32(chunk)) + struct.pack(">I", 0) + b"IDAT"

    with pytest.raises(PayloadTooLarge):
        decode(bomb)


def test_frame_to_be_cleared_takes_no_memory_of_its_announced_size(decode):
    screen = b"GIF89a" + struct.pack("<HHBBB", 32, 32, 0xF1, 0, 0) + bytes(12)
    cleared_afterwards = b"\x21\xf9\x04\x08" + bytes(4)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 2_000, 0) + b"\x02"

    with peak_memory() as peak, pytest.raises(PayloadTooLarge):
        decode(screen + cleared_afterwards + frame)

    assert peak.growth_bytes < 16 * 2**20


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"%PDF-1.4 and nothing", b"BM"])
def test_what_is_no_picture_is_refused(decode, content):
    with pytest.raises(UnsupportedMedia):
        decode(content)


def test_picture_cut_short_is_refused(decode):
    whole = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(whole, "PNG")

    with pytest.raises(UnsupportedMedia, match="damaged"):
        decode(whole.getvalue()[:5000])
