"""Where benchmarks write what they found."""

import os
from pathlib import Path

RESULTS = Path(os.environ.get("GANTRY_BENCH_RESULTS") or Path(__file__).parent / "results")
"""``benchmarks/results``, unless a run that should not replace those names another folder."""
