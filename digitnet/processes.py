"""Other Python processes, which import nothing that this one would not."""

import sys

PYTHON = (sys.executable, "-E", "-P")
"""Neither the working folder nor a PYTHONPATH, of which an empty part means that folder, is searched for modules.

The user's site-packages are (unlike with -I): pip may be installed there.
"""


def running(code: str) -> list[str]:
    """The command of a Python that runs a line of code and finds modules where this one does."""
    return [*PYTHON, "-c", f"import sys; sys.path = {sys.path}; {code}"]
