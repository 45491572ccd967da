"""Mistakes that the user can mend, and what the machine has too little of."""


class UserError(Exception):
    """Printed as one line on the terminal, with exit code 2 and no traceback.

    The message names the argument, its value, what was expected and the remedy.
    """


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or the host, has no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
