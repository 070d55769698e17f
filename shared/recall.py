"""Remember results by what was sent and by what that decodes to.

The first step knows the very bytes of an earlier request, before anything is decoded. The second
knows content that came in another container, or with other metadata. Both keys hold the caller, so
that nobody learns what another one has sent, the options in normal form, and the model.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from shared.cache import Found, ResultCache, digest
from shared.context import request_context
from shared.errors import DeadlineExceeded

OFF = "off"
_WORST_LAST = (OFF, Found.MEMORY.value, Found.DISK.value, Found.REDIS.value, Found.MISS.value)


class TwoStepCache:
    """Results of a service. Notes in the request's context where its results came from."""

    def __init__(self, cache: ResultCache | None) -> None:
        """Remember in ``cache``; None remembers nothing."""
        self._cache = cache

    @property
    def is_on(self) -> bool:
        """Whether anything is remembered."""
        return self._cache is not None

    async def find(self, sent: str, wanted: Any) -> Any:  # noqa: ANN401 - any msgpack value
        """The result for bytes that were sent before, with the same wishes.

        Args:
            sent: digest of the bytes, and of what part of them is meant.
            wanted: options in normal form, and the model, as JSON-like data.

        Returns:
            The result; None where it is not known.
        """
        if self._cache is None:
            return None
        pointer = await self._cache.get(_key("sent", sent, wanted))
        stored = await self._cache.get(pointer[0]) if pointer is not None else None
        if stored is None:
            return None
        _note(stored[1])
        return stored[0]

    async def get_or_run(
        self,
        sent: str,
        decoded: str,
        wanted: Any,  # noqa: ANN401 - any msgpack value
        run: Callable[[], Awaitable[Any]],
    ) -> Any:  # noqa: ANN401
        """The result for decoded content; requests for the same that are in flight run once.

        Args:
            sent: as for ``find``, which will know it from now on.
            decoded: digest of the decoded content.
            wanted: as for ``find``.
            run: computes the result, JSON-like data.
        """
        if self._cache is None:
            return await run()
        key = _key("decoded", decoded, wanted)
        await self._cache.put(_key("sent", sent, wanted), key)
        try:
            value, found = await self._cache.get_or_run(key, run)
        except DeadlineExceeded as error:
            if type(error) is not DeadlineExceeded or request_context().remaining_s() <= 0:
                raise
            # It was the time of another request, whose run this one had joined.
            value, found = await self._cache.get_or_run(key, run)
        _note(found)
        return value


def _key(step: str, content: str, wanted: Any) -> str:  # noqa: ANN401 - any msgpack value
    return digest(step, content, request_context().caller, wanted)


def _note(found: Found) -> None:
    """A request of several parts was a hit only if each of them was."""
    context = request_context()
    context.cache = max(context.cache, found.value, key=_WORST_LAST.index)
