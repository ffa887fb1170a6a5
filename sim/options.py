"""The knobs of a simulated bench: what is not certain, each with its default and source."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, get_type_hints

NO_HUB = "none"


@dataclass(frozen=True)
class Options:
    """Board, chip and host options.

    The second part of each annotation is the source of the default; durations carry their unit
    as the last word of the name. :func:`sources` gives the table.
    """

    socket_disable_hangs: Annotated[
        bool,
        "incident F1, S131 dma/cyu3socket.c: CyU3PDmaSocketDisable loops while ENABLED; that a "
        "socket which the state machine waits on never clears it is unproven",
    ] = True
    wrong_producer_stalls: Annotated[
        bool, "judgement: a channel whose first word comes from the wrong producer stalls both"
    ] = True
    forced_stop_leaves_debris: Annotated[
        bool,
        "incident F14, commit 7992809: after CyU3PGpifDisable(CyTrue) out of a wait state the next "
        "session stalls sooner; that the thread's DMA_RDY then stays away once its buffers are "
        "full, until a soft disable, is inferred from the counts seen (8, state 9)",
    ] = True
    clear_halt_acked: Annotated[
        bool,
        "USBHandler.c: the handler never acknowledges CLEAR_FEATURE(ENDPOINT_HALT) itself, yet "
        "hosts go on; off: the host times out",
    ] = True
    clear_halt_handler: Annotated[
        str,
        "USBHandler.c (commit 309fb4e): stall and flush in the callback; ack (a2d956c), stall and "
        "teardown (35521f5 and before it) are what was tried first, deferred is question 3 of "
        "PLAN_RECOVERY.md: level 2 does it at the next poll",
    ] = "flush"
    set_ep_config_restarts: Annotated[
        bool,
        "S131 usb/cyu3usb.c: while connected CyU3PSetEpConfig also resets the endpoint, so level 3 "
        "on the device would leave the host's packet numbers behind; not seen on hardware",
    ] = False
    watchdog_clock_ppm: Annotated[int, "S131 system/cyu3device.c: 19.2 MHz / 600 = 32 kHz"] = 0
    tick_ppm: Annotated[int, "cyu3os.h, CyU3POsTimerInit: off by up to 4 %"] = 0
    poll_offset_ms: Annotated[
        int, "judgement: phase of the main loop against the pet timer, 0 to one poll interval"
    ] = 0
    boot_rom_enumeration_ms: Annotated[
        int, "seen on hardware: 1 to 3 s; test_health_recovery needs less than 1.9 s"
    ] = 1_000
    application_enumeration_ms: Annotated[
        int, "usbmon capture: about 430 ms from the last firmware byte to a configured device"
    ] = 400
    i2c_byte_ns: Annotated[int, "9 bits at 400 kHz; a write has 2 bytes more, a read 3"] = 22_500
    i2c_conditions_ns: Annotated[
        int, "assumed: start, stop and restart of a transfer; with it STARTADC writes for 0.6 ms"
    ] = 10_000
    i2c_read_driver_ns: Annotated[
        int,
        "PLAN_STARTFX3_SILENT_STALL.md: a read of one byte takes about 300 us; bytes and "
        "conditions are 100 of them, the rest is the driver's (another note: 50 us in all)",
    ] = 200_000
    pll_lock_ms: Annotated[int, "seen on hardware: lock typically takes 1 to 10 ms"] = 2
    stack_free_bytes: Annotated[
        int, "seen on hardware: the console's `stack` shows 1248 to 1312 of 2048 bytes free"
    ] = 1_280
    usb_speed: Annotated[
        str, "seen on hardware: the board runs at super speed; high and full are a slower port's"
    ] = "super"
    vco_min_hz: Annotated[int, "Si5351 data sheet: the VCO runs from 600 to 900 MHz"] = 600_000_000
    vco_max_hz: Annotated[int, "Si5351 data sheet: the VCO runs from 600 to 900 MHz"] = 900_000_000
    unprogrammed_pll_reports_loss: Annotated[
        bool, "judgement: what the LOL bits read before the first programming is not known"
    ] = True
    tuner_fitted: Annotated[
        bool, "RunApplication.c: without the tuner's acknowledge the hardware code is 00"
    ] = True
    shutdown_stops_clock: Annotated[
        bool,
        "judgement: the ADC's clock output, which clocks the GPIF, sleeps with it; authors of the "
        "tests report no data in one place and no effect in another",
    ] = True
    randomizer_wired: Annotated[
        bool,
        "LTC2208 data sheet: bits 1 to 15 are XORed with bit 0; that this board's GPIO bit 7 "
        "reaches the converter's RAND pin is judgement",
    ] = True
    sample_counter: Annotated[
        bool, "none: samples count what the ADC has made, so that every loss shows"
    ] = False
    tone_hz: Annotated[int, "none: the tone that the HF antenna receives"] = 10_000_000
    packet_ns: Annotated[
        int, "published measurements: bulk at about 400 MB/s in practice, 1024 bytes a packet"
    ] = 2_560
    packet_hs_ns: Annotated[
        int,
        "assumed: 40 MB/s at high speed, 512 bytes a packet (USB 2.0 5.8.4 allows 13 packets a "
        "microframe, one in 9615 ns)",
    ] = 12_800
    packet_fs_ns: Annotated[
        int, "USB 2.0 5.8.4: at most 19 packets of 64 bytes a frame at full speed"
    ] = 52_632
    permissions: Annotated[
        bool,
        "judgement: a udev rule lets programs open 04b4; off: opening the device answers EACCES",
    ] = True
    control_setup_ns: Annotated[int, "assumed: from submission to SETUP at the device"] = 30_000
    control_status_ns: Annotated[
        int,
        "assumed: from the status stage to the caller, 20 us to wake it and Linux xhci-pci's "
        "interrupt moderation (imod_interval, 40000 ns at most)",
    ] = 60_000
    detach_notice_ms: Annotated[int, "assumed: from loss of the link to the host's notice"] = 1
    descriptor_reading_ms: Annotated[
        int, "seen on hardware: about 3 ms from the device's first sight to its configuration"
    ] = 3
    port_reset_ms: Annotated[int, "USB 2.0 7.1.7.5: 50 ms of reset and 10 ms of recovery"] = 60
    usb_reset_ends_in_boot_rom: Annotated[
        bool,
        "seen on hardware (soak_test.sh): usbreset leads to the boot ROM within 2 to 7 s; not "
        "explained by the code, so taken as a teardown call that fails, the error blink of 4 s "
        "and a reset",
    ] = True
    watchdog_halts_in_suspend: Annotated[
        bool,
        "cyu3system.h: without a 32 kHz clock the watchdog halts in suspend mode; this firmware "
        "never calls CyU3PSysEnterSuspendMode, so a suspended bus alone leaves it running "
        "(judgement)",
    ] = False
    zero_length_data_acked: Annotated[
        bool,
        "cyu3usb.h: GetEP0Data of 0 bytes is a bad argument and acknowledges nothing; the "
        "firmware's api.md says that 0 bytes work",
    ] = False
    pib_errors_per_overflow: Annotated[
        int,
        "the waveform pushes one word while no buffer is ready; seen on hardware: 2 to 4 counts "
        "after a start that nobody reads, for a reason that is not known",
    ] = 1
    string_1_tail: Annotated[
        int,
        "USBDescriptor.c: string 1 claims 32 bytes and defines 30; the two behind the array are "
        "padding, very likely 0 (judgement)",
    ] = 0
    ep0_complete_events: Annotated[
        bool,
        "judgement: at super speed the status stage ends before the handler returns, so no "
        "EP0_STAT_CPLT event; at high and full speed there is always one",
    ] = False
    enumeration_timeout_ms: Annotated[
        int, "Linux hub driver: 5 s for each control request of an enumeration"
    ] = 5_000
    enumeration_tries: Annotated[
        int,
        "Linux drivers/usb/core/hub.c: PORT_INIT_TRIES, each after a reset of the port; the power "
        "cycle in their middle is left out, since few root hubs switch it",
    ] = 4
    hub: Annotated[
        str,
        "judgement: the board is on the host's own port; uhubctl's issues 319, 173, 211 and 496: "
        "many hubs claim to switch a port's power and do not (lying, deaf, usb2-only)",
    ] = NO_HUB


def sources() -> list[tuple[str, int | bool | str, str]]:
    """Every option with its default and the source of that default."""
    hints = get_type_hints(Options, include_extras=True)
    defaults = Options()
    return [
        (item.name, getattr(defaults, item.name), hints[item.name].__metadata__[0])
        for item in fields(Options)
    ]


def table() -> str:
    """The options as a Markdown table, for docs/model.md."""
    rows = ["| option | default | source |", "|---|---|---|"]
    rows += [
        f"| `{name}` | {str(default).lower()} | {source} |" for name, default, source in sources()
    ]
    return "\n".join(rows)
