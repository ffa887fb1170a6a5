"""A supervisor's counts for Prometheus, over HTTP on the loopback address unless told otherwise.

Names and types follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from hw.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from prometheus_client.core import Metric

LOOPBACK: Final = "127.0.0.1"
EXAMPLE: Final = "127.0.0.1:9471"
PREFIX: Final = "fx3loop_supervisor"


class MetricsError(Exception):
    """The counts cannot be served; the message is one line."""


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``:PORT`` or ``PORT``; the host may be left out.

    Raises:
        MetricsError: it is none of them.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise MetricsError(f"metrics address {text!r} has no port of 0 to 65535; try {EXAMPLE}")
    return host.strip("[]") or LOOPBACK, int(port)


def serve(address: str, supervisor: Supervisor) -> tuple[int, Callable[[], None]]:
    """Serve a supervisor's counts in a thread of its own.

    Args:
        address: see :func:`parse_address`; port 0 takes a free one.
        supervisor: whose counts; read at each request, nothing is kept twice.

    Returns:
        The port, and what ends it.

    Raises:
        MetricsError: the address is wrong or taken, or prometheus_client is not installed.
    """
    host, port = parse_address(address)
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError:
        raise MetricsError(
            "metrics need prometheus_client: pip install 'fx3loop[metrics]'"
        ) from None
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(supervisor))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise MetricsError(f"cannot serve metrics on {address}: {error.strerror}") from error

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, close


class SupervisorCollector:
    """Turns a supervisor's tally into metrics when somebody asks.

    Args:
        supervisor: whose.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its present value."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        supervisor = self._supervisor
        tally = supervisor.tally
        for name, text, value in (
            ("polls", "Passes of the loop", tally.polls),
            ("probes", "Probes that have ended", tally.probes),
            ("probe_failures", "Probes without a full answer", tally.failed_probes),
            ("departures", "How often the device left the bus", tally.departures),
        ):
            yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)
        statuses = CounterMetricFamily(
            f"{PREFIX}_conditions", "Conditions that began", labels=["code"]
        )
        for code, count in sorted(tally.statuses.copy().items()):
            statuses.add_metric([code.name], count)
        yield statuses
        remedies = CounterMetricFamily(
            f"{PREFIX}_remedies", "Remedies that ended", labels=["level", "outcome"]
        )
        for (level, outcome), count in sorted(tally.remedies.copy().items()):
            remedies.add_metric([str(int(level)), outcome.name], count)
        yield remedies
        would = CounterMetricFamily(
            f"{PREFIX}_withheld", "Remedies that were not allowed", labels=["level", "code"]
        )
        for (level, code), count in sorted(tally.would.copy().items()):
            would.add_metric([str(int(level)), code.name], count)
        yield would
        uploads = CounterMetricFamily(
            f"{PREFIX}_uploads", "Uploads to a device in its boot ROM", labels=["outcome"]
        )
        for is_done, count in sorted(tally.uploads.copy().items()):
            uploads.add_metric(["DONE" if is_done else "FAILED"], count)
        yield uploads
        status = GaugeMetricFamily(
            f"{PREFIX}_status", "1 for the present condition", labels=["code"]
        )
        status.add_metric([supervisor.status.name], 1)
        yield status
        yield GaugeMetricFamily(
            f"{PREFIX}_observing", "1 while it may not act", value=int(bool(supervisor.observing))
        )
        yield GaugeMetricFamily(
            f"{PREFIX}_device_present",
            "1 while the device is on the bus",
            value=int(not supervisor.is_absent),
        )
