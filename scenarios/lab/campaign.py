"""A campaign as data: policies x firmware x faults x runs, and the trial behind every row.

Run *k* of a fault has the same onset, duration, bench and seed under every policy, so policies are
compared on the same accidents. A trial depends on the campaign and its row number alone, never on
who runs it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from health import Policy
from scenarios.lab.distributions import DRAW, MILLION, Distribution, Draws
from scenarios.lab.receiver import Behaviour
from scenarios.lab.trial import Trial
from sim.faults import Fault
from sim.options import Options
from sim.streams import Stream

ONSET = "onset_ms"
DURATION = "duration_ms"
JITTER = "poll_jitter_ms"
HOST_FIELDS = ("restart_after_ms", "upload_after_ms", "reader_jitter_us")
"""What a host's behaviour has that can be drawn."""
ROWS_PER_JOB = 16
"""Fixed: what a row is must not depend on the number of workers."""
SEED_BITS = 31
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Strike:
    """One fault of a campaign.

    Attributes:
        name: what the table calls it.
        fault: what strikes.
        request: what the host asks for at the onset; empty for nothing.
        onset_ms: when, from a look of the heartbeat gate on.
        duration_ms: how long it lasts, for faults that can pass; fixed at 0 is for ever.
        per_day: how often it comes, in millionths a day; None where nobody says.
    """

    name: str
    fault: Fault
    request: str
    onset_ms: Distribution
    duration_ms: Distribution
    per_day: Rate | None = None


@dataclass(frozen=True)
class Rate:
    """How often a fault comes.

    Attributes:
        millionths: a millionth of a fault a day each.
        source: where that comes from, or ``assumed``.
    """

    millionths: int
    source: str


@dataclass(frozen=True)
class Life:
    """A campaign over years: rare faults on devices that go on.

    Attributes:
        days: how long a device is followed.
        devices: how many.
        repair_min: how long somebody takes to go there when a device does not come back.
        repair_source: where that comes from.
        is_session_kept: the stream goes on after an incident, with the uses of level 1 that it has
            left; else the host stops and starts it.
    """

    days: int
    devices: int
    repair_min: int
    repair_source: str
    is_session_kept: bool


