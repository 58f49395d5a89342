"""``python -m pgx`` is ``pgx``."""

import sys

from pgx.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
