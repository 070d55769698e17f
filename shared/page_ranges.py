"""Page lists as users write them: ``1-3,7``."""

import re

from shared.errors import FieldFault, InvalidInput, PayloadTooLarge

_PART = re.compile(r"^(\d{1,6})(?:-(\d{1,6})?)?$")


def parse_pages(text: str | None, page_count: int, max_pages: int) -> list[int]:
    """Pages that a request asks for.

    Args:
        text: pages and ranges separated by commas, from 1; ``3-`` runs to the end; None means all.
        page_count: pages of the document.
        max_pages: most pages of one request.

    Returns:
        Page numbers from 1, rising, each once.

    Raises:
        InvalidInput: not such a list, or a page that the document does not have.
        PayloadTooLarge: more than ``max_pages``.
    """
    pages: set[int] = set(range(1, page_count + 1)) if text is None else set()
    for part in [] if text is None else text.replace(" ", "").split(","):
        pages.update(_range(part, page_count))
    if len(pages) > max_pages:
        raise PayloadTooLarge(
            f"{len(pages)} pages were asked for; the limit is {max_pages} a request (use pages)"
        )
    return sorted(pages)


def _range(part: str, page_count: int) -> range:
    match = _PART.match(part)
    if match is None:
        raise _wrong(f"{part!r} is not a page or range of pages; write for example 1-3,7")
    first = int(match[1])
    last = int(match[2]) if match[2] else (page_count if part.endswith("-") else first)
    if not 1 <= first <= last <= page_count:
        raise _wrong(f"pages {part} do not exist; the document has {page_count} pages")
    return range(first, last + 1)


def _wrong(text: str) -> InvalidInput:
    return InvalidInput(text, faults=[FieldFault("pages", text)])
