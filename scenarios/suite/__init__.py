"""Every scenario of the firmware's own test suite, and four tests that are only known by name.

:data:`SCENARIOS` has what runs on a healthy device; :mod:`~scenarios.suite.commands` the plain
commands of the original's tool, :mod:`~scenarios.suite.tap` its acceptance run.

Source: ``fx3_cmd.c`` and ``fw_test.sh``.
"""

from __future__ import annotations

from dataclasses import replace

from health import Level
from scenarios.scenario import Scenario
from scenarios.suite import clock, console, counters, protocol, rebuilt, recovery, streaming
from scenarios.suite.entry import WITH_TEST_HOOKS, entry
from scenarios.suite.moves import MHZ, UPLOAD_STREAM_RATE_HZ

SCENARIOS: tuple[Scenario, ...] = (
    *(
        entry("protocol", run)
        for run in (
            protocol.ep0_overflow,
            protocol.ep0_oversize_all,
            protocol.oob_brequest,
            protocol.oob_setarg,
            protocol.ep0_stall_recovery,
            protocol.stale_vendor_codes,
            protocol.setarg_gap_index,
            protocol.setarg_boundary,
            protocol.vendor_rqt_wrap,
            protocol.gpio_extremes,
        )
    ),
    *(
        entry("console", run, rate_hz=64 * MHZ)
        for run in (
            console.console_fill,
            console.debug_race,
            console.debug_poll,
            console.stack_check,
            console.readinfodebug_flood,
            console.debug_while_streaming,
            console.pib_overflow,
        )
    ),
    # Its text is taken for 1 s in which nobody reads: the stream is restarted after 0.3 to 0.4 s
    # and 0.4 s later; a third time would come after 1.1 s at the earliest.
    entry(
        "console",
        console.debug_cmd_while_stream,
        rate_hz=64 * MHZ,
        remedies={Level.STREAM: (2, 2)},
    ),
    *(
        entry("streaming", run)
        for run in (
            streaming.stop_gpif_state,
            streaming.stop_start_cycle,
            streaming.rapid_start_stop,
            streaming.double_stop,
            streaming.double_start,
            streaming.hw_smoke,
        )
    ),
    *(
        entry("streaming", run, rate_hz=64 * MHZ)
        for run in (
            streaming.gpif_soft_stop,
            streaming.stop_under_backpressure,
            streaming.sustained_stream,
            streaming.dma_count_reset,
            streaming.dma_count_monotonic,
            streaming.data_sanity,
            streaming.ep0_hammer,
            streaming.ep0_control_while_streaming,
            streaming.gpio_during_stream,
            streaming.i2c_under_load,
        )
    ),
    *(
        entry("clock", run)
        for run in (
            clock.pll_preflight,
            clock.clk0_chip_query,
            clock.clock_pull,
            clock.freq_hop,
            clock.startadc_mid_stream,
            clock.rapid_adc_reprogram,
            clock.adc_freq_extremes,
        )
    ),
    # 2 s unread: restarts after 0.3 to 0.4 s and each 0.4 s from then on, so the fifth comes
    # after 1.9 to 2.0 s and STOPFX3 may forestall it.
    entry(
        "recovery",
        recovery.wedge_recovery,
        rate_hz=recovery.RATE_HZ,
        remedies={Level.STREAM: (4, 5)},
    ),
    # 10 s unread reach the cap.
    entry(
        "recovery",
        recovery.abandoned_stream,
        rate_hz=recovery.RATE_HZ,
        remedies={Level.STREAM: (recovery.CAP_DEFAULT, recovery.CAP_DEFAULT)},
    ),
    *(
        entry(
            "recovery",
            run,
            rate_hz=recovery.RATE_HZ,
            remedies={Level.STREAM: (recovery.CAP_LOW, recovery.CAP_LOW)},
        )
        for run in (recovery.watchdog_cap_observe, recovery.watchdog_cap_restart)
    ),
    # The cap is reached after 2 s, and nothing more happens until the plateau is seen.
    entry(
        "recovery",
        recovery.watchdog_stress,
        rate_hz=recovery.RATE_HZ,
        remedies={Level.STREAM: (recovery.CAP_DEFAULT, recovery.CAP_DEFAULT)},
    ),
    # Every round is 5 s unread and a START gives the cap back.
    entry(
        "recovery",
        recovery.watchdog_race,
        rate_hz=recovery.RATE_HZ,
        remedies={
            Level.STREAM: (
                recovery.CAP_DEFAULT * recovery.RACE_ROUNDS,
                recovery.CAP_DEFAULT * recovery.RACE_ROUNDS,
            )
        },
    ),
    entry(
        "recovery",
        recovery.test_health_recovery,
        firmwares=WITH_TEST_HOOKS,
        is_legal=False,
        remedies={Level.DEVICE_RESET: (1, 1)},
        resets=("device_reset",),
    ),
    # The hardware watchdog is no remedy that anybody applies; it shows as a reset alone.
    entry(
        "recovery",
        recovery.test_main_recovery,
        firmwares=WITH_TEST_HOOKS,
        is_legal=False,
        resets=("watchdog",),
    ),
    *(
        entry("counters", run)
        for run in (
            counters.stats_i2c,
            counters.i2c_bad_addr,
            counters.i2c_write_bad_addr,
            counters.i2c_write_read,
            counters.i2c_multibyte,
        )
    ),
    replace(
        entry("counters", counters.stats_pll),
        draw=lambda random: {"rate_hz": UPLOAD_STREAM_RATE_HZ},
    ),
    # 2 s unread as in wedge_recovery, but only where no PIB error was counted before.
    entry("counters", counters.stats_pib, rate_hz=64 * MHZ, remedies={Level.STREAM: (0, 5)}),
    *(
        entry("rebuilt", run)
        for run in (
            rebuilt.rapid_stress_with_concurrent_stats,
            rebuilt.rapid_start_stop_extreme,
            rebuilt.stop_during_starting,
            rebuilt.health_latency_after_stress,
        )
    ),
)
"""All of them, by group."""
