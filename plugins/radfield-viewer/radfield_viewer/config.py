"""Options of observer:viewer."""

from __future__ import annotations

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class ViewerConfig:
    """Options of observer:viewer, which shows the model in the browser."""

    port: int = option(7860, help="port of the page; if it is taken, the next free one; 0 for any", min=0, max=65535)
    host: str = option(
        "127.0.0.1",
        help="address that the page is served at; any other than this machine's own needs a token, which is random and "
        "part of the printed URL",
    )
    share: float = option(0.2, help="largest share of the time for rendering while training", min=0.01, max=0.9)
    side: int = option(512, help="height in pixels of a picture at rest, if the window is higher", min=64, max=2048)
    clients: int = option(8, help="largest number of pages that may be open at once", min=1, max=64)
