"""Run a command that ends at once when the process that started it dies, however that happens.

``python deploy/leash.py <parent pid> <command> …`` asks the kernel for the signal and then becomes
the command, so that no process stands between. Without it, a supervisor that is killed with
SIGKILL would leave its services running. Linux only (prctl(2), PR_SET_PDEATHSIG); elsewhere the
command runs without this bond. Standard library only, and quick to start.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent_pid: int, command: list[str]) -> None:
    """Bind this process to its parent and become ``command``.

    Args:
        parent_pid: who must be the parent; another one means that it died before the bond held.
        command: program and arguments; searched on PATH.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent_pid:
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
