"""Try every seeded bug and write docs/mutants.md: ``python -m tests.scenarios.mutants [NAME]...``.

With names the bugs of these names alone are tried, and nothing is written.
"""

from __future__ import annotations

import sys

from tests.scenarios.mutants.catalogue import MUTANTS
from tests.scenarios.mutants.report import DOCUMENT, page, result


def main(names: list[str]) -> int:
    """Try, print a line a bug, and write; return 1 if one was caught by others than it says."""
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        sys.stderr.write(f"no such bug: {', '.join(sorted(unknown))}\n")
        return 2
    results = []
    for mutant in MUTANTS:
        if names and mutant.name not in names:
            continue
        found = result(mutant)
        results.append(found)
        mark = "" if found.caught_by == mutant.seen_by else f"  but it says: {mutant.seen_by}"
        by = ", ".join(name for name, _ in found.found)
        sys.stdout.write(f"{mutant.name:36} {found.caught_by:12} {by}{mark}\n")
        sys.stdout.flush()
    if not names:
        DOCUMENT.write_text(page(results), encoding="utf-8")
    return int(any(item.caught_by != item.mutant.seen_by for item in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
