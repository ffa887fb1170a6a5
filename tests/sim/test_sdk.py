"""The SDK's calls: status codes, locks, EP0, DMA callbacks, the watchdog.

Facts: S131, cyu3*.h; incidents F1, F20, F27.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from hw.protocol import Request, SdkStatus
from sim import faults
from sim.board import TUNER_ADDRESS
from sim.chip.gpif import EDGES_16, GpifState
from sim.chip.usb import ControlTransfer, Setup
from sim.errors import TaskFailed
from sim.options import Options
from sim.rtos import NO_WAIT, SUCCESS, WAIT_FOREVER
from sim.sdk import DmaMultiChannelConfig, EndpointConfig, Sdk, UsbEvent
from sim.sdk.types import DMA_CB_PROD_EVENT, DmaType
from sim.si5351 import SI5351_ADDRESS

from .bench import (
    CANCELLED,
    DONE,
    MHZ,
    MS,
    PERIOD_NS,
    SECOND_NS,
    STALLED,
    US,
    BareBench,
    register_descriptors,
    request,
)

CHANNEL = "channel"
EP1 = 0x81
OK = SdkStatus.SUCCESS


@pytest.fixture
def bench():
    with BareBench() as bench:
        yield bench


def channel_config(callback=lambda count: None, **changes) -> DmaMultiChannelConfig:
    values = {
        "size_bytes": 16_384,
        "count": 4,
        "producers": (0x0100, 0x0101),
        "consumer": 0x0301,
        "notification": DMA_CB_PROD_EVENT,
        "callback": callback,
    }
    return DmaMultiChannelConfig(**(values | changes))


def create(sdk: Sdk, callback=lambda count: None, **changes) -> int:
    config = channel_config(callback, **changes)
    return sdk.dma_multi_channel_create(CHANNEL, DmaType.AUTO_MANY_TO_ONE, config)


def flow_of(bench):
    return bench.chip.stream.flow


# ---------------------------------------------------------------- statuses without a lock


def test_gpif_load_start_disable(bench):
    """S131: Load 0x43 while enabled; SMStart 0x44 without a table, 0x43 while running.

    A soft Disable keeps the table, a forced one loses it.
    """
    sdk = bench.sdk

    def run() -> list[int]:
        sdk.pib_init()
        codes = [sdk.gpif_sm_start(0, 0), sdk.gpif_load(EDGES_16), sdk.gpif_load(EDGES_16)]
        codes += [sdk.gpif_sm_start(0, 0), sdk.gpif_sm_start(0, 0)]
        sdk.gpif_disable(False)
        codes += [sdk.gpif_load(EDGES_16), sdk.gpif_sm_start(0, 0)]
        sdk.gpif_disable(True)
        codes += [sdk.gpif_sm_start(0, 0), sdk.gpif_load(EDGES_16), sdk.gpif_sm_start(0, 0)]
        return codes

    assert bench.call(run) == [0x44, 0, 0x43, 0, 0x43, 0x43, 0, 0x44, 0, 0]


@pytest.mark.parametrize("state", [10, 200, 255])
def test_the_state_machine_does_not_start_in_a_state_that_the_table_has_not(bench, state):
    """S131: SMStart answers 0x44 for an invalid state entry."""
    sdk = bench.sdk

    def run() -> list[int]:
        sdk.pib_init()
        sdk.gpif_load(EDGES_16)
        return [sdk.gpif_sm_start(state, 0), sdk.gpif_sm_start(0, 0)]

    assert bench.call(run) == [SdkStatus.NOT_CONFIGURED, OK]


def test_gpif_disable_takes_ten_microseconds_and_clears_the_trigger(bench):
    """S131: pause, 10 us of busy wait, CPU_LAMBDA cleared, in both forms."""
    sdk = bench.sdk
    bench.chip.sample_clock(64 * MHZ)

    def run(force: bool) -> tuple[int, int]:
        sdk.pib_init()
        create(sdk)
        sdk.dma_multi_channel_reset(CHANNEL)
        sdk.gpif_load(EDGES_16)
        sdk.gpif_sm_start(0, 0)
        sdk.gpif_control_sw_input(True)
        begun_ns = bench.now_ns
        sdk.gpif_disable(force)
        took_ns = bench.now_ns - begun_ns
        sdk.gpif_load(EDGES_16)
        sdk.gpif_sm_start(0, 0)
        sdk.thread_sleep(5)
        return took_ns, sdk.gpif_get_sm_state()[1]

    assert bench.call(lambda: run(True)) == (10 * US, GpifState.IDLE)
    assert bench.call(lambda: run(False)) == (10 * US, GpifState.IDLE)


def test_gpif_state_is_untouched_while_the_block_is_disabled(bench):
    """S131: 0x44 and the caller's variable untouched, so hosts see the preset 255."""
    sdk = bench.sdk

    def run() -> list:
        sdk.pib_init()
        seen = [sdk.gpif_get_sm_state()]
        sdk.gpif_load(EDGES_16)
        sdk.gpif_sm_start(0, 0)
        seen.append(sdk.gpif_get_sm_state())
        sdk.pib_deinit()
        seen.append(sdk.gpif_get_sm_state())
        return seen

    off = (SdkStatus.NOT_CONFIGURED, None)
    assert bench.call(run) == [off, (OK, GpifState.RESET), off]


