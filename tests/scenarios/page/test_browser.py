"""The page in a real browser."""

import re
import shutil
import subprocess

import pytest

from tests.scenarios.page_bench import ROW, certificate, fx3loop, sweep

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
    "--window-size=1280,1400",
)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["run", "certificate", "sweep"])
def test_a_page_opens_without_an_error_and_draws_its_timelines(tmp_path, kind):
    """Headless Chromium: the script ran, every timeline has its lanes, the console is silent."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    if kind == "run":
        source = "stopfx3_hang"
    elif kind == "certificate":
        source = tmp_path / "certificate.json"
        certificate().write(source)
    else:
        source = sweep(tmp_path / "sweep", [ROW])
    page = tmp_path / "page.html"
    assert fx3loop("report", source, "-o", page).exit_code == 0
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    places = len(re.findall(r"data-timeline=", done.stdout))
    assert len(re.findall(r"<svg height=", done.stdout)) == places
    assert bool(places) is (kind != "sweep")
    assert done.stdout.count('class="span') >= 5 * places
    # Only the script shows this button.
    assert re.search(r'<button type="button" id="theme"[^>]*>', done.stdout)
    assert not re.search(r'id="theme"[^>]*hidden', done.stdout)
