"""Check whether a preset suits the data: determine what the data shows, and warn about a preset that does not fit."""

from __future__ import annotations

from radfield_core.config.about import CONTENTS, fitting, preset_of
from radfield_core.config.fit import capabilities_of
from radfield_core.config.run import RunConfig
from radfield_core.config.slots import Choice
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, PluginError
from radfield_core.names import plural
from radfield_core.plugins.registry import Registry
from radfield_core.render.camera_paths import surrounds
from radfield_core.render.views import evenly_spread

N_IMAGES = 3
"""Number of images in which transparent pixels are searched for."""

OPAQUE_FROM = 128
"""Alpha from which a pixel counts as opaque."""


def content_of(data: Choice, scene: Scene) -> str:
    """Return the key of `CONTENTS` that describes what a data set shows.

    Args:
        data: the format of the data set. It tells whether all content lies in a known region.
        scene: the training split.
    """
    if scene.ndc:
        return "forward"
    if has_transparency(scene):
        return "object"
    if scene.masks is not None and scene.masks_mean == "object":
        return "scan"
    if "bounded" not in capabilities_of(data)[0]:
        return "capture"
    return "backdrop" if scene.background is None else "plain"


def has_transparency(scene: Scene) -> bool:
    """Return True if some pixels are transparent. At most `N_IMAGES` images are decoded for this."""
    if scene.images.channels != 4:
        return False
    for index in evenly_spread(len(scene.images), N_IMAGES):
        try:
            if bool((scene.images[index][..., 3] < OPAQUE_FROM).any()):
                return True
        except DatasetError:  # reported where all images are checked
            continue
    return False


def warnings(run: RunConfig, scene: Scene, registry: Registry) -> list[str]:
    """Return warnings about options and a preset that do not suit the data.

    Args:
        run: the run's options.
        scene: the training split.
        registry: the installed parts.
    """
    content = content_of(run.data, scene)
    return [*_option_warnings(run, scene), *_preset_warnings(run, content, registry)]


def needed_options(run: RunConfig, scene: Scene) -> list[str]:
    """Return the `key=value` words that must be added to a run's options, so that they suit the data."""
    words = []
    transparent = has_transparency(scene) or scene.background is not None
    if getattr(run.method.config, "background", None) == "random" and not transparent:
        words.append("method.background=black")
    if scene.ndc and surrounds(scene) and hasattr(run.data.config, "ndc"):
        words.append("data.ndc=false")
    return words


_REASONS = {
    "method.background=black": "method.background=random needs images with a transparent backdrop, and these have none",
    "data.ndc=false": "rays in NDC need cameras that face the same way, and these look at the scene from all sides",
}


def _option_warnings(run: RunConfig, scene: Scene) -> list[str]:
    return [f"{_REASONS[word]}; set {word}" for word in needed_options(run, scene)]


def _preset_warnings(run: RunConfig, content: str, registry: Registry) -> list[str]:
    """Return a warning if the run's preset says which data it fits, and the data shows something else."""
    name = run.method.name
    try:
        about = preset_of(registry, run.method.component, name.rpartition(":")[2]).about
    except PluginError:
        return []
    if not about.fits or content in about.fits:
        return []
    meant = " or ".join(CONTENTS[word] for word in about.fits)
    others = ", ".join(preset.name for preset in fitting(registry, content)[:3])
    better = f"; presets that fit: {others}" if others else ""
    return [f"the preset {name} is meant for {meant}, but the data shows {CONTENTS[content]}{better}"]


def described(content: str, data: Choice, scene: Scene) -> str:
    """Return text that says what a data set shows, such as "an object with masks (dtu: 49 images, 1600×1200)"."""
    sizes = {tuple(size) for size in scene.cameras.sizes.tolist()}
    size = "×".join(map(str, sizes.pop())) if len(sizes) == 1 else plural(len(sizes), "size")
    return f"{CONTENTS[content]} ({data.name}: {plural(len(scene.cameras), 'training image')}, {size})"
