"""Choose TCP ports that are free on this machine."""

import random
import socket
from pathlib import Path

EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_PORT = 20_000


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on.

    It lies below the range from which the kernel takes the ports of outgoing connections: a process
    that connects again and again to a service that just died must never be given the service's own
    port, because it would then be connected to itself.

    Raises:
        OSError: none is free.
    """
    last = _first_ephemeral() - 1
    for port in random.sample(range(FIRST_PORT, last + 1), min(1000, last + 1 - FIRST_PORT)):
        if is_free(host, port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {last} on {host}")


def _first_ephemeral() -> int:
    try:
        first = int(EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError):
        first = 32_768
    return first if first > FIRST_PORT + 1000 else 32_768
