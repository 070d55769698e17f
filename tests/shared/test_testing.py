import signal

import pytest

from shared.http import send_json
from shared.testing import running_server


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send_json(send, 200, {})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_server_inside_a_test_leaves_the_signals_that_end_the_run_alone(number):
    before = signal.getsignal(number)

    async with running_server(app):
        during = signal.getsignal(number)

    assert during is before
