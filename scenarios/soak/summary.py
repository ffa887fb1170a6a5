"""What a soak prints: the original's lines, and below its summary what the original leaves out."""

from __future__ import annotations

from hw.errors import DeviceError
from hw.protocol import Stats
from scenarios.soak.place import Device
from scenarios.soak.record import Failure, Record

SHOWN = 20
"""So many failures are named in the summary."""


def header(record: Record) -> list[str]:
    """What is about to run."""
    plan = record.plan
    first = (
        f"Duration: {plan.hours:.3f} hours  Seed: {plan.seed}  Scenarios: {len(plan.table.entries)}"
    )
    if plan.max_cycles:
        first += f"  MaxCycles: {plan.max_cycles}"
    return [
        "=== SOAK TEST START ===",
        first,
        f"Table: {plan.table.name} ({plan.table.note})  Firmware: {plan.firmware}  "
        f"Policy: {plan.policy}",
        "Press Ctrl-C for early stop with summary",
        "",
    ]


def clock(duration_ms: int) -> str:
    """Return a duration as hours, minutes and seconds."""
    minutes, seconds = divmod(duration_ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def status_line(record: Record, scenario: str, has_passed: bool) -> str:
    """The line after each tenth cycle; the counters are those of the last good health check."""
    result = "PASS" if has_passed else "FAIL"
    return (
        f"[{clock(record.duration_ms)}] cycle={record.cycles} pass={record.passed} "
        f"fail={record.failed} | last={scenario}({result}) | {_counters(record.counters.last)}"
    )


def failure_line(device: Device, scenario: str, previous: str | None) -> str:
    """The line about a failure, with what GETSTATS says right after it."""
    before = f" prev={previous}" if previous else ""
    try:
        stats = device.stats()
    except DeviceError:
        return f">>> FAIL {scenario}: GETSTATS unreadable at failure{before}"
    return (
        f">>> FAIL {scenario}: gpif={stats.gpif_state} dma={stats.dma_count} "
        f"pib={stats.pib_errors} pib_arg=0x{stats.last_pib_error:04X} i2c={stats.i2c_failures} "
        f"faults={stats.streaming_faults} si5351=0x{stats.clock_status:02X}{before}"
    )


def summary(record: Record) -> list[str]:
    """The end of the run: the original's table, its last snapshot, and the totals of all boots."""
    lines = [
        "",
        "=== SOAK TEST SUMMARY ===",
        f"Duration: {clock(record.duration_ms)}  Seed: {record.plan.seed}  Cycles: {record.cycles}",
        "",
        _row("Scenario", "Runs", "Pass", "Fail"),
    ]
    lines += [
        _row(name, tally.runs, tally.passed, tally.failed)
        for name, tally in record.tallies.items()
        if tally.runs
    ]
    lines += [_row("TOTAL", record.cycles, record.passed, record.failed), ""]
    lines += _counter_lines(record)
    lines += _strict_lines(record)
    lines += _abort_lines(record)
    return [*lines, "", _result(record)]


def _row(name: str, *columns: object) -> str:
    return f"{name:<24}" + "".join(f" {column!s:>5}" for column in columns)


def _counters(stats: Stats | None) -> str:
    if stats is None:
        return "dma=? pib=? i2c=? faults=?"
    return (
        f"dma={stats.dma_count} pib={stats.pib_errors} i2c={stats.i2c_failures} "
        f"faults={stats.streaming_faults}"
    )


def _counter_lines(record: Record) -> list[str]:
    health, totals = record.health, record.counters.as_dict()
    checks = health.passed + health.failed
    return [
        f"GETSTATS of the last boot: {_counters(record.counters.last)}",
        f"GETSTATS over all boots ({totals['boots']}):",
        f"  pib_errors:       {totals['pib_errors']}",
        f"  i2c_failures:     {totals['i2c_failures']}",
        f"  streaming_faults: {totals['streaming_faults']}",
        f"  health_checks:    {health.passed}/{checks} passed "
        f"({health.retried} at the second attempt, {health.reacquired} after finding the device "
        "again)",
    ]


def _strict_lines(record: Record) -> list[str]:
    strict = [item for item in record.failures if item.rule == "strict"]
    if not record.strict_failed:
        return []
    lines = ["", f"Strict rule: broken in {record.strict_failed} runs"]
    lines += [_failure_text(item) for item in strict[:SHOWN]]
    if record.strict_failed > SHOWN:
        lines.append(f"  and {record.strict_failed - min(SHOWN, len(strict))} more")
    return lines


def _failure_text(item: Failure) -> str:
    return f"  cycle {item.cycle} {item.scenario}: {'; '.join(item.reasons)}"


def _abort_lines(record: Record) -> list[str]:
    return [f"SOAK ABORT at cycle {cycle}: {reason}" for cycle, reason in record.aborts[:SHOWN]]


def _result(record: Record) -> str:
    if record.is_good:
        how = "STOPPED EARLY, ALL PASSED" if record.was_interrupted else "ALL PASSED"
        return f"Result: {how} ({record.cycles} cycles)"
    share = 100 * record.failed / record.cycles if record.cycles else 0.0
    parts = [f"{record.failed} FAILURES in {record.cycles} cycles ({share:.2f}% failure rate)"]
    if record.strict_failed:
        parts.append(f"{record.strict_failed} by the strict rule")
    if record.health.failed:
        parts.append(f"{record.health.failed} health checks failed")
    if record.aborts:
        parts.append("aborted")
    return "Result: " + ", ".join(parts)
