"""An OpenLineage backend for tests: takes the events that Airflow's provider posts over HTTP."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/api/v1/lineage"


class LineageReceiver:
    """``events`` are those so far; ``transport`` is what AIRFLOW__OPENLINEAGE__TRANSPORT says to send them here."""

    def __init__(self, port: int) -> None:
        self.events: list[dict[str, Any]] = []
        self.transport = json.dumps({"type": "http", "url": f"http://127.0.0.1:{port}", "endpoint": PATH.lstrip("/")})

    def of(self, job: str, event_type: str) -> list[dict[str, Any]]:
        """The events of a job, ``dag_id.task_id``, and a type: START, COMPLETE, FAIL."""
        return [event for event in list(self.events) if event["job"]["name"] == job and event["eventType"] == event_type]


@contextmanager
def receive_lineage() -> Iterator[LineageReceiver]:
    """A receiver on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == PATH:
                receiver.events.append(json.loads(body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = LineageReceiver(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()


def names(datasets: list[dict[str, Any]]) -> list[str]:
    """``namespace name`` of each dataset, in order."""
    return sorted(f"{dataset['namespace']} {dataset['name']}" for dataset in datasets)


def partitions(output: dict[str, Any]) -> list[dict[str, Any]]:
    """The partitions that an output's subset facet names, by their dimensions."""
    return [partition["dimensions"] for partition in output["outputFacets"]["subset"]["outputCondition"]["partitions"]]
