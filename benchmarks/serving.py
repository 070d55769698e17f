"""Services as benchmarks meet them: started in processes of their own, asked over HTTP."""

import httpx

from benchmarks.samples import Sample
from shared.benchmark_targets import Served, server_timing, serving

__all__ = ["Served", "ask", "server_timing", "serving"]


def ask(client: httpx.Client, url: str, sample: Sample) -> httpx.Response:
    """Send a sample; the answer may be an error."""
    if sample.json is not None:
        return client.post(url + sample.path, json=sample.json)
    files = {"file": (sample.name, sample.content)}
    return client.post(url + sample.path, files=files, data=dict(sample.fields))
