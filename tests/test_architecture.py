from pathlib import Path

import pytest

from tests.architecture import violations

ROOT = Path(__file__).resolve().parents[1]


def test_no_import_breaks_the_rules():
    assert violations(ROOT) == []


@pytest.fixture
def tree(tmp_path):
    files = {
        "shared/log.py": "import logging\n",
        "shared/app.py": "import fastapi\n",
        "shared/gpu/memory.py": "def used():\n    import torch\n",
        "gateway/app.py": "from shared.log import configure_logging\nimport aiohttp\n",
        "services/a/app.py": "def build():\n    from services.a.engine import Engine\n",
        "services/a/engine.py": "import torch\nfrom shared.app import create_app\n",
        "services/a/boxes.py": "import numpy\n",
        "services/b/app.py": "import shared.app\n",
        "deploy/up.py": "from shared.log import configure_logging\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tree_that_keeps_the_rules_passes(tree):
    assert violations(tree) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("gateway/app.py", "import torch"),
        ("gateway/app.py", "import numpy as np"),
        ("gateway/app.py", "from services.a.app import build"),
        ("gateway/app.py", "from shared.app import create_app"),
        ("gateway/app.py", "from shared import app"),
        ("gateway/app.py", "def later():\n    import services.a.app"),
        ("services/a/app.py", "import services.b.app"),
        ("services/a/app.py", "from services import b"),
        ("services/a/app.py", "from gateway.app import proxy"),
        ("services/a/app.py", "import torch"),
        ("services/a/boxes.py", "def later():\n    import onnxruntime"),
        ("services/a/app.py", "import services.a.engine"),
        ("services/a/app.py", "from services.a import engine"),
        ("services/a/app.py", "from .engine import Engine"),
        ("services/a/app.py", "try:\n    import xgboost\nexcept ImportError:\n    pass"),
        ("services/a/tests/test_app.py", "import services.b.app"),
        ("shared/app.py", "from services.a.app import build"),
        ("shared/app.py", "import gateway.app"),
        ("shared/app.py", "def later():\n    import torch"),
        ("shared/gpu/memory.py", "import torch"),
        ("deploy/up.py", "import services.a.app"),
        ("deploy/up.py", "from shared.app import create_app"),
    ],
)
def test_planted_import_is_found(tree, file, text):
    (tree / file).parent.mkdir(parents=True, exist_ok=True)
    (tree / file).write_text(text + "\n")

    found = violations(tree)

    assert any(fault.startswith(file) for fault in found), found
