import os
import subprocess
import sys

import pytest

from gateway.discovery import parse_upstreams
from gateway.settings import GatewaySettings
from shared.settings import SettingsError


def test_upstreams_come_from_one_variable_per_service(monkeypatch):
    monkeypatch.setenv("GATEWAY_UPSTREAMS__OCR", "http://a:1, dns://ocr:8000")
    monkeypatch.setenv("GATEWAY_UPSTREAMS__YOLO", "http://b:2")

    upstreams = GatewaySettings.from_environment().upstreams

    assert upstreams == {"ocr": "http://a:1, dns://ocr:8000", "yolo": "http://b:2"}


def test_addresses_are_separated_by_commas():
    found = parse_upstreams("ocr", "http://a:1/, dns://ocr:8000")

    assert [address.url for address in found] == ["http://a:1", "dns://ocr:8000"]
    assert [address.is_dns for address in found] == [False, True]


@pytest.mark.parametrize(
    "value",
    ["a:1", "ftp://a", "http://", "dns://name", "http://a/path", "http://a?b", "http://a#b",
     "http://user:word@a:1", "http://a:99999", "dns://a:b", "http://[::1"],
)  # fmt: skip
def test_malformed_address_is_refused(value):
    with pytest.raises(SettingsError, match="GATEWAY_UPSTREAMS__OCR"):
        parse_upstreams("ocr", value)


def test_unknown_variable_stops_the_start_with_one_sentence():
    environment = {**os.environ, "GATEWAY_PROT": "80"}

    ended = subprocess.run(
        [sys.executable, "-m", "gateway"], env=environment, capture_output=True, text=True
    )

    assert ended.returncode == 2
    assert "GATEWAY_PROT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_gateway_imports_no_model_library():
    heavy = [
        "torch",
        "numpy",
        "xgboost",
        "onnxruntime",
        "ultralytics",
        "paddle",
        "cv2",
        "PIL",
        "av",
    ]
    code = f"import sys, gateway.app; print([m for m in {heavy} if m in sys.modules])"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"
