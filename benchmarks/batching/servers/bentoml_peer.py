"""BentoML: a batchable API; its batches are lists, so a body travels as text in a list of one."""

import bentoml

from benchmarks.batching.options import ServerOptions
from benchmarks.batching.work import make_work

OPTIONS = ServerOptions.from_environment()


@bentoml.service(
    workers=1,
    traffic={"timeout": OPTIONS.timeout_s, "max_concurrency": 100_000},
    logging={"access": {"enabled": False}},
)
class Peer:
    """The work behind BentoML's batcher; ``wait_ms`` is its latency limit, above which it sheds."""

    def __init__(self) -> None:
        """Load the model."""
        self.work = make_work(OPTIONS)

    @bentoml.api(
        batchable=True,
        max_batch_size=OPTIONS.max_batch,
        max_latency_ms=int(OPTIONS.wait_ms),
        route="/predict",
    )
    def predict(self, bodies: list[str]) -> list[str]:
        """Answer a batch."""
        items = [self.work.decode(each.encode()) for each in bodies]
        return [each.decode() for each in self.work.run(items)]
