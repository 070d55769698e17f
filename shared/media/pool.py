"""A few persistent child processes that decode media under limits of memory and time.

Hostile or damaged files meet native decoders here, in a process that holds nothing of value and
whose death costs one request. A worker that hangs or dies is replaced.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from shared.errors import QueueFull, UnsupportedMedia
from shared.media.limits import (
    RECORD_TYPES,
    AudioLimits,
    ImageLimits,
    PageVectors,
    PcmFile,
    PdfLimits,
    Picture,
    Recording,
    VectorLimits,
)
from shared.worker import Handler, Worker, WorkerDied, WorkerSpec

log = logging.getLogger(__name__)

SPEC = WorkerSpec(
    handler="shared.media.pool:handler",
    record_types=RECORD_TYPES,
    name="media",
    environ={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    memory_limit_bytes=6 * 2**30,
)

BULK_BYTES = 4 * 2**20
"""Recordings from this size on are decoded for seconds or minutes: files in a hurry pass them."""


class MediaPool:
    """Decodes files of ours; every method raises the 4xx that says what is wrong with the file."""

    def __init__(
        self, workers: int = 2, *, timeout_s: float = 120.0, max_waiting: int = 64
    ) -> None:
        """Set the size of the pool; processes start when first needed.

        Args:
            workers: child processes.
            timeout_s: longest work on one file, in s.
            max_waiting: files that may wait for a worker; beyond it 503.
        """
        self._slots = asyncio.Semaphore(workers)
        self._bulk_slots = asyncio.Semaphore(max(1, workers - 1))
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="media")
        self._idle: list[Worker] = []
        self._timeout_s = timeout_s
        self._waiting = 0
        self._max_waiting = max_waiting

    async def decode_image(self, path: Path, limits: ImageLimits) -> Picture:
        """Decode a picture; see ``shared.media.images.decode_image``."""
        picture: Picture = await self._call("decode_image", str(path), limits)
        return picture

    async def decode_audio(self, path: Path, limits: AudioLimits) -> Recording:
        """Decode a recording; see ``shared.media.audio.decode_audio``."""
        recording: Recording = await self._call("decode_audio", str(path), limits)
        return recording

    async def decode_audio_to(
        self,
        path: Path,
        target: Path,
        limits: AudioLimits,
        on_progress: Callable[[int], None] | None = None,
    ) -> PcmFile:
        """Decode a recording into a file; see ``shared.media.audio.decode_audio_to``.

        Large files leave one worker to others, where there are two or more.

        Args:
            path: file of ours.
            target: file to write.
            limits: bounds of the recording.
            on_progress: told on the event loop how many samples are in the file, now and then.
        """
        loop = asyncio.get_running_loop()

        def tell(n_samples: int) -> None:
            assert on_progress is not None
            loop.call_soon_threadsafe(on_progress, n_samples)

        size_bytes = await asyncio.to_thread(lambda: path.stat().st_size)
        pcm: PcmFile = await self._call(
            "decode_audio_to", str(path), str(target), limits,
            on_news=on_progress and tell, is_bulk=size_bytes > BULK_BYTES,
        )  # fmt: skip
        return pcm

    async def count_pages(self, path: Path) -> int:
        """Count the pages of a PDF; see ``shared.media.pdf.count_pages``."""
        count: int = await self._call("count_pages", str(path))
        return count

    async def render_page(self, path: Path, page: int, dpi: int, limits: PdfLimits) -> Picture:
        """Render a page of a PDF; see ``shared.media.pdf.render_page``."""
        picture: Picture = await self._call("render_page", str(path), page, dpi, limits)
        return picture

    async def read_vectors(self, path: Path, page: int, limits: VectorLimits) -> PageVectors:
        """Read text and lines of a PDF page; see ``shared.media.vectors.read_vectors``."""
        vectors: PageVectors = await self._call("read_vectors", str(path), page, limits)
        return vectors

    async def close(self) -> None:
        """End the child processes."""
        for worker in self._idle:
            await asyncio.to_thread(worker.close)
        self._idle.clear()
        self._threads.shutdown(wait=False)

    async def _call(
        self,
        method: str,
        *arguments: Any,  # noqa: ANN401 - any wire value
        on_news: Callable[[Any], None] | None = None,
        is_bulk: bool = False,
    ) -> Any:  # noqa: ANN401 - any wire value
        if self._waiting >= self._max_waiting:
            raise QueueFull("too many files are waiting to be decoded")
        async with contextlib.AsyncExitStack() as held:
            self._waiting += 1
            try:
                for slots in (self._bulk_slots, self._slots) if is_bulk else (self._slots,):
                    await held.enter_async_context(slots)
            finally:
                self._waiting -= 1
            return await self._run(functools.partial(_call, method, arguments, on_news))

    async def _run(self, work: Callable[[Worker], Any]) -> Any:  # noqa: ANN401 - any wire value
        loop = asyncio.get_running_loop()
        worker = self._idle_worker() or await self._new_worker()
        call = loop.run_in_executor(self._threads, work, worker)
        try:
            done, _ = await asyncio.wait({call}, timeout=self._timeout_s)
        except asyncio.CancelledError:
            await self._discard(worker, call)
            raise
        if not done:
            await self._discard(worker, call)
            raise UnsupportedMedia(f"the file could not be decoded within {self._timeout_s:g} s")
        try:
            answer = call.result()
        except WorkerDied:
            await self._discard(worker, call)
            raise UnsupportedMedia("the file is damaged: decoding it had to be stopped") from None
        finally:
            if worker.is_alive:
                self._idle.append(worker)
        return answer

    def _idle_worker(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            worker.close()
        return None

    async def _new_worker(self) -> Worker:
        """A worker that has started; if the caller leaves meanwhile, it is kept for the next."""
        starting = asyncio.get_running_loop().run_in_executor(self._threads, _started_worker)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting})
            if starting.exception() is None:
                self._idle.append(starting.result())
            raise

    async def _discard(self, worker: Worker, call: "asyncio.Future[Any]") -> None:
        log.warning("a media worker had to be replaced")
        worker.kill()
        await asyncio.wait({call})
        call.exception()
        await asyncio.to_thread(worker.close)


def _started_worker() -> Worker:
    """A new worker that has finished starting: only work counts as work."""
    worker = Worker(SPEC)
    worker.call("start")
    return worker


def _call(
    method: str,
    arguments: Sequence[Any],
    on_news: Callable[[Any], None] | None,
    worker: Worker,
) -> Any:  # noqa: ANN401 - any wire value
    return worker.call(method, *arguments, on_news=on_news)


def handler(_options: Mapping[str, Any]) -> Handler:
    """The child's side: import the decoders and serve them."""
    from shared.media import audio, images, pdf, vectors

    methods = {
        "start": lambda: None,
        "decode_image": images.decode_image,
        "decode_audio": audio.decode_audio,
        "decode_audio_to": audio.decode_audio_to,
        "count_pages": pdf.count_pages,
        "render_page": pdf.render_page,
        "read_vectors": vectors.read_vectors,
    }

    def handle(method: str, arguments: list[Any]) -> Any:  # noqa: ANN401 - any wire value
        return methods[method](*arguments)  # type: ignore[operator] # each has its own signature

    return handle
