"""Tell what an exception of native code means for the engine: this item, its memory, or its end.

After some CUDA errors ("sticky" ones) every later call in the process fails too; such an engine
must be taken out of service and started anew, while an ordinary failure concerns one batch only.
"""

from collections.abc import Callable

from shared.errors import EngineError, FatalEngineError, GantryError, OutOfMemory

Classifier = Callable[[Exception], GantryError]

MEMORY_SIGNS = (
    "out of memory", "out_of_memory", "failed to allocate", "bad_alloc", "alloc_failed",
    "cannot allocate memory", "cuda failure 2",
)  # fmt: skip
FATAL_SIGNS = (
    "illegal memory access", "illegal address", "device-side assert", "unspecified launch failure",
    "misaligned address", "ecc error", "uncorrectable", "device lost", "cuda_error_", "cuda error",
    "cudnn_status_", "cublas_status_", "gpu has fallen off the bus", "driver shutting down",
)  # fmt: skip


def classify(error: Exception) -> GantryError:
    """The error of our tree that ``error`` stands for; its own text is not carried over."""
    if isinstance(error, GantryError):
        return error
    text = f"{type(error).__name__} {error}".lower()
    if isinstance(error, MemoryError) or any(sign in text for sign in MEMORY_SIGNS):
        return OutOfMemory("the item does not fit the device's memory; send a smaller one")
    if any(sign in text for sign in FATAL_SIGNS):
        return FatalEngineError("the device failed; the engine is being started anew")
    return EngineError(f"the model failed ({type(error).__name__})")