@dataclass(frozen=True)
class Campaign:
    """All that a sweep needs to know.

    Attributes:
        name: of the campaign.
        seed: of every draw.
        runs: for each policy, firmware and fault.
        is_stratified: draws are a Latin hypercube over the runs.
        firmwares: revisions.
        policies: every one.
        varied: the policy fields that differ, in the order of the file.
        left_out: policies that would break a rule, each with the reason.
        strikes: the faults.
        options: distributions over knobs of the bench.
        host: distributions over fields of the host's behaviour.
        poll_jitter_ms: of the main loop.
        rate_hz: of the stream.
        life: over years, or None.
        digest: SHA-256 over all that decides a row.
    """

    name: str
    seed: int
    runs: int
    is_stratified: bool
    firmwares: tuple[str, ...]
    policies: tuple[Policy, ...]
    varied: tuple[str, ...]
    left_out: tuple[str, ...]
    strikes: tuple[Strike, ...]
    options: tuple[tuple[str, Distribution], ...]
    host: tuple[tuple[str, Distribution], ...]
    poll_jitter_ms: Distribution
    rate_hz: int
    life: Life | None
    digest: str

    @property
    def rows(self) -> int:
        """How many rows the table will have."""
        if self.life is not None:
            a_policy = sum(len(events) for events in self._events)
            return len(self.policies) * len(self.firmwares) * a_policy
        return len(self.policies) * len(self.firmwares) * len(self.strikes) * self.runs

    @property
    def distributions(self) -> dict[str, Distribution]:
        """Every distribution by its name: ``option.NAME``, ``host.NAME``, ``FAULT.NAME``."""
        found = {f"option.{name}": item for name, item in self.options}
        found |= {f"host.{name}": item for name, item in self.host}
        found[JITTER] = self.poll_jitter_ms
        for strike in self.strikes:
            if self.life is None:
                found[f"{strike.name}.{ONSET}"] = strike.onset_ms
            found[f"{strike.name}.{DURATION}"] = strike.duration_ms
        return {name: item for name, item in found.items() if not item.is_fixed}

    @property
    def drawn(self) -> tuple[str, ...]:
        """The columns of what is drawn for each run, beside onset and duration."""
        jitter = () if self.poll_jitter_ms.is_fixed else (JITTER,)
        return (
            *(name for name, item in self.options if not item.is_fixed),
            *(name for name, item in self.host if not item.is_fixed),
            *jitter,
        )

    @cached_property
    def _draws(self) -> dict[str, Draws]:
        names = [f"option.{name}" for name, _ in self.options]
        names += [f"host.{name}" for name, _ in self.host]
        names += [JITTER, ONSET, DURATION]
        return {
            f"{strike.name}.{name}": Draws(
                self.seed, f"{strike.name}.{name}", self.runs, self.is_stratified
            )
            for strike in self.strikes
            for name in names
        }

    def planned(self, row: int) -> Planned:
        """Return what a row is about."""
        rest, run = divmod(row, self.runs)
        rest, fault = divmod(rest, len(self.strikes))
        policy, firmware = divmod(rest, len(self.firmwares))
        strike = self.strikes[fault]

        def draw(name: str, distribution: Distribution) -> int:
            return self._draws[f"{strike.name}.{name}"].of(distribution, run)

        drawn = {name: draw(f"option.{name}", item) for name, item in self.options}
        host = {name: draw(f"host.{name}", item) for name, item in self.host}
        jitter_ms = draw(JITTER, self.poll_jitter_ms)
        duration_ms = draw(DURATION, strike.duration_ms)
        trial = Trial(
            policy=self.policies[policy],
            firmware=self.firmwares[firmware],
            fault=lasting_for(strike.fault, duration_ms),
            request=strike.request,
            onset_ms=draw(ONSET, strike.onset_ms),
            seed=seed_of(self.seed, strike.name, run),
            options=options_with(drawn),
            behaviour=behaviour_with(host),
            poll_jitter_ms=jitter_ms,
            rate_hz=self.rate_hz,
        )
        values = {**drawn, **host, JITTER: jitter_ms}
        return Planned(row, run, strike.name, trial, tuple(values[name] for name in self.drawn))

    @cached_property
    def _job_rows(self) -> tuple[int, ...]:
        """The first row of each job, and the number of rows."""
        if self.life is None:
            return (*range(0, self.rows, ROWS_PER_JOB), self.rows)
        lengths = [len(events) for events in self._events]
        return tuple(accumulate(lengths * (len(self.policies) * len(self.firmwares)), initial=0))

    def whole_jobs(self, rows: int) -> int:
        """Return how many of the first rows are whole jobs."""
        return self._job_rows[bisect_right(self._job_rows, rows) - 1]

    def jobs(self, first_row: int = 0) -> Iterator[Job]:
        """Yield the work from a row on: :data:`ROWS_PER_JOB` each, or the life of one device.

        Args:
            first_row: the first row that is missing; one that begins a job.
        """
        for number, (begin, end) in enumerate(pairwise(self._job_rows)):
            if begin < first_row or begin == end:
                continue
            if self.life is not None:
                yield Job(self._lived(number, begin), self.life)
            else:
                yield Job(tuple(self.planned(row) for row in range(begin, end)))

    # ------------------------------------------------------------ lives

    @cached_property
    def _events(self) -> tuple[tuple[Event, ...], ...]:
        """What befalls each device; the same under every policy."""
        assert self.life is not None
        return tuple(tuple(self._events_of(device)) for device in range(self.life.devices))

    def _events_of(self, device: int) -> list[Event]:
        assert self.life is not None
        end_ms = self.life.days * DAY_MS
        found: list[Event] = []
        for number, strike in enumerate(self.strikes):
            assert strike.per_day is not None
            random = Stream(self.seed, f"{strike.name}, device {device}")
            gap_ms = Distribution(
                "exponential", "", (DAY_MS * MILLION // strike.per_day.millionths,)
            )
            at_ms = gap_ms.value(random.below(DRAW), DRAW)
            while at_ms < end_ms:
                found.append(Event(at_ms, number, len(found)))
                at_ms += 1 + gap_ms.value(random.below(DRAW), DRAW)
        return sorted(found)

    def _lived(self, number: int, first_row: int) -> tuple[Planned, ...]:
        """Return the life of one device under one policy."""
        rest, device = divmod(number, len(self._events))
        policy, firmware = divmod(rest, len(self.firmwares))
        bench = Stream(self.seed, f"bench of device {device}")
        options = {name: item.value(bench.below(DRAW), DRAW) for name, item in self.options}
        found = []
        for run, event in enumerate(self._events[device]):
            strike = self.strikes[event.strike]
            random = Stream(self.seed, f"device {device}, event {run}")
            host = {name: item.value(random.below(DRAW), DRAW) for name, item in self.host}
            duration_ms = strike.duration_ms.value(random.below(DRAW), DRAW)
            trial = Trial(
                policy=self.policies[policy],
                firmware=self.firmwares[firmware],
                fault=lasting_for(strike.fault, duration_ms),
                request=strike.request,
                onset_ms=event.at_ms,
                seed=random.below(1 << SEED_BITS),
                options=options_with(options),
                behaviour=behaviour_with(host),
                rate_hz=self.rate_hz,
            )
            values = {**options, **host}
            drawn = tuple(values[name] for name in self.drawn)
            found.append(Planned(first_row + run, run, strike.name, trial, drawn, str(device)))
        return tuple(found)


@dataclass(frozen=True)
class Planned:
    """A row that is still to be run.

    Attributes:
        row: its number, from 0.
        run: which run of its fault.
        strike: the fault's name.
        trial: what is run.
        drawn: values of the campaign's ``drawn`` columns.
        device: which device of a life; empty elsewhere.
    """

    row: int
    run: int
    strike: str
    trial: Trial
    drawn: tuple[int, ...]
    device: str = ""


@dataclass(frozen=True, order=True)
class Event:
    """A fault in a device's life.

    Attributes:
        at_ms: since its begin.
        strike: the fault's number in the campaign.
        number: which of this device's.
    """

    at_ms: int
    strike: int
    number: int


@dataclass(frozen=True)
class Job:
    """Rows that one worker is given at a time.

    Attributes:
        planned: the rows; of a life all that happens to one device, in order.
        life: what they have in common there, else None: each row stands for itself.
    """

    planned: tuple[Planned, ...]
    life: Life | None = None

    @property
    def is_divisible(self) -> bool:
        """Whether its rows can be run apart."""
        return self.life is None and len(self.planned) > 1


def options_with(values: dict[str, int]) -> Options:
    """Return the bench's options with some of them set."""
    chosen: dict[str, Any] = values
    return replace(Options(), **chosen)


def behaviour_with(values: dict[str, int]) -> Behaviour:
    """Return a host's behaviour with some of it set."""
    chosen: dict[str, Any] = values
    return replace(Behaviour(), **chosen)


def lasting_for(fault: Fault, duration_ms: int) -> Fault:
    """Return a fault with a duration; one without keeps what its text says."""
    return replace(fault, for_ms=duration_ms) if duration_ms else fault


def seed_of(seed: int, strike: str, run: int) -> int:
    """Return the seed of a run: by its fault and number, the same under every policy."""
    raw = Stream(seed, f"{strike}, run {run}").below(1 << SEED_BITS)
    return int(raw)


POLICY_FIELDS = tuple(item.name for item in fields(Policy) if item.name != "name")
"""What a campaign can vary of a policy."""
