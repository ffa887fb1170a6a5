"""The writer of value change dumps."""

import io
import shutil
import subprocess

import pytest
from vcd.reader import TokenKind, tokenize

from hw.trace import Recorder, vcd


def example() -> Recorder:
    recorder = Recorder()
    recorder.state("fx3/GPIF", "IDLE", 10)
    recorder.begin("fx3/EP0", "STARTFX3", 1_000)
    recorder.begin("fx3/EP0", "GpifLoad", 1_001)
    recorder.state("fx3/GPIF", "TH0_RD", 1_500)
    recorder.end("fx3/EP0", 2_000)
    recorder.end("fx3/EP0", 2_345)
    recorder.counter("fx3/DMA count", "buffers", 2_500, 3)
    recorder.instant("fx3/11:HF103", "level 4: EP0_WEDGED", 3_000)
    return recorder


def changes(text: str) -> dict[str, list[tuple[int, object]]]:
    """Changes by signal, in time; what is told at the beginning of all is left out."""
    names, found, scope, at_ns, dumping = {}, {}, [], 0, False
    for token in tokenize(io.BytesIO(text.encode())):
        if token.kind is TokenKind.SCOPE:
            scope.append(token.scope.ident)
        elif token.kind is TokenKind.UPSCOPE:
            scope.pop()
        elif token.kind is TokenKind.VAR:
            names[token.var.id_code] = ".".join((*scope, token.var.reference))
        elif token.kind is TokenKind.CHANGE_TIME:
            at_ns = token.data
        elif token.kind is TokenKind.DUMPVARS:
            dumping = True
        elif token.kind is TokenKind.END:
            dumping = False
        elif token.kind.name.startswith("CHANGE") and not dumping:
            found.setdefault(names[token.data.id_code], []).append((at_ns, token.data.value))
    return found


def test_every_kind_of_record_becomes_signals():
    """Slices and states are texts, counters numbers, instants an event and a text."""
    assert changes(vcd.dumps(example())) == {
        "trace.fx3.GPIF.now": [(10, "IDLE"), (1_500, "TH0_RD"), (3_000, "")],
        "trace.fx3.EP0.now": [
            (1_000, "STARTFX3"),
            (1_001, "GpifLoad"),
            (2_000, "STARTFX3"),
            (2_345, ""),
        ],
        "trace.fx3.DMA_count.buffers": [(2_500, 3)],
        "trace.fx3._11_HF103.happened": [(3_000, "1")],
        "trace.fx3._11_HF103.what": [(3_000, "level_4:_EP0_WEDGED")],
    }


def test_an_event_fires_each_time_though_its_text_stays():
    recorder = Recorder()
    for at_ns in (5, 9):
        recorder.instant("fx3/main thread", "beat", at_ns)
    found = changes(vcd.dumps(recorder))
    assert [at for at, _ in found["trace.fx3.main_thread.happened"]] == [5, 9]
    assert [at for at, _ in found["trace.fx3.main_thread.what"]] == [5]


def test_the_unit_is_the_nanosecond_and_equal_runs_give_equal_bytes(tmp_path):
    """No date is in the file."""
    text = vcd.dumps(example())
    assert text.startswith("$timescale 1 ns $end\n$version fx3loop $end\n$scope")
    assert text == vcd.dumps(example())
    vcd.write(example(), tmp_path / "one.vcd")
    assert (tmp_path / "one.vcd").read_text() == text


def test_slices_that_overlap_without_nesting_end_at_their_own_times():
    recorder = Recorder()
    recorder.slice("a/b", "early", 10, 30)
    recorder.slice("a/b", "late", 20, 40)
    found = changes(vcd.dumps(recorder))["trace.a.b.now"]
    assert found == [(10, "early"), (20, "late"), (40, "")]


def test_an_empty_trace_is_a_dump_without_signals():
    assert "$enddefinitions $end" in vcd.dumps(Recorder())


def test_the_list_of_signals_names_the_dump_beside_it_and_every_signal(tmp_path):
    """It can be moved together with the dump."""
    vcd.write(example(), tmp_path / "run.vcd")
    listing = (tmp_path / "run.gtkw").read_text()
    assert '[dumpfile] "run.vcd"' in listing
    for name in changes(vcd.dumps(example())):
        assert f"\n{name}\n" in listing or f" {name}\n" in listing


@pytest.mark.heavy
def test_gtkwave_reads_the_dump(tmp_path):
    """Its own converter takes the file and gives the same changes back."""
    converter = shutil.which("vcd2fst")
    if converter is None:
        pytest.skip("no vcd2fst here: apt-get install gtkwave")
    path = tmp_path / "run.vcd"
    vcd.write(example(), path)
    subprocess.run([converter, str(path), str(tmp_path / "run.fst")], check=True)
    back = subprocess.run(
        ["fst2vcd", str(tmp_path / "run.fst")], capture_output=True, text=True, check=True
    )
    for text in ("sSTARTFX3 ", "sTH0_RD ", "slevel_4:_EP0_WEDGED "):
        assert text in back.stdout
