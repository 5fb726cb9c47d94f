"""The words in which parts say what they need and provide. No torch."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from radfield_core.names import nearest

if TYPE_CHECKING:
    from radfield_core.plugin import Component


VOCABULARY: dict[str, dict[str, str]] = {
    "dataparser": {
        "images": "color images of every view",
        "masks": "foreground masks of the views",
        "depths": "depth images of the views",
        "bounded": "everything seen lies inside the scene's box",
        "ndc": "rays can be given in normalized device coordinates",
        "sparse_points": "points of the surface, such as a reconstruction's",
        "ground_truth_mesh": "the true surface, to measure geometry against",
    },
    "encoding": {
        "points": "encodes points",
        "gaussians": "encodes Gaussians: a mean and a diagonal covariance",
        "directions": "encodes unit directions",
        "any_dim": "encodes any number of coordinates, not only three",
        "grad": "has derivatives by position",
        "grad2": "has second derivatives by position, so that a loss may use the first",
    },
    "field": {
        "density": "gives a density per unit length",
        "alpha": "gives the opacity of each interval itself",
        "rgb": "gives a color",
        "sdf": "answers with a signed distance and its gradient",
        "normals": "gives normals",
        "occupancy": "answers with the opacity of an interval at a point",
        "point_color": "answers with a color at a point",
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
    "converter": {},
    "exporter": {},
    "metric": {},
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


def _allowed(word: str, known: Collection[str]) -> bool:
    return "." in word.strip(".") or word in known


def _fault(what: str, word: str, known: Collection[str]) -> str:
    near = nearest(word, known)
    meant = f"did you mean {near!r}?" if near else "a word of your own is written 'yourname.word'"
    return f"{what} unknown capability {word!r}; {meant}"
