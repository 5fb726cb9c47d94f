"""radfield: radiance fields from plugins that fit together."""

__version__ = "0.1.0"

API_VERSION = (1, 0)
"""The plugin interface. A plugin declares the version it was written for; another major is refused."""
