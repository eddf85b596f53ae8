"""Tests that `make thorough` runs and `make test` leaves out: they repeat at length what others show in short."""

from __future__ import annotations

import os

import pytest

THOROUGH = bool(os.environ.get("THOROUGH"))
thorough = pytest.mark.skipif(not THOROUGH, reason="left to `make thorough`")
