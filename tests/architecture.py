"""Reads the imports of a source tree and tells which break the rules of who may import whom."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GATEWAY_MAY_IMPORT = {
    "shared", "shared.errors", "shared.log", "shared.metrics", "shared.settings", "shared.http",
    "shared.problems", "shared.request_layer", "shared.server_protocol", "shared.server_exchange",
    "shared.direct_protocol", "shared.deadlines", "shared.known_heads",
}  # fmt: skip
DEPLOY_MAY_IMPORT = {"shared", "shared.log", "shared.settings", "shared.models"}
MODEL_LIBRARIES = {
    "ctranslate2", "faster_whisper", "onnxruntime", "openvino", "paddle", "paddleocr",
    "paddlex", "rapidocr", "sklearn", "tensorrt", "tokenizers", "torch", "torchaudio",
    "torchvision", "transformers", "ultralytics", "xgboost",
}  # fmt: skip
NUMERIC_LIBRARIES = {"numpy", "scipy", "pandas", "cv2", "PIL", "av", "pypdfium2", "onnx"}
"""Not for the gateway; ``onnx`` reads and writes a file format and runs nothing."""
ENGINE_FILES = {"engine.py", "train.py", "vad.py"}
ENGINE_FOLDERS = {"engines", "demo"}
FIRST_PARTY = ("gateway", "shared", "services", "deploy", "benchmarks", "tests")


@dataclass(frozen=True)
class Import:
    """One imported module."""

    file: Path  # relative to the tree
    line: int
    module: str  # dotted; of ``from a import b`` both ``a`` and ``a.b`` are given
    at_load: bool  # runs when the file is imported, not inside a function

    @property
    def library(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def violations(root: Path) -> list[str]:
    """One sentence for each import that breaks a rule."""
    found = {file: list(_imports(root, file)) for file in _files(root)}
    faults = [
        f"{each}: {reason}"
        for imports in found.values()
        for each in imports
        if (reason := _fault(root, each)) is not None
    ]
    return sorted({*faults, *_reached_model_libraries(found)})


def _files(root: Path) -> Iterator[Path]:
    for top in ("gateway", "shared", "services", "deploy"):
        for file in sorted((root / top).rglob("*.py")):
            yield file.relative_to(root)


def _imports(root: Path, file: Path) -> Iterator[Import]:
    tree = ast.parse((root / file).read_text(), str(file))
    yield from _walk(tree, file, at_load=True)


def _walk(node: ast.AST, file: Path, *, at_load: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue  # for the type checker alone; never runs
        if isinstance(child, ast.Import):
            for name in child.names:
                yield Import(file, child.lineno, name.name, at_load)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield Import(file, child.lineno, module, at_load)
            for name in child.names:
                yield Import(file, child.lineno, f"{module}.{name.name}", at_load)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, file, at_load=at_load and not is_function)


def _fault(root: Path, found: Import) -> str | None:
    top = found.file.parts[0]
    if found.module.startswith("."):
        return "imports are absolute"
    if top == "gateway":
        return _gateway_fault(root, found)
    if top == "deploy":
        return _deploy_fault(root, found)
    if top == "shared":
        return _shared_fault(found)
    return _service_fault(found)


def _gateway_fault(root: Path, found: Import) -> str | None:
    if found.library in MODEL_LIBRARIES | NUMERIC_LIBRARIES:
        return "the gateway holds no model and no media code"
    if found.library == "shared":
        if _module(root, found.module) not in GATEWAY_MAY_IMPORT:
            return "the gateway takes only the light parts of shared"
    elif found.library in FIRST_PARTY and found.library != "gateway":
        return "the gateway knows no service"
    return None


def _deploy_fault(root: Path, found: Import) -> str | None:
    if found.library == "shared" and _module(root, found.module) in DEPLOY_MAY_IMPORT:
        return None
    if found.library in {*FIRST_PARTY, *MODEL_LIBRARIES} - {"deploy"}:
        return "deploy starts the others and imports none of them"
    return None


def _shared_fault(found: Import) -> str | None:
    if found.library in FIRST_PARTY and found.library != "shared":
        return "shared imports neither services nor gateway"
    if found.library in MODEL_LIBRARIES:
        folder = found.file.parts[1]
        if found.library != "torch" or folder not in ("gpu", "demo"):
            return "in shared, only gpu/ and demo/ import torch"
        if folder == "gpu" and found.at_load:
            return "in shared, only functions of gpu/ import torch"
    return None


def _service_fault(found: Import) -> str | None:
    name = found.file.parts[1]
    if "tests" in found.file.parts:
        others = {"gateway", "deploy"}
    else:
        others = {*FIRST_PARTY} - {"shared", "services"}
    if found.library in others:
        return "a service imports shared and itself"
    parts = found.module.split(".")
    if parts[0] == "services" and len(parts) > 1 and parts[1] != name:
        return "a service imports no other service"
    if found.library in MODEL_LIBRARIES and not _is_engine_code(found.file):
        return "only the engine imports the model library"
    return None


def _is_engine_code(file: Path) -> bool:
    inside = file.parts[2:]
    return inside[-1] in ENGINE_FILES or bool({*inside[:-1]} & {*ENGINE_FOLDERS, "tests"})


def _reached_model_libraries(found: dict[Path, list[Import]]) -> Iterator[str]:
    """Files that load a model library through other files when they are imported."""
    for file in found:
        if file.parts[0] != "services" or _is_engine_code(file):
            continue
        seen, waiting = {file}, [file]
        while waiting:
            for each in found[waiting.pop()]:
                if not each.at_load:
                    continue
                if each.library in MODEL_LIBRARIES:
                    yield f"{file} loads {each.library} on import, through {each.file}"
                for target in _targets(each.module):
                    if target in found and target not in seen:
                        seen.add(target)
                        waiting.append(target)


def _targets(module: str) -> Iterator[Path]:
    path = Path(*module.split("."))
    yield path.with_suffix(".py")
    yield path / "__init__.py"


def _module(root: Path, dotted: str) -> str:
    """The module of what is imported: ``shared.log`` for ``shared.log.configure_logging``."""
    while "." in dotted:
        path = root.joinpath(*dotted.split("."))
        if path.is_dir() or path.with_suffix(".py").is_file():
            return dotted
        dotted = dotted.rpartition(".")[0]
    return dotted