def test_pib_init_and_deinit(bench):
    """S131: 0x43 when active, 0x42 when not."""
    sdk = bench.sdk

    def run() -> list[int]:
        calls = (sdk.pib_deinit, sdk.pib_init, sdk.pib_init, sdk.pib_deinit, sdk.pib_deinit)
        return [call() for call in calls]

    assert bench.call(run) == [0x42, 0, 0x43, 0, 0x42]


def test_gpio_and_i2c_before_they_are_set_up(bench):
    """cyu3*.h: GPIO 0x42 before init, 0x43 twice, 0x40 beyond pin 60; I2C 0x44 unconfigured."""
    sdk = bench.sdk

    def run() -> list:
        seen = [sdk.gpio_simple_get_value(36), sdk.gpio_init(), sdk.gpio_init()]
        seen += [sdk.gpio_simple_get_value(36), sdk.gpio_simple_get_value(61)]
        seen += [sdk.i2c_receive_bytes(0xC0, 0, 1), sdk.i2c_transmit_bytes(0xC0, 16, b"\x80")]
        return seen

    assert bench.call(run) == [
        (0x42, None),
        0,
        0x43,
        (0, False),
        (0x40, None),
        (0x44, b""),
        0x44,
    ]


def test_i2c_nack_is_failure_and_the_bus_stays_usable(bench):
    """Scenarios C7: absent addresses NACK with code 74; time is CPU time under glI2cLock."""
    sdk = bench.sdk

    def run() -> list:
        sdk.i2c_init()
        sdk.i2c_set_config(400_000)
        seen: list = []
        for address in (0x90, 0xC2, SI5351_ADDRESS, TUNER_ADDRESS):
            status, data = sdk.i2c_receive_bytes(address, 0, 1)
            seen.append((status, len(data)))
            seen.append(sdk.i2c_transmit_bytes(address, 200, b"\x00"))
        begun_ns = bench.now_ns
        sdk.i2c_receive_bytes(SI5351_ADDRESS, 0, 8)
        seen.append(bench.now_ns - begun_ns)
        return seen

    nack = int(SdkStatus.FAILURE)
    assert nack == 74
    assert bench.call(run) == [
        *[(nack, 0), nack] * 2,
        *[(0, 1), 0] * 2,
        (3 + 8) * bench.options.i2c_byte_ns
        + bench.options.i2c_conditions_ns
        + bench.options.i2c_read_driver_ns,
    ]


def test_thread_priorities_of_the_application(bench):
    """ThreadX guide: the application may use 7 to 15 and gets 0x0F for others."""
    sdk = bench.sdk
    codes = bench.call(
        lambda: [sdk.thread_create(p, f"t{p}", lambda: None, p) for p in (0, 6, 7, 15, 16, 31)]
    )
    assert codes == [0x0F, 0x0F, 0, 0, 0x0F, 0x0F]


def test_queues_of_the_sdk(bench):
    """cyu3*.h: 0x0B when full, 0x0A when empty, 0x09 for a queue that was never made."""
    sdk = bench.sdk

    def run() -> list:
        seen = [sdk.queue_send("q", 1), sdk.queue_receive("q", NO_WAIT), sdk.queue_create("q", 1)]
        seen += [sdk.queue_send("q", 1), sdk.queue_send("q", 2)]
        return [*seen, sdk.queue_receive("q", NO_WAIT), sdk.queue_receive("q", NO_WAIT)]

    assert bench.call(run) == [0x09, (0x09, None), 0, 0, 0x0B, (0, 1), (0x0A, None)]


