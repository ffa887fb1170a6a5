"""The debug console: its texts, its limits, its queue, and what a failed set-up call ends in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from health import Outcome, Policy, Recovery
from hw.protocol import Argument, DeviceInfo, GpifState, Request, UsbEvent
from sim.chip.bootrom import RAM_BASE
from sim.chip.usb import TransferStatus
from sim.faults import Fault
from sim.firmware import image
from sim.firmware.debug_text import THREAD_RING, request_trace, status_name
from sim.firmware.image import ENTRY_ADDRESS
from sim.host.drain import Drain
from sim.options import Options
from sim.world import BenchWorld
from tests.sim.bench import (
    DONE,
    MHZ,
    MS,
    STALLED,
    alive,
    booted,
    clocked,
    driver,
    levels,
    pause,
    request,
    set_cap,
    stats,
    word,
)

SI5351_ADDRESS = 0xC0
CLK0_CONTROL = 16
CLK0_POWER_DOWN = 0x80
CR = 0x0D
TICK_MS = 100
UNKNOWN_CODE = 0xCC
HELP = "Enter commands:\r\nthreads, stack, gpif, reset;\r\nDMAcnt = {count}\r\n\r\n"
T1_LINE = "TESTFX3\t0x4\t0x2\r\n\n"


def info(world: BenchWorld, value: int) -> DeviceInfo:
    """TESTFX3 with wValue."""
    transfer = request(world, Request.TESTFX3, value, length=4, into=True)
    assert transfer.status is DONE
    return DeviceInfo.unpack(transfer.reply)


def debug_on(world: BenchWorld) -> None:
    """T1, and its own trace line thrown away."""
    info(world, 1)
    drained(world)


def poll(world: BenchWorld, character: int = 0, length: int = 64) -> bytes | None:
    """D(c): the reply, or None for a stall."""
    transfer = request(world, Request.READINFODEBUG, character, length=length, into=True)
    if transfer.status is STALLED:
        return None
    assert transfer.status is DONE, transfer.status
    return transfer.reply


def drained(world: BenchWorld) -> str:
    """All text that waits."""
    text = b""
    while (page := poll(world)) is not None:
        assert page[-1] == 0
        text += page[:-1]
    return text.decode("utf-8", "surrogateescape")


def typed(world: BenchWorld, line: str) -> None:
    """Type characters; text that comes back meanwhile is lost."""
    for character in line.encode("latin-1"):
        poll(world, character)


def answer(world: BenchWorld, line: str) -> str:
    """The text of a command, once the main thread has served it."""
    drained(world)
    typed(world, line)
    pause(world, TICK_MS + 1)
    return drained(world)


def set_argument(world: BenchWorld, index: int, value: int) -> TransferStatus:
    """A(id, v)."""
    return request(world, Request.SETARGFX3, value, index=index, data=b"\x00").status


def counter(world: BenchWorld) -> int:
    """The request counter, without moving the debug flag's state from off."""
    return info(world, 0).request_count


@pytest.fixture
def world():
    with booted() as bench:
        pause(bench, TICK_MS + 1)  # the enumeration's own event is served, without a text
        yield bench


# ---------------------------------------------------------------- flag and buffer


def test_nothing_is_stored_before_the_flag_is_on(world):
    """DebugConsole.c: glFlagDebug is false at boot."""
    word(world, Request.STOPFX3)
    assert poll(world) is None


def test_t1_leaves_its_own_trace_line_of_18_characters(world):
    """USBHandler.c: the flag is on when the trace line of TESTFX3 itself is made."""
    info(world, 1)
    assert poll(world) == T1_LINE.encode() + b"\0"
    assert len(T1_LINE) == 18
    assert poll(world) is None


@pytest.mark.parametrize("value", [0, 2, 0xFFFF])
def test_any_other_testfx3_turns_it_off(world, value):
    """USBHandler.c: the flag is (wValue == 1)."""
    debug_on(world)
    info(world, value)
    word(world, Request.STOPFX3)
    assert poll(world) is None


def test_trap_14_t0_turns_the_text_off_and_what_is_buffered_stays(world):
    """USBHandler.c: every alive probe is a T0."""
    info(world, 1)
    assert alive(world)
    word(world, Request.STOPFX3)
    assert drained(world) == T1_LINE


def test_text_is_stored_only_while_configured(world):
    """DebugConsole.c: glIsApplnActive; left-over text drains all the same."""
    info(world, 1)
    world.firmware.active = False
    word(world, UNKNOWN_CODE)
    assert drained(world) == T1_LINE


@pytest.mark.parametrize(("size", "stored"), [(236, True), (237, True), (238, False)])
def test_a_message_is_stored_whole_while_the_buffer_has_room(world, size, stored):
    """DebugConsole.c: used + length < 256; T1's line has taken 18."""
    info(world, 1)
    world.firmware.console.write("x" * size)
    assert drained(world) == T1_LINE + "x" * size * stored


@pytest.mark.parametrize(("size", "stored"), [(253, True), (254, True), (255, False)])
def test_a_message_that_the_formatter_has_no_room_for_is_dropped(world, size, stored):
    """DebugConsole.c, MyDebugSNPrint: 256 bytes, of which two stay free."""
    debug_on(world)
    world.firmware.console.write("x" * size)
    assert len(drained(world)) == size * stored


