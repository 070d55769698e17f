"""A child process that does one kind of work for its parent and dies with it.

``Worker`` is the parent's side: it starts the child, calls it, and kills it when it hangs. The
child runs ``python -m shared.worker``: it imports the handler that the parent named, then answers
one call after the other. Models and media decoders run behind this, so that a crash, a leak or a
hang of native code is never the service's own.
"""

import contextlib
import importlib
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.errors import FatalEngineError, GantryError
from shared.faults import classify
from shared.log import LogOptions, configure_logging
from shared.telemetry import NO_TELEMETRY, forbid_telemetry
from shared.wire import Channel, ChannelClosed, record_name

log = logging.getLogger(__name__)

Handler = Callable[[str, list[Any]], Any]
"""Answers a call: name of the method and its arguments. A generator tells news by what it yields,
and answers by what it returns."""


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker process runs."""

    handler: str  # "module:function"; called once with the options, returns the Handler
    options: Mapping[str, Any] = field(default_factory=dict)  # JSON values only
    record_types: Sequence[type] = ()  # dataclasses that travel in calls and answers
    name: str = "worker"  # for the log
    environ: Mapping[str, str] = field(default_factory=dict)  # set before the first import
    memory_limit_bytes: int | None = None  # limit of the address space
    log: LogOptions = field(default_factory=LogOptions)


_ERROR, _VALUE, _NEWS = range(3)
"""Kinds of message from the child."""


class WorkerDied(FatalEngineError):
    """The worker process ended or broke its connection while it was needed; try again."""

    status = 503
    code = "worker_died"


class Worker:
    """The parent's side of one child process. Its calls block: use it from a thread of its own."""

    def __init__(self, spec: WorkerSpec) -> None:
        """Start the child; it imports its handler while the caller goes on."""
        arguments = {
            "handler": spec.handler,
            "options": dict(spec.options),
            "record_types": [record_name(each) for each in spec.record_types],
            "memory_limit_bytes": spec.memory_limit_bytes,
            "name": spec.name,
            "log": asdict(spec.log),
        }
        line = json.dumps(arguments).encode() + b"\n"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "shared.worker", str(theirs.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={**NO_TELEMETRY, **os.environ, **spec.environ},
                start_new_session=True,
            )
            undo.pop_all()
        self._channel = Channel(ours, spec.record_types)
        self._name = spec.name
        # The open end of standard input is the child's lifeline: when this process dies in whatever
        # way, the child reads the end of file there and ends too.
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died: the first call says of what
            self._process.stdin.write(line)
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the child still runs."""
        return self._process.poll() is None

    def call(
        self,
        method: str,
        *arguments: Any,  # noqa: ANN401 - any wire value
        on_news: Callable[[Any], None] | None = None,
    ) -> Any:  # noqa: ANN401 - any wire value
        """Call the child's handler and wait for its answer.

        Args:
            method: what is to be done.
            arguments: of the method.
            on_news: told, in this thread, what the handler yields before it answers.

        Raises:
            WorkerDied: the child ended before it answered.
            GantryError: what the handler raised.
        """
        try:
            self._channel.send([method, list(arguments)])
            kind, answer = self._channel.receive()
            while kind == _NEWS:
                if on_news is not None:
                    on_news(answer)
                kind, answer = self._channel.receive()
        except ChannelClosed as error:
            raise WorkerDied(f"the {self._name} process ended: {self._ending()}") from error
        if kind == _VALUE:
            return answer
        raise answer

    def _ending(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "its connection broke"
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit status {code}"

    def kill(self) -> None:
        """End the child at once; a call that waits on it raises ``WorkerDied``."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self, grace_s: float = 5.0) -> None:
        """Ask the child to end by closing its lifeline, kill it after ``grace_s``, and reap it."""
        self._channel.close()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()


def resolve(path: str) -> Any:  # noqa: ANN401 - whatever the path names
    """Import what ``module:name`` names; the path comes from our own code, never from a client."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _serve(channel: Channel, handler: Handler) -> None:
    while True:
        try:
            method, arguments = channel.receive()
        except ChannelClosed:
            return
        try:
            channel.send(_outcome(channel, handler, method, arguments))
        except ChannelClosed:
            return


def _outcome(channel: Channel, handler: Handler, method: str, arguments: list[Any]) -> list[Any]:
    """What the handler answers or raises; what it yields before is sent at once."""
    try:
        answer = handler(method, arguments)
        if isinstance(answer, Generator):
            answer = yield_all(answer, lambda news: channel.send([_NEWS, news]))
        return [_VALUE, answer]
    except ChannelClosed:
        raise
    except GantryError as error:
        return [_ERROR, error]
    except Exception as error:  # the batch loop's edge: a fault of one call ends that call only
        log.exception("%s failed", method)
        return [_ERROR, classify(error)]


def yield_all(generator: Generator[Any, None, Any], tell: Callable[[Any], None]) -> Any:  # noqa: ANN401
    """Run a generator to its end: ``tell`` gets what it yields; returns what it returns."""
    while True:
        try:
            news = next(generator)
        except StopIteration as end:
            return end.value
        tell(news)


def _end_with_parent() -> None:
    """Wait for the end of standard input, then leave at once, even in the midst of native code."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdin.buffer.read()
    os._exit(0)


def _main() -> None:
    arguments = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    threading.Thread(target=_end_with_parent, daemon=True).start()
    forbid_telemetry()
    configure_logging(arguments["name"], **arguments["log"])
    limit = arguments["memory_limit_bytes"]
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    channel = Channel(
        socket.socket(fileno=int(sys.argv[1])),
        [resolve(name) for name in arguments["record_types"]],
    )
    handler: Handler = resolve(arguments["handler"])(arguments["options"])
    _serve(channel, handler)
    os._exit(0)  # the thread that waits on standard input would stop an orderly end


if __name__ == "__main__":
    _main()
