"""The application that uvicorn serves: the shop that the environment names."""

from __future__ import annotations

import os

from benchmarks.peers.shops import opened

app = opened({**os.environ})
