import httpx
import pytest

from shared.testing import running_app
from tests.shared import echo


@pytest.fixture
async def client():
    async with running_app(echo.build()) as client:
        yield client


async def send(client: httpx.AsyncClient, name_bytes):
    """A file whose name is so long."""
    disposition = b'form-data; name="file"; filename="%s"' % (b"x" * name_bytes)
    body = b"--b\r\ncontent-disposition: %s\r\n\r\ncontent\r\n--b--\r\n" % disposition
    headers = {"content-type": "multipart/form-data; boundary=b"}
    return await client.post("/v1/upload", content=body, headers=headers)


async def test_name_of_a_file_may_be_as_long_as_any_file_system_allows(client):
    answer = await send(client, 255 * len("%ED%95%9C") * 3)

    assert answer.status_code == 200
    assert [size for size, _ in answer.json()["files"]] == [len("content")]


async def test_header_of_a_part_that_is_too_long_is_refused(client):
    answer = await send(client, 9000)

    assert answer.status_code == 400
    assert "header size" in answer.json()["detail"]
