"""The private parts of Airflow, Google's libraries and Python that this project uses: an upgrade that removes one fails here, and says why.

tests/unit/test_firestore_watch.py shows that the watch of a lease behaves as it should with those of google-cloud-firestore.
"""

from __future__ import annotations

import _thread
import inspect

from google.api_core.bidi import ResumableBidiRpc
from google.cloud.firestore_v1.watch import Watch


def test_a_firestore_watch_has_the_stream_whose_end_the_lease_store_decides() -> None:
    needed = ("_should_terminate", "_should_recover", "_callbacks")
    source = inspect.getsource(ResumableBidiRpc) + "".join(inspect.getsource(base) for base in ResumableBidiRpc.__mro__[1:-1])
    missing = [name for name in needed if f"self.{name}" not in source]
    assert missing == [], "lease_store_firestore: a watch whose server is away would storm it, or never end"
    assert "self._rpc" in inspect.getsource(Watch), "lease_store_firestore reaches the stream of a watch by this name"


def test_airflow_decrypts_the_arguments_of_a_trigger() -> None:
    from airflow.models.trigger import Trigger

    arguments = {"operation": "grading", "game_date": "2026-01-10", "deadline": 1.5}
    decrypted = Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(arguments))
    assert decrypted == arguments, "page/sources: the page could not list the runs that wait for a lease"


def test_python_starts_a_thread_that_does_not_keep_the_process_alive() -> None:
    assert callable(getattr(_thread, "start_new_thread", None)), "lease: a lease could not be renewed"
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(done.release, ())
    assert done.acquire(timeout=5), "lease: a lease could not be renewed"
