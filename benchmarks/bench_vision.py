"""All benchmarks of the vision services, one after the other: ``make bench-vision``."""

import subprocess
import sys

PARTS = ("bench_yolo", "bench_ocr")


def main() -> int:
    """Run each part in a process of its own; the first that fails ends it."""
    for part in PARTS:
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *sys.argv[1:]])
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
