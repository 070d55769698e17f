"""Plain FastAPI, one request at a time: inline in the event loop, or threads for the device."""

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from benchmarks.batching.options import ServerOptions
from benchmarks.batching.work import Work, make_work

app = FastAPI()


@app.get("/ready")
async def ready() -> dict[str, bool]:
    """Say that the model is loaded."""
    return {"ready": True}


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Answer one request."""
    work: Work = app.state.work
    body = await request.body()
    try:
        item = work.decode(body)
    except ValueError as error:
        return Response(str(error), 422)
    if app.state.in_thread:
        (answer,) = await run_in_threadpool(work.run, [item])
    else:
        (answer,) = work.run([item])
    return Response(answer, media_type="application/json")


def main() -> None:
    """Serve."""
    options = ServerOptions.from_environment()
    app.state.work = make_work(options)
    app.state.in_thread = options.work == "device"
    uvicorn.run(app, port=options.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
