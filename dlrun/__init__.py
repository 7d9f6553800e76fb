"""dlrun trains deep-learning models from a YAML file."""

from os import environ as _environ

__version__ = "0.1.0"

# What a spec means is no pydantic plugin's business, and looking for plugins costs each start some 10 ms.
_environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