def test_trap_15_text_is_limited_dropped_call_by_call_and_paged(world):
    """DebugConsole.c: 255 bytes, whole calls; USBHandler.c: pages of 63 with a NUL that counts."""
    info(world, 1)
    for attenuation in range(40):
        set_argument(world, Argument.ATTENUATOR, attenuation)
    pages = []
    while (page := poll(world)) is not None:
        pages.append(page)
    assert [len(page) for page in pages] == [64, 64, 64, 64, 4]
    assert all(page[-1] == 0 for page in pages)
    text = b"".join(page[:-1] for page in pages).decode()
    lines = [f"SETARGFX3\tDAT31_ATT\t{number}\r\n\n" for number in range(9)]
    assert text == T1_LINE + "".join(lines) + "SETARGFX3\tDAT31_ATT\t9"
    assert len(text) == 255


def test_trap_15_the_tail_of_a_line_may_survive_its_beginning(world):
    """USBHandler.c: a trace line is three print calls, each dropped for itself."""
    debug_on(world)
    world.firmware.console.write("x" * 250)
    set_argument(world, Argument.ATTENUATOR, 1)
    assert drained(world) == "x" * 250 + "\r\n\n"


def test_a_short_read_loses_the_bytes_that_it_cuts(world):
    """USBHandler.c: a page leaves the buffer before the host's wLength cuts it."""
    info(world, 1)
    set_argument(world, Argument.VGA, 7)
    text = T1_LINE + "SETARGFX3\tAD8370_VGA\t7\r\n\n"
    assert poll(world, length=5) == text[:5].encode()
    assert poll(world) is None
    word(world, Request.STOPFX3)
    assert drained(world).endswith("STOPFX3\t\r\n\n")


def test_an_oversized_request_leaves_no_trace_line(world):
    """USBHandler.c: wLength over 64 stalls before everything else."""
    debug_on(world)
    assert request(world, Request.STARTADC, length=65, into=True).status is STALLED
    assert poll(world) is None


# ---------------------------------------------------------------- trace lines


@pytest.mark.parametrize(
    ("code", "value", "index", "line"),
    [
        (Request.STARTFX3, 0, 0, "STARTFX3\t\r\n\n"),
        (Request.STOPFX3, 0, 0, "STOPFX3\t\r\n\n"),
        (Request.RESETFX3, 0, 0, "RESETFX3\t\r\n\n"),
        (Request.TESTFX3, 1, 0, "TESTFX3\t0x0\t0xBC\r\n\n"),
        (Request.GPIOFX3, 0, 0, "GPIOFX3\t\t0x89ABBC00\r\n\n"),
        (Request.I2CWFX3, 0xC0, 16, "I2CWFX3\t0x0\t0xBC\r\n\n"),
        (Request.I2CRFX3, 0xC0, 16, "I2CRFX3\t0x0\t0xBC\r\n\n"),
        (0xB0, 0, 0, "0xB0\t0x0\t0xBC\r\n\n"),
        (Request.STARTADC, 0, 0, "STARTADC\t-1985233920\r\n\n"),
        (Request.GETSTATS, 0, 0, "GETSTATS\t0x0\t0xBC\r\n\n"),
        (Request.SETARGFX3, 63, 10, "SETARGFX3\tDAT31_ATT\t63\r\n\n"),
        (Request.SETARGFX3, 65535, 11, "SETARGFX3\tAD8370_VGA\t65535\r\n\n"),
        (Request.SETARGFX3, 1, 12, "SETARGFX3\tPRESELECTOR\t1\r\n\n"),
        (Request.SETARGFX3, 1, 13, "SETARGFX3\tVHF_ATTENUATOR\t1\r\n\n"),
        (Request.SETARGFX3, 3, 14, "SETARGFX3\tWDG_MAX_RECOV\t3\r\n\n"),
        (Request.SETARGFX3, 3, 15, "SETARGFX3\t15\t3\r\n\n"),
        (Request.SETARGFX3, 42, 0xFFFF, "SETARGFX3\t65535\t42\r\n\n"),
        (Request.SETARGFX3, 5, 9, "SETARGFX3\t9\t5\r\n\n"),
        (0xB9, 0, 0, "0xB9\t0x0\t0xBC\r\n\n"),
        (0xBB, 0, 0, "0xBB\t0x0\t0xBC\r\n\n"),
        (0xCE, 0, 0, "0xCE\t0x0\t0xBC\r\n\n"),
        (0x05, 0, 0, "0x5\t0x0\t0xBC\r\n\n"),
    ],
)
def test_the_trace_line_of_each_request(code, value, index, line):
    """USBHandler.c, TraceSerial: name, TAB, arguments; hexadecimal in upper case, unpadded."""
    buffer = bytearray.fromhex("00BCAB89") + bytes(60)
    assert "".join(request_trace(code, value, index, buffer)) == line


def test_the_trace_shows_what_older_requests_left_in_the_shared_buffer(world):
    """USBHandler.c: an unknown code is traced with the first two bytes of the EP0 buffer."""
    debug_on(world)
    word(world, Request.STOPFX3, 0x4321)
    drained(world)
    assert word(world, UNKNOWN_CODE) is STALLED
    text = drained(world)
    # The page of text that the console itself just sent has been through the same buffer.
    assert text == f"0xCC\t0x{ord(chr(13)):X}\t0x{ord(chr(10)):X}\r\n\n"


