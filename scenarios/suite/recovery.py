"""Streams that nobody reads, the watchdog's cap, and the hooks that hang the firmware.

An unread stream at 64 MS/s fills its eight buffers in 1 ms. The streaming watchdog looks each
100 ms: the first look sees the new count, the third after that calls it a stall and restarts the
stream, so restarts come every 400 ms, the first 300 to 400 ms after the start. From this follow
the remedies that each scenario names. Functions are as in :mod:`scenarios.suite.protocol`.

Source: ``fx3_cmd.c``; ``RunApplication.c`` and ``health.c`` for the watchdogs.
"""

from __future__ import annotations

from hw.errors import DeviceError, DeviceTimeoutError
from hw.protocol import Argument, Request
from scenarios.errors import Trouble
from scenarios.station import Station
from scenarios.suite.moves import (
    MHZ,
    ask,
    failure_of,
    is_in_boot_rom,
    primed_start_with_retry,
    read_enough,
    require_image,
    send,
    send_word_with_retry,
    set_argument,
    start_at,
    upload,
)

RATE_HZ = 64 * MHZ
UNREAD_MS = 2_000
CAP_DEFAULT = 5
CAP_LOW = 3
CAP_SAMPLES = 20
PLATEAU_SAMPLES = 3
PLATEAU_S = 10
STRESS_S = 120
RACE_ROUNDS = 50
RACE_REQUESTS = 100
HANG_MS = 5_000
HANG_NOTICE_MS = 4_000
"""2.0 to 2.1 s until the EP0 watchdog acts, and less than 1.9 s until the boot ROM enumerates."""
PROBES_MAX = 8
"""One each second: the hardware watchdog fires 4.9 to 8.2 s after the main loop died."""
BOOT_ROM_SETTLE_MS = 2_000


def wedge_recovery(station: Station) -> str:
    """2 s unread, then STOP, START and a block: a wedge does not outlive a restart."""
    ask(station, debug=True)
    start_at(station, RATE_HZ)
    station.begin("does not read")
    station.sleep_ms(UNREAD_MS)
    station.device.stop()
    station.sleep_ms(100)
    station.begin("starts again")
    station.device.start()
    received = read_enough(station, 2_000)
    faults = station.device.stats().streaming_faults
    station.device.stop()
    station.sleep_ms(100)
    station.device.stats()
    return f"{received} bytes, {faults} faults so far"


def abandoned_stream(station: Station) -> str:
    """A host that died: the watchdog gives up instead of restarting the stream for ever."""
    start_at(station, RATE_HZ)
    station.sleep_ms(200)
    faults = [station.device.stats().streaming_faults]
    for _ in range(2):
        station.sleep_ms(5_000)
        faults.append(station.device.stats().streaming_faults)
    station.device.stop()
    station.sleep_ms(200)
    ask(station)
    first, second = faults[1] - faults[0], faults[2] - faults[1]
    if first and second and second >= first:
        raise Trouble(f"{first} faults in 5 s, then {second}")
    station.strictly(second == 0, f"{second} faults after the first 5 s")
    return f"{first} faults in 5 s, then {second}"


def watchdog_cap_observe(station: Station) -> str:
    """With a cap of 3 the faults of an unread stream stop growing."""
    set_argument(station, Argument.WATCHDOG_CAP, CAP_LOW)
    start_at(station, RATE_HZ)
    faults = []
    for _ in range(CAP_SAMPLES):
        station.sleep_ms(500)
        faults.append(station.device.stats().streaming_faults)
    station.device.stop()
    set_argument(station, Argument.WATCHDOG_CAP, CAP_DEFAULT)
    growth = faults[-1] - faults[0]
    if growth and len(set(faults[-PLATEAU_SAMPLES:])) > 1:
        raise Trouble(f"faults still grow, {faults[0]} to {faults[-1]}")
    # The first sample, 500 ms after the start, already holds the first restart.
    station.strictly(growth == CAP_LOW - 1, f"{growth + 1} restarts with a cap of {CAP_LOW}")
    return f"faults {faults[0]} to {faults[-1]}"


