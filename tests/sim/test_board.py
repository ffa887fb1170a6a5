"""The board to the byte: clock generator, tuner, pins, attenuator, amplifier, over real calls."""

from __future__ import annotations

import pytest

from hw.protocol import GPIO_BOOT_WORD, DeviceInfo, GpifState, GpioBit, Request
from sim.board import SENSE_PIN, TUNER_ADDRESS
from sim.front_end import FrontEnd, Pin
from sim.options import Options
from sim.sdk.types import GpioSimpleConfig
from sim.si5351 import SI5351_ADDRESS, Si5351
from sim.world import BenchWorld

from .bench import (
    CLOCK_TABLE,
    DONE,
    MHZ,
    MS,
    BareBench,
    booted,
    clocked,
    pause,
    request,
    stats,
    streaming,
    word,
)

OUTPUT = GpioSimpleConfig(drive_low_enabled=True, drive_high_enabled=True)


@pytest.fixture
def shipped():
    """Firmware 2.3 under its own policy, enumerated."""
    with booted() as world:
        yield world


def registers(world, first: int, count: int) -> bytes:
    """I2CRFX3 of the clock generator."""
    transfer = request(world, Request.I2CRFX3, SI5351_ADDRESS, index=first, length=count, into=True)
    assert transfer.status is DONE
    return transfer.reply


def write_register(world, first: int, *values: int) -> None:
    """I2CWFX3 of the clock generator."""
    transfer = request(world, Request.I2CWFX3, SI5351_ADDRESS, index=first, data=bytes(values))
    assert transfer.status is DONE
    pause(world, 1)


# ---------------------------------------------------------------- the clock generator


@pytest.mark.parametrize("frequency_hz", CLOCK_TABLE)
def test_startadc_writes_the_registers_of_the_table(shipped, frequency_hz):
    """Si5351.c, byte for byte, read back by the host's own I2C request."""
    _, pll, multisynth = CLOCK_TABLE[frequency_hz]
    assert word(shipped, Request.STARTADC, frequency_hz) is DONE
    assert registers(shipped, 26, 8) == bytes.fromhex(pll)
    assert registers(shipped, 42, 8) == bytes.fromhex(multisynth)
    assert registers(shipped, 16, 1) == b"\x4f"


def test_startadc_0_writes_register_16_alone(shipped):
    """Si5351.c: the PLL and the multisynth stay as they were."""
    clocked(shipped)
    before = registers(shipped, 2, 62)
    assert word(shipped, Request.STARTADC, 0) is DONE
    after = bytearray(registers(shipped, 2, 62))
    assert after[14] == 0x80
    after[14] = before[14]
    assert after == before


def test_boot_writes_the_clock_generator_in_the_order_of_the_source():
    """Si5351.c, RunApplication.c: load, clocks off, 16 MHz for the tuner, and that off again."""
    writes = []
    with BenchWorld("fw-2.3", "none") as world:
        clock = world.board.clock
        write = clock.write
        clock.write = lambda first, data: (writes.append((first, data.hex())), write(first, data))
        world.boot()
        assert clock.registers[18] == 0x80
    assert writes == [
        (183, "52"),
        (16, "80"),
        (17, "80"),
        (18, "80"),
        (34, "ffff000e97fb4217"),
        (58, "0001001a00000000"),
        (177, "80"),
        (18, "6c"),
        (18, "80"),
    ]


def test_startadc_takes_the_time_of_its_bytes_on_the_wire(shipped):
    """fx3_cmd.c's authors: about 0.6 ms of I2C, and at least one tick of PLL polling."""
    begun_ns = shipped.now_ns
    assert word(shipped, Request.STARTADC, 64 * MHZ) is DONE
    wire = (2 * (2 + 8) + 2 * (2 + 1)) * 22_500 + 4 * 10_000
    assert 580_000 <= wire <= 640_000
    assert request(shipped, Request.TESTFX3, length=4, into=True).status is DONE
    assert wire + 1 * MS < shipped.now_ns - begun_ns < wire + 5 * MS