def test_usb_start_and_connect(bench):
    """S131 and cyu3*.h: connecting needs the driver (0x42) and the descriptors (0x44).

    Both answer 0x43 the second time.
    """
    sdk = bench.sdk

    def run() -> list[int]:
        codes = [sdk.connect_state(True, True), sdk.usb_start(), sdk.usb_start()]
        codes.append(sdk.connect_state(True, True))
        register_descriptors(sdk)
        codes += [sdk.connect_state(True, True), sdk.connect_state(True, True)]
        return [*codes, sdk.connect_state(False, True), sdk.connect_state(False, True)]

    assert bench.call(run) == [0x42, 0, 0x43, 0x44, 0, 0x43, 0, 0x43]


def test_the_registers_that_the_firmware_reads(bench):
    """cyu3*.h: the die id makes the serial number; an address without a register is refused."""
    sdk = bench.sdk
    assert sdk.read_device_registers(0xE005_5010, 2) == (OK, list(bench.chip.die_id))
    assert sdk.read_device_registers(0xE005_5018, 1) == (SdkStatus.BAD_ARGUMENT, [])


# ---------------------------------------------------------------- DMA


def test_channel_states_and_their_codes(bench):
    """S131: SetXfer 0x43 unless CONFIGURED, Reset back to it, 0x44 without a channel."""
    sdk = bench.sdk

    def run() -> list[int]:
        def all_calls() -> list[int]:
            return [
                sdk.dma_multi_channel_set_xfer(CHANNEL, 0, 0),
                sdk.dma_multi_channel_reset(CHANNEL),
                sdk.dma_multi_channel_destroy(CHANNEL),
            ]

        codes = all_calls()
        codes += [create(sdk), create(sdk)]
        codes += [sdk.dma_multi_channel_set_xfer(CHANNEL, 0, 2)]
        codes += [sdk.dma_multi_channel_set_xfer(CHANNEL, 0, 0) for _ in range(2)]
        codes += [sdk.dma_multi_channel_reset(CHANNEL) for _ in range(2)]
        codes += [sdk.dma_multi_channel_set_xfer(CHANNEL, 0, 0)]
        codes += [sdk.dma_multi_channel_set_xfer("another", 0, 0)]
        codes += [sdk.dma_multi_channel_destroy(CHANNEL)]
        return codes + all_calls()

    missing = [0x44] * 3
    assert bench.call(run) == [
        *missing,
        *(0, 0x40),
        0x40,
        *(0, 0x43),
        *(0, 0),
        0,
        0x44,
        0,
        *missing,
    ]


@pytest.mark.parametrize("changes", [{"count": 0}, {"size_bytes": 16_385}])
def test_a_channel_with_bad_sizes_is_refused(bench, changes):
    """StartStopApplication.c and S131: no buffers, or a size that is no multiple of 16, is 0x40."""
    assert bench.call(lambda: create(bench.sdk, **changes)) == SdkStatus.BAD_ARGUMENT


def stream_on(bench, callback, **changes):
    """A stream at 64 MS/s on the bare SDK; runs in a firmware thread."""
    sdk = bench.sdk
    sdk.pib_init()
    sdk.gpif_load(EDGES_16)
    create(sdk, callback, **changes)
    sdk.dma_multi_channel_set_xfer(CHANNEL, 0, 0)
    sdk.gpif_sm_start(0, 0)
    sdk.gpif_control_sw_input(True)


def begin(bench, callback, **changes) -> None:
    bench.chip.sample_clock(64 * MHZ)
    bench.thread(lambda: stream_on(bench, callback, **changes))
    bench.chip.stream.credit(None)
    bench.run_until(bench.now_ns)


BUFFER_NS = 128 * US


@pytest.mark.parametrize("uses_sdk", [False, True])
def test_callbacks_are_made_before_a_lower_thread_looks(bench, uses_sdk):
    """S131: the DMA thread (2) makes them, so who asks sees all that the hardware did."""
    counted = [0]
    differences = []

    def callback(count: int) -> None:
        counted[0] += count
        if uses_sdk:
            assert bench.sdk.rtos.current().name == "DMA thread"

    def look() -> None:
        for ticks in (1, 2, 1, 7, 30):
            bench.sdk.thread_sleep(ticks)
            bench.sdk.busy_wait(100)
            bench.sdk.serve_dma_interrupts()
            differences.append(flow_of(bench).produced(bench.now_ns) - counted[0])

    begin(bench, callback, callback_uses_sdk=uses_sdk)
    bench.thread(look, priority=9)
    bench.run_until(bench.now_ns + SECOND_NS)
    assert differences == [0] * 5
    assert counted[0] > 0


