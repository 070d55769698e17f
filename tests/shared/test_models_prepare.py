from shared.models.catalog import ModelEntry, ModelFile
from shared.models.fetch import Model
from shared.models.prepare import prepare
from shared.models.store import ModelStore


def make_model(tmp_path, source, module="py_compile"):
    entry = ModelEntry("small", "1", "MIT", (ModelFile("model.py"),), prepare=module)
    model = Model(ModelStore(tmp_path / "services/ears", tmp_path / "models"), entry)
    path = model.store.folder(entry) / "model.py"
    path.parent.mkdir(parents=True)
    path.write_text(source)
    return model, path


def test_module_of_the_entry_runs_on_each_file(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    model, path = make_model(tmp_path, "x = 1\n")

    assert prepare(model) is None
    assert list((path.parent / "__pycache__").glob("model.*.pyc"))


def test_failure_names_model_and_command(tmp_path):
    model, path = make_model(tmp_path, "x = \n")

    told = prepare(model)

    assert told.startswith(f"ears/small: -m py_compile {path} failed: ")


def test_entry_without_a_module_needs_nothing(tmp_path):
    model, _ = make_model(tmp_path, "x = \n", module=None)

    assert prepare(model) is None
