"""A small HTTP load generator for one fixed request, meant to cost little: `python -m benchmarks.load --help`.

One thread serves all connections. It sends bytes made beforehand, and of an answer it reads the status and the length.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.measure import percentile

#: Bytes read at once; an answer of the benchmark is far smaller.
CHUNK = 65536
#: Seconds without any answer after which the server is taken for hung.
SILENCE = 30.0


def request(host: str, path: str, body: bytes, headers: tuple[str, ...] = ()) -> bytes:
    """The bytes of a POST of JSON on a connection that is kept."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@dataclass
class Connection:
    """One connection, with at most one request under way."""

    address: tuple[str, int]
    socket: socket.socket = field(init=False)
    sent: float = 0.0
    received: bytes = b""

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(self.address, timeout=SILENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self.received = b""
        self.sent = time.perf_counter()
        self.socket.sendall(data)

    def receive(self) -> int | None:
        """Read what is there; return the status once the answer is whole. Raises ConnectionError when it was cut."""
        data = self.socket.recv(CHUNK)
        if not data:
            raise ConnectionError(f"cut after {len(self.received)} bytes of an answer")
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return int(head[9:12]) if len(body) >= int(length) else None

    def body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]


def drive(
    address: tuple[str, int], data: bytes, *, connections: int, seconds: float, expected: int | str
) -> dict[str, float]:
    """Send *data* again and again on all connections for *seconds*.

    Raises RuntimeError on any answer but 200, and when a connection's first answer says something else than *expected*.
    """
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        begin = time.perf_counter()
        for _ in range(connections):
            connection = Connection(address)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(data)
        checked: set[int] = set()
        while selector.get_map():
            ready = selector.select(SILENCE)
            if not ready:
                raise RuntimeError(f"no answer for {SILENCE} s")
            for key, _ in ready:
                connection = key.data
                status = connection.receive()
                if status is None:
                    continue
                now = time.perf_counter()
                latencies.append(now - connection.sent)
                if status != 200 or (key.fd not in checked and said(connection.body()) != expected):
                    raise RuntimeError(f"status {status}: {connection.body()[:300]!r}")
                checked.add(key.fd)
                if now - begin < seconds:
                    connection.send(data)
                else:
                    selector.unregister(connection.socket)
                    connection.socket.close()
        took = time.perf_counter() - begin
    return {
        "requests": len(latencies),
        "requests_s": len(latencies) / took,
        "p50_ms": median(latencies) * 1000,
        "p99_ms": percentile(latencies, 99) * 1000,
        "load_cpu_ms": time.process_time() / len(latencies) * 1000,
    }


def said(body: bytes) -> int | str:
    """What an answer says: how many `bytes` there were, or the label of the likeliest of the `predictions`."""
    answer = json.loads(body)
    found: int | str = answer["bytes"] if "bytes" in answer else answer["predictions"][0]["label"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Load one URL with one request and print the figures as JSON.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("body", type=Path, help="file with the JSON to send")
    parser.add_argument("expected", type=json.loads, help="what the answer must say, in JSON: a number or a label")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=6)
    chosen = parser.parse_args()
    data = request(chosen.host, chosen.path, chosen.body.read_bytes())
    address = (chosen.host, chosen.port)
    figures = drive(address, data, connections=chosen.connections, seconds=chosen.seconds, expected=chosen.expected)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
