import json
import shlex
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from shared.benchmark import PeakMemory, Report
from shared.benchmark_cli import main
from shared.benchmark_targets import BenchmarkError, serving


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(200, json.dumps({"paths": [{"path": "/v1/echo"}]}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append((self.path, body))
        self._answer(self.server.status, b'"done"')

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("server-timing", "queue;dur=0.001, inference;dur=0.002")
        self.send_header("x-cache", "hit-memory" if self.server.bodies else "miss")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def server(status=200):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.status, listener.bodies = status, []
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}", listener.bodies
        finally:
            listener.shutdown()
            thread.join()


def run(tmp_path, *arguments):
    quick = ["--rounds", "2", "--warm-up", "1", "--output", str(tmp_path), "--name", "test"]
    return main([*arguments, *quick])


def test_servers_are_compared_with_their_steps(tmp_path, capsys):
    with server() as (first, bodies), server() as (second, _):
        code = run(tmp_path, "urls", first, second, "--json", '{"a": 1}', "--requests", "3")

    report = Report.load(tmp_path / "test.json")
    assert code == 0
    assert [each.name for each in report.variants] == [first, second]
    assert report.variants[0].steps_ms["inference"] == 0.002
    assert report.variants[0].steps_ms["elsewhere"] > 0
    assert bodies == [("/v1/echo", b'{"a":1}')] * 9
    assert "inference" in capsys.readouterr().out
    assert (tmp_path / "test.md").is_file()


def test_answers_from_a_cache_are_pointed_out(tmp_path):
    with server() as (url, _):
        run(tmp_path, "urls", url, "--json", "1", "--path", "/v1/other")

    assert "3 of 3 answers came from a cache" in Report.load(tmp_path / "test.json").notes[0]


def test_file_is_sent_with_its_fields(tmp_path):
    (tmp_path / "page.txt").write_text("hello")
    with server() as (url, bodies):
        file = str(tmp_path / "page.txt")
        run(tmp_path, "urls", url, "--file", file, "--field", "language=en")

    assert b'name="file"; filename="page.txt"' in bodies[0][1]
    assert b"hello" in bodies[0][1]
    assert b'name="language"' in bodies[0][1]


def test_answer_that_is_an_error_ends_the_measurement(tmp_path, capsys):
    with server(status=503) as (url, _):
        code = run(tmp_path, "urls", url, "--json", "1")

    assert code == 2
    assert "answered 503" in capsys.readouterr().err
    assert not (tmp_path / "test.json").exists()


def test_commands_are_compared_without_a_shell(tmp_path):
    python = shlex.quote(sys.executable)
    slow = f"{python} -S -c 'print(1); import this'"

    assert run(tmp_path, "commands", slow, f"{python} -S -c 'pass'") == 0
    assert len(Report.load(tmp_path / "test.json").variants) == 2


def test_command_that_fails_says_so(tmp_path, capsys):
    code = run(tmp_path, "commands", f"{sys.executable} -S -c 'raise SystemExit(\"too bad\")'")

    assert code == 2
    assert "too bad" in capsys.readouterr().err


def test_nothing_to_send_is_said(tmp_path, capsys):
    with server() as (url, _):
        assert run(tmp_path, "urls", url) == 2
    assert "say what to send" in capsys.readouterr().err


def test_service_that_does_not_start_shows_why():
    with pytest.raises(BenchmarkError, match="No module named"), serving("nothing"):
        pass


def test_stored_report_is_shown(tmp_path, capsys):
    with server() as (url, _):
        run(tmp_path, "urls", url, "--json", "1")
    capsys.readouterr()

    assert main(["show", str(tmp_path / "test.json")]) == 0
    assert capsys.readouterr().out == (tmp_path / "test.md").read_text()


def test_peak_memory_of_another_process_is_its_own():
    hungry = "import sys; x = b'x' * (200 * 2**20); print(len(x), flush=True); sys.stdin.read()"
    with psutil.Popen([sys.executable, "-S", "-c", hungry], stdin=-1, stdout=-1) as other:
        other.stdout.readline()
        with PeakMemory(psutil.Process(other.pid)) as memory:
            pass
        other.stdin.close()

    assert 200 * 2**20 < memory.peak_bytes < 400 * 2**20