def test_power_up_state():
    """AN619: outputs on, crystal input, every clock down, no PLL locked, 10 pF at the crystal."""
    with BareBench() as bench:
        clock = bench.board.clock
        assert clock.read(0, 1) == b"\x61"
        assert clock.read(3, 1) == clock.read(15, 1) == b"\0"
        assert clock.read(16, 8) == b"\x80" * 8
        assert clock.read(183, 1) == b"\xc0"


@pytest.mark.parametrize(("reports", "status"), [(True, 0x21), (False, 0x01)])
def test_what_pll_a_reports_before_its_first_programming_is_an_option(reports, status):
    """Judgement: nobody has read register 0 there; PLL B was programmed for the tuner."""
    with booted(options=Options(unprogrammed_pll_reports_loss=reports)) as world:
        assert stats(world).clock_status == status
        # Whatever it says, there is no clock.
        write_register(world, 16, 0x4F)
        assert world.board.samples.rate_hz is None
        clocked(world)
        assert stats(world).clock_status == 0x01


def test_status_takes_no_writes_and_sticky_bits_are_cleared_by_zeros(shipped):
    """AN619: register 0 is read-only; register 1 keeps each loss until a 0 is written."""
    clocked(shipped)
    assert registers(shipped, 0, 2) == b"\x01\x60"
    write_register(shipped, 0, 0xFF)
    assert registers(shipped, 0, 1) == b"\x01"
    write_register(shipped, 1, 0xBF)
    assert registers(shipped, 1, 1) == b"\x20"
    write_register(shipped, 1, 0xFF)
    assert registers(shipped, 1, 1) == b"\x20"
    write_register(shipped, 1, 0)
    assert registers(shipped, 1, 1) == b"\0"


def test_a_sticky_bit_returns_while_its_cause_lasts(shipped):
    """AN619: the loss of lock of PLL A still holds."""
    write_register(shipped, 1, 0)
    assert registers(shipped, 1, 1) == b"\x20"


def test_i2c_multibyte_writes_back_what_it_read(shipped):
    """fx3_cmd.c i2c_multibyte: registers 0 to 7 are the same after their own bytes came back."""
    clocked(shipped)
    write_register(shipped, 1, 0)
    before = registers(shipped, 0, 8)
    write_register(shipped, 0, *before)
    assert registers(shipped, 0, 8) == before


def test_addresses_wrap_after_register_255(shipped):
    """AN619: the register number increments by itself, in eight bits."""
    write_register(shipped, 254, 1, 2, 0xFF, 0, 5)
    assert registers(shipped, 254, 5) == b"\x01\x02" + registers(shipped, 0, 2) + b"\x05"
    assert registers(shipped, 2, 1) == b"\x05"


def test_the_reset_of_a_pll_clears_itself_and_costs_its_lock(shipped):
    """AN619: register 177 reads 0; the other PLL keeps its lock."""
    clocked(shipped)
    shipped.board.clock.write(177, b"\x20")
    assert shipped.board.clock.read(177, 1) == b"\0"
    assert shipped.board.clock.read(0, 1) == b"\x21"
    shipped.board.clock.write(177, b"\x80")
    assert shipped.board.clock.read(0, 1) == b"\x61"
    pause(shipped, 3)
    assert shipped.board.clock.read(0, 1) == b"\x01"


@pytest.mark.parametrize(("lock_ms", "late_ns", "locked"), [(3, -1, False), (3, 0, True)])
def test_a_pll_locks_after_its_time(lock_ms, late_ns, locked):
    """Options: the lock time counts from the reset."""
    with booted(options=Options(pll_lock_ms=lock_ms)) as world:
        clocked(world)
        pause(world, 10)
        world.board.clock.write(177, b"\x20")
        world.run_until(world.now_ns + lock_ms * MS + late_ns)
        assert world.board.clock.pll_a.locked is locked
        assert (world.board.samples.rate_hz is not None) is locked


@pytest.mark.parametrize(
    ("least", "most", "locked"),
    [
        (896_000_000, 900_000_000, False),
        (895_999_000, 900_000_000, True),
        (600_000_000, 896_000_000, True),
        (600_000_000, 895_999_000, False),
    ],
)
def test_the_range_of_the_vco_is_an_option(least, most, locked):
    """Si5351 data sheet: for 64 MHz the VCO runs a few Hz below 896 MHz."""
    with booted(options=Options(vco_min_hz=least, vco_max_hz=most)) as world:
        clocked(world)
        assert (stats(world).clock_status & 0x20 == 0) is locked