@pytest.mark.parametrize("meanwhile", ["asleep", "computing"])
def test_a_held_channel_lock_stops_the_callbacks_and_loses_whole_laps(bench, meanwhile):
    """S131: hardware and firmware count apart.

    The DMA thread waits for the lock; when it gets it, it walks the ring of 8 up to the buffer in
    use.
    """
    counted = [0]
    looks: list[tuple[int, int]] = []

    def callback(count: int) -> None:
        counted[0] += count

    def produced() -> int:
        return flow_of(bench).produced(bench.now_ns)

    def look() -> None:
        bench.sdk.serve_dma_interrupts()
        looks.append((produced(), counted[0]))

    def holder() -> None:
        sdk = bench.sdk
        sdk.thread_sleep(10)
        lock = sdk.channel_lock
        lock.get(WAIT_FOREVER)
        look()
        sdk.thread_sleep(100) if meanwhile == "asleep" else sdk.busy_wait(100_000)
        look()
        lock.put()
        sdk.thread_sleep(1)
        look()

    begin(bench, callback)
    bench.thread(holder, priority=9)
    bench.run_until(bench.now_ns + SECOND_NS)
    (before, counted_before), (during, counted_during), (after, counted_after) = looks
    assert counted_before == before
    assert counted_during == counted_before
    assert during - before >= 700
    lost = (after - before) - (counted_after - counted_before)
    assert lost > 0
    assert lost % 8 == 0
    assert counted_after - counted_before < 8 + 9


def test_reset_drops_the_buffers_and_callbacks_of_before(bench):
    """S131: Reset empties the descriptors; what was finished and unseen is seen no more."""
    counted = [0]

    def callback(count: int) -> None:
        counted[0] += count

    def run() -> None:
        sdk = bench.sdk
        sdk.thread_sleep(10)
        sdk.gpif_control_sw_input(False)
        sdk.thread_sleep(1)
        sdk.gpif_disable(False)
        sdk.dma_multi_channel_reset(CHANNEL)
        seen.append(counted[0])
        sdk.thread_sleep(10)
        sdk.serve_dma_interrupts()
        seen.append(counted[0])
        seen.append(flow_of(bench).full(bench.now_ns))

    seen: list[int] = []
    begin(bench, callback)
    bench.chip.stream.withdraw()
    bench.thread(run, priority=9)
    bench.run_until(bench.now_ns + SECOND_NS)
    assert seen == [8, 8, 0]


@pytest.mark.parametrize("hangs", [True, False])
def test_disabling_a_socket_that_the_state_machine_waits_on(hangs):
    """F1, TRM: while (ENABLED) without a limit, with the channel's lock held."""
    with BareBench(options=Options(socket_disable_hangs=hangs)) as bench:
        begin(bench, lambda count: None)
        bench.chip.stream.withdraw()
        bench.run_until(bench.now_ns + 10 * MS)
        assert flow_of(bench).state(bench.now_ns) in (GpifState.TH0_WAIT, GpifState.TH1_WAIT)
        done = []
        bench.thread(lambda: done.append(bench.sdk.dma_multi_channel_reset(CHANNEL)), name="usb")
        bench.run_until(bench.now_ns + SECOND_NS)
        assert done == ([] if hangs else [OK])
        lock = bench.sdk.channel_lock
        assert (lock.owner is not None) == hangs
        assert [name for _, name in bench.chip.spins] == (["usb"] if hangs else [])


@pytest.mark.parametrize("call", ["dma_multi_channel_set_xfer", "dma_multi_channel_reset"])
def test_destroy_fails_those_who_wait_for_the_channel(bench, call):
    """S131: the mutex is deleted while owned; waiters answer 0x1D, later calls 0x44."""
    sdk = bench.sdk
    codes = []
    arguments = (CHANNEL, 0, 0) if call.endswith("set_xfer") else (CHANNEL,)

    def destroyer() -> None:
        create(sdk)
        sdk.channel_lock.get(WAIT_FOREVER)
        sdk.thread_sleep(10)
        codes.append(sdk.dma_multi_channel_destroy(CHANNEL))

    def waiter() -> None:
        sdk.thread_sleep(1)
        codes.append(getattr(sdk, call)(*arguments))
        codes.append(getattr(sdk, call)(*arguments))

    bench.thread(destroyer, priority=9)
    bench.thread(waiter, priority=8)
    bench.run_until(SECOND_NS)
    assert codes == [SdkStatus.MUTEX_FAILURE, SdkStatus.NOT_CONFIGURED, OK]


