"""LitServe: decode, predict and encode in its worker process; restarts a worker that dies."""

import json

import litserve
from fastapi import HTTPException, Response

from benchmarks.batching.options import ServerOptions
from benchmarks.batching.work import Item, Work, make_work


class PeerApi(litserve.LitAPI):
    """The work behind LitServe's hooks."""

    work: Work

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        self.work = make_work(ServerOptions.from_environment())

    def decode_request(self, request) -> Item:  # noqa: ANN001 - LitServe takes a type for a schema
        """LitServe hands over parsed JSON; the work checks bytes."""
        try:
            return self.work.decode(json.dumps(request).encode())
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    def batch(self, inputs: list[Item]) -> list[Item]:
        """Leave the batch a list."""
        return list(inputs)

    def predict(self, inputs: Item) -> Item:
        """Run a batch, or one item where batches are off."""
        return self.work.run(inputs) if isinstance(inputs, list) else self.work.run([inputs])[0]

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        """One answer each."""
        return output

    def encode_response(self, output: bytes) -> Response:
        """Send the bytes as they are."""
        return Response(output, media_type="application/json")


def main() -> None:
    """Serve."""
    options = ServerOptions.from_environment()
    api = PeerApi(max_batch_size=options.max_batch, batch_timeout=options.wait_ms / 1000)
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=1,
        timeout=options.timeout_s,
        fast_queue=True,
        restart_workers=True,
    )
    server.run(
        host="127.0.0.1",
        port=options.port,
        log_level="error",
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main()
