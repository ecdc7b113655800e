"""Two proxies for a local server: one adds delay, one loses calls.

Usage: with delay_proxy(port, one_way_seconds=0.01) as far_port: …
       with FaultProxy(port) as proxy: proxy.lose("Commit", "after"); …

The first forwards bytes; the second speaks gRPC, so it can lose one given call, before or after the server has executed it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Literal, Self

import grpc  # type: ignore[import-untyped]

CHUNK_BYTES = 65536
# Each open stream keeps a thread, and so does each call that is never answered.
THREADS = 64
MOST_SECONDS = 86_400
STOP_SECONDS = 0.5
# Headers of one hop, which the library adds again on the other side.
OWN_METADATA = ("grpc-", ":", "user-agent", "te", "content-type")

When = Literal["before", "after"]


@contextmanager
def delay_proxy(upstream_port: int, one_way_seconds: float) -> Iterator[int]:
    """The port of a TCP proxy that delays every chunk by this many seconds, in order, without limiting throughput.

    It runs in a process of its own, so that it does not share an interpreter with the measured client. asyncio's timers have whole
    milliseconds, so a delay may be up to one longer: compare only calls through the same proxy.
    """
    # forkserver: neither the threads of this process nor its channels are copied.
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_delayed, args=(upstream_port, one_way_seconds, theirs), daemon=True)
    process.start()
    # Now only the child holds its end, so its death raises EOFError here.
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve_delayed(upstream_port: int, seconds: float, parent: Connection) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", upstream_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, to_server, seconds), _pump(from_server, writer, seconds), return_exceptions=True)

    async def serve() -> None:
        # asyncio sets TCP_NODELAY on every connection.
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        parent.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    under_way: deque[bytes] = deque()
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            under_way.append(chunk)
            # The timer takes the oldest chunk, not its own, so that two timers of the same moment cannot swap chunks.
            loop.call_later(seconds, lambda: writer.write(under_way.popleft()))
        await asyncio.sleep(seconds)
    finally:
        writer.close()


@dataclass
class Fault:
    """An order to lose calls of a method; ``lost`` counts the lost calls."""

    method: str
    when: When
    nth: int
    share: float | None
    silent: bool
    lost: int = 0
    seen: int = 0

    def meets(self) -> bool:
        """Count a call of the method; returns whether it is lost."""
        self.seen += 1
        hit = self.seen == self.nth if self.share is None else random.random() < self.share
        self.lost += hit
        return hit


class FaultProxy:
    """A gRPC proxy that can lose calls, by a method's short name: Commit, BatchGetDocuments, Listen, … Use it as a context manager.

    ``calls`` counts the calls of clients by method, lost or not; ``faults`` are the current orders. A lost call ends at once with
    UNAVAILABLE, or, if ``silent``, when its client gives up. All methods are thread-safe.
    """

    def __init__(self, upstream_port: int) -> None:
        self.calls: Counter[str] = Counter()
        self.port = 0
        self.faults: list[Fault] = []
        self._mutex = threading.Lock()
        self._connected = threading.Event()
        self._connected.set()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{upstream_port}")
        self._server = grpc.server(ThreadPoolExecutor(THREADS), handlers=(self,))

    def __enter__(self) -> Self:
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.stop(STOP_SECONDS).wait()
        self._channel.close()

    def lose(self, method: str, when: When, *, nth: int = 1, share: float | None = None, silent: bool = False) -> Fault:
        """Lose the nth call of a method from now on, or a random share of all calls.

        ``before``: it never reaches the server. ``after``: the server's first answer, even an error, is lost.
        """
        fault = Fault(method, when, nth, share, silent)
        with self._mutex:
            self.faults.append(fault)
        return fault

    def cut(self) -> None:
        """Cut the connection: no call reaches the server or is answered, and open streams deliver nothing."""
        self._connected.clear()

    def heal(self) -> None:
        """Undo ``cut`` and every ``lose``; open streams deliver their backlog, as TCP would."""
        with self._mutex:
            self.faults.clear()
        self._connected.set()

    def service(self, details: Any) -> Any:
        """The generic handler of grpc. On the wire a unary call is a stream of one message, so one handler serves all calls."""
        return grpc.stream_stream_rpc_method_handler(partial(self._forward, details.method))

    def _forward(self, path: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        fault = self._fault_of(path.rsplit("/", 1)[1])
        if fault and fault.when == "before":
            _lose(context, silent=fault.silent)
        metadata = [(name, value) for name, value in context.invocation_metadata() if not name.startswith(OWN_METADATA)]
        # A call without a deadline has one of many years here, which overflows in the library and would have passed already.
        remaining = context.time_remaining()
        timeout = remaining if remaining < MOST_SECONDS else None
        call = self._channel.stream_stream(path)(requests, timeout=timeout, metadata=metadata)
        context.add_callback(call.cancel)
        try:
            for answer in call:
                if fault:
                    break
                while not self._connected.wait(0.02) and context.is_active():
                    pass
                yield answer
        except grpc.RpcError as error:
            if not fault:
                context.abort(error.code(), error.details())
        if fault:
            _lose(context, silent=fault.silent)

    def _fault_of(self, method: str) -> Fault | None:
        with self._mutex:
            self.calls[method] += 1
            if not self._connected.is_set():
                return Fault(method, "before", nth=1, share=None, silent=True)
            # Every fault counts the call, even if another fault loses it.
            met = [fault for fault in self.faults if fault.method == method and fault.meets()]
        return met[0] if met else None


def _lose(context: Any, *, silent: bool) -> None:
    if silent:
        ended = threading.Event()
        if context.add_callback(ended.set):
            ended.wait()
    context.abort(grpc.StatusCode.UNAVAILABLE, "lost by the proxy")
