"""Where evidence comes from: this host, live, or a folder of files from any host."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from hw.host.findings import Look
from hw.host.folder import Folder
from hw.host.linux import LinuxHost
from hw.host.registry import DumpPlaces
from hw.host.runner import Runner, SystemRunner
from hw.host.windows import WindowsHost

EVIDENCE_DIR: Final = "FX3LOOP_EVIDENCE_DIR"
"""Environment variable: where the journal of *this* host is exported to, for a container that
cannot read it. It counts only with entries of the boot that runs now."""


class EvidenceSource(Protocol):
    """Something that can be looked at again and again, each time only at what is new."""

    def look(self, since_utc: datetime, now_utc: datetime) -> tuple[Look, ...]:
        """Look at everything.

        Args:
            since_utc: nothing older is wanted.
            now_utc: the time of this look.

        Returns:
            All looks, those that were not possible too.
        """
        ...

    def dump_places(self) -> DumpPlaces | None:
        """Return where the host leaves its dumps, where a registry says so; after a look."""
        ...


def this_host(
    boot_id: str,
    environ: Mapping[str, str] = os.environ,
    runner: Runner | None = None,
    platform: str = sys.platform,
) -> EvidenceSource:
    """Return the evidence of the host that this runs on.

    Args:
        boot_id: of the boot that runs now.
        environ: environment variables; see :data:`EVIDENCE_DIR`.
        runner: runs commands; the system's by default.
        platform: as ``sys.platform`` names it.
    """
    if environ.get(EVIDENCE_DIR):
        return Folder(Path(environ[EVIDENCE_DIR]), boot_id)
    if platform == "win32":
        return WindowsHost(runner or SystemRunner(), environ)
    return LinuxHost(runner or SystemRunner(), boot_id)
