"""Mosec: worker processes behind its Rust front."""

import sys

from mosec import Server, ValidationError, Worker

from benchmarks.batching.options import ServerOptions
from benchmarks.batching.work import Item, make_work


class Peer(Worker):
    """The work behind Mosec's hooks."""

    resp_mime_type = "application/json"

    def __init__(self) -> None:
        """Load the model."""
        super().__init__()
        options = ServerOptions.from_environment()
        self.work, self.has_batches = make_work(options), options.max_batch > 1

    def deserialize(self, data: bytes) -> Item:
        """Check a body."""
        try:
            return self.work.decode(data)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def forward(self, data: Item) -> Item:
        """Run a batch, or one item where batches are off."""
        return self.work.run(data) if self.has_batches else self.work.run([data])[0]

    def serialize(self, data: bytes) -> bytes:
        """Send the bytes as they are."""
        return data


def main() -> None:
    """Serve."""
    options = ServerOptions.from_environment()
    sys.argv[1:] = [
        *("--address", "127.0.0.1", "--port", str(options.port), "--log-level", "error"),
        *("--timeout", str(int(options.timeout_s * 1000))),
    ]
    server = Server()
    server.append_worker(
        Peer,
        num=options.workers,
        max_batch_size=options.max_batch,
        max_wait_time=int(options.wait_ms),
        timeout=int(options.hang_s),
        route="/predict",
    )
    server.run()


if __name__ == "__main__":
    main()