def test_a_dma_error_stops_the_channel_without_a_word(bench):
    """S131: the firmware asks for PROD_EVENT alone, so the count freezes silently."""
    counted = [0]

    def callback(count: int) -> None:
        counted[0] += count

    begin(bench, callback)
    bench.run_until(bench.now_ns + 10 * MS)
    bench.sdk.serve_dma_interrupts()
    bench.chip.stream.fail()
    frozen = counted[0]
    assert frozen > 70
    bench.run_until(bench.now_ns + SECOND_NS)
    bench.sdk.serve_dma_interrupts()
    assert counted[0] == frozen
    blocked = (GpifState.TH0_BUSY, GpifState.TH1_BUSY, GpifState.TH0_WAIT, GpifState.TH1_WAIT)
    assert flow_of(bench).state(bench.now_ns) in blocked


# ---------------------------------------------------------------- locks


LOCKED_BY = {
    "usb": {
        "usb_flush_ep": (EP1,),
        "usb_stall": (0, True, False),
        "usb_ack_setup": (),
        "usb_get_ep0_data": (4,),
        "usb_send_ep0_data": (b"1234",),
        "set_ep_config": (EP1, EndpointConfig(enabled=True)),
        "connect_state": (True, True),
    },
    "channel": {
        "dma_multi_channel_set_xfer": (CHANNEL, 0, 0),
        "dma_multi_channel_reset": (CHANNEL,),
        "dma_multi_channel_destroy": (CHANNEL,),
    },
    "i2c": {
        "i2c_receive_bytes": (0xC0, 0, 1),
        "i2c_transmit_bytes": (0xC0, 16, b"\x80"),
    },
    None: {
        "gpif_load": (EDGES_16,),
        "gpif_sm_start": (0, 0),
        "gpif_disable": (True,),
        "gpif_control_sw_input": (True,),
        "gpif_get_sm_state": (),
        "pib_init": (),
        "pib_deinit": (),
        "gpio_simple_get_value": (36,),
        "usb_lpm_enable": (),
        "usb_lpm_disable": (),
        "usb_get_speed": (),
        "sys_watch_dog_configure": (True, 60_000),
        "sys_watch_dog_clear": (),
        "read_device_registers": (0xE005_5010, 2),
        "get_time": (),
    },
}


@pytest.mark.parametrize(
    ("lock", "call"), [(lock, call) for lock, calls in LOCKED_BY.items() for call in calls]
)
def test_who_takes_which_lock(lock, call):
    """S131: the WAIT_FOREVER takers of each lock wait for its holder; the rest never do."""
    with BareBench() as bench:
        sdk = bench.sdk
        bench.thread(
            lambda: (
                sdk.usb_start(),
                register_descriptors(sdk),
                sdk.i2c_set_config(400_000),
                create(sdk),
            )
        )
        bench.run_until(bench.now_ns + MS)
        locks = {"usb": sdk.usb_lock, "channel": sdk.channel_lock, "i2c": sdk.i2c_lock}
        held_until_ns = bench.now_ns + 50 * MS

        def holder() -> None:
            for mutex in locks.values():
                mutex.get(WAIT_FOREVER)
            sdk.thread_sleep(50)
            for name in ("usb", "channel", "i2c"):
                if name != lock:
                    continue
                done.append("released")
                locks[name].put()

        done: list = []
        bench.thread(holder, priority=9, name="holder")
        bench.run_until(bench.now_ns)

        def caller() -> None:
            getattr(sdk, call)(*LOCKED_BY[lock][call])
            done.append("returned")

        bench.thread(caller, priority=8, name="caller")
        bench.run_until(held_until_ns - 10 * MS)
        assert done == ([] if lock else ["returned"])
        bench.run_until(held_until_ns + SECOND_NS)
        assert done == (["released", "returned"] if lock else ["returned"])


# ---------------------------------------------------------------- EP0


class Handler:
    """A USB application that answers with whatever the test says."""

    def __init__(self, bench: BareBench, handle) -> None:
        self.bench = bench
        self.handle = handle
        self.log: list = []
        self.events: list = []

        def start() -> None:
            sdk = bench.sdk
            sdk.usb_start()
            sdk.usb_register_setup_callback(self.on_setup, True)
            sdk.usb_register_event_callback(lambda event, data: self.events.append((event, data)))
            register_descriptors(sdk)
            sdk.connect_state(True, True)

        bench.thread(start)
        while bench.host.device is None:
            bench.run_until(bench.now_ns + 10 * MS)

    def on_setup(self, first: int, second: int) -> bool:
        begun_ns = self.bench.now_ns
        answer = self.handle(first >> 8 & 0xFF, first >> 16, second & 0xFFFF, second >> 16)
        self.log.append((answer, self.bench.now_ns - begun_ns))
        return answer if isinstance(answer, bool) else True


