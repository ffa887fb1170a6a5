"""A folder of its own for each test's locks and journal: a driver left open keeps its lock."""

import pytest


@pytest.fixture(autouse=True)
def state_dir(tmp_path_factory, monkeypatch):
    """Where journal and locks of this test are."""
    place = tmp_path_factory.mktemp("state") / "fx3loop"
    monkeypatch.setenv("FX3LOOP_STATE_DIR", str(place))
    return place
