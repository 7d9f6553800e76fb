"""Makes the modules beside it importable for all tests below this folder, and keeps these off the user's cache."""

from __future__ import annotations

import os
import tempfile

import hypothesis

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="dlrun-tests-")

hypothesis.settings.register_profile("dlrun", deadline=None)  # how long a test takes says nothing on a busy machine
hypothesis.settings.load_profile("dlrun")
