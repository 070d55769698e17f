import pytest
from pydantic import BaseModel, Field

from shared.openapi import upload_body


class Options(BaseModel):
    dpi: int = Field(200, ge=50)


class Nested(BaseModel):
    inner: Options


def test_options_are_described_for_every_form_of_body():
    extra = upload_body(Options, raw_types=("application/pdf",))

    content = extra["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/json", "application/pdf"}
    assert content["multipart/form-data"]["schema"]["properties"]["dpi"]["minimum"] == 50
    assert content["application/json"]["schema"]["required"] == ["image"]
    assert extra["parameters"][0]["name"] == "dpi"


def test_nested_options_are_refused():
    with pytest.raises(TypeError, match="nest"):
        upload_body(Nested)
