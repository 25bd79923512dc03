"""``python -m digitnet``."""

import os
import sys

# ``-m`` puts the working folder first; nothing in it is to be imported, unless it is where digitnet lies.
if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):
    del sys.path[0]

from digitnet.cli import main

if __name__ == "__main__":
    main()
