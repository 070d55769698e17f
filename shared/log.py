"""Logging for every process: one line an event, with the request id, text or JSON.

Third-party libraries are held to warnings, so that a line in the log means something. Nothing here
ever logs bodies, texts, keys or file names of clients: callers log ids, counts and times.
"""

import json
import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

request_id_var: ContextVar[str] = ContextVar("request_id", default="-")

LogFormat = Literal["text", "json"]
AccessLog = Literal["all", "errors", "off"]

NOISY_LOGGERS = (
    "PIL", "asyncio", "ctranslate2", "faster_whisper", "httpcore", "httpx", "matplotlib",
    "onnxruntime", "openvino", "paddle", "paddleocr", "paddlex", "ppocr", "python_multipart",
    "rapidocr", "RapidOCR", "torch", "transformers", "ultralytics", "urllib3", "uvicorn.access",
)  # fmt: skip


@dataclass(frozen=True)
class LogOptions:
    """How a process logs, and its children like it."""

    level: str = "info"  # lowest level of our own loggers: debug, info, warning or error
    style: LogFormat = "text"  # ``text`` for people, ``json`` for log collectors
    quiet: bool = True  # hold the loggers of third-party libraries to warnings


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, service, request id, traceback."""

    def __init__(self, service: str) -> None:
        """Remember the name that each line carries."""
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        fields = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "request_id": request_id_var.get(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """For people: time, level, service, request id, message."""

    def __init__(self, service: str) -> None:
        """Remember the name that each line carries."""
        super().__init__(
            f"%(asctime)s %(levelname)-7s {service} [%(request_id)s] %(message)s",
            datefmt="%H:%M:%S",
        )

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        record.request_id = request_id_var.get()
        return super().format(record)


def configure_logging(
    service: str, *, level: str = "info", style: LogFormat = "text", quiet: bool = True
) -> None:
    """Send all logging of this process to standard error in one form.

    Args:
        service: name that each line carries.
        level: lowest level of our own loggers: debug, info, warning or error.
        style: ``text`` for people, ``json`` for log collectors.
        quiet: hold the loggers of third-party libraries to warnings.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service) if style == "json" else TextFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.WARNING if quiet else level.upper())
    if quiet:
        for name in NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
