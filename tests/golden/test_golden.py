"""The flagship runs happen as they were written down."""

import pytest

from tests.golden.runs import RUNS, lines, path


@pytest.mark.parametrize("name", RUNS)
def test_a_flagship_run_is_what_it_was(name):
    """Same seed, same trace: every request, remedy and reset at its nanosecond, and the digest.

    After an intended change of behaviour: ``make golden``, and read the difference.
    """
    assert path(name).read_text().splitlines() == list(lines(name))
