"""The capabilities that parts can provide or require in their declarations. This module imports no torch.

A capability is a word such as "density". A word that is not listed is refused, so that a misspelled one is noticed. A
distribution can define its own capabilities if their names contain a dot, as in "acme.fisheye".
"""

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
        "normals": "normal images of the views",
        "bounded": "everything visible lies inside the scene's box",
        "ndc": "rays can be given in normalized device coordinates",
        "sparse_points": "some points of the surface, for example from a reconstruction",
        "observations": "the images in which each of these points is visible, and at which pixel",
        "ground_truth_mesh": "the true surface as a mesh, for geometry metrics",
    },
    "encoding": {
        "points": "encodes points",
        "gaussians": "encodes Gaussians, given by a mean and a diagonal covariance",
        "directions": "encodes unit directions",
        "images": "encodes the numbers of training images, for colors that differ between photographs",
        "any_dim": "encodes any number of coordinates, not only three",
        "grad": "has first derivatives with respect to the position",
        "grad2": "has second derivatives with respect to the position, needed for a loss on the first derivatives",
    },
    "field": {
        "density": "returns a density per unit length",
        "alpha": "returns the opacity of each interval",
        "rgb": "returns a color",
        "sdf": "can be queried for the signed distance and its gradient",
        "normals": "returns normals",
        "occupancy": "can be queried for the opacity of an interval at a point",
        "point_color": "can be queried for the color at a point",
    },
    "sampler": {
        "dense": "proposes the same number of samples for every ray",
        "packed": "proposes a different number of samples for each ray",
        "multilevel": "proposes samples in several levels",
    },
    "renderer": {
        "opaque_far": "makes the last interval of every ray opaque, so that no background is visible",
    },
    "rays": {
        "poses": "corrects the poses of the training cameras",
        "intrinsics": "corrects the focal lengths of the training cameras",
    },
    "color": {},
    "loss": {},
    "observer": {},
    "method": {
        "density": "brings its own model, which can be queried for the density at a point",
        "sdf": "brings its own model, which can be queried for the signed distance and its gradient",
        "normals": "brings its own model, which renders normals",
        "occupancy": "brings its own model, which can be queried for the opacity of an interval at a point",
        "point_color": "brings its own model, which can be queried for the color at a point",
    },
    "converter": {},
    "exporter": {},
    "metric": {},
}
"""For each kind of part, the capabilities that parts of that kind can provide, with the meaning of each capability."""


WORDS = frozenset(word for words in VOCABULARY.values() for word in words)


def vocabulary_faults(component: Component) -> list[str]:
    """Return one message for each unknown capability in a declaration.

    A part can provide only capabilities that are listed for its kind. It can require capabilities of every kind.
    """
    known = VOCABULARY.get(component.kind, {})
    faults = [_fault("provides", word, known) for word in sorted(component.provides) if not _allowed(word, known)]
    for slot, needs in sorted(component.requires.items()):
        for word in sorted(word for need in needs for word in need.split("|")):
            if not _allowed(word, WORDS):
                faults.append(_fault(f"requires of its {slot}", word, WORDS))
    return faults


def _allowed(word: str, known: Collection[str]) -> bool:
    return "." in word.strip(".") or word in known


def _fault(verb: str, word: str, known: Collection[str]) -> str:
    near = nearest(word, known)
    correction = f"did you mean {near!r}?" if near else "the name of your own capability must be like 'yourname.word'"
    return f"{verb} unknown capability {word!r}; {correction}"
