"""Makes the modules beside it importable for all tests below this folder, and keeps these off the user's cache."""

from __future__ import annotations

import os
import tempfile

import hypothesis

CACHE = tempfile.TemporaryDirectory(prefix="dlrun-tests-", ignore_cleanup_errors=True)
os.environ["XDG_CACHE_HOME"] = CACHE.name

# How long a test takes says nothing on a busy machine.
hypothesis.settings.register_profile("dlrun", deadline=None, max_examples=50)
hypothesis.settings.load_profile("dlrun")
