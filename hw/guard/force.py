"""The dual guard of force: an acknowledgement, and a phrase in the environment.

Two different hands have to be lifted: what is typed for one command, and what was set for the
session. Both are looked at before anything is sent, and in the risk mode ``safe`` neither helps.

Source: quecpython-dev-skill, host-stability-workflow.md, for the variable and its phrase. There a
soft kill runs before either is looked at, and the value may have spaces around it; here neither.
"""

from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "QPY_FORCE_KILL_GUARD"
PHRASE: Final = "I_UNDERSTAND_RISK"


def is_force_guarded(environ: Mapping[str, str]) -> bool:
    """Return whether the environment has the phrase, exactly.

    Args:
        environ: variables by name, such as ``os.environ``.
    """
    return environ.get(VARIABLE) == PHRASE