def test_getstats_is_traced_with_the_low_bytes_of_the_buffer_count(world):
    """USBHandler.c: the reply stands in the shared buffer when the line is made."""
    clocked(world)
    word(world, Request.STARTFX3)
    pause(world, 20)
    debug_on(world)
    assert stats(world).dma_count == 8
    assert drained(world) == "GETSTATS\t0x8\t0x0\r\n\n"


def test_console_polls_are_not_traced(world):
    """USBHandler.c: TraceSerial leaves READINFODEBUG out."""
    debug_on(world)
    poll(world, ord("a"))
    assert poll(world) is None


# ---------------------------------------------------------------- characters and commands


def test_trap_16_a_bare_cr_repeats_the_last_command(world):
    """DebugConsole.c: the index is cleared, the line is not; at boot it is empty: the help."""
    debug_on(world)
    assert answer(world, "\r") == "\r\n" + HELP.format(count="0")
    assert answer(world, "hello\r") == "\r\nInput: 'hello'\r\n\r\n"
    assert answer(world, "\r") == "\r\nInput: 'hello'\r\n\r\n"
    assert answer(world, "x\r") == "\r\nInput: 'x'\r\n\r\n"


def test_trap_16_gpif_on_a_disabled_block_resets_the_device_four_seconds_later(world):
    """Support.c: CheckStatus prints, blinks ten times 400 ms, and resets into the boot ROM."""
    debug_on(world)
    clocked(world)
    clocked(world)
    assert stats(world).gpif_state == GpifState.DISABLED
    drained(world)
    typed(world, "gpif\r")
    asked_ns = world.now_ns
    pause(world, TICK_MS + 1)
    failed = "\r\nGet GPIF State  failed, 68 = CY_U3P_ERROR_NOT_CONFIGURED\r\n"
    assert drained(world) == "\r\n" + failed
    pause(world, 3_850)
    assert world.chip.resets == []
    assert word(world, Request.STOPFX3) is DONE
    pause(world, 200)
    (reset,) = world.chip.resets
    assert reset.cause == "device_reset"
    assert 4_000 * MS < reset.at_ns - asked_ns <= 4_101 * MS


def test_gpif_says_the_state(world):
    """DebugConsole.c: CheckStatus ends with two blanks here, then the state in decimal."""
    debug_on(world)
    expected = "\r\nGet GPIF State  = Successful\r\nGPIF State = {}\r\n\r\n"
    assert answer(world, "gpif\r") == expected.format(0)
    clocked(world)
    word(world, Request.STARTFX3)
    word(world, Request.STOPFX3)
    assert answer(world, "gpif\r") == expected.format(1)


def test_trap_17_characters_are_made_lower_case_and_the_value_is_cut_to_a_byte(world):
    """USBHandler.c: 010D is a CR, 0100 stores a blank; 0 alone is no character."""
    debug_on(world)
    for value in (ord("A"), 0x0100, 0, ord("["), 0x010D):
        poll(world, value)
    pause(world, TICK_MS + 1)
    assert drained(world) == "\r\nInput: 'a {'\r\n\r\n"


def test_a_byte_above_127_comes_back_as_it_is(world):
    """DebugConsole.c: the line is bytes; 0xC9 | 0x20 is 0xE9."""
    debug_on(world)
    assert answer(world, "\xc9\r") == "\r\nInput: '\udce9'\r\n\r\n"


def test_a_line_holds_31_characters(world):
    """DebugConsole.c: char [32], and the 32nd is the NUL; console_fill types 35."""
    debug_on(world)
    assert answer(world, "a" * 30 + "bcd\r") == "\r\nInput: '" + "a" * 30 + "b'\r\n\r\n"


def test_stack_names_the_main_thread_and_its_free_bytes(world):
    """fx3_cmd.c, stack_check: total 2048, at least a quarter of it free."""
    debug_on(world)
    text = answer(world, "stack\r")
    assert text == "\r\nstack:\r\nStack free in HF103_ADC2USB30 is 1280/2048\r\n\r\n"


def test_the_free_stack_is_an_option():
    """Seen on hardware: 1248 to 1312."""
    with booted(options=Options(stack_free_bytes=1312)) as world:
        debug_on(world)
        assert " is 1312/2048\r\n" in answer(world, "stack\r")


def test_threads_walks_the_ring_from_the_main_thread(world):
    """DebugConsole.c: this thread, then every other one; it fits the buffer."""
    debug_on(world)
    found = "".join(f"\r\nFound: '{name}'" for name in THREAD_RING)
    expected = f"\r\nthreads:\r\nThis : '11:HF103_ADC2USB30'{found}\r\n\r\n"
    assert answer(world, "threads\r") == expected
    assert len(expected) < 256
    numbers = {name[:2] for name in THREAD_RING}
    assert numbers == {"01", "02", "03", "04", "05", "06", "Sy"}


def test_reset_ends_in_the_boot_rom_after_100_ms(world):
    """DebugConsole.c: the texts, 100 ms, a cold reset."""
    debug_on(world)
    typed(world, "reset\r")
    pause(world, TICK_MS + 1)
    assert drained(world) == "\r\nreset:\r\nRESETTING CPU\r\n"
    assert world.chip.resets == []
    pause(world, 100)
    assert [reset.cause for reset in world.chip.resets] == ["device_reset"]


