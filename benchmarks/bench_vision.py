"""All benchmarks of the vision services, one after the other: ``make bench-vision``.

Six minutes on two cores that do nothing else; reports lie in ``results/vision``. The options
of one part are given to that part: ``make bench-yolo ARGS=…``.
"""

import subprocess
import sys

PARTS = ("bench_yolo", "bench_ocr")


def main() -> int:
    """Run each part in a process of its own; the first that fails ends it."""
    for part in PARTS:
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{part}"])
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
