"""A server that speaks as much of Redis' protocol (RESP2) as a cache needs."""

import socketserver
import threading
from contextlib import contextmanager


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            words = [self._word() for _ in range(int(line[1:]))]
            self.wfile.write(self._answer(words[0].upper(), words[1:]))

    def _word(self):
        size = int(self.rfile.readline()[1:])
        return self.rfile.read(size + 2)[:-2]

    def _answer(self, command, words):
        self.server.commands.append((command, *words))
        if command == b"GET":
            value = self.server.values.get(words[0])
            return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        if command == b"SET":
            self.server.values[words[0]] = words[1]
        return b"+OK\r\n"


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def resp_server(port=0):
    """Yields a server with its ``values``, the ``commands`` it was given and its ``url``."""
    with Server(("127.0.0.1", port), Handler) as server:
        server.values, server.commands = {}, []
        server.url = f"redis://127.0.0.1:{server.server_address[1]}/0"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