def test_an_unhandled_request_stalls(bench):
    """S131: the driver stalls EP0 when the callback says False, until the next SETUP."""
    handler = Handler(bench, lambda code, *_: code == 1 and bench.sdk.usb_ack_setup() is None)
    assert request(bench, 0xCC).status is STALLED
    assert request(bench, 1).status is DONE
    assert request(bench, 0xCC, length=4, into=True).status is STALLED
    assert [answer for answer, _ in handler.log] == [False, True, False]


def test_an_out_request_returns_before_its_handler_acts(bench):
    """D9: data and status stage are released inside GetEP0Data."""
    times = {}

    def handle(code, value, index, length):
        bench.sdk.usb_get_ep0_data(length)
        bench.sdk.thread_sleep(50)
        times["handled"] = bench.now_ns

    Handler(bench, handle)
    assert request(bench, 1, data=b"1234").status is DONE
    times["returned"] = bench.now_ns
    begun_ns = bench.now_ns
    assert request(bench, 2, data=b"1234").status is DONE
    assert times["handled"] - times["returned"] > 45 * MS
    assert bench.now_ns - begun_ns > 45 * MS


def test_a_late_stall_is_lost(bench):
    """F20: after the data stage the host has seen success; the next request is not hit."""

    def handle(code, value, index, length):
        status, _ = bench.sdk.usb_get_ep0_data(length)
        return bench.sdk.usb_stall(0, True, False) == OK and status == OK

    Handler(bench, handle)
    for _ in range(3):
        assert request(bench, 1, data=b"1234").status is DONE


def test_get_ep0_data_of_nothing_acknowledges_nothing(bench):
    """S131: count 0 is 0x40 at once, the status stage never comes, the host times out."""
    handler = Handler(bench, lambda *_: bench.sdk.usb_get_ep0_data(0)[0])
    begun_ns = bench.now_ns
    assert request(bench, Request.STARTFX3).status is CANCELLED
    assert bench.now_ns - begun_ns == SECOND_NS
    assert handler.log == [(SdkStatus.BAD_ARGUMENT, 0)]


def withhold(bench) -> None:
    bench.host.withhold_data = lambda code: code == 1


def test_a_host_that_sends_no_data_parks_the_handler_for_five_seconds(bench):
    """S131, trap 31: 50 slices of 100 ticks, then TIMEOUT 0x45; glUibLock is free."""
    handler = Handler(bench, lambda _1, _2, _3, length: bench.sdk.usb_get_ep0_data(length)[0])
    withhold(bench)
    begun_ns = bench.now_ns
    assert request(bench, 1, data=b"1234").status is CANCELLED
    assert bench.now_ns - begun_ns == SECOND_NS
    assert bench.call(lambda: bench.sdk.usb_flush_ep(EP1), MS) == OK
    bench.run_until(begun_ns + 6 * SECOND_NS)
    (answer, took_ns), *others = handler.log
    assert answer == SdkStatus.TIMEOUT
    assert 4_999 * MS < took_ns <= 5_000 * MS
    assert not others


def test_a_new_setup_cancels_a_data_wait(bench):
    """S131: GetEP0Data answers XFER_CANCELLED 0x51, and the new request is served next."""
    handler = Handler(bench, lambda _1, _2, _3, length: bench.sdk.usb_get_ep0_data(length)[0])
    withhold(bench)
    assert request(bench, 1, data=b"1234").status is CANCELLED
    assert request(bench, 2, data=b"1234").status is DONE
    assert [answer for answer, _ in handler.log] == [SdkStatus.XFER_CANCELLED, OK]


def test_send_waits_for_its_host_and_a_new_setup_ends_that_well(bench):
    """S131: in the wrong direction SendEP0Data waits; a new SETUP ends that with 0."""
    handler = Handler(bench, lambda *_: bench.sdk.usb_send_ep0_data(b"1234"))
    assert request(bench, 1, data=b"1234").status is CANCELLED
    transfer = request(bench, 2, length=4, into=True)
    assert (transfer.status, transfer.reply) == (DONE, b"1234")
    assert request(bench, 3, data=b"1234").status is CANCELLED
    bench.run_until(bench.now_ns + 5 * SECOND_NS)
    assert [answer for answer, _ in handler.log] == [OK, OK, SdkStatus.TIMEOUT]


def test_a_reply_is_cut_to_what_the_host_asked_for(bench):
    """S131: SendEP0Data truncates to wLength."""
    Handler(bench, lambda *_: bench.sdk.usb_send_ep0_data(bytes(range(26))))
    for length in (1, 20, 26, 64):
        assert request(bench, 1, length=length, into=True).reply == bytes(range(26))[:length]