def test_parameters_out_of_range_cost_the_lock_at_once_and_back_in_range_it_returns(shipped):
    """AN619: the VCO follows its parameters; it cannot follow them beyond its range."""
    clocked(shipped)
    good = registers(shipped, 26, 8)
    write_register(shipped, 26, *bytes.fromhex(CLOCK_TABLE[451 * MHZ][1]))
    assert stats(shipped).clock_status == 0x21
    pause(shipped, 1_000)
    assert stats(shipped).clock_status == 0x21
    write_register(shipped, 26, *good)
    pause(shipped, 3)
    assert stats(shipped).clock_status == 0x01


def test_pll_b_and_the_crystal_can_clock_clk0(shipped):
    """AN619: bit 5 of register 16 selects PLL B, bits 3 and 2 at 00 the crystal."""
    clocked(shipped, 32 * MHZ)
    write_register(shipped, 34, *registers(shipped, 26, 8))
    write_register(shipped, 42, *bytes.fromhex(CLOCK_TABLE[16 * MHZ][2]))
    write_register(shipped, 16, 0x6F)
    samples = shipped.board.samples
    assert round(samples.rate_hz) == 16 * MHZ
    write_register(shipped, 16, 0x43)
    assert samples.rate_hz == 27 * MHZ
    write_register(shipped, 16, 0x47)
    assert samples.rate_hz is None


def test_a_disabled_output_is_no_clock_and_the_preflight_cannot_see_it(shipped):
    """AN619: register 3 bit 0; GpifPreflightCheck reads registers 0 and 16 alone."""
    clocked(shipped)
    write_register(shipped, 3, 0x01)
    assert shipped.board.samples.rate_hz is None
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 10)
    reply = stats(shipped)
    assert (reply.gpif_state, reply.dma_count) == (GpifState.RESET, 0)
    write_register(shipped, 3, 0)
    pause(shipped, 10)
    assert stats(shipped).dma_count == 8


def test_trap_03_preflight_reads_the_chip(shipped):
    """fx3_cmd.c clk0_chip_query: a host that writes register 16 blocks and unblocks STARTFX3."""
    clocked(shipped)
    write_register(shipped, 16, 0x80)
    assert stats(shipped).clock_status == 0x01
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 20)
    assert stats(shipped).dma_count == 0
    write_register(shipped, 16, 0x4F)
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 20)
    assert stats(shipped).dma_count == 8


def test_a_reset_of_the_chip_leaves_the_clock_and_the_power_takes_it(shipped):
    """RunApplication.c sets CLK0 off at boot because nothing else does."""
    clocked(shipped)
    pause(shipped, 10)
    shipped.chip.reset("watchdog")
    assert shipped.board.clock.read(0, 1) == b"\x01"
    assert shipped.board.samples.rate_hz is not None
    shipped.chip.power_off()
    assert shipped.board.clock.read(0, 1) == b"\x61"
    assert shipped.board.clock.read(26, 8) == bytes(8)
    assert shipped.board.samples.rate_hz is None


# ---------------------------------------------------------------- detection


@pytest.mark.parametrize(
    ("tuner", "sense", "hardware"),
    [
        (True, False, 0x04),
        (True, True, 0x00),
        (False, False, 0x00),
    ],
)
def test_the_board_is_told_by_its_tuner_and_its_sense_pin(tuner, sense, hardware):
    """RunApplication.c: 04 needs both; a tuner that does not answer counts as an I2C failure."""
    with BenchWorld("fw-2.3", "none", options=Options(tuner_fitted=tuner)) as world:
        world.chip.gpio_inputs[SENSE_PIN] = sense
        world.boot()
        reply = request(world, Request.TESTFX3, length=4, into=True).reply
        assert DeviceInfo.unpack(reply).hardware == hardware
        assert world.firmware.hardware == hardware


def test_an_unknown_board_has_no_front_end():
    """RunApplication.c: the pins are set up on the RX888mk2 alone, so GPIOFX3 moves nothing."""
    with booted(options=Options(tuner_fitted=False)) as world:
        assert word(world, Request.GPIOFX3, 0xFFFF_FFFF) is DONE
        pause(world, 1)
        assert not any(world.board.front_end.pins.values())
        assert TUNER_ADDRESS not in world.chip.i2c.devices


