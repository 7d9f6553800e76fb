"""dlrun trains deep-learning models from a YAML file."""

__version__ = "0.1.0"