def watchdog_cap_restart(station: Station) -> str:
    """After the cap was reached a STOP and START streams again."""
    set_argument(station, Argument.WATCHDOG_CAP, CAP_LOW)
    start_at(station, RATE_HZ)
    station.begin("does not read")
    station.sleep_ms(5_000)
    station.device.stop()
    station.sleep_ms(200)
    station.begin("starts again")
    received = station.enough(primed_start_with_retry(station))
    station.device.stop()
    set_argument(station, Argument.WATCHDOG_CAP, CAP_DEFAULT)
    return f"{received} bytes after the cap"


def watchdog_stress(station: Station, duration_s: int = STRESS_S) -> str:
    """Unread until the faults have not grown for 10 s; never a plateau is only a warning."""
    start_at(station, RATE_HZ)
    station.sleep_ms(500)
    faults = station.device.stats().streaming_faults
    still_s = 0
    for second in range(1, duration_s + 1):
        station.sleep_ms(1_000)
        try:
            found = station.device.stats().streaming_faults
        except DeviceError as error:
            failure_of(station.device.stop)
            station.sleep_ms(200)
            alive = failure_of(lambda: ask(station)) is None
            raise Trouble(
                f"GETSTATS {error.happened} in second {second}; EP0 {'lives' if alive else 'dead'}"
            ) from error
        still_s = still_s + 1 if found == faults else 0
        faults = found
        if still_s == PLATEAU_S:
            station.device.stop()
            return f"plateau of {faults} faults after {second} s"
    station.device.stop()
    station.strictly(False, f"no plateau in {duration_s} s")
    return f"WARN: no plateau in {duration_s} s, {faults} faults"


def watchdog_race(station: Station, rounds: int = RACE_ROUNDS) -> str:
    """Control requests each 50 ms while the watchdog restarts an unread stream."""
    send_word_with_retry(station, Request.STARTADC, RATE_HZ)
    for number in range(1, rounds + 1):
        station.begin(f"round {number}")
        send_word_with_retry(station, Request.STARTFX3)
        for turn in range(RACE_REQUESTS):
            station.sleep_ms(50)
            error = failure_of(
                station.device.stats if turn % 2 else lambda: ask(station),
            )
            if error is not None:
                station.say(str(error))
                station.sleep_ms(100)
                ask(station)
        failure_of(station.device.stats)
        station.device.stop()
        station.sleep_ms(200)
        ask(station)
    return f"{rounds} rounds"


def test_health_recovery(station: Station) -> str:
    """HANGFX3 holds a handler for 5 s: the EP0 watchdog resets the device after 2 s."""
    ask(station)
    require_image(station)
    station.begin("HANGFX3")
    error = failure_of(lambda: send(station, Request.HANGFX3, value=HANG_MS))
    if not isinstance(error, DeviceTimeoutError):
        raise Trouble(f"HANGFX3 {error.happened if error else 'answered'}, no time-out")
    station.sleep_ms(HANG_NOTICE_MS)
    _require_boot_rom(station)
    station.begin("uploads")
    upload(station)
    ask(station)
    return "reset, uploaded, alive"


def test_main_recovery(station: Station) -> str:
    """HANGMAIN stops the main loop: the hardware watchdog resets the device within 8 s."""
    ask(station)
    before = station.device.stats().boot_count
    require_image(station)
    station.begin("HANGMAIN")
    send(station, Request.HANGMAIN)
    seconds = _seconds_until_gone(station)
    station.sleep_ms(BOOT_ROM_SETTLE_MS)
    _require_boot_rom(station)
    station.begin("uploads")
    upload(station)
    ask(station)
    after = station.device.stats().boot_count
    # The counter lives in RAM, which no reset keeps.
    station.strictly(after == 1, f"boot count {before}, then {after}, not 1")
    return f"gone after {seconds} s; boot count {before}, then {after}"


def _require_boot_rom(station: Station) -> None:
    if not is_in_boot_rom(station):
        raise Trouble("boot ROM not on the bus")


def _seconds_until_gone(station: Station) -> int:
    for second in range(1, PROBES_MAX + 1):
        station.sleep_ms(1_000)
        if failure_of(lambda: ask(station)) is not None:
            return second
    raise Trouble(f"still answers after {PROBES_MAX} s")
