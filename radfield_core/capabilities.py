"""What parts need and give, as a closed vocabulary, and the check that the chosen parts fit. No torch.

A need is a slot and words that the part in it must provide; "points|gaussians" is satisfied by either. A third party's
own words are namespaced ("acme.fisheye") and mean what the third party says.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radfield_core.plugin import Component

VOCABULARY: dict[str, dict[str, str]] = {
    "dataparser": {
        "images": "colour images of every view",
        "masks": "foreground masks of the views",
        "depths": "depth images of the views",
        "bounded": "everything seen lies inside the scene's box",
        "ndc": "rays can be given in normalised device coordinates",
        "sparse_points": "points of the surface, such as a reconstruction's",
        "ground_truth_mesh": "the true surface, to measure geometry against",
    },
    "encoding": {
        "points": "encodes points",
        "gaussians": "encodes Gaussians: a mean and a diagonal covariance",
        "directions": "encodes unit directions",
        "grad": "has derivatives by position",
        "grad2": "has second derivatives by position, so that a loss may use the first",
    },
    "field": {
        "density": "gives a density per unit length",
        "alpha": "gives the opacity of each interval itself",
        "rgb": "gives a colour",
        "sdf": "answers with a signed distance and its gradient",
        "normals": "gives normals",
        "occupancy": "answers with the opacity of an interval at a point",
        "point_color": "answers with a colour at a point",
    },
    "sampler": {
        "dense": "gives every ray the same number of samples",
        "packed": "gives each ray its own number of samples",
        "multilevel": "proposes in several levels",
    },
    "renderer": {
        "opaque_far": "treats the last interval of a ray as opaque, which leaves nothing to a background",
    },
    "method": {},
    "exporter": {},
}
"""kind -> word -> meaning."""

WORDS = frozenset(word for words in VOCABULARY.values() for word in words)


def vocabulary_faults(component: Component) -> list[str]:
    """What is wrong with the words of a declaration: ones that its kind does not have, or that nobody has."""
    known = VOCABULARY.get(component.kind, {})
    faults = [_fault("provides", word, known) for word in sorted(component.provides) if not _allowed(word, known)]
    for slot, needs in sorted(component.requires.items()):
        for word in sorted(word for need in needs for word in need.split("|")):
            if not _allowed(word, WORDS):
                faults.append(_fault(f"requires of its {slot}", word, WORDS))
    return faults


def _allowed(word: str, known: object) -> bool:
    return "." in word.strip(".") or word in known  # type: ignore[operator]


def _fault(what: str, word: str, known: object) -> str:
    near = get_close_matches(word, sorted(known), 1)  # type: ignore[call-overload]
    meant = f"did you mean {near[0]!r}?" if near else "a word of your own is written 'yourname.word'"
    return f"{what} unknown capability {word!r}; {meant}"
