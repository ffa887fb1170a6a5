"""What a timeline picture shows, worked out from an episode's trace; nothing is drawn here.

Times are seconds from the onset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from hw.protocol import Request
from hw.trace import Kind, Record
from scenarios.judge import WATCHDOG_LEVEL, onset
from scenarios.runner import Episode
from sim.firmware.app import MAIN_THREAD

SECOND_NS = 1_000_000_000
READING = ("TH0_RD", "TH1_RD", "TH0_RD_LD", "TH1_RD_LD")
FIRMWARE_TRACKS = "fx3/"
RESET_TRACK = "fx3/reset"
LEAD_S = 0.35
"""How much of the time before the program begins is shown."""
BEATLESS_S = 0.35
"""A main thread that has not polled for three intervals does not run."""


@dataclass(frozen=True)
class Band:
    """A stretch of time with a name."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Mark:
    """An instant with a name."""

    name: str
    at: float


@dataclass(frozen=True)
class Timeline:
    """One episode, ready to be drawn.

    Attributes:
        shown_from, end: of the picture.
        steps: what the host program does.
        sights: what it sees.
        requests: what the host asks of EP0: name and how it ended.
        handlers: what EP0's handler is at.
        usb, main: the USB and the main thread where they hang, by manner.
        beats: polls of the main thread.
        silences: where the main thread does not poll though there is firmware.
        gpif: the state machine's condition.
        count: (time, DMA count) where it changes.
        remedies: (time, level), the watchdog's reset included.
        watchdog: (time, seconds left) along the sawtooth, None where it is not armed.
        bus: what is on the bus.
        resets: of the chip, by cause.
    """

    shown_from: float
    end: float
    steps: list[Band]
    sights: list[Mark]
    requests: list[Band]
    handlers: list[Band]
    usb: list[Band]
    main: list[Band]
    beats: list[float]
    silences: list[Band]
    gpif: list[Band]
    count: list[tuple[float, int]]
    remedies: list[tuple[float, int]]
    watchdog: list[tuple[float, float]] | None
    bus: list[Band]
    resets: list[Mark]


