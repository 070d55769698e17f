"""What travels between a process and its worker: msgpack frames, arrays through shared memory.

A frame is a msgpack value plus, when it holds larger arrays, one anonymous memory file (memfd)
whose descriptor is passed along the Unix socket. Nothing has a name in the file system, so a
killed process leaves nothing behind, and no pickle is involved. Dataclasses travel only if both
sides listed them.
"""

import array
import contextlib
import dataclasses
import mmap
import os
import socket
import struct
from collections.abc import Iterable
from typing import Any

import msgpack
import numpy as np

from shared.errors import GantryError, error_from_code

SHARED_FROM_BYTES = 16 * 1024  # smaller arrays travel inside the frame
MAX_FRAME_BYTES = 256 * 2**20

_HEADER = struct.Struct("<IQ")  # length of the frame, length of the memory file (0: none)
_TUPLE, _INLINE_ARRAY, _SHARED_ARRAY, _RECORD, _ERROR = range(1, 6)


class ChannelClosed(ConnectionError):
    """The other side has gone."""


class Channel:
    """A blocking, message-wise connection over a Unix stream socket."""

    def __init__(self, connection: socket.socket, record_types: Iterable[type] = ()) -> None:
        """Take over ``connection``.

        Args:
            connection: a connected AF_UNIX stream socket.
            record_types: dataclasses that may travel, equal on both sides.
        """
        self._socket = connection
        self._types = {record_name(each): each for each in record_types}

    def send(self, value: Any) -> None:  # noqa: ANN401 - any value of the kinds below
        """Send None, bool, numbers, text, bytes, lists, tuples, dicts, arrays, listed dataclasses
        or exceptions.

        Raises:
            ChannelClosed: the other side has gone.
            TypeError: the value holds something that does not travel.
        """  # noqa: D205 - the list of kinds does not fit one line
        encoder = _Encoder(self._types)
        frame = encoder.pack(value)
        shared = encoder.shared_bytes
        try:
            if shared:
                with _memory_file(shared) as descriptor:
                    encoder.write_shared(descriptor)
                    self._send_with(_HEADER.pack(len(frame), shared), descriptor)
                    self._socket.sendall(frame)
            else:
                self._socket.sendall(_HEADER.pack(len(frame), 0) + frame)
        except OSError as error:
            raise ChannelClosed("the worker's connection is closed") from error

    def receive(self) -> Any:  # noqa: ANN401 - whatever was sent
        """Wait for one message.

        Raises:
            ChannelClosed: the other side has gone.
        """
        try:
            header, descriptor = self._receive_header()
            length, shared = _HEADER.unpack(header)
            if length > MAX_FRAME_BYTES:
                raise ChannelClosed("a frame is larger than the protocol allows")
            frame = self._receive_exactly(length)
        except OSError as error:
            raise ChannelClosed("the worker's connection is closed") from error
        memory = None
        if descriptor is not None:
            try:
                memory = mmap.mmap(descriptor, shared, access=mmap.ACCESS_COPY)
            finally:
                os.close(descriptor)
        return _Decoder(self._types, memory).unpack(frame)

    def close(self) -> None:
        """Close the connection, waking whoever waits on it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _send_with(self, data: bytes, descriptor: int) -> None:
        rights = array.array("i", [descriptor])
        sent = self._socket.sendmsg(
            [data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights.tobytes())]
        )
        if sent < len(data):
            self._socket.sendall(data[sent:])

    def _receive_header(self) -> tuple[bytes, int | None]:
        first, ancillary, _flags, _address = self._socket.recvmsg(
            _HEADER.size, socket.CMSG_SPACE(array.array("i").itemsize)
        )
        if not first:
            raise ChannelClosed("the worker's connection is closed")
        descriptor = None
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptor = array.array("i", data)[0]
        return first + self._receive_exactly(_HEADER.size - len(first)), descriptor

    def _receive_exactly(self, count: int) -> bytes:
        buffer = bytearray(count)
        view, filled = memoryview(buffer), 0
        while filled < count:
            received = self._socket.recv_into(view[filled:])
            if not received:
                raise ChannelClosed("the worker's connection is closed")
            filled += received
        return bytes(buffer)


def record_name(record_type: type) -> str:
    """How a dataclass is called on the wire: ``module:Name``."""
    return f"{record_type.__module__}:{record_type.__qualname__}"


class _memory_file:  # noqa: N801 - a context manager used like a function
    """An anonymous memory file of a given size."""

    def __init__(self, size: int) -> None:
        self._descriptor = os.memfd_create("gantry", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, size)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


class _Encoder:
    def __init__(self, types: dict[str, type]) -> None:
        self._types = types
        self._arrays: list[tuple[int, np.ndarray[Any, Any]]] = []
        self.shared_bytes = 0

    def pack(self, value: Any) -> bytes:  # noqa: ANN401
        return bytes(
            msgpack.packb(value, default=self._extend, strict_types=True, use_bin_type=True)
        )

    def write_shared(self, descriptor: int) -> None:
        """Write the arrays; a mapping would cost a page fault for each 4 KiB of them."""
        for offset, values in self._arrays:
            rest = memoryview(values.reshape(-1).view(np.uint8).data)
            while rest:
                written = os.pwrite(descriptor, rest, offset)
                rest, offset = rest[written:], offset + written

    def _extend(self, value: Any) -> msgpack.ExtType:  # noqa: ANN401
        if isinstance(value, tuple):
            return msgpack.ExtType(_TUPLE, self.pack(list(value)))
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, np.generic):
            return msgpack.ExtType(_INLINE_ARRAY, self.pack(["", value.dtype.str, value.tobytes()]))
        if isinstance(value, GantryError):
            fields = [value.code, value.detail, value.retry_after_s]
            return msgpack.ExtType(_ERROR, self.pack(fields))
        if dataclasses.is_dataclass(value) and record_name(type(value)) in self._types:
            fields = [getattr(value, each.name) for each in dataclasses.fields(value)]
            return msgpack.ExtType(_RECORD, self.pack([record_name(type(value)), fields]))
        raise TypeError(f"{type(value).__name__} does not travel between processes")

    def _array(self, values: np.ndarray[Any, Any]) -> msgpack.ExtType:
        if values.dtype.hasobject:
            raise TypeError("an array of objects does not travel between processes")
        shape = list(values.shape)
        if values.nbytes < SHARED_FROM_BYTES:
            inline = [shape, values.dtype.str, values.tobytes()]
            return msgpack.ExtType(_INLINE_ARRAY, self.pack(inline))
        offset = -(-self.shared_bytes // 64) * 64  # cache-line aligned
        self._arrays.append((offset, np.ascontiguousarray(values)))
        self.shared_bytes = offset + values.nbytes
        return msgpack.ExtType(_SHARED_ARRAY, self.pack([shape, values.dtype.str, offset]))


class _Decoder:
    def __init__(self, types: dict[str, type], memory: mmap.mmap | None) -> None:
        self._types = types
        self._memory = memory

    def unpack(self, frame: bytes) -> Any:  # noqa: ANN401
        return msgpack.unpackb(
            frame, ext_hook=self._restore, raw=False, strict_map_key=False, use_list=True,
            max_ext_len=MAX_FRAME_BYTES, max_bin_len=MAX_FRAME_BYTES,
        )  # fmt: skip

    def _restore(self, kind: int, data: bytes) -> Any:  # noqa: ANN401
        fields = self.unpack(data)
        if kind == _TUPLE:
            return tuple(fields)
        if kind == _INLINE_ARRAY:
            shape, dtype, content = fields
            flat = np.frombuffer(content, np.dtype(dtype))
            return flat[0] if shape == "" else flat.reshape(shape).copy()
        if kind == _SHARED_ARRAY:
            shape, dtype, offset = fields
            count = int(np.prod(shape))
            if self._memory is None:
                raise ChannelClosed("a frame names shared memory that did not arrive")
            return np.frombuffer(self._memory, np.dtype(dtype), count, offset).reshape(shape)
        if kind == _ERROR:
            return error_from_code(*fields)
        if kind == _RECORD:
            name, values = fields
            return self._types[name](*values)
        raise ChannelClosed(f"unknown kind of value {kind} on the wire")