def test_an_acknowledge_and_a_stall_do_nothing_when_a_newer_setup_waits(bench):
    """S131: both are skipped, and the newer request is answered for itself."""

    def handle(code, *_):
        if code == 1:
            bench.sdk.thread_sleep(1_500)
            bench.sdk.usb_ack_setup()
            assert bench.sdk.usb_stall(0, True, False) == OK
        else:
            bench.sdk.usb_ack_setup()

    Handler(bench, handle)
    assert request(bench, 1).status is CANCELLED
    begun_ns = bench.now_ns
    assert request(bench, 2).status is DONE
    assert 490 * MS < bench.now_ns - begun_ns < 510 * MS


@pytest.mark.parametrize("answer", ["usb_ack_setup", "usb_stall"])
def test_a_late_answer_does_not_end_the_request_it_was_not_meant_for(bench, answer):
    """S131: neither the old request nor the newer one is touched by it."""
    seen = []

    def handle(code, *_):
        if code == 1:
            bench.sdk.thread_sleep(50)
            arguments = (0, True, False) if answer == "usb_stall" else ()
            getattr(bench.sdk, answer)(*arguments)
            seen.append([transfer.status.name for transfer in transfers])
        bench.sdk.usb_ack_setup()

    Handler(bench, handle)
    transfers = [ControlTransfer(bench, Setup(0x40, code, 0, 0, 0)) for code in (1, 2)]
    for after_ms, transfer in ((1, transfers[0]), (10, transfers[1])):
        bench.alarm(
            bench.now_ns + after_ms * MS, lambda transfer=transfer: bench.chip.ep0.setup(transfer)
        )
    bench.run_until(bench.now_ns + SECOND_NS)
    assert seen == [["PENDING", "PENDING"]]
    assert [transfer.status.name for transfer in transfers] == ["PENDING", "DONE"]


def test_ep0_cannot_be_unstalled(bench):
    """S131: Stall on EP0 with False is 0x40."""
    sdk = bench.sdk
    bench.thread(sdk.usb_start)
    assert bench.call(lambda: sdk.usb_stall(0, False, False)) == SdkStatus.BAD_ARGUMENT
    assert bench.call(lambda: sdk.usb_stall(0x80, False, True)) == SdkStatus.BAD_ARGUMENT


def test_the_application_starts_before_set_configuration_is_acknowledged(bench):
    """S131: SETCONF runs the callback first, so its time delays the enumeration."""
    seen = []

    def start() -> None:
        sdk = bench.sdk
        sdk.usb_start()
        sdk.usb_register_setup_callback(lambda *_: False, True)

        def on_event(event: UsbEvent, data: int) -> None:
            if event is UsbEvent.SETCONF:
                sdk.thread_sleep(300)
            seen.append((event, data, bench.host.device))

        sdk.usb_register_event_callback(on_event)
        register_descriptors(sdk)
        sdk.connect_state(True, True)

    bench.thread(start)
    begun_ns = bench.now_ns
    while bench.host.device is None:
        bench.run_until(bench.now_ns + MS)
    events = [(UsbEvent.CONNECT, 1, None), (UsbEvent.SET_SEL, 0, None)]
    assert seen == [*events, (UsbEvent.SETCONF, 1, None)]
    expected_ms = bench.options.application_enumeration_ms + 300
    assert abs(bench.now_ns - begun_ns - expected_ms * MS) <= 2 * MS


def test_the_newest_setup_wins(bench):
    """S131: the ISR stores one SETUP; one that was not taken in time is lost."""
    served = []

    def handle(code, *_):
        served.append(code)
        bench.sdk.thread_sleep(100 if code == 1 else 0)
        bench.sdk.usb_ack_setup()

    Handler(bench, handle)
    device = bench.host.device

    def send(code: int, after_ms: int) -> None:
        bench.sleep(after_ms * MS)
        bench.host.control(device, Setup(0x40, code, 0, 0, 0), b"", 10)

    for code, after_ms in ((1, 0), (2, 20), (3, 40)):
        bench.spawn(f"host {code}", lambda code=code, after_ms=after_ms: send(code, after_ms))
    bench.run_until(bench.now_ns + SECOND_NS)
    assert served == [1, 3]


# ---------------------------------------------------------------- the hardware watchdog


def resets(bench) -> list:
    return [(reset.at_ns, reset.cause) for reset in bench.chip.resets]


