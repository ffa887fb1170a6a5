"""What all tests share: the derandomised Hypothesis profile, and a host of their own.

No test sees the operator's state folder or the evidence of the machine that it runs on: the host is
unknown, or stable where a test asks for ``stable_host``.
"""

import json
import time

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


@pytest.fixture(autouse=True, scope="session")
def _state_of_this_run(tmp_path_factory):
    """No test touches the operator's journal, locks and grants."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("operator")
        patch.setenv("FX3LOOP_STATE_DIR", str(place / "state"))
        patch.setenv("XDG_CONFIG_HOME", str(place / "config"))
        patch.setenv("FX3LOOP_EVIDENCE_DIR", str(place / "no evidence"))
        yield


@pytest.fixture
def stable_host(tmp_path_factory, monkeypatch):
    """A host whose journal says that it was shut down two days ago and has run well since."""
    from hw.guard.place import boot_id

    def line(days_ago, boot, message, **more):
        entry = {
            "__REALTIME_TIMESTAMP": str(int((time.time() - days_ago * 86400) * 1_000_000)),
            "_BOOT_ID": boot,
            "_TRANSPORT": "kernel",
            "MESSAGE": message,
            **more,
        }
        return json.dumps(entry) + "\n"

    place = tmp_path_factory.mktemp("stable")
    stopped = "d93fb3c9c24d451a97cea615ce59c00b"
    (place / "journal.jsonl").write_text(
        line(3, "a" * 32, "Linux version 6.12")
        + line(2, "a" * 32, "Journal stopped", MESSAGE_ID=stopped)
        + line(1.9, boot_id(), "Linux version 6.12")
    )
    monkeypatch.setenv("FX3LOOP_EVIDENCE_DIR", str(place))
    monkeypatch.setenv("FX3LOOP_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    return place
