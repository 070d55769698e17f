"""Libraries that report to their makers, and how they are kept from it."""

import os
import sys

NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
"""ONNX Runtime's Linux wheels report to their maker since 1.31 (microsoft/onnxruntime#27379). The
variable counts only before the first import."""


def forbid_telemetry() -> None:
    """Keep the libraries that this process imports from now on from reporting anything.

    OpenVINO sends an event to an analytics service when it is imported, in a process that outlives
    it, unless the package that sends it is missing.
    """
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # means: cannot be imported
