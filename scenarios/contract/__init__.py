"""What a right device answers, told from the host's side alone: the strict rule."""

from scenarios.contract.examiner import Examiner
from scenarios.contract.ledger import Ledger, WorldLedger

__all__ = ["Examiner", "Ledger", "WorldLedger"]
