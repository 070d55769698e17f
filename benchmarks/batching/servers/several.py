"""Several processes of the tolerance service on one port: ``several <number>``."""

import subprocess
import sys


def main() -> None:
    """Start them and wait; whoever ends this ends them too."""
    command = [sys.executable, "-m", "services.tolerance"]
    processes = [subprocess.Popen(command) for _ in range(int(sys.argv[1]))]
    for each in processes:
        each.wait()


if __name__ == "__main__":
    main()
