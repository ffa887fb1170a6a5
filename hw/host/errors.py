"""What can go wrong with evidence: one error, which never stands for "nothing happened"."""


class EvidenceError(Exception):
    """Evidence could not be read, or is not what it should be; the message is one line.

    Attributes:
        source: what was read, such as a file or a command.
        problem: what is wrong with it.
        advice: what would be right; may be empty.
    """

    def __init__(self, source: str, problem: str, advice: str = "") -> None:
        # Exception keeps all three, so copies and pickles of an error are whole.
        super().__init__(source, problem, advice)
        self.source = source
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return " ".join(f"{self.source}: {self.problem}{advice}".split())