def test_commands_run_with_the_flag_off_and_print_nothing(world):
    """USBHandler.c: READINFODEBUG asks for no flag."""
    assert answer(world, "stack\r") == ""
    typed(world, "reset\r")
    pause(world, 2 * TICK_MS + 1)
    assert len(world.chip.resets) == 1


def test_help_shows_the_buffer_count_in_hexadecimal(world):
    """DebugConsole.c: DMAcnt = %x, upper case."""
    world.firmware.dma_count = 0x1A2B
    debug_on(world)
    assert answer(world, "?\r") == "\r\n" + HELP.format(count="1A2B")


def test_trap_19_a_commands_text_comes_with_the_next_tick(world):
    """RunApplication.c: the queue is emptied once in 100 ms; CR LF stands before it."""
    debug_on(world)
    pause(world, 100 - world.now_ns / MS % 100)
    started_ns = world.now_ns
    typed(world, "?\r")
    assert not any(poll(world) for _ in range(10))
    pause(world, 90)
    assert poll(world) is None
    wait_for(world, "Enter commands")
    assert 99 * MS < world.now_ns - started_ns <= 112 * MS


def test_trap_19_the_text_begins_with_cr_lf(world):
    """RunApplication.c: once in each pass that found anything, not once for each event."""
    debug_on(world)
    assert answer(world, "\r\r") == "\r\n" + HELP.format(count="0") * 2


# ---------------------------------------------------------------- queue


def test_trap_18_a_full_queue_drops_the_cr(world):
    """RunApplication.c: 16 events, sent without waiting; the 17th CR of one tick is lost."""
    debug_on(world)
    world.firmware.console.write("x" * 230)
    queue = world.chip.sdk.queues["glEventAvailable"]
    for _ in range(17):
        poll(world, CR)
    assert queue.dropped == 1
    pause(world, TICK_MS + 1)
    drained(world)
    assert poll(world) is None


def test_trap_18_a_full_queue_swallows_the_pib_notice_of_the_session(world):
    """StartStopApplication.c: the one-shot flag is set although the queue dropped the notice."""
    clocked(world)
    debug_on(world)
    pause(world, TICK_MS)
    for _ in range(16):
        poll(world, CR)
    word(world, Request.STARTFX3)
    pause(world, 400)
    assert stats(world).pib_errors > 0
    drained(world)
    pause(world, 400)
    assert "PIB error" not in drained(world)
    word(world, Request.STARTFX3)
    pause(world, 200)
    assert "\r\nPIB error 0x1005\r\n" in drained(world)


def test_the_pib_notice_comes_once_a_session(world):
    """StartStopApplication.c, incident F3: a watchdog restart does not arm it again."""
    clocked(world)
    debug_on(world)
    word(world, Request.STARTFX3)
    text = ""
    for _ in range(12):
        pause(world, TICK_MS)
        text += drained(world)
    assert text.count("RECOVERY DONE") >= 2
    assert text.count("PIB error") == 1
    word(world, Request.STARTFX3)
    pause(world, 2 * TICK_MS)
    assert drained(world).count("PIB error") == 1


def test_usb_events_are_named(world):
    """RunApplication.c, MsgParsing: three blanks before the line end."""
    debug_on(world)
    world.chip.sdk.raise_usb_event(UsbEvent.SUSPEND, 0)
    world.chip.sdk.raise_usb_event(UsbEvent.RESUME, 0)
    pause(world, TICK_MS + 1)
    events = [f"\r\nEvent received = {name}   \r\n" for name in ("SUSPEND", "RESUME")]
    assert drained(world) == "\r\n" + "".join(events)


def test_no_ep0_event_at_super_speed(world):
    """Judgement: the status stage ends before the handler returns."""
    debug_on(world)
    word(world, Request.STOPFX3)
    pause(world, TICK_MS + 1)
    assert "USER_EP0_XFER_COMPLETE" not in drained(world)


def test_ep0_events_fill_the_queue_when_they_are_asked_for():
    """cyu3usb.h, event 10: one for each completed request; 16 within a tick crowd out a CR."""
    with booted(options=Options(ep0_complete_events=True)) as world:
        debug_on(world)
        pause(world, TICK_MS)
        drained(world)
        word(world, Request.STOPFX3)
        pause(world, TICK_MS + 1)
        assert "\r\nEvent received = USER_EP0_XFER_COMPLETE   \r\n" in drained(world)
        pause(world, TICK_MS)
        for _ in range(16):
            word(world, Request.STOPFX3)
        poll(world, CR)
        drained(world)
        pause(world, TICK_MS + 1)
        assert "Enter commands" not in drained(world)


def test_a_second_set_configuration_tells_how_the_application_stopped(world):
    """StartStopApplication.c: texts reach the host while the application is active."""
    debug_on(world)
    firmware = world.firmware
    world.chip.rtos.create_thread("test", 8, lambda: firmware.on_usb_event(UsbEvent.SETCONF, 1))
    pause(world, TICK_MS + 1)
    stopped = [
        f"{what} = Successful\r\n"
        for what in (
            "Stop GPIF Block",
            "DmaMultiChannelDestroy",
            "FlushEndpoint",
            "SetEndpointConfig_Disable",
        )
    ]
    event = "\r\n\r\nEvent received = SET_CONFIGURATION   \r\n"
    assert drained(world) == "".join(stopped) + event


