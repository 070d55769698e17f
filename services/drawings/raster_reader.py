"""Have a picture read by the OCR: view by view, small letters enlarged, doubtful places twice.

White paper is not sent. A view whose letters are small is read again enlarged. What is not sure
even then, and what stands in tolerance frames, goes to the OCR once more, on one sheet of cuttings.
"""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from services.drawings.content import PageContent, find_border
from services.drawings.geometry import Box
from services.drawings.ink import Pixels, find_ink, long_runs
from services.drawings.lines import TextLine
from services.drawings.peers import ReadText, read_text
from services.drawings.raster_frames import SecondReading
from services.drawings.raster_view import RasterView, enlargement, finish, prepare
from services.drawings.sheet import Sheet, lay_out, scaled
from services.drawings.stages import Stages
from services.drawings.views import find_views
from shared.gateway_client import Calls

OCR, DETAILS = "ocr", "ocr_details"
SMALL_VIEW_PX = 560  # views up to this side are read together, on one sheet
VIEWS_IN_FLIGHT = 4  # readings that are under way at a time
MOST_DOUBTFUL = 60  # lines of a page that are read again
LOSSLESS_PX = 16_000_000  # larger pictures are sent as JPEG: as PNG, a noisy scan may be too long
JPEG_QUALITY = 92
LONGEST_JPEG_PX = 65_500


@dataclass(frozen=True)
class OcrOptions:
    """How the OCR is asked."""

    languages: str | None
    tile_px: int  # longest side of the tiles in which it searches
    max_pixels: int  # of all enlarged views of a page together


@dataclass(frozen=True)
class View:
    """A view as it is read."""

    box: Box  # on the page, whole pixels
    pixels: Pixels
    scale: float = 1.0  # pixels for one of the page
    lines: tuple[TextLine, ...] = ()  # in ``pixels``
    is_read: bool = False


