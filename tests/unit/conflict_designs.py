"""Ways to replace a set of dates, as statements for ``bigquery_conflict_model``: this project's publish, and what it was chosen over."""

from __future__ import annotations

from functools import reduce

from tests.unit.bigquery_conflict_model import Attempt, Design, Job, Partition, Refused, Row


def seed_fences(attempt: Attempt) -> Attempt:
    """INSERT the fence rows that are missing."""
    for of, _ in attempt.claims:
        if not attempt.rows("fences", of):
            attempt = attempt.append("fences", Row(of, 0, "seed"))
    return attempt


def update_fences(attempt: Attempt) -> Attempt:
    """UPDATE the fence rows of the claimed dates whose newest token is not newer; a claim without a lease takes that token + 1."""
    return reduce(_update_fence, attempt.claims, attempt)


def update_first_fence(attempt: Attempt) -> Attempt:
    """The same for the first date of the set alone."""
    return _update_fence(attempt, attempt.claims[0])


def update_fences_of_any_token(attempt: Attempt) -> Attempt:
    """UPDATE the fence rows of all claimed dates, newer or not."""
    for of, token in attempt.claims:
        attempt = _set_fence(attempt, of, token or 0)
    return attempt


def upsert_fences(attempt: Attempt) -> Attempt:
    """MERGE the fence rows: update them, or insert those that are missing."""
    for of, token in attempt.claims:
        missing = not attempt.rows("fences", of)
        attempt = attempt.append("fences", Row(of, token or 1, attempt.writer)) if missing else _update_fence(attempt, (of, token))
    return attempt


def delete_fenced_dates(attempt: Attempt) -> Attempt:
    """DELETE the rows of the dates whose fence row this write has updated."""
    return reduce(_delete, (row.of for row in _own_fences(attempt)), attempt)


def insert_fenced_dates(attempt: Attempt) -> Attempt:
    """INSERT the staged rows of those dates, with the token of their fence."""
    for fence in _own_fences(attempt):
        attempt = attempt.append("targets", fence)
    return attempt


def delete_dates_if_first_is_fenced(attempt: Attempt) -> Attempt:
    """DELETE all claimed dates if the fence row of the first was updated."""
    return delete_dates(attempt) if _own_fences(attempt) else attempt


def insert_dates_if_first_is_fenced(attempt: Attempt) -> Attempt:
    """INSERT all claimed dates if the fence row of the first was updated."""
    return insert_dates(attempt) if _own_fences(attempt) else attempt


def delete_dates(attempt: Attempt) -> Attempt:
    """DELETE the rows of all claimed dates. Rule 4: where there is none, nothing was mutated."""
    return reduce(_delete, (of for of, _ in attempt.claims), attempt)


def insert_dates(attempt: Attempt) -> Attempt:
    """INSERT the rows of all claimed dates, or append them by a load job."""
    for of, token in attempt.claims:
        assert token is not None
        attempt = attempt.append("targets", Row(of, token, attempt.writer))
    return attempt


def merge_dates_unless_newer(attempt: Attempt) -> Attempt:
    """MERGE: ERROR for a stored row with a newer token; delete what is stored, insert the rows of this run."""
    for of, token in attempt.claims:
        if any(token is not None and row.token > token for row in attempt.rows("targets", of)):
            raise Refused
    return insert_dates(delete_dates(attempt))


def _own_fences(attempt: Attempt) -> list[Row]:
    return sorted({row for row in attempt.view.fences if row.writer == attempt.writer and row.of in dict(attempt.claims)})


def _update_fence(attempt: Attempt, claim: tuple[Partition, int | None]) -> Attempt:
    of, token = claim
    newest = max((row.token for row in attempt.rows("fences", of)), default=None)
    if newest is None or (token is not None and newest > token):
        return attempt
    return _set_fence(attempt, of, newest + 1 if token is None else token)


def _set_fence(attempt: Attempt, of: Partition, token: int) -> Attempt:
    return attempt.mutate("fences", of, [Row(of, token, attempt.writer) for _ in attempt.rows("fences", of)])


def _delete(attempt: Attempt, of: Partition) -> Attempt:
    return attempt.mutate("targets", of, ()) if attempt.rows("targets", of) else attempt


SEED = Job((seed_fences,))
PUBLISH = Job((update_fences, delete_fenced_dates, insert_fenced_dates))
OURS: Design = (SEED, PUBLISH)

DELETE_THEN_LOAD: Design = (Job((delete_dates,)), Job((insert_dates,)))
TRANSACTION: Design = (Job((delete_dates, insert_dates)),)
MERGE_WITH_TOKEN: Design = (Job((merge_dates_unless_newer,)),)
WRITE_TRUNCATE: Design = (Job((insert_dates,), overwrites=True),)
FENCE_INSERTED_WHEN_MISSING: Design = (Job((upsert_fences, delete_fenced_dates, insert_fenced_dates)),)
FENCES_OF_ANY_TOKEN: Design = (SEED, Job((update_fences_of_any_token, delete_fenced_dates, insert_fenced_dates)))
FIRST_FENCE: Design = (SEED, Job((update_first_fence, delete_dates_if_first_is_fenced, insert_dates_if_first_is_fenced)))
ALL_DATES_WHATEVER_THE_FENCES: Design = (SEED, Job((update_fences, delete_dates, insert_dates)))
STATEMENTS_WITHOUT_TRANSACTION: Design = (SEED, *(Job((statement,)) for statement in PUBLISH.statements))
