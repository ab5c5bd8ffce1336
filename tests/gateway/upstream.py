"""A provider whose every byte a test decides."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def completion(text="Hello.", *, model="real-model", prompt_tokens=7, completion_tokens=3):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def event(data):
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def delta(text):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return event({"id": "c", "object": "chat.completion.chunk", "model": "real-model", "choices": [choice]})


@dataclass
class Upstream:
    """`answers` maps a model to (status, headers, body); a body is bytes or a callable that writes pieces."""

    url: str = ""
    answers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    connections: int = 0

    def answer(self, model, body, *, status=200, **headers):
        if isinstance(body, dict):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        self.answers[model] = (status, headers, body)

    def either(self, model, body, pieces):
        """By what is asked: a whole answer or a stream."""
        whole = (200, {"Content-Type": "application/json"}, json.dumps(body).encode())
        self.answers[model] = {False: whole, True: (200, {"Content-Type": "text/event-stream"}, pieces)}

    def stream(self, model, *pieces):
        self.answers[model] = (200, {"Content-Type": "text/event-stream"}, pieces)


def serve(upstream):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            upstream.connections += 1

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            upstream.asked.append((self.path, body))
            upstream.headers.append({name.lower(): value for name, value in self.headers.items()})
            found = upstream.answers[body["model"]]
            status, headers, answer = found[body.get("stream", False)] if isinstance(found, dict) else found
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if isinstance(answer, bytes):
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            else:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.write_pieces(answer)

        def write_pieces(self, pieces):
            try:
                for piece in pieces:
                    if piece == "wait":
                        upstream.go_on.wait(60)
                    elif piece == "break":
                        self.close_connection = True
                        return
                    elif piece == "forever":
                        while True:
                            self.write_chunk(delta("on and on "))
                    else:
                        self.write_chunk(piece)
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True
                upstream.hung_up.set()

        def write_chunk(self, piece):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            """Whoever hangs up, or is killed, is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    upstream.url = f"http://127.0.0.1:{server.server_port}/v1"
    return server
