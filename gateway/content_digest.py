"""What a body says, as one digest; of two multipart bodies only the boundary may differ.

Client libraries draw a new boundary each time they send the same form, so raw bytes are no
identity. Here the boundary is left out: what lies between its places is hashed piece by piece.
"""

import hashlib
import re

_BOUNDARY = re.compile(r'^multipart/.*;\s*boundary="?([^";]+)"?', re.IGNORECASE)


class ContentDigest:
    """SHA-256 over a body that comes in pieces."""

    def __init__(self, content_type: str | None) -> None:
        """Begin.

        Args:
            content_type: value of ``Content-Type``; names the boundary of a multipart body.
        """
        match = _BOUNDARY.match(content_type or "")
        self._delimiter = b"--" + match.group(1).encode("latin-1") if match else b""
        kind = (content_type or "").partition(";")[0].strip().lower()
        self._whole = hashlib.sha256(kind.encode("latin-1") + b"\n")
        self._part = hashlib.sha256()
        self._tail = b""  # may be the beginning of a delimiter

    def update(self, piece: bytes) -> None:
        """Add the next piece; how the body is cut into pieces does not matter."""
        if not self._delimiter:
            self._part.update(piece)
            return
        data, start = self._tail + piece, 0
        while (place := data.find(self._delimiter, start)) >= 0:
            self._part.update(data[start:place])
            self._end_part()
            start = place + len(self._delimiter)
        keep_from = max(start, len(data) - len(self._delimiter) + 1)
        self._part.update(data[start:keep_from])
        self._tail = data[keep_from:]

    def hexdigest(self) -> str:
        """The digest of all that was added; call it once, at the end."""
        self._part.update(self._tail)
        self._end_part()
        return self._whole.hexdigest()

    def _end_part(self) -> None:
        self._whole.update(self._part.digest())
        self._part = hashlib.sha256()