# ---------------------------------------------------------------- pins


def test_the_boot_word_leaves_the_led_and_the_pga_pin_on(shipped):
    """rx888r2.c: word 0800, whose PGA bit is 0 and whose PGA pin is therefore 1."""
    front_end = shipped.board.front_end
    high = {pin for pin in Pin if front_end.level(pin)}
    assert high == {Pin.LED_BLUE, Pin.PGA, Pin.VGA_LATCH}
    assert front_end.word == GPIO_BOOT_WORD


@pytest.mark.parametrize(
    "sent",
    [
        0,
        0xFFFF_FFFF,
        0xAAAA_AAAA,
        0x5555_5555,
        0x0000_FFFF,
        0xFFFF_0000,
        0x0001_FFFF,
        0x800,
        *(1 << bit for bit in range(32)),
    ],
)
def test_gpiofx3_sets_all_eight_pins_each_time(shipped, sent):
    """rx888r2.c: bits 5 to 9, 11, 15 and 16, the last inverted; all others are ignored."""
    known = 0x1_8BE0
    for before in (0, 0xFFFF_FFFF):
        assert word(shipped, Request.GPIOFX3, before) is DONE
        assert word(shipped, Request.GPIOFX3, sent) is DONE
        pause(shipped, 1)
        front_end = shipped.board.front_end
        assert front_end.word == sent & known
        assert front_end.level(Pin.PGA) == (not sent & GpioBit.PGA)
        assert front_end.level(Pin.ADC_SHUTDOWN) == bool(sent & 0x20)


@pytest.mark.parametrize("stops", [True, False])
def test_shutdown_may_stop_the_sample_clock(stops):
    """Judgement: asleep, the ADC gives no clock; with the option off the bit changes nothing."""
    with booted(options=Options(shutdown_stops_clock=stops)) as world:
        drain = streaming(world)
        pause(world, 100)
        assert word(world, Request.GPIOFX3, 0x820) is DONE
        pause(world, 1)
        read = drain.bytes
        pause(world, 100)
        assert (drain.bytes == read) is stops
        assert stats(world).gpif_state in (GpifState.TH0_RD, GpifState.TH1_RD)
        assert word(world, Request.GPIOFX3, 0x800) is DONE
        pause(world, 100)
        assert drain.bytes > read + 10_000_000


def test_a_reset_of_the_chip_lets_the_pins_fall(shipped):
    """The bias voltages do not stay on under a device in its boot ROM (assumed: pulled low)."""
    assert word(shipped, Request.GPIOFX3, 0x320) is DONE
    pause(shipped, 1)
    shipped.chip.reset("watchdog")
    assert not any(shipped.board.front_end.pins.values())


def test_gpio_calls_answer_the_codes_of_the_sdk():
    """cyu3gpio.h: 42 before init, 40 beyond pin 60, 44 for a pin that is not configured."""
    with BareBench() as bench:
        sdk = bench.sdk

        def run() -> list[int]:
            seen = [sdk.gpio_set_simple_config(28, OUTPUT), sdk.gpio_set_value(28, True)]
            sdk.gpio_init()
            seen += [sdk.gpio_set_value(28, True), sdk.gpio_simple_set_value(28, True)]
            seen += [sdk.gpio_set_simple_config(28, OUTPUT)]
            seen += [sdk.device_gpio_override(pin, True) for pin in (28, 60, 61)]
            seen += [sdk.gpio_set_simple_config(28, OUTPUT), sdk.gpio_set_simple_config(61, OUTPUT)]
            seen += [sdk.gpio_set_value(28, True), sdk.gpio_set_value(61, True)]
            return seen

        assert bench.call(run) == [
            *(0x42, 0x42),
            *(0x44, 0x44),
            0x44,
            *(0, 0, 0x40),
            *(0, 0x40),
            *(0, 0x40),
        ]
        assert bench.board.front_end.level(Pin.ADC_SHUTDOWN)