def test_trap_12_an_underrun_counts_as_a_streaming_fault(world):
    """USBHandler.c: EP_UNDERRUN adds to the counter of the recoveries, and says so at once."""
    debug_on(world)
    world.chip.sdk.raise_usb_event(UsbEvent.EP_UNDERRUN, 1)
    pause(world, 1)
    assert drained(world) == "\r\nEP Underrun on 1"
    assert stats(world).streaming_faults == 1
    assert levels(world) == []


# ---------------------------------------------------------------- handlers


def test_start_and_stop_say_what_they_did(world):
    """StartStopApplication.c and USBHandler.c: load, state and code; STOP's state."""
    clocked(world)
    debug_on(world)
    word(world, Request.STARTFX3)
    loaded = "\r\nGPIF file HF103.hGpifLoad = Successful\r\n"
    assert drained(world) == loaded + "\r\nGO s=2 r=0STARTFX3\t\r\n\n"
    word(world, Request.STOPFX3)
    assert drained(world).endswith("\r\nSTP s=1STOPFX3\t\r\n\n")


def test_stop_says_that_it_had_to_force(world):
    """USBHandler.c: not in IDLE after 1 ms, here because STARTADC has disabled the block."""
    clocked(world)
    word(world, Request.STARTFX3)
    pause(world, 10)
    clocked(world)
    debug_on(world)
    word(world, Request.STOPFX3)
    text = "\r\nSTP soft-stop fail SM=255, forcing\r\nSTP s=255STOPFX3\t\r\n\n"
    assert drained(world) == text


def test_startadc_says_its_implicit_stop(world):
    """USBHandler.c: an idle state machine too; the frequency follows in decimal."""
    clocked(world)
    pause(world, 10)
    debug_on(world)
    clocked(world)
    text = "\r\nSTARTADC: implicit GPIF stop (SM=1)STARTADC\t64000000\r\n\n"
    assert drained(world) == text
    clocked(world)
    assert drained(world) == "STARTADC\t64000000\r\n\n"


@pytest.mark.parametrize("firmware", ["fw-2.3", "reference"])
def test_a_refused_start_says_which_check_failed(firmware):
    """StartStopApplication.c: CLK0 first; with it on, PLL A."""
    with booted(firmware) as world:
        clocked(world)
        word(world, Request.STARTADC, 0)
        debug_on(world)
        word(world, Request.STARTFX3)
        assert drained(world).startswith("\r\nPreflight FAIL: ADC clock not enabled")


def test_a_start_without_lock_says_so():
    """StartStopApplication.c: CLK0 is on, PLL A is not locked yet."""
    with booted(options=Options(pll_lock_ms=500)) as world:
        clocked(world)
        debug_on(world)
        word(world, Request.STARTFX3)
        assert drained(world).startswith("\r\nPreflight FAIL: Si5351 PLL_A not locked")


def test_resetfx3_announces_itself(world):
    """USBHandler.c: the text waits 100 ms in vain, since the USB thread sleeps."""
    debug_on(world)
    word(world, Request.RESETFX3)
    pause(world, 10)
    assert bytes(world.firmware.console.text) == b"\r\n\r\nHOST RESETTING CPU \r\n"


def test_hangfx3_announces_itself(world):
    """USBHandler.c: and is traced by its code."""
    debug_on(world)
    assert request(world, Request.HANGFX3, 50).status is DONE
    drained_text = drained(world)
    assert drained_text.startswith("\r\nHANGFX3: sleeping 50 ms (test-only)0xCE\t0x")


def test_a_wedged_handler_is_announced_before_the_reset():
    """RunApplication.c: status 1 is the wedged EP0; nobody can read it any more."""
    with booted() as world:
        debug_on(world)
        seen = []
        firmware = world.firmware
        request(world, Request.HANGFX3, 5_000)
        original = world.chip.request_reset

        def watch(cause: str) -> None:
            seen.append(bytes(firmware.console.text))
            original(cause)

        world.chip.request_reset = watch
        pause(world, 1_200)
        assert seen[0].endswith(b"\r\nHEALTH: status=1, recovering")


def test_trap_27_hangmain_leaves_ep0_alive_and_the_main_loop_dead(world):
    """RunApplication.c: no console, no watchdog lines; EP0 answers until the watchdog resets."""
    clocked(world)
    debug_on(world)
    asked_ns = world.now_ns
    assert request(world, Request.HANGMAIN).status is DONE
    pause(world, TICK_MS + 1)
    text = drained(world)
    assert text.startswith("\r\nHANGMAIN: arming main-loop hang (test-only)0xCF\t0x")
    assert text.endswith("\r\nHANGMAIN: spinning forever \u2014 HWDT should reset us")
    word(world, Request.STARTFX3)
    drained(world)
    poll(world, CR)
    probes = 0
    while probes < 20 and alive(world):
        probes += 1
        pause(world, 1_000)
    (reset,) = world.chip.resets
    assert reset.cause == "watchdog"
    assert 4_900 * MS <= reset.at_ns - asked_ns <= 8_260 * MS
    assert 5 <= probes <= 8
    assert world.programs[0].remedies_applied == []


def test_trap_13_the_boot_count_is_1_after_every_upload(world):
    """health.c: RAM is lost with every reset that was ever seen."""
    assert stats(world).boot_count == 1
    word(world, Request.RESETFX3)
    pause(world, 3_000)
    assert world.host.device is not None
    assert not world.host.device.is_application
    world.boot()
    assert stats(world).boot_count == 1


