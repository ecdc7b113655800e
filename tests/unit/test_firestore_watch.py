"""A watch of Firestore whose server goes away: it does not storm the server, and it ends when it is closed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack
from datetime import date
from typing import Any

import grpc
import pytest
from google.cloud import firestore

from commands.stack_config import PROJECT, free_port_base
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import REOPEN_PAUSE_SECONDS, FirestoreLeaseStore

KEY = LeaseKey("grading", date(2026, 1, 10))
WATCHES = 6

Serve = Callable[[], tuple[grpc.Server, "Silent"]]


class Silent(grpc.GenericRpcHandler):
    """A server that takes every stream and says nothing."""

    def __init__(self) -> None:
        self.open: list[threading.Event] = []

    def service(self, _call: Any) -> Any:
        def listen(_requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            ended = threading.Event()
            context.add_callback(ended.set)
            self.open.append(ended)
            ended.wait()
            yield from ()

        return grpc.stream_stream_rpc_method_handler(listen)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    port = free_port_base()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{port}")
    return port


@pytest.fixture
def serve(port: int) -> Iterator[Serve]:
    """Starts a server on the port; those that a test leaves running are stopped."""
    with ExitStack() as servers:

        def start() -> tuple[grpc.Server, Silent]:
            handler = Silent()
            server = grpc.server(futures.ThreadPoolExecutor(8))
            server.add_generic_rpc_handlers((handler,))
            server.add_insecure_port(f"127.0.0.1:{port}")
            server.start()
            servers.callback(server.stop, 0)
            return server, handler

        yield start


def until(incident: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it happens, in as long as the busiest machine may take."""
    deadline = time.monotonic() + seconds
    while not incident() and time.monotonic() < deadline:
        time.sleep(0.02)
    return incident()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_whose_server_is_gone_reopens_with_pauses_ends_at_once_and_leaves_nothing(
    port: int, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Google's loggers tell nobody above them.
    monkeypatch.setattr(logging.getLogger("google"), "propagate", True)
    client = firestore.Client(project=PROJECT)
    transport, listens = client._firestore_api._transport, []
    listen = transport.listen

    def counted(*arguments: Any, **keywords: Any) -> Any:
        listens.append(time.monotonic())
        return listen(*arguments, **keywords)

    monkeypatch.setattr(type(transport), "listen", property(lambda _transport: counted))
    server, handler = serve()
    threads = set(threading.enumerate())
    with ExitStack() as watches:
        for _ in range(WATCHES):
            watches.enter_context(FirestoreLeaseStore(client, rpc_seconds=5).watch(KEY, lambda _record: None))
        assert until(lambda: len(handler.open) == WATCHES)
        stopped_at = time.monotonic()
        server.stop(0).wait()
        assert until(lambda: len(listens) >= 6 * WATCHES)
        most_of_each = 2 + (time.monotonic() - stopped_at) / REOPEN_PAUSE_SECONDS[0]
        assert len(listens) <= WATCHES * most_of_each, "without a pause there are a thousand a second"
        began = time.monotonic()
    assert time.monotonic() - began < 0.9 * WATCHES
    assert until(lambda: not {thread for thread in threading.enumerate() if thread not in threads and "bidi" in thread.name.lower()})
    at_end = len(listens)
    server, handler = serve()
    # A connection of its own: that of the client waits for longer and longer before it looks for the server again.
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
    assert (len(listens), handler.open) == (at_end, []), "a watch that ended is opened again once the server is back"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_watch_finds_its_server_again(serve: Serve) -> None:
    server, handler = serve()
    with FirestoreLeaseStore(firestore.Client(project=PROJECT), rpc_seconds=5).watch(KEY, lambda _record: None):
        assert until(lambda: len(handler.open) == 1)
        server.stop(0).wait()
        server, handler = serve()
        assert until(lambda: len(handler.open) == 1)
    assert until(lambda: handler.open[0].is_set())