@pytest.mark.parametrize(
    ("ppm", "period_ns"),
    [(0, PERIOD_NS), (1_000, 5_151_098_901), (-40_000, 5_371_093_750), (24_000, 5_035_400_390)],
)
def test_the_watchdog_of_5000_ms_fires_after_5156_ms(ppm, period_ns):
    """S131: 165,000 counts of a 32 kHz clock, and that clock may be off."""
    assert abs(PERIOD_NS * 1_000_000 // (1_000_000 + ppm) - period_ns) <= 1
    with BareBench(options=Options(watchdog_clock_ppm=ppm)) as bench:
        begun_ns = bench.now_ns
        bench.thread(lambda: bench.sdk.sys_watch_dog_configure(True, 5_000))
        bench.run_until(begun_ns + 10 * SECOND_NS)
        assert resets(bench) == [(begun_ns + period_ns, "watchdog")]


@pytest.mark.parametrize("pet_after_ms", [0, 1, 2_500, 5_155])
def test_each_pet_reloads_the_whole_period(bench, pet_after_ms):
    """S131, judgement: the period has no phase; a pet at any time begins it again."""
    sdk = bench.sdk

    def run() -> None:
        sdk.sys_watch_dog_configure(True, 5_000)
        sdk.thread_sleep(pet_after_ms)
        times.append(bench.now_ns)
        sdk.sys_watch_dog_clear()

    times: list[int] = []
    bench.thread(run)
    bench.run_until(20 * SECOND_NS)
    assert resets(bench) == [(times[0] + PERIOD_NS, "watchdog")]


def test_the_watchdog_calls_compute(bench):
    """S131: configuring takes about 0.4 ms and a pet 0.1 ms of CPU time."""
    sdk = bench.sdk

    def run() -> list[int]:
        times = [bench.now_ns]
        for call in (lambda: sdk.sys_watch_dog_configure(True, 5_000), sdk.sys_watch_dog_clear):
            call()
            times.append(bench.now_ns)
        return [after - before for before, after in pairwise(times)]

    assert bench.call(run) == [400 * US, 100 * US]


def test_the_watchdog_off_or_not_configured(bench):
    """S131: a pet without a period does nothing; switching off forgets the period."""
    sdk = bench.sdk

    def run() -> None:
        sdk.sys_watch_dog_clear()
        sdk.sys_watch_dog_configure(True, 5_000)
        sdk.sys_watch_dog_configure(False, 0)
        sdk.sys_watch_dog_clear()

    bench.call(run)
    bench.run_until(100 * SECOND_NS)
    assert resets(bench) == []


def test_a_reset_stops_the_watchdog(bench):
    """S131: the boot ROM is not guarded; one reset is one reset."""
    bench.thread(lambda: bench.sdk.sys_watch_dog_configure(True, 5_000))
    bench.run_until(100 * SECOND_NS)
    assert [cause for _, cause in resets(bench)] == ["watchdog"]


def test_a_device_reset_does_not_return(bench):
    """S131: about 100 us, then the chip is reset; nothing after the call runs."""
    done = []

    def run() -> None:
        bench.sdk.device_reset(False)
        done.append("returned")

    begun_ns = bench.now_ns
    bench.thread(run)
    bench.run_until(begun_ns + 10 * SECOND_NS)
    assert resets(bench) == [(begun_ns + 100 * US, "device_reset")]
    assert not done
    assert bench.chip.sdk is None


# ---------------------------------------------------------------- injection points


def test_every_call_of_the_sdk_is_a_named_injection_point():
    """DESIGN 4: every public method carries the C name of its call, and is on the list."""
    names = {name for name in dir(Sdk) if not name.startswith("_") and callable(getattr(Sdk, name))}
    beside = {"new_mutex", "lock", "bus_signal", "raise_usb_event", "serve_dma_interrupts"}
    assert set(faults.calls()) == names - beside
    for name, c_name in faults.calls().items():
        plain = c_name.removeprefix("CyU3P").lower()
        assert plain == name.replace("_", "")
    assert len(set(faults.calls().values())) == len(faults.calls())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda sdk: sdk.device_reset(True),
        lambda sdk: sdk.usb_register_setup_callback(lambda *_: True, False),
        lambda sdk: (create(sdk), sdk.dma_multi_channel_set_xfer(CHANNEL, 16, 0)),
    ],
)
def test_what_is_not_modelled_says_so(bench, wrong):
    """A call that would silently do something else is an error of the firmware under test."""
    bench.thread(lambda: wrong(bench.sdk))
    with pytest.raises(TaskFailed, match=r"no firmware here|modelled"):
        bench.run_until(bench.now_ns + MS)


def test_a_status_is_a_plain_number_for_the_firmware():
    """Status codes compare with what the headers say."""
    assert SUCCESS == SdkStatus.SUCCESS == 0
