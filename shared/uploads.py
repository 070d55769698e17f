"""Read a request's media and options, whatever form they come in, with limits held while reading.

Three forms are accepted everywhere: ``multipart/form-data`` with file parts, a raw body whose
options are query parameters, and JSON with ``{"image": {"base64": …}, …}``. Files of the first two
are spooled to disk as they arrive, in memory that does not grow with their size.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_origin

from fastapi import Request
from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.errors import BadRequest, FieldFault, InvalidInput, PayloadTooLarge
from shared.problems import invalid_input
from shared.spool import Spool, SpoolFile, UploadedFile

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True)
class UploadLimits:
    """Bounds of a body beside its total size."""

    max_files: int = 16
    max_fields: int = 64  # these and the following: of a multipart body
    max_field_bytes: int = 64 * 1024
    max_header_bytes: int = 8 * 1024  # of one line in the header of a part


@dataclass
class Upload:
    """Files and options of a request."""

    files: list[UploadedFile] = field(default_factory=list)
    options: dict[str, list[Any]] = field(default_factory=dict)  # "[]" of names is dropped

    def add_option(self, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Note one value of an option."""
        self.options.setdefault(name.removesuffix("[]"), []).append(value)

    def one_file(self) -> UploadedFile:
        """The file of a path that takes exactly one.

        Raises:
            InvalidInput: there is none, or more than one.
        """
        if len(self.files) != 1:
            raise missing_file(f"exactly one file is expected, {len(self.files)} were sent")
        return self.files[0]


def missing_file(text: str) -> InvalidInput:
    """The error for a request without its file."""
    return InvalidInput(text, faults=[FieldFault("file", text)])


@asynccontextmanager
async def read_upload(
    request: Request, *, spool_dir: Path | None = None, limits: UploadLimits | None = None
) -> AsyncIterator[Upload]:
    """Read the request's body; its files exist until the block ends.

    Args:
        request: a request whose body has not been read.
        spool_dir: where files are spooled; the system's temporary folder by default.
        limits: bounds beside the body's size, which the HTTP layer holds.

    Raises:
        BadRequest: the body is malformed.
        PayloadTooLarge: too many parts, or a field is too long.
        InvalidInput: JSON without an image.
    """
    limits = limits or UploadLimits()
    spool = Spool(spool_dir, limits.max_files)
    try:
        upload = Upload()
        for name, value in request.query_params.multi_items():
            upload.add_option(name, value)
        kind, parameters = parse_options_header(request.headers.get("content-type", ""))
        if kind == b"multipart/form-data":
            boundary = parameters.get(b"boundary")
            if not boundary:
                raise BadRequest("the multipart body names no boundary")
            await _read_multipart(request, boundary, upload, spool, limits)
        elif kind == b"application/json":
            await _read_json(request, upload, spool)
        else:
            await _read_raw(request, upload, spool)
        yield upload
    finally:
        await spool.remove()


def parse_options(model: type[Options], upload: Upload) -> Options:
    """Check the options of a request against ``model``.

    A name given several times is a list; where ``model`` wants a single value the last one counts,
    and where it wants a list a single text may hold several, separated by commas.

    Raises:
        InvalidInput: an option is unknown or wrong; every fault is named.
    """
    values = {}
    for name, given in upload.options.items():
        declared = model.model_fields.get(name)
        if declared is not None and _wants_list(declared.annotation):
            values[name] = [part for value in given for part in _split(value)]
        else:
            values[name] = given[-1]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid_input(error.errors()) from None


def _wants_list(annotation: Any) -> bool:  # noqa: ANN401 - a type expression
    arms = getattr(annotation, "__args__", ()) if get_origin(annotation) is not list else ()
    return get_origin(annotation) is list or any(get_origin(arm) is list for arm in arms)


def _split(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else [value]


async def _read_raw(request: Request, upload: Upload, spool: Spool) -> None:
    file = spool.create()
    async for chunk in request.stream():
        file.add(chunk)
        await file.flush()
    done = await file.finish()
    if done.size_bytes:
        upload.files.append(done)


async def _read_json(request: Request, upload: Upload, spool: Spool) -> None:
    body = await request.body()
    try:
        document = await asyncio.to_thread(json.loads, body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest("the JSON body must be an object")
    images = document.pop("image", None)
    for number, image in enumerate(images if isinstance(images, list) else [images]):
        content = await asyncio.to_thread(_decode_base64, image, number)
        file = spool.create()
        file.add(content)
        upload.files.append(await file.finish())
    for name, value in document.items():
        upload.add_option(name, value)


def _decode_base64(image: Any, number: int) -> bytes:  # noqa: ANN401 - any JSON value
    text = image.get("base64") if isinstance(image, dict) else None
    if not isinstance(text, str):
        hint = 'expected {"image": {"base64": "…"}}'
        raise InvalidInput(hint, faults=[FieldFault(f"image.{number}.base64", hint)])
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        fault = FieldFault(f"image.{number}.base64", "this is not valid base64")
        raise InvalidInput(fault.msg, faults=[fault]) from None


async def _read_multipart(
    request: Request, boundary: bytes, upload: Upload, spool: Spool, limits: UploadLimits
) -> None:
    form = _Form(upload, spool, limits)
    try:
        parser = MultipartParser(
            boundary, form.callbacks(), max_header_size=limits.max_header_bytes
        )
        async for chunk in request.stream():
            parser.write(chunk)
            await form.settle()
        parser.finalize()
    except MultipartParseError as error:
        raise BadRequest(f"the multipart body is malformed: {error}") from None
    if not form.ended:
        raise BadRequest("the multipart body ends before its last boundary")
    await form.settle()


class _Form:
    """Collects the parts that the push parser reports."""

    def __init__(self, upload: Upload, spool: Spool, limits: UploadLimits) -> None:
        self._upload, self._spool, self._limits = upload, spool, limits
        self._header_name, self._header_value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._text: bytearray | None = None
        self._file: SpoolFile | None = None
        self._finished: list[SpoolFile] = []
        self._fields = 0
        self.ended = False

    def callbacks(self) -> Any:  # noqa: ANN401 - the parser's own typed dict
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value_part,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    async def settle(self) -> None:
        """Write what has been collected; called between chunks, since the parser cannot wait."""
        if self._file is not None:
            await self._file.flush()
        for file in self._finished:
            self._upload.files.append(await file.finish())
        self._finished.clear()

    def _part_begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, parameters = parse_options_header(disposition)
        self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in parameters:
            self._file = self._spool.create()
        else:
            self._fields += 1
            if self._fields > self._limits.max_fields:
                raise PayloadTooLarge(f"more than {self._limits.max_fields} fields in one request")
            self._text = bytearray()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.add(data[start:end])
        elif self._text is not None:
            self._text += data[start:end]
            if len(self._text) > self._limits.max_field_bytes:
                raise PayloadTooLarge(
                    f"field {self._name!r} is longer than {self._limits.max_field_bytes} bytes"
                )

    def _part_end(self) -> None:
        if self._file is not None:
            self._finished.append(self._file)
            self._file = None
        elif self._text is not None:
            try:
                self._upload.add_option(self._name, self._text.decode())
            except UnicodeDecodeError:
                raise BadRequest(f"field {self._name!r} is not UTF-8 text") from None
            self._text = None

    def _end(self) -> None:
        self.ended = True