def closed_at_resets(records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records, with what a reset cuts short ended there.

    A thread that is killed does not get to say that what it was doing is over.
    """
    depth: dict[str, int] = {}
    for record in records:
        kind, track, _, at_ns, _, _ = record
        if kind is Kind.BEGIN:
            depth[track] = depth.get(track, 0) + 1
        elif kind is Kind.END:
            depth[track] = depth.get(track, 0) - 1
        elif track == RESET_TRACK:
            for name in [name for name in depth if name.startswith(FIRMWARE_TRACKS)]:
                for _ in range(depth.pop(name)):
                    yield Kind.END, name, "", at_ns, 0, {}
        yield record


class _Builder:
    """Collects what the records say, in seconds from the onset."""

    def __init__(self, episode: Episode) -> None:
        began = onset(episode.facts)
        self.facts = episode.facts
        self.onset_ns = 0 if began is None else began.at_ns
        self.end = self.seconds(episode.facts.ended_ns)
        self.records = list(closed_at_resets(episode.facts.trace.records))
        self.resets = [
            Mark(reset.cause, self.seconds(reset.at_ns)) for reset in episode.facts.resets
        ]

    def seconds(self, at_ns: int) -> float:
        return (at_ns - self.onset_ns) / SECOND_NS

    def instants(self, track: str) -> list[Mark]:
        return [
            Mark(name, self.seconds(at_ns))
            for kind, found, name, at_ns, _, _ in self.records
            if kind is Kind.INSTANT and found == track
        ]

    def states(self, track: str) -> list[Band]:
        bands: list[Band] = []
        for kind, found, name, at_ns, _, _ in self.records:
            if kind is not Kind.STATE or found != track:
                continue
            at = self.seconds(at_ns)
            if bands and bands[-1].name == name:
                continue
            if bands:
                bands[-1] = Band(bands[-1].name, bands[-1].start, at)
            bands.append(Band(name, at, self.end))
        return bands

    def slices(self, track: str) -> list[Band]:
        bands: list[Band] = []
        open_slices: list[tuple[str, float]] = []
        for kind, found, name, at_ns, end_ns, _ in self.records:
            if found != track:
                continue
            at = self.seconds(at_ns)
            if kind is Kind.BEGIN:
                open_slices.append((name, at))
            elif kind is Kind.END and open_slices:
                begun, start = open_slices.pop()
                bands.append(Band(begun, start, at))
            elif kind is Kind.SLICE:
                bands.append(Band(name, at, self.seconds(end_ns)))
        bands += [Band(name, start, self.end) for name, start in open_slices]
        return bands

    def until_reset(self, at: float) -> float:
        return min((reset.at for reset in self.resets if reset.at >= at), default=self.end)

    def hangs(self, thread: str) -> list[Band]:
        """Where a thread hangs by a fault, and where it spins by itself."""
        track = f"fx3/{thread}"
        bands = [
            Band(band.name.removeprefix("hangs, "), band.start, band.end)
            for band in self.slices(track)
        ]
        known = {band.start for band in bands}
        reset_times = {reset.at for reset in self.resets}
        spins = [mark.at for mark in self.instants(track) if mark.name == "spins"]
        spins = [at for at in spins if at not in known | reset_times]
        return bands + [Band("spinning", at, self.until_reset(at)) for at in spins]

    def requests(self) -> list[Band]:
        bands = []
        for band in self.slices("host/control"):
            code, _, ending = band.name.partition(" ")
            number = int(code, 16)
            known = number in Request._value2member_map_
            name = Request(number).name if known else code
            bands.append(Band(f"{name} {ending}", band.start, band.end))
        return bands

    def bus(self) -> list[Band]:
        bands = [Band("application", self.seconds(0), self.end)]
        names = {"04b4:00f1": "application", "04b4:00f3": "boot ROM"}
        for mark in self.instants("host/kernel"):
            name = next((text for code, text in names.items() if code in mark.name), "gone")
            bands[-1] = Band(bands[-1].name, bands[-1].start, mark.at)
            bands.append(Band(name, mark.at, self.end))
        return [band for band in bands if band.end > band.start]

    def silences(self, beats: list[float], bus: list[Band]) -> list[Band]:
        """Gaps between beats, but for the time without firmware."""
        borders = sorted(
            [*beats, *(reset.at for reset in self.resets), self.end],
        )
        has_firmware = [band for band in bus if band.name == "application"]
        gaps = []
        for earlier, later in pairwise(borders):
            runs = any(band.start <= earlier < band.end for band in has_firmware)
            if later - earlier > BEATLESS_S and earlier in beats and runs:
                gaps.append(Band("no beat", earlier, later))
        return gaps

    def watchdog(self) -> list[tuple[float, float]] | None:
        if self.facts.position != "device" or not self.facts.policy.level_5_enabled:
            return None
        period = self.facts.policy.hwdt_effective_us / 1e6
        points: list[tuple[float, float]] = []
        pets = [(mark.at, True) for mark in self.instants("fx3/watchdog")]
        resets = [(reset.at, False) for reset in self.resets]
        armed_at: float | None = None
        for at, is_pet in sorted([*pets, *resets, (self.end, False)]):
            if armed_at is not None:
                points.append((at, max(0.0, period - (at - armed_at))))
            if not is_pet:
                points.append((at, float("nan")))
            else:
                points.append((at, period))
            armed_at = at if is_pet else None
        return points


def build(episode: Episode) -> Timeline:
    """Return the timeline of an episode.

    Args:
        episode: one that was looked at at intervals, or GPIF state and count stay empty.
    """
    builder = _Builder(episode)
    steps = builder.states("host/program")
    bus = builder.bus()
    beats = [mark.at for mark in builder.instants("fx3/main thread") if mark.name == "beat"]
    remedies = [(builder.seconds(item.at_ns), int(item.level)) for item in episode.facts.remedies]
    remedies += [(item.at, WATCHDOG_LEVEL) for item in builder.resets if item.name == "watchdog"]
    count = [
        (builder.seconds(record[3]), record[4])
        for record in builder.records
        if record[0] is Kind.COUNTER and record[1] == "fx3/DMA count"
    ]
    return Timeline(
        shown_from=(steps[0].start if steps else 0.0) - LEAD_S,
        end=builder.end,
        steps=steps,
        sights=builder.instants("host/program"),
        requests=builder.requests(),
        handlers=builder.slices("fx3/EP0"),
        usb=builder.hangs("USB thread"),
        main=builder.hangs(MAIN_THREAD),
        beats=beats,
        silences=builder.silences(beats, bus),
        gpif=_conditions(builder.states("fx3/GPIF")),
        count=count,
        remedies=sorted(remedies),
        watchdog=builder.watchdog(),
        bus=bus,
        resets=builder.resets,
    )


def _conditions(states: list[Band]) -> list[Band]:
    """Ten states as the five conditions that matter, neighbours joined."""
    joined: list[Band] = []
    for band in states:
        name = gpif_condition(band.name)
        if joined and joined[-1].name == name:
            joined[-1] = Band(name, joined[-1].start, band.end)
        else:
            joined.append(Band(name, band.start, band.end))
    return joined


def gpif_condition(state: str) -> str:
    """Return the condition that a state of the state machine means."""
    if state in READING:
        return "takes samples"
    if state.endswith(("BUSY", "WAIT")):
        return "waits for a buffer"
    if state == "no firmware":
        return state
    return "off" if state == "DISABLED" else "idle"
