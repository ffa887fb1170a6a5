"""Everything that may be done to a device, a modem or the host, and the class of each."""

from enum import Enum, StrEnum


class OperationClass(StrEnum):
    """What an operation can do to whoever uses the target, the mildest first."""

    READ_ONLY = "read-only"
    """Asks, changes nothing that anybody relies on, claims nothing."""
    INTERRUPTING = "interrupting"
    """Takes the interface or its data from another program, or ends the program on a modem."""
    WRITE = "write"
    """Changes volatile state, or adds a file."""
    DESTRUCTIVE = "destructive"
    """Ends a run, of firmware or of a program, or deletes a file."""
    FORCE = "force"
    """Takes something from an owner who did not give it up."""
    PERSISTENT = "persistent"
    """Changes firmware that outlives a power cycle."""


class Operation(Enum):
    """Everything that can be asked for: its label and its class."""

    PROBE = ("probe", OperationClass.READ_ONLY)
    OPEN = ("open", OperationClass.INTERRUPTING)
    READ = ("read", OperationClass.INTERRUPTING)
    CLEAR_HALT = ("clear-halt", OperationClass.INTERRUPTING)
    CONFIGURE = ("configure", OperationClass.WRITE)
    STREAM = ("stream", OperationClass.WRITE)
    UPLOAD = ("upload", OperationClass.WRITE)
    RAW = ("raw", OperationClass.DESTRUCTIVE)
    """A vendor request that no known firmware has, or text typed at its debug console: nobody can
    say what it does."""
    SET_CONFIGURATION = ("set-configuration", OperationClass.DESTRUCTIVE)
    """Stops the application and starts it again."""
    RESET = ("reset", OperationClass.DESTRUCTIVE)
    PORT_RESET = ("port-reset", OperationClass.DESTRUCTIVE)
    POWER_CYCLE = ("power-cycle", OperationClass.DESTRUCTIVE)
    HANG = ("hang", OperationClass.DESTRUCTIVE)
    DETACH_DRIVER = ("detach-driver", OperationClass.FORCE)
    FLASH = ("flash", OperationClass.PERSISTENT)

    AT_QUERY = ("at-query", OperationClass.READ_ONLY)
    REPL = ("repl", OperationClass.INTERRUPTING)
    """Ctrl-C ends the program that runs on the modem, and nothing starts it again."""
    FS_WRITE = ("fs-write", OperationClass.WRITE)
    FS_DELETE = ("fs-delete", OperationClass.DESTRUCTIVE)
    FS_RUN = ("fs-run", OperationClass.DESTRUCTIVE)

    EVIDENCE = ("evidence", OperationClass.READ_ONLY)
    RELEASE_PORT = ("release-port", OperationClass.DESTRUCTIVE)
    """Asks the process that holds a port to end."""
    FORCE_RELEASE_PORT = ("force-release-port", OperationClass.FORCE)
    """Kills the process that holds a port."""

    def __init__(self, label: str, operation_class: OperationClass) -> None:
        self.label = label
        self.operation_class = operation_class
