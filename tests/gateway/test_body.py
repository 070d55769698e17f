import asyncio
import os

from gateway.body import RequestBody
from gateway.body_store import BodyStore, StoreLimits
from gateway.content_digest import ContentDigest

CONTENT = os.urandom(2**20) * 4  # its writing to disk takes long enough to be interrupted


async def test_last_piece_counts_as_read_though_its_keeping_was_given_up(tmp_path):
    gone, digests = asyncio.Event(), []
    messages = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": CONTENT, "more_body": False})
    body = RequestBody(
        {"headers": [(b"transfer-encoding", b"chunked")]}, messages.get, limit_bytes=2**30,
        store=BodyStore(StoreLimits(memory_bytes=1500, folder=tmp_path)), on_gone=gone.set,
        digest=ContentDigest(None),
    )  # fmt: skip
    body.watch()
    body.when_read(digests.append)

    reading = asyncio.create_task(body.begin())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    messages.put_nowait({"type": "http.disconnect"})
    async with asyncio.timeout(5):
        await gone.wait()

    payload = body.payload()
    if not isinstance(payload, bytes):  # what has reached the disk by now is read from there
        payload = b"".join([piece async for piece in payload])
    await body.close()

    assert payload == CONTENT
    assert len(digests) == 1