def test_trap_20_the_request_counter_counts_three_kinds_of_requests(world):
    """USBHandler.c: TESTFX3, a valid SETARGFX3, and READINFODEBUG with text."""
    first = counter(world)
    for code in (Request.STARTADC, Request.STARTFX3, Request.STOPFX3, Request.GPIOFX3):
        word(world, code, 32 * MHZ)
    stats(world)
    request(world, Request.I2CRFX3, SI5351_ADDRESS, length=1, into=True)
    set_argument(world, 12, 1)
    word(world, UNKNOWN_CODE)
    assert poll(world) is None
    assert counter(world) == first + 1
    set_argument(world, Argument.ATTENUATOR, 1)
    set_cap(world, 5)
    assert counter(world) == first + 4
    info(world, 1)
    assert poll(world) is not None
    assert poll(world) is None
    assert counter(world) == first + 7


# ---------------------------------------------------------------- the streaming watchdog's lines


def unread_stream(world: BenchWorld, duration_ms: int) -> str:
    """The console's text of a stream that nobody reads."""
    clocked(world)
    debug_on(world)
    word(world, Request.STARTFX3)
    text = drained(world)
    for _ in range(duration_ms // 20):
        pause(world, 20)
        text += drained(world)
    return text


def wait_for(world: BenchWorld, text: str) -> None:
    """Poll until the console says ``text``, for a second at most."""
    for _ in range(100):
        if text in drained(world):
            return
        pause(world, 10)
    pytest.fail(f"{text!r} never came")


def watchdog_lines(text: str) -> list[str]:
    """The lines that begin with WDG."""
    return [line for line in text.split("\r\n") if line.startswith("WDG: ")]


def test_a_recovery_is_told_line_by_line(world):
    """RunApplication.c: three stalls, START, DONE with the codes of its four calls."""
    text = unread_stream(world, 600)
    assert "HEALTH" not in text
    assert watchdog_lines(text)[:5] == [
        "WDG: stall 1/3 SM=9 DMA=8",
        "WDG: stall 2/3 SM=9 DMA=8",
        "WDG: stall 3/3 SM=9 DMA=8",
        "WDG: === RECOVERY START === SM=9 DMA=8 recov=1/5",
        "WDG: === RECOVERY DONE === rst=0 flush=0 xfer=0 sm=0",
    ]


def test_trap_10_at_the_cap_the_stream_waits_and_a_reader_resumes_it(world):
    """RunApplication.c: no teardown; state 8 or 9 with full buffers, and the old stream goes on."""
    set_cap(world, 2)
    text = unread_stream(world, 2_400)
    lines = watchdog_lines(text)
    assert [line for line in lines if "START ===" in line] == [
        "WDG: === RECOVERY START === SM=9 DMA=8 recov=1/2",
        "WDG: === RECOVERY START === SM=9 DMA=8 recov=2/2",
    ]
    assert lines.count("WDG: recovery limit (2), waiting for STARTFX3") >= 3
    assert levels(world) == [1, 1]
    before = stats(world)
    assert before.gpif_state in (8, 9)
    assert before.dma_count == 8
    wait_for(world, "stall 1/3")
    drain = Drain(world, world.host.device)
    drain.start()
    pause(world, 200)
    assert stats(world).dma_count > 1_000
    assert stats(world).streaming_faults == before.streaming_faults
    assert any("DMA resumed (8->" in line for line in watchdog_lines(drained(world)))
    drain.stop()


def test_trap_11_resumed_data_gives_no_recovery_back(world):
    """RunApplication.c: START and STOP alone clear the count; a new cap holds at once."""
    set_cap(world, 2)
    unread_stream(world, 1_500)
    assert levels(world) == [1, 1]
    drain = Drain(world, world.host.device)
    drain.start()
    pause(world, 1_000)
    drain.stop()
    pause(world, 1_500)
    assert levels(world) == [1, 1]
    set_cap(world, 3)
    pause(world, 1_500)
    assert levels(world) == [1] * 3
    set_cap(world, 0)
    pause(world, 2_000)
    assert len(levels(world)) >= 7
    set_cap(world, 3)
    used = len(levels(world))
    pause(world, 1_000)
    assert len(levels(world)) == used


def test_a_recovery_without_a_clock_waits(world):
    """RunApplication.c: WAIT instead of DONE when CLK0 is off; the stop is forced."""
    clocked(world)
    debug_on(world)
    word(world, Request.STARTFX3)
    pause(world, 50)
    world.chip.i2c.devices[SI5351_ADDRESS].write(CLK0_CONTROL, bytes([CLK0_POWER_DOWN]))
    text = ""
    for _ in range(30):
        pause(world, 20)
        text += drained(world)
    assert "WDG: soft-stop fail SM=9, forcing" in text
    assert "WDG: === RECOVERY WAIT === rst=0 flush=0 xfer=0 sm=0" in text


def test_a_stall_that_ends_by_itself_is_told(world):
    """RunApplication.c: the count moves again before the third poll."""
    clocked(world)
    debug_on(world)
    word(world, Request.STARTFX3)
    drained(world)
    wait_for(world, "stall 1/3")
    drain = Drain(world, world.host.device)
    drain.start()
    pause(world, TICK_MS)
    (line,) = watchdog_lines(drained(world))
    assert line.startswith("WDG: DMA resumed (8->")
    assert line.endswith("), stall cleared")
    drain.stop()


def test_a_stall_in_a_disabled_block_is_cleared(world):
    """RunApplication.c: STARTADC leaves the count and disables the block."""
    clocked(world)
    debug_on(world)
    word(world, Request.STARTFX3)
    drained(world)
    wait_for(world, "stall 1/3")
    clocked(world, 32 * MHZ)
    pause(world, TICK_MS)
    assert watchdog_lines(drained(world)) == ["WDG: stall cleared SM=255 (was 1/3)"]
    assert levels(world) == []


def test_the_lines_of_a_made_up_sequence(world):
    """RunApplication.c: a count of 0 is no stall; each end of a stall begins the count again."""
    debug_on(world)
    narrator = world.firmware.narrator
    for count, state in [(0, 9), (0, 9), (8, 9), (8, 7), (9, 2), (9, 8), (9, 2), (9, 5), (9, 9)]:
        narrator.look(count, state)
    assert watchdog_lines(drained(world)) == [
        "WDG: stall 1/3 SM=7 DMA=8",
        "WDG: DMA resumed (8->9), stall cleared",
        "WDG: stall 1/3 SM=8 DMA=9",
        "WDG: stall cleared SM=2 (was 1/3)",
        "WDG: stall 1/3 SM=5 DMA=9",
        "WDG: stall 2/3 SM=9 DMA=9",
    ]
    narrator.recovery_begins()
    narrator.recovery_ends(True, 0, 71, 73, 68)
    narrator.look(9, 9)
    narrator.look(9, 9)
    assert watchdog_lines(drained(world)) == [
        "WDG: === RECOVERY START === SM=9 DMA=9 recov=1/5",
        "WDG: === RECOVERY DONE === rst=0 flush=71 xfer=73 sm=68",
        "WDG: stall 1/3 SM=9 DMA=9",
    ]


def test_a_remedy_that_is_put_off_is_no_recovery_limit(world):
    """The health module may wait (docs/model.md): the count begins again, without a line."""
    debug_on(world)
    narrator = world.firmware.narrator
    for outcome in (Outcome.COOLING, Outcome.CAPPED):
        for _ in range(4):
            narrator.look(8, 9)
        narrator.decided(Recovery(None, outcome))
    lines = watchdog_lines(drained(world))
    assert lines[2:4] == ["WDG: stall 3/3 SM=9 DMA=8", "WDG: stall 1/3 SM=9 DMA=8"]
    assert [line for line in lines if "limit" in line] == [
        "WDG: recovery limit (5), waiting for STARTFX3"
    ]


def test_a_start_begins_the_recoveries_again(world):
    """USBHandler.c: glWdgRecoveryCount is cleared by START, a STOP before it or not."""
    assert "recov=2/5" in unread_stream(world, 1_000)
    assert "recov=1/5" in unread_stream(world, 600)


def test_the_queue_is_served_before_the_stream_is_looked_at(world):
    """RunApplication.c: the texts of one pass stand in this order."""
    clocked(world)
    debug_on(world)
    word(world, Request.STARTFX3)
    wait_for(world, "stall 1/3")
    poll(world, CR)
    pause(world, TICK_MS)
    help_text = HELP.format(count="8")
    assert drained(world) == "\r\n" + help_text + "\r\nWDG: stall 2/3 SM=9 DMA=8"


@pytest.mark.parametrize(
    "policy",
    ["none", replace(Policy.preset("level-1-4-5"), level_1_enabled=False)],
    ids=["none", "level 1 off"],
)
def test_without_a_streaming_watchdog_there_are_no_such_lines(policy):
    """The lines belong to level 1; a policy without it has no watchdog that could speak."""
    with booted(policy=policy) as world:
        assert watchdog_lines(unread_stream(world, 1_000)) == []


def test_the_flag_does_not_change_what_the_watchdog_does():
    """The narrator decides nothing: the remedies come at the same times, told or not."""
    times = []
    for value in (0, 1):
        with booted() as world:
            clocked(world)
            info(world, value)
            word(world, Request.STARTFX3)
            pause(world, 3_000)
            times.append(world.firmware.remedies_applied)
    assert times[0] == times[1]
    assert len(times[0]) == 5


# ---------------------------------------------------------------- as the project's tests ask


def test_the_sequence_of_stack_check_finds_the_numbers_in_one_page(world):
    """fx3_cmd.c, stack_check: T1, drain, s t a c k, CR, then polls each 50 ms; over pyusb."""
    device = driver(world)
    device.info(debug=True)
    while device.read_debug():
        pass
    for character in b"stack":
        device.read_debug(character)
        pause(world, 10)
    device.read_debug(CR)
    pages = []
    for _ in range(4):
        pause(world, 50)
        pages.append(device.read_debug())
    (page,) = [page for page in pages if b"Stack free" in page]
    free, total = page.split(b" is ")[1].split()[0].split(b"/")
    assert int(total) == 2_048
    assert 100 * int(free) // int(total) >= 25


def test_the_sequence_of_debug_race_never_starves_testfx3(world):
    """fx3_cmd.c, debug_race and readinfodebug_flood: a full buffer costs nobody anything."""
    info(world, 1)
    for number in range(50):
        assert set_argument(world, Argument.ATTENUATOR, number) is DONE
        poll(world)
    for number in range(50):
        set_argument(world, Argument.ATTENUATOR, number)
    assert 253 <= len(world.firmware.console.text) <= 255
    assert info(world, 0).hardware == 4


def test_the_sequence_of_pib_overflow_finds_its_text(world):
    """fx3_cmd.c, pib_overflow: unread for 10 ms, polled, stopped; the notice comes with a tick."""
    info(world, 1)
    for _ in range(10):
        poll(world)
        pause(world, 20)
    clocked(world)
    word(world, Request.STARTFX3)
    pause(world, 10)
    text = b"".join(poll(world) or b"" for _ in range(5))
    word(world, Request.STOPFX3)
    if b"PIB error" not in text:
        pause(world, 300)
        text += drained(world).encode()
    assert b"PIB error 0x1005" in text


# ---------------------------------------------------------------- failed set-up calls


@pytest.mark.parametrize(
    "call",
    [
        "pib_init",
        "set_ep_config",
        "dma_multi_channel_create",
        "dma_multi_channel_set_xfer",
        "gpif_load",
        "gpif_sm_start",
        "gpio_init",
        "usb_start",
        "connect_state",
        "queue_create",
    ],
)
def test_a_set_up_call_that_fails_ends_in_the_boot_rom_after_four_seconds(call):
    """Support.c: ErrorBlinkAndReset, 10 x 400 ms; here under a policy that resets nothing."""
    with BenchWorld("fw-2.3", "none", faults=[Fault("error", call=call, code=0x49)]) as world:
        section = image("fw-2.3")[12:-12]
        world.chip.start(bytearray(ENTRY_ADDRESS - RAM_BASE) + section, ENTRY_ADDRESS)
        pause(world, 6_000)
        (reset,) = world.chip.resets
        assert reset.cause == "device_reset"
        (armed,) = world.injector.armed
        assert 4_000 * MS - 2 * MS <= reset.at_ns - armed.triggered_ns[0] <= 4_001 * MS


def test_a_failed_load_in_start_is_a_wedged_handler_first():
    """Support.c and health.c: the blinks hold the USB thread, so level 4 comes after 2 s."""
    fault = Fault("error", call="gpif_load", during="STARTFX3", code=0x40)
    with booted(faults=[fault]) as world:
        clocked(world)
        debug_on(world)
        word(world, Request.STARTFX3)
        pause(world, 10)
        text = bytes(world.firmware.console.text).decode()
        assert "\r\nGpifLoad failed, 64 = CY_U3P_ERROR_Bad_ARGUMENT\r\n" in text
        asked_ns = world.now_ns
        pause(world, 3_000)
        (reset,) = world.chip.resets
        assert 1_900 * MS < reset.at_ns - asked_ns <= 2_101 * MS


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0x44, "NOT_CONFIGURED"),
        (0x40, "Bad_ARGUMENT"),
        (0x06, "BAD_EVENT_GROUP"),
        (0x0D, "GET_SEMAPHORE_FAIL"),
        (0x21, "INVALID_ERROR_CODE"),
        (0xFE, "NO_REENUM_REQUIRED"),
        (0xFF, "OPERATION_DISABLED"),
    ],
)
def test_status_codes_are_named_as_the_firmware_names_them(code, name):
    """Support.c: its table differs from cyu3error.h in four places."""
    assert status_name(code) == name


