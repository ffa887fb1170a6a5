"""What all tests share: the derandomised Hypothesis profile, and a folder for the guard's state."""

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
        yield