def test_a_pin_drives_only_the_levels_that_its_configuration_allows():
    """cyu3gpio.h: driveLowEn and driveHighEn; an input drives nothing."""
    with BareBench() as bench:
        sdk = bench.sdk

        def run() -> None:
            sdk.gpio_init()
            for pin, config in (
                (Pin.BIAS_HF, GpioSimpleConfig(drive_low_enabled=True)),
                (Pin.BIAS_VHF, GpioSimpleConfig(drive_high_enabled=True, out_value=True)),
            ):
                sdk.device_gpio_override(pin, True)
                sdk.gpio_set_simple_config(pin, config)
            sdk.gpio_set_value(Pin.BIAS_HF, True)
            sdk.gpio_set_value(Pin.BIAS_VHF, False)

        bench.call(run)
        assert not bench.board.front_end.level(Pin.BIAS_HF)
        assert bench.board.front_end.level(Pin.BIAS_VHF)


# ---------------------------------------------------------------- attenuator and amplifier


def front_end() -> FrontEnd:
    return FrontEnd(lambda asleep: None, lambda: None)


def shift(chip: FrontEnd, latch: Pin, bits: str) -> None:
    """What the firmware does on the three lines."""
    chip.drive(latch, False)
    for bit in bits:
        chip.drive(Pin.SERIAL_DATA, bit == "1")
        chip.drive(Pin.SERIAL_CLOCK, True)
        chip.drive(Pin.SERIAL_CLOCK, False)


def test_a_code_counts_when_it_is_latched():
    """PE4304 and AD8370 data sheets: the latch line's rise takes what was shifted in."""
    chip = front_end()
    shift(chip, Pin.ATTENUATOR_LATCH, "101010")
    assert chip.attenuator == 0
    chip.drive(Pin.ATTENUATOR_LATCH, True)
    assert chip.attenuator == 0b101010


def test_only_the_last_bits_stay_in_the_register():
    """PE4304 and AD8370 data sheets: six and eight bits, most significant first."""
    chip = front_end()
    shift(chip, Pin.ATTENUATOR_LATCH, "111" + "000011")
    chip.drive(Pin.ATTENUATOR_LATCH, True)
    shift(chip, Pin.VGA_LATCH, "1" + "01000001")
    chip.drive(Pin.VGA_LATCH, True)
    assert (chip.attenuator, chip.vga) == (0b000011, 0b01000001)


def test_a_chip_whose_latch_is_high_does_not_shift():
    """AD8370 data sheet: bits for the attenuator pass the amplifier by."""
    chip = front_end()
    chip.drive(Pin.VGA_LATCH, True)
    shift(chip, Pin.ATTENUATOR_LATCH, "111111")
    chip.drive(Pin.ATTENUATOR_LATCH, True)
    chip.drive(Pin.VGA_LATCH, False)
    chip.drive(Pin.VGA_LATCH, True)
    assert (chip.attenuator, chip.vga) == (63, 0)


def test_the_gain_follows_the_data_sheets():
    """0.5 dB a step; 0.055744 a code, 7.079 times that in the high range; 1.5 with the PGA on."""
    chip = front_end()
    chip.vga = 100
    low = chip.gain
    assert low == pytest.approx(5.5744)
    chip.vga |= 0x80
    assert chip.gain == pytest.approx(low * 7.079458)
    chip.attenuator = 40
    assert chip.gain == pytest.approx(low * 0.7079458)
    chip.drive(Pin.PGA, True)
    assert chip.gain == pytest.approx(low * 1.06191870)
    chip.drive(Pin.VHF_ENABLE, True)
    assert chip.gain == 0


def test_a_clock_generator_alone_tells_each_change_once():
    """The board hears of a new rate, and of nothing else."""
    rates = []
    with BareBench() as bench:
        clock = Si5351(bench, Options(), rates.append)
        clock.write(26, bytes.fromhex(CLOCK_TABLE[64 * MHZ][1]))
        clock.write(42, bytes.fromhex(CLOCK_TABLE[64 * MHZ][2]))
        clock.write(16, b"\x4f")
        assert rates == []
        pause(bench, 2)
        clock.write(183, b"\x52")
        clock.write(16, b"\x80")
        clock.write(16, b"\x80")
    assert [rate is not None for rate in rates] == [True, False]
