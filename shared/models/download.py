"""Download one file over HTTPS: resumes where it broke off, never goes past the stated size."""

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

ATTEMPTS = 5
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
DISK_RESERVE_BYTES = 256 * 2**20

ReportBytes = Callable[[int, int | None], None]
"""Told how many bytes are here and how many there will be, if that is known."""


class FetchError(Exception):
    """A file could not be had; the text says which and why."""


class Unreachable(FetchError):
    """The host does not answer."""


@dataclass(frozen=True)
class Download:
    """What to download, and where to."""

    url: str
    part: Path  # holds what is here so far; complete when ``download`` returns
    size_bytes: int | None = None  # as stated; a longer answer is refused
    has_digest: bool = False  # the whole file will be checked against a stated digest


def make_client() -> httpx.Client:
    """A client that follows redirects, but never to an address that is not HTTPS."""
    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        event_hooks={"request": [require_https]},
    )


def require_https(request: httpx.Request) -> None:
    """Refuse to send a request in the clear.

    Raises:
        FetchError: its address is not HTTPS.
    """
    if request.url.scheme != "https":
        raise FetchError(f"{request.url.host}: refused, the address is not https")


def download(
    client: httpx.Client,
    wanted: Download,
    report: ReportBytes,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the whole file to ``wanted.part``, going on with what is there already.

    Args:
        client: how to send; see ``make_client``.
        wanted: the file.
        report: told of progress.
        pause: waits the given time in s between two attempts.

    Raises:
        FetchError: the server refuses, the file is too large, or the disk is too full.
        Unreachable: the host cannot be connected to.
    """
    wanted.part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        try:
            _attempt(client, wanted, report)
        except httpx.ConnectError as error:
            raise Unreachable(f"{httpx.URL(wanted.url).host} cannot be reached") from error
        except httpx.ConnectTimeout as error:
            raise Unreachable(f"{httpx.URL(wanted.url).host} does not answer") from error
        except httpx.HTTPError as error:
            if attempt == ATTEMPTS - 1:
                raise FetchError(f"{wanted.url}: {error or type(error).__name__}") from error
            pause(2.0**attempt)
        else:
            return


def discard(part: Path) -> None:
    """Remove what is here of an unfinished download."""
    part.unlink(missing_ok=True)
    _etag_file(part).unlink(missing_ok=True)


def _attempt(client: httpx.Client, wanted: Download, report: ReportBytes) -> None:
    headers = {"accept-encoding": "identity", **_resume_headers(wanted)}
    with client.stream("GET", wanted.url, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            discard(wanted.part)
            raise httpx.RemoteProtocolError("the server has another file than the one begun")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            if answer.is_server_error:
                raise httpx.RemoteProtocolError(f"the server answered {answer.status_code}")
            raise FetchError(f"{wanted.url}: the server answered {answer.status_code}")
        resumes = answer.status_code == httpx.codes.PARTIAL_CONTENT
        have_bytes = wanted.part.stat().st_size if resumes else 0
        if resumes and not answer.headers.get("content-range", "").startswith(
            f"bytes {have_bytes}-"
        ):
            discard(wanted.part)
            raise httpx.RemoteProtocolError("the server sent another part than the one asked for")
        _etag_file(wanted.part).write_text(answer.headers.get("etag", ""))
        _receive(answer, wanted, have_bytes, report)


def _receive(
    answer: httpx.Response, wanted: Download, have_bytes: int, report: ReportBytes
) -> None:
    announced = answer.headers.get("content-length", "")
    total_bytes = have_bytes + int(announced) if announced.isdecimal() else wanted.size_bytes
    limit_bytes = wanted.size_bytes if wanted.size_bytes is not None else total_bytes
    _require_space(wanted.part, (total_bytes or 0) - have_bytes)
    with wanted.part.open("ab" if have_bytes else "wb") as file:
        for piece in answer.iter_raw():
            have_bytes += len(piece)
            if limit_bytes is not None and have_bytes > limit_bytes:
                file.close()
                discard(wanted.part)
                raise FetchError(f"{wanted.url} is larger than the stated {limit_bytes} bytes")
            file.write(piece)
            report(have_bytes, total_bytes)
    _etag_file(wanted.part).unlink(missing_ok=True)


def _resume_headers(wanted: Download) -> dict[str, str]:
    """Ask for the rest only where a change of the file meanwhile would be noticed."""
    have_bytes = wanted.part.stat().st_size if wanted.part.is_file() else 0
    if have_bytes == 0:
        return {}
    etag = ""
    with contextlib.suppress(OSError):
        etag = _etag_file(wanted.part).read_text()
    if etag.startswith('"'):  # a strong one: RFC 9110, section 13.1.5
        return {"range": f"bytes={have_bytes}-", "if-range": etag}
    return {"range": f"bytes={have_bytes}-"} if wanted.has_digest else {}


def _require_space(part: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(part.parent).free
    if needed_bytes + DISK_RESERVE_BYTES > free_bytes:
        raise FetchError(
            f"the disk of {part.parent} has {free_bytes / 1e9:.1f} GB free; "
            f"{(needed_bytes + DISK_RESERVE_BYTES) / 1e9:.1f} GB are needed"
        )


def _etag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")
