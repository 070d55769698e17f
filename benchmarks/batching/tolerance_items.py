"""What the tolerance servers are asked, and what they must answer."""

import json
import re

from benchmarks.batching.tolerance_work import ToleranceWork

LENGTHS_MM = (20, 35, 50, 80, 100, 140, 180, 250)


def without_timing(answer: bytes) -> bytes:
    """The answer less the one field that may differ between servers."""
    return re.sub(rb',"timing_ms":\{[^}]*\}', b"", answer)


def tolerance_items() -> dict[bytes, bytes]:
    """Eight parts that differ, each with its answer from the domain functions alone."""
    work = ToleranceWork()
    items = {}
    for length_mm in LENGTHS_MM:
        part = {
            "material": "al_6061",
            "process": "milling",
            "feature": "plane",
            "dimensions_mm": {"length": length_mm, "width": 15, "thickness": 12},
            "characteristics": ["flatness"],
            "spec_mm": 0.1,
        }
        body = json.dumps({"parts": [part]}, separators=(",", ":")).encode()
        items[body] = without_timing(work.run([work.decode(body)])[0])
    return items
