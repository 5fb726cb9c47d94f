"""All public names of `radfield_core`. The distribution `radfield` also installs all first-party plugins.

    from pathlib import Path

    import radfield

    run = radfield.open_run(Path("outputs/latest"))

A name is loaded when it is first used, so importing this package imports neither torch nor a plugin.
"""

from typing import TYPE_CHECKING

from radfield_core import __version__ as __version__

if TYPE_CHECKING:
    from radfield_core import *  # noqa: F403  # the same names, whichever they are
else:
    from radfield_core import __dir__, __getattr__  # noqa: F401  # Python calls both (PEP 562)
