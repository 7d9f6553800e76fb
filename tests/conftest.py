"""Makes the modules beside it importable for all tests below this folder, and keeps these off the user's cache."""

from __future__ import annotations

import os
import tempfile

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="dlrun-tests-")
