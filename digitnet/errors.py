"""The one exception for what a user can mend."""


class DigitnetError(Exception):
    """Something outside the program is wrong; the message is one line that says what, where, and what to do."""
