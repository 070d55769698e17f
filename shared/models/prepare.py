"""Do with a fetched model what is done once: run the module that its catalogue entry names.

[[model]]
name = "yolo11n"
prepare = "services.yolo.engines.export"   # python -m services.yolo.engines.export <file>
"""

import subprocess
import sys

from shared.models.fetch import Model

TIMEOUT_S = 900.0


def prepare(model: Model) -> str | None:
    """Run the module of a model's entry on each of its files, in a process of its own.

    Returns:
        A sentence if that failed; the model is installed and serves all the same.
    """
    module = model.entry.prepare
    for file in model.entry.files if module is not None else ():
        path = model.store.folder(model.entry) / file.path
        command = [sys.executable, "-m", str(module), str(path)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{model.id}: {' '.join(command[1:])} took longer than {TIMEOUT_S:g} s"
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            return f"{model.id}: {' '.join(command[1:])} failed: {last}"
    return None
