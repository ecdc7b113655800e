"""Every state into which three clients, a lossy network and time can bring one lease and the date behind it, without a store.

The rules, in short; they are those of ``nba_grading.leases.lease`` and ``fenced_write``, and ``Design`` breaks each of them alone:

1. The store keeps one document: whose claim it is, its token, its version and its age in ticks.
2. A request takes effect at once, and its answer waits. Or it goes astray: its sender gets no answer, and it takes effect at any later
   moment or never; landing at once, it is a lost answer. Their number is bounded, delays are not.
3. A client may do nothing while time passes: that is a stalled client, one that is answered late, and a dead one.
4. A holder trusts its lease from before it sent the request, for LEASE ticks of the store. It counts LEASE less the drift share
   on its own clock; LEASE is what the slowest clock makes of that.
5. A holder submits its publish once its check has passed, and the publish lands at any later moment or never: a stalled holder,
   or a query job that outlives it. Submitting later would show nothing new, so it is done at once.
6. The lease does not depend on the stored date. So the ways in which publishes land are explored apart, for each set of them
   that was submitted. A publish is atomic; that the transaction makes it so is the subject of ``bigquery_conflict_model``.

Kept small without leaving anything out: ages and trusts stop counting where more makes no difference, so time is not bounded;
clients are alike, so their order is dropped; what can only fail, fails at once (``settled``). What a state does not show, such as
by what right a document was removed, is noted in ``broken`` when it happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple

LEASE = 2
GRACE = 1
EXPIRED = LEASE + GRACE + 1
FOREVER = 99
TOKEN_STEP = 10  # between two tokens there is room for the versions of a document and for writers without a lease

# What must hold in every state
ONE_BELIEVES = "never two at one moment believe that they hold the lease"
TRUST_ENDS_FIRST = "a holder's trust ends before a reader may evict it"
TOKENS_GROW = "tokens grow with every grant"
REMOVED_BY_RIGHT = "only the own release, or the eviction of what is stale, removes a document"
NOT_REFUSED_BY_OWN = "nobody is refused because of its own claim's document"
HOLDER_CAN_STAY = "a holder that is at work can renew its trust in full"
FREE_AFTER_EXPIRY = "any document can be replaced after lease and grace"
LOST_SUBMITS_NOTHING = "who has lost the lease submits nothing more"
NO_OLDER_AFTER_NEWER = "no older write lands after a newer one"
ONE_RUN = "the date holds the rows of one run, or none"

# Steps that are taken in two places
CHANGED_BEFORE_EVICTION = "finds it changed before the eviction"
NOTHING_TO_RELEASE = "finds nothing of its own to release"
END_OF_TRUST = "notices the end of its trust"


@dataclass(frozen=True)
class Design:
    """The lease as it is built, unless a field says otherwise."""

    trust: int = LEASE  # FOREVER: until it releases, whatever the time
    trusts_from_answer: bool = False
    renews: bool = True
    checks: bool = True
    own_id: bool = True  # False: one owner id, shared by all
    recognises_own: bool = True
    releases_unchanged: bool = True
    evicts: bool = True
    evicts_unchanged: bool = True
    clock_ahead: int = 0  # ticks by which a reader's clock makes a document look older than it is
    tokens_grow: bool = True
    goes_on_without: bool = False
    fenced: bool = True
    atomic: bool = True

    @property
    def is_sound(self) -> bool:
        """Whether a request for an older version, and a holder whose document is gone, can only fail."""
        return self.own_id and self.checks and self.releases_unchanged and self.evicts_unchanged and self.tokens_grow


LEASED = Design()
OLD_RECIPE = Design(
    trust=FOREVER,
    renews=False,
    own_id=False,
    releases_unchanged=False,
    clock_ahead=1,
    goes_on_without=True,
    fenced=False,
    atomic=False,
)


class Bounds(NamedTuple):
    """How many there may be in all: claims, requests that go astray, and writers without a lease. Who has no claim left does nothing."""

    claims: int = 3
    astray: int = 1
    unleased: int = 1
    renewals: int = 1  # of one document


class Document(NamedTuple):
    """What the store keeps. A version is the token plus the renewals."""

    claim: int
    token: int
    version: int
    age: int = 0


class Request(NamedTuple):
    """A request on its way. A publish whose token is 0 is one without a lease: it takes that of the fence + 1."""

    verb: Literal["create", "evict", "insert", "publish", "release", "renew"]
    claim: int = 0
    token: int = 0
    version: int = 0


class Client(NamedTuple):
    """The state of a client. ``trust`` are the ticks left since its first request, or of its lease; ``pending`` since its latest."""

    phase: Literal["idle", "asking", "created", "unsure", "evicting", "held", "renewed", "releasing"] = "idle"
    claim: int = 0
    token: int = 0
    version: int = 0
    trust: int = 0
    pending: int = 0

    @property
    def believes(self) -> bool:
        """Whether its check passes."""
        return self.trust > 0 and self.phase in ("held", "renewed")

    def asks_again(self) -> Client:
        """Sends its create again; the time counts from the first one that may have taken effect."""
        return self._replace(phase="asking", version=0) if self.claim else Client()


class State(NamedTuple):
    """``submitted`` are the publishes; ``token`` and ``claims`` the last ones given; ``astray`` how many more may go astray."""

    document: Document | None = None
    clients: tuple[Client, ...] = (Client(),) * 3
    network: tuple[Request, ...] = ()
    submitted: tuple[Request, ...] = ()
    token: int = 0
    claims: int = 0
    astray: int = 0
    broken: tuple[str, ...] = ()

    def moved(self, before: Client, after: Client) -> State:
        """One client has moved on."""
        clients = list(self.clients)
        clients.remove(before)
        clients.append(after)
        return self._replace(clients=tuple(sorted(clients)))

    def holding(self, design: Design, before: Client, holder: Client) -> State:
        """A client has learnt that it holds the lease: it submits its publish, or gives the lease back when its trust is over."""
        if design.checks and not holder.trust:
            return self.moved(before, Client("releasing", holder.claim, version=holder.version))
        publish = Request("publish", holder.claim, holder.token)
        after = self.moved(before, holder)._replace(submitted=tuple(sorted((*self.submitted, publish))))
        return after if holder.trust else after.breaking(LOST_SUBMITS_NOTHING)

    def sent_astray(self, request: Request) -> State:
        """A request is on its way and its sender gets no answer."""
        return self._replace(network=tuple(sorted((*self.network, request))), astray=self.astray - 1)

    def claimed(self, claim: int) -> State:
        """A claim has got its id."""
        return self if claim <= self.claims else self._replace(claims=claim)

    def breaking(self, rule: str) -> State:
        """Something happened that must not."""
        return self._replace(broken=tuple(sorted({*self.broken, rule})))


class Step(NamedTuple):
    """What happened, to which claim, and what it led to."""

    what: str
    claim: int
    state: State


# What the store does


def _create(design: Design, state: State, claim: int) -> State:
    token = state.token + TOKEN_STEP if design.tokens_grow else TOKEN_STEP
    after = state._replace(document=Document(claim, token, token), token=token)
    return after if token > state.token else after.breaking(TOKENS_GROW)


def _renew(state: State, document: Document) -> State:
    return state._replace(document=document._replace(version=document.version + 1, age=0))


def _remove(state: State, document: Document, claim: int, *, evicts: bool) -> State:
    by_right = document.age >= EXPIRED if evicts else document.claim == claim
    after = state._replace(document=None)
    return after if by_right else after.breaking(REMOVED_BY_RIGHT)


def _land(design: Design, bounds: Bounds, state: State, request: Request) -> Step:
    """A request that had gone astray arrives."""
    network = list(state.network)
    network.remove(request)
    state = state._replace(network=tuple(network))
    if request.verb == "create":
        after = None if state.document else _create(design, state, request.claim)
    else:
        after = _land_change(design, bounds, state, request)
    if after is None:
        return Step(f"its {request.verb} is refused late", request.claim, state)
    return Step(f"its {request.verb} lands late", request.claim, after)


def _land_change(design: Design, bounds: Bounds, state: State, request: Request) -> State | None:
    document = state.document
    needs_unchanged = {"renew": True, "evict": design.evicts_unchanged, "release": design.releases_unchanged}[request.verb]
    if document is None or (needs_unchanged and document.version != request.version):
        return None
    if request.verb == "renew":
        return _renew(state, document) if _may_renew(bounds, document) else None
    return _remove(state, document, request.claim, evicts=request.verb == "evict")


def _may_renew(bounds: Bounds, document: Document) -> bool:
    return document.version - document.token < bounds.renewals


def _tick(state: State) -> State:
    """Time passes."""
    document = state.document
    if document is not None and document.age < EXPIRED:
        document = document._replace(age=document.age + 1)
    return state._replace(document=document, clients=tuple(sorted(map(_older, state.clients))))


def _older(client: Client) -> Client:
    if client.trust in (0, FOREVER) and client.pending in (0, FOREVER):
        return client
    return client._replace(trust=_less(client.trust), pending=_less(client.pending))


def _less(ticks: int) -> int:
    return ticks if ticks in (0, FOREVER) else ticks - 1


# What the clients do


def _ask(design: Design, bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    """Sends a create; refused, it reads."""
    claim = client.claim or state.claims + 1
    if claim > bounds.claims:
        return
    document = state.document
    if document is not None:
        yield from _look(design, bounds, state, client, document)
    since_first = client.trust if client.claim else design.trust
    if document is None:
        after = _create(design, state.claimed(claim), claim)
        created = Client("created", claim, after.token, after.token, since_first, pending=design.trust)
        yield Step("creates", claim, after.moved(client, created))
    if state.astray:
        after = state.claimed(claim).sent_astray(Request("create", claim))
        yield Step("sends a create astray", claim, after.moved(client, Client("unsure", claim, trust=since_first)))


def _look(design: Design, bounds: Bounds, state: State, client: Client, document: Document) -> Iterator[Step]:
    """Reads a document that may be its own, or expired, or another's."""
    own = document.claim == client.claim
    if design.recognises_own and (own or not design.own_id):
        claim = client.claim or state.claims + 1
        holder = Client("held", claim, document.token, document.version, client.trust if client.claim else design.trust)
        yield Step("adopts the document", claim, state.claimed(claim).holding(design, client, holder))
    elif design.evicts and document.age + design.clock_ahead >= EXPIRED:
        yield Step("finds it expired", client.claim, state.moved(client, client._replace(phase="evicting", version=document.version)))
    else:
        after = state.breaking(NOT_REFUSED_BY_OWN) if own else state
        yield Step("finds it held", client.claim, after.moved(client, Client()))
        if design.goes_on_without and state.claims < bounds.claims:
            claim = state.claims + 1
            yield Step("goes on without the lease", claim, after.claimed(claim).holding(design, client, Client("held", claim, trust=FOREVER)))


