"""A loop's threads, held back: what does not wait for them is done on the loop itself."""

import threading
from concurrent.futures import ThreadPoolExecutor


class HeldExecutor(ThreadPoolExecutor):
    """Starts nothing until ``release`` is set."""

    def __init__(self):
        super().__init__()
        self.release = threading.Event()

    def submit(self, function, /, *arguments):
        def held():
            self.release.wait()
            return function(*arguments)

        return super().submit(held)