class PictureReader:
    """Reads the pictures of one request."""

    def __init__(self, calls: Calls, options: OcrOptions, stages: Stages) -> None:
        """Ask the OCR through the gateway; what fails is noted in ``stages``."""
        self._calls = calls
        self._options = options
        self._stages = stages
        self._slots = asyncio.Semaphore(VIEWS_IN_FLIGHT)
        self.model: str | None = None

    async def read(self, pixels: Pixels, number: int, dpi: int | None) -> PageContent | None:
        """Read one page.

        Args:
            pixels: (height, width, 3) uint8 RGB.
            number: of the page, from 1.
            dpi: its resolution; None for a picture.

        Returns:
            What stands on it, in its pixels; None if the OCR gave no answer at all.
        """
        boxes, border = await asyncio.to_thread(_parts_of, pixels)
        views = await self._read([View(box, _cut(pixels, box)) for box in boxes], OCR)
        if not boxes:
            self._stages.skip(OCR, "the page is blank")
        elif not any(each.is_read for each in views):
            return None
        views = await self._enlarged(views)
        lines = sum(len(each.lines) for each in views)
        parts = [
            await asyncio.to_thread(
                prepare, each.pixels, each.lines,
                -(-MOST_DOUBTFUL * len(each.lines) // max(lines, 1)),
            )
            for each in views
        ]  # fmt: skip
        sheet = lay_out([picture for part in parts for picture in part.pictures])
        again = await self._read_sheet(sheet)
        height, width = pixels.shape[:2]
        page = PageContent(number, width, height, dpi, (), border=border)
        return await asyncio.to_thread(_bring_together, page, views, parts, sheet, again)

    async def _enlarged(self, views: Sequence[View]) -> list[View]:
        """The views, those with small letters read again as much larger as they need to be."""
        usual = [each.height for view in views for each in view.lines]
        left_px = self._options.max_pixels
        same, larger = [], []
        for view in views:
            scale = enlargement([each.height for each in view.lines] or usual)
            pixels = round(view.box.area * scale**2)
            if scale == 1 or pixels > left_px:
                same.append(view)
                continue
            left_px -= pixels
            larger.append(
                replace(
                    view, scale=scale, pixels=await asyncio.to_thread(scaled, view.pixels, scale),
                    lines=tuple(each.times(scale) for each in view.lines),
                )
            )  # fmt: skip
        return [*same, *await self._read(larger, DETAILS)]

    async def _read(self, views: Sequence[View], stage: str) -> list[View]:
        """The views with the lines that the OCR finds; where it fails, as they were.

        Small views share a sheet, large ones have one each.
        """
        alone = [[each] for each in views if max(each.pixels.shape) > SMALL_VIEW_PX]
        small = [each for each in views if max(each.pixels.shape) <= SMALL_VIEW_PX]
        groups = [*alone, *([small] if small else [])]
        read = await asyncio.gather(*(self._read_group(each, stage) for each in groups))
        return [view for group in read for view in group]

    async def _read_group(self, views: Sequence[View], stage: str) -> list[View]:
        sheet = await asyncio.to_thread(_sheet_of, [each.pixels for each in views])
        found = await self._ask(sheet.pixels, stage)
        if found is None:
            return list(views)
        return [
            replace(
                view, is_read=True,
                lines=tuple(
                    each.moved(-place.x1, -place.y1) for each in sheet.lines_in(index, found.lines)
                ) + view.lines,
            )
            for index, (view, place) in enumerate(zip(views, sheet.places, strict=True))
        ]  # fmt: skip

    async def _read_sheet(self, sheet: Sheet | None) -> Sequence[TextLine]:
        if sheet is None:
            self._stages.skip(DETAILS, "nothing had to be read again")
            return ()
        found = await self._ask(sheet.pixels, DETAILS)
        return found.lines if found else ()

    async def _ask(self, pixels: Pixels, stage: str) -> ReadText | None:
        async with self._slots:
            if not self._stages.may_run(stage):
                return None
            picture = await asyncio.to_thread(encode, pixels)
            work = read_text(
                self._calls, picture, languages=self._options.languages,
                tile_px=self._options.tile_px, reserve_s=self._stages.reserve_s,
            )  # fmt: skip
            found = await self._stages.run(stage, work)
        if found is not None:
            self.model = found.model
        return found


def encode(pixels: Pixels) -> bytes:
    """A picture as a file, quickly rather than small."""
    file = io.BytesIO()
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    if height * width <= LOSSLESS_PX or max(height, width) > LONGEST_JPEG_PX:
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def _parts_of(pixels: Pixels) -> tuple[list[Box], Box | None]:
    """The views of a sheet, and its border."""
    height, width = pixels.shape[:2]
    ink = find_ink(pixels, is_faint_ink=True)
    level, upright = long_runs(ink, max(8, min(height, width) // 2))
    border = find_border(level, upright, width, height)
    return find_views(ink, border), border


def _sheet_of(pictures: Sequence[Pixels]) -> Sheet:
    """The pictures on one sheet; a very large one is not copied on another."""
    height, width = pictures[0].shape[:2]
    if len(pictures) == 1 and height * width > LOSSLESS_PX:
        return Sheet(pictures[0], (Box(0, 0, width, height),))
    sheet = lay_out(pictures)
    assert sheet is not None
    return sheet


def _cut(pixels: Pixels, box: Box) -> Pixels:
    return pixels[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)]


def _bring_together(
    page: PageContent,
    views: Sequence[View],
    parts: Sequence[RasterView],
    sheet: Sheet | None,
    again: Sequence[TextLine],
) -> PageContent:
    first = 0
    for view, part in zip(views, parts, strict=True):
        second = SecondReading(sheet, first, again)
        content = finish(part, view.pixels, second, page=page.page)
        page = page.with_view(content, view.box, view.scale)
        first += len(part.pictures)
    return page