def _read(design: Design, bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    """Sent a create and heard nothing."""
    if state.document is None:
        yield from _ask(design, bounds, state, client)
    else:
        yield from _look(design, bounds, state, client, state.document)


def _hear_of_create(design: Design, _bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    trust = design.trust if design.trusts_from_answer else client.pending
    holder = client._replace(phase="held", trust=trust, pending=0)
    yield Step("hears of its create", client.claim, state.holding(design, client, holder))


def _evict(design: Design, _bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    """Has read an expired document."""
    document = state.document
    if document is not None and (document.version == client.version or not design.evicts_unchanged):
        yield Step("evicts", client.claim, _remove(state, document, client.claim, evicts=True).moved(client, client.asks_again()))
    else:
        yield Step(CHANGED_BEFORE_EVICTION, client.claim, state.moved(client, client.asks_again()))
    if state.astray:
        after = state.sent_astray(Request("evict", client.claim, version=client.version))
        yield Step("sends an eviction astray", client.claim, after.moved(client, client.asks_again()))


def _hold(design: Design, bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    yield from _notice_the_end(design, state, client)
    yield from _release(design, bounds, state, client)
    if design.renews and client.believes and client.token:
        yield from _send_renewal(design, bounds, state, client)


def _notice_the_end(design: Design, state: State, client: Client) -> Iterator[Step]:
    if design.checks and not client.trust:
        yield Step(END_OF_TRUST, client.claim, state.moved(client, Client()))


def _send_renewal(design: Design, bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    document = state.document
    if document is not None and document.version == client.version:
        if _may_renew(bounds, document):
            yield Step("renews", client.claim, _renew(state, document).moved(client, client._replace(phase="renewed", pending=design.trust)))
    elif document is not None and _is_own_renewal(design, document, client):
        trust = client.trust if client.trust == FOREVER else max(design.trust - document.age, 0)
        adopted = client._replace(version=document.version, trust=trust)
        yield Step("adopts its own renewal", client.claim, state.moved(client, adopted))
    else:
        yield Step("finds its lease lost", client.claim, state.moved(client, Client()))
    if state.astray:
        yield Step("sends a renewal astray", client.claim, state.sent_astray(Request("renew", client.claim, version=client.version)))


def _is_own_renewal(design: Design, document: Document, client: Client) -> bool:
    return design.recognises_own and document.token == client.token and (document.claim == client.claim or not design.own_id)


def _hear_of_renewal(design: Design, _bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    yield from _notice_the_end(design, state, client)
    trust = design.trust if design.trusts_from_answer else client.pending
    renewed = client._replace(phase="held", version=client.version + 1, trust=trust, pending=0)
    yield Step("hears of its renewal", client.claim, state.moved(client, renewed))


def _release(design: Design, _bounds: Bounds, state: State, client: Client) -> Iterator[Step]:
    """Gives the lease up, or tries that again."""
    document = state.document
    releasing = Client("releasing", client.claim, version=client.version)
    if document is not None and (document.version == client.version or not design.releases_unchanged):
        yield Step("releases", client.claim, _remove(state, document, client.claim, evicts=False).moved(client, Client()))
    elif document is not None and (document.claim == client.claim or not design.own_id):
        yield Step("finds its own renewal to release", client.claim, state.moved(client, releasing._replace(version=document.version)))
    else:
        yield Step(NOTHING_TO_RELEASE, client.claim, state.moved(client, Client()))
    if state.astray:
        after = state.sent_astray(Request("release", client.claim, version=client.version))
        yield Step("sends a release astray", client.claim, after.moved(client, releasing))


PHASES: Mapping[str, Callable[[Design, Bounds, State, Client], Iterator[Step]]] = {
    "idle": _ask,
    "asking": _ask,
    "created": _hear_of_create,
    "unsure": _read,
    "evicting": _evict,
    "held": _hold,
    "renewed": _hear_of_renewal,
    "releasing": _release,
}


def steps(design: Design, bounds: Bounds, state: State) -> Iterator[Step]:
    """Whatever can happen next."""
    yield Step("time passes", 0, _tick(state))
    for request in dict.fromkeys(state.network):
        yield _land(design, bounds, state, request)
    for client in dict.fromkeys(state.clients):
        yield from PHASES[client.phase](design, bounds, state, client)


def settled(state: State) -> tuple[State, list[str]]:
    """What can only fail from here on, and change nothing by it, has failed; with what that was. In a sound design only."""
    claim, version = (state.document.claim, state.document.version) if state.document else (0, 0)
    network = tuple(request for request in state.network if request.verb == "create" or request.version == version)
    owners = (claim, *(request.claim for request in network if request.verb == "create"))
    labels = [f"its {request.verb} is refused late" for request in state.network if request not in network]
    clients = list(state.clients)
    for index, client in enumerate(state.clients):
        if client.phase == "evicting" and client.version != version:
            clients[index] = client.asks_again()
            labels.append(CHANGED_BEFORE_EVICTION)
        elif client.phase == "releasing" and client.claim not in owners:
            clients[index] = Client()
            labels.append(NOTHING_TO_RELEASE)
        elif client.phase == "held" and not client.trust and client.claim not in owners:
            clients[index] = Client()
            labels.append(END_OF_TRUST)
    return (state._replace(network=network, clients=tuple(sorted(clients))), labels) if labels else (state, labels)


# The date


class Row(NamedTuple):
    """One row represents all rows of one run."""

    token: int
    claim: int


class Date(NamedTuple):
    """``newest`` is the newest token that was published: the fence row, or what it would be. ``coming`` may land."""

    newest: int = 0
    rows: tuple[Row, ...] = (Row(0, 0),)
    coming: tuple[Request, ...] = ()


def _publish(design: Design, date: Date, request: Request) -> tuple[str, Date]:
    coming = list(date.coming)
    coming.remove(request)
    date = date._replace(coming=tuple(coming))
    if request.verb == "insert":
        rows = tuple(sorted((*date.rows, Row(request.token, request.claim))))
        return "an INSERT lands", date._replace(rows=rows, newest=max(request.token, date.newest))
    token = request.token or date.newest + 1
    if design.fenced and token < date.newest:
        return "a publish is fenced out", date
    if not design.atomic:
        insert = Request("insert", request.claim, token)
        return "a DELETE lands", date._replace(rows=(), coming=tuple(sorted((*date.coming, insert))))
    after = date._replace(rows=(Row(token, request.claim),), newest=max(token, date.newest))
    return "a publish lands" if request.token else "a publish without a lease lands", after


@cache
def dates(design: Design, submitted: tuple[Request, ...]) -> Mapping[Date, tuple[str, ...]]:
    """Every state of the date that these publishes can bring about, each with a shortest way there."""
    first = Date(coming=submitted)
    found: dict[Date, tuple[str, ...]] = {first: ()}
    unexplored = [first]
    for date in unexplored:
        for request in dict.fromkeys(date.coming):
            what, after = _publish(design, date, request)
            if after not in found:
                found[after] = (*found[date], f"{request.claim}: {what}")
                unexplored.append(after)
    return found


# Whether it holds

Invariant = Callable[[Design, State], bool]


def _one_believes(_design: Design, state: State) -> bool:
    return sum(client.believes for client in state.clients) <= 1


def _trust_ends_first(design: Design, state: State) -> bool:
    document = state.document
    if document is None or document.age + design.clock_ahead < EXPIRED:
        return True
    return not any(client.believes and client.claim == document.claim for client in state.clients)


def _holder_can_stay(design: Design, state: State) -> bool:
    document = state.document
    return document is None or all(
        _can_renew(design, document, client)
        for client in state.clients
        if client.phase == "held" and client.believes and (client.claim, client.token) == (document.claim, document.token)
    )


def _free_after_expiry(design: Design, state: State) -> bool:
    return state.document is None or _can_acquire(design, state.document._replace(age=EXPIRED))


@cache
def _can_renew(design: Design, document: Document, client: Client) -> bool:
    alone = State(document, (client,), claims=client.claim)
    return any(
        (held.claim, held.trust) == (client.claim, design.trust) and held.believes for state in _undisturbed(design, alone) for held in state.clients
    )


@cache
def _can_acquire(design: Design, document: Document) -> bool:
    newcomer = State(document, (Client(),), token=document.token, claims=document.claim)
    return any(client.believes and client.token for state in _undisturbed(design, newcomer) for client in state.clients)


def _undisturbed(design: Design, start: State) -> set[State]:
    """What a client alone can bring about in no time when nothing goes astray."""
    bounds = Bounds(claims=start.claims + 1, renewals=TOKEN_STEP - 1)
    seen, unexplored = {start}, [start]
    while unexplored:
        state = unexplored.pop()
        for client in state.clients:
            for step in PHASES[client.phase](design, bounds, state, client):
                if step.state not in seen and step.state.token <= start.token + TOKEN_STEP:
                    seen.add(step.state)
                    unexplored.append(step.state)
    return seen


def _never_noted(rule: str) -> Invariant:
    return lambda _design, state: rule not in state.broken


LEASE_INVARIANTS: Mapping[str, Invariant] = {
    ONE_BELIEVES: _one_believes,
    TRUST_ENDS_FIRST: _trust_ends_first,
    HOLDER_CAN_STAY: _holder_can_stay,
    FREE_AFTER_EXPIRY: _free_after_expiry,
    **{rule: _never_noted(rule) for rule in (TOKENS_GROW, REMOVED_BY_RIGHT, NOT_REFUSED_BY_OWN, LOST_SUBMITS_NOTHING)},
}
DATE_INVARIANTS: Mapping[str, Callable[[Date], bool]] = {
    NO_OLDER_AFTER_NEWER: lambda date: not date.rows or max(row.token for row in date.rows) >= date.newest,
    ONE_RUN: lambda date: len(date.rows) <= 1,
}


# Exploration


@dataclass
class Exploration:
    """What was found: how often each step was taken, and for each broken invariant a shortest way there."""

    design: Design
    bounds: Bounds
    came_from: dict[State, tuple[State, Step] | None] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    submitted: set[tuple[Request, ...]] = field(default_factory=set)
    stories: dict[str, list[str]] = field(default_factory=dict)

    def reach(self, state: State, origin: tuple[State, Step] | None) -> bool:
        """Note and judge a state; False when it was known."""
        if state in self.came_from:
            return False
        self.came_from[state] = origin
        for name, holds in LEASE_INVARIANTS.items():
            if name not in self.stories and not holds(self.design, state):
                self.stories[name] = self._story(state)
        if state.submitted not in self.submitted:
            self.submitted.add(state.submitted)
            self._judge_dates(state)
        return True

    def dates_of(self, submitted: tuple[Request, ...]) -> Mapping[Date, tuple[str, ...]]:
        """What the date can be when these publishes, and those without a lease, were submitted."""
        return dates(self.design, tuple(sorted((*submitted, *(Request("publish", -1 - number) for number in range(self.bounds.unleased))))))

    def _judge_dates(self, state: State) -> None:
        for date, way in self.dates_of(state.submitted).items():
            self.taken.update(what.partition(": ")[2] for what in way[-1:])
            for name, holds in DATE_INVARIANTS.items():
                if name not in self.stories and not holds(date):
                    self.stories[name] = [*self._story(state), *way]

    def _story(self, state: State) -> list[str]:
        labels: list[str] = []
        origin = self.came_from[state]
        while origin is not None:
            before, step = origin
            labels.append(f"{step.claim}: {step.what}" if step.claim else step.what)
            origin = self.came_from[before]
        return labels[::-1]


def explore(design: Design, bounds: Bounds, sought: Iterable[str] = (), *, reduced: bool = True) -> Exploration:
    """Every state within the bounds, breadth first; no further than to the first violations of the invariants sought, if any are."""
    found = Exploration(design, bounds)
    goal = frozenset(sought)
    unexplored = [State(astray=bounds.astray)]
    found.reach(unexplored[0], None)
    for state in unexplored:
        for step in steps(design, bounds, state):
            after, labels = settled(step.state) if reduced and design.is_sound else (step.state, [])
            found.taken[step.what] += 1
            if labels:
                found.taken.update(labels)
            if found.reach(after, (state, step)):
                unexplored.append(after)
        if goal and goal <= found.stories.keys():
            break
    return found
