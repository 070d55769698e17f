"""The faults of the deploy commands; each is shown to the operator as one sentence."""


class DeployError(Exception):
    """A command cannot be carried out; the text says why and what would be right."""


class NotRunning(DeployError):
    """No supervisor answers."""


class AdminError(DeployError):
    """The gateway refused a change or cannot be reached."""


class CodeError(DeployError):
    """The code of a commit cannot be run here."""
