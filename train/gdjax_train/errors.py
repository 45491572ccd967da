"""Mistakes that the user can mend."""


class UserError(Exception):
    """Printed as one line on the terminal, with exit code 2 and no traceback.

    The message names the argument, its value, what was expected and the remedy.
    """
