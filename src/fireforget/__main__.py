"""The command line as ``python -m fireforget``."""

from __future__ import annotations

from fireforget.cli import main

if __name__ == "__main__":
    main()
