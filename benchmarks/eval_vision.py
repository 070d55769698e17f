"""Figures of the demo vision weights: ``make eval-vision``.

Runs the evaluation of `demo-ocr-ko` and of `demo-drawing-symbols`: on material of their own
generators that training never saw, and, where ``GANTRY_TEST_DATA`` names a folder of test data, on
real photographs and drawings. A generator proves little about the world; read both. Further
arguments, `--write-card` for example, go to both.
"""

import subprocess
import sys

EVALUATIONS = ("services.ocr.demo.evaluate", "services.yolo.demo.evaluate")


def main() -> None:
    """Entry point; ends with the first evaluation's failure."""
    for module in EVALUATIONS:
        subprocess.run([sys.executable, "-m", module, *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
