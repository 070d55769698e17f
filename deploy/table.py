"""What the operator reads: lines on the terminal, and the table of units."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the status table."""

    name: str
    url: str
    state: str  # ready, not ready, starting, stopped
    detail: str


def table(rows: Sequence[Row]) -> str:
    """The rows with aligned columns."""
    cells = [(row.name, row.url, row.state, row.detail) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = []
    for row in cells:
        columns = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*columns, row[3]]).rstrip())
    return "\n".join(lines)


def show(text: str) -> None:
    """Write to the operator's terminal, if it is still there."""
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def show_line(name: str, line: str) -> None:
    """Write one line of a unit's output, marked with its name."""
    show(f"{name:<10} | {line}")
