"""Results are found by the bytes that were sent, then by what they decode to."""

import asyncio
import time

import pytest

from shared.cache import CacheLimits, ResultCache
from shared.context import RequestContext, entered
from shared.errors import DeadlineExceeded
from shared.recall import TwoStepCache

WANTED = ["model 1", {"confidence": 0.5}]


@pytest.fixture
def cache():
    return TwoStepCache(ResultCache(CacheLimits(), secret=bytes(16)))


class Answer:
    """A result that counts how often it is computed."""

    def __init__(self, value="text"):
        self.value, self.runs = value, 0

    async def __call__(self):
        self.runs += 1
        return self.value


def request(caller="ann", *, left_s=60.0):
    return RequestContext("id", time.monotonic() + left_s, caller)


async def ask(cache, sent, decoded, answer, *, wanted=WANTED, context=None):
    """As a service does; the result, and what ``X-Cache`` would say."""
    context = context or request()
    with entered(context):
        known = await cache.find(sent, wanted)
        value = known or await cache.get_or_run(sent, decoded, wanted, answer)
    return value, context.cache


async def test_same_bytes_are_known_without_decoding(cache):
    answer = Answer()
    await ask(cache, "bytes", "pixels", answer)

    with entered(request()):
        known = await cache.find("bytes", WANTED)

    assert (known, answer.runs) == ("text", 1)


async def test_same_content_in_other_bytes_is_a_hit(cache):
    answer = Answer()

    first = await ask(cache, "png", "pixels", answer)
    second = await ask(cache, "bmp", "pixels", answer)

    assert (first, second) == (("text", "miss"), ("text", "hit-memory"))
    assert answer.runs == 1


@pytest.mark.parametrize(
    "other",
    [{"wanted": ["model 2", WANTED[1]]}, {"wanted": [WANTED[0], {"confidence": 0.6}]},
     {"context": request("bob")}],
    ids=["model", "option", "caller"],
)  # fmt: skip
async def test_other_model_option_or_caller_is_a_miss(cache, other):
    answer = Answer()
    await ask(cache, "bytes", "pixels", answer)

    _, told = await ask(cache, "bytes", "pixels", answer, **other)

    assert (told, answer.runs) == ("miss", 2)


async def test_request_of_several_parts_is_a_hit_only_if_each_is(cache):
    context, answer = request(), Answer()
    await ask(cache, "page 1", "pixels 1", answer)

    await ask(cache, "page 1", "pixels 1", answer, context=context)
    _, told = await ask(cache, "page 2", "pixels 2", answer, context=context)

    assert told == "miss"


async def test_without_a_cache_every_request_runs():
    answer, off = Answer(), TwoStepCache(None)

    told = [(await ask(off, "bytes", "pixels", answer))[1] for _ in range(2)]

    assert (told, answer.runs) == (["off", "off"], 2)


async def test_short_deadline_of_one_request_is_not_that_of_another_for_the_same(cache):
    started, may_end = asyncio.Event(), asyncio.Event()

    async def too_late():
        started.set()
        await may_end.wait()
        raise DeadlineExceeded("the request's time ran out")

    hasty = asyncio.ensure_future(ask(cache, "a", "pixels", too_late, context=request(left_s=0.0)))
    await started.wait()
    patient = asyncio.ensure_future(ask(cache, "b", "pixels", Answer()))
    await asyncio.sleep(0)  # joins the run of the hasty one
    may_end.set()

    with pytest.raises(DeadlineExceeded):
        await hasty
    assert (await patient)[0] == "text"