# ---------------------------------------------------------------- the oldest firmware


def test_incident_f2_a_full_buffer_makes_start_time_out():
    """8caed5f: 100 ms of sleep for each print call that finds the buffer full, in the USB thread.

    STARTADC sleeps its second, then its three trace calls 300 ms more; START waits behind it.
    """
    ends = {}
    for firmware in ("original", "fw-2.3"):
        for value in (0, 1):
            with booted(firmware) as world:
                info(world, value)
                for _ in range(8):
                    request(world, UNKNOWN_CODE)
                pause(world, 3_000)
                word(world, Request.STARTADC, 32 * MHZ)
                pause(world, 200)
                ends[firmware, value] = word(world, Request.STARTFX3)
    assert ends["original", 0] is DONE
    assert ends["original", 1] is TransferStatus.CANCELLED
    assert ends["fw-2.3", 0] is ends["fw-2.3", 1] is DONE


def test_the_oldest_firmware_stalls_an_unknown_code_before_it_sleeps():
    """USBHandler.c: the default branch stalls EP0 itself, then comes the trace line."""
    with booted("original") as world:
        info(world, 1)
        for _ in range(8):
            request(world, UNKNOWN_CODE)
        pause(world, 3_000)
        asked_ns = world.now_ns
        assert request(world, UNKNOWN_CODE).status is STALLED
        assert world.now_ns - asked_ns < MS


def test_the_oldest_firmware_keeps_100_bytes_and_one_page_of_them():
    """protocol.h before 1dfbc1b, USBHandler.c before 3db6ffb: the rest is thrown away."""
    with booted("original") as world:
        debug_on(world)
        for _ in range(5):
            set_argument(world, Argument.ATTENUATOR, 1)
        pause(world, 2_000)
        text = bytes(world.firmware.console.text)
        assert 63 < len(text) < 100
        assert poll(world) == text[:63] + b"\0"
        assert poll(world) is None
