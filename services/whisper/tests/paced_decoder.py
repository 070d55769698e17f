"""A decoder at the seam: the real one, which goes on only as far as the test lets it."""

import asyncio

from shared.media.audio import decode_audio_to


class PacedDecoder:
    """Decodes in this process; each permit is good for the next ten seconds of a recording."""

    def __init__(self):
        self.permits = asyncio.Semaphore(0)
        self.has_ended = False

    async def decode_audio_to(self, path, target, limits, on_progress=None):
        news = decode_audio_to(str(path), str(target), limits)
        while True:
            try:
                n_samples = next(news)
            except StopIteration as end:
                self.has_ended = True
                return end.value
            on_progress(n_samples)
            await self.permits.acquire()

    def let_all(self):
        """Let everything be decoded."""
        for _ in range(1000):
            self.permits.release()
