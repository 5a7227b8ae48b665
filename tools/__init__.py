"""The repository's own checks, run by `make check`."""
