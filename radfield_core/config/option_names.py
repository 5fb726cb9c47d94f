"""Find the options that a name may refer to if the name is abbreviated, misspelled, or from another program."""

from __future__ import annotations

from collections.abc import Sequence

from radfield_core.names import nearest

OWN_TABLES = ("trainer", "scene", "eval")
"""Tables of options that every run has. They take precedence over options of parts with the same name."""

ELSEWHERE = {
    "dataparser": "data.type",
    "dataset_type": "data.type",
    "device_type": "trainer.device",
    "eval_interval": "data.holdout",
    "far_plane": "scene.far",
    "format": "data.type",
    "gpu": "trainer.device",
    "iterations": "trainer.max_steps",
    "iters": "trainer.max_steps",
    "max_num_iterations": "trainer.max_steps",
    "n_iters": "trainer.max_steps",
    "n_rand": "trainer.n_rays",
    "n_steps": "trainer.max_steps",
    "near_plane": "scene.near",
    "num_iterations": "trainer.max_steps",
    "background_color": "method.background",
    "distortion_loss_mult": "method.distortion",
    "learning_rate": "method.lr",
    "random_seed": "trainer.seed",
    "steps": "trainer.max_steps",
    "steps_per_eval_batch": "trainer.eval_every",
    "steps_per_save": "trainer.save_every",
    "time": "trainer.max_seconds",
    "train_num_rays_per_batch": "trainer.n_rays",
    "type": "data.type",
}
"""Last word of another program's option -> radfield's option with the same meaning."""


def meant_paths(name: str, paths: Sequence[str]) -> list[str]:
    """Return the paths that a name may refer to: a single path if the name is clear, and none if no path is similar.

    Example:
        >>> paths = ["data.root", "field.lr", "method.lr", "trainer.max_steps"]
        >>> meant_paths("trainer.max_steps", paths), meant_paths("max-steps", paths), meant_paths("lr", paths)
        (['trainer.max_steps'], ['trainer.max_steps'], ['field.lr', 'method.lr'])
        >>> meant_paths("max-num-iterations", paths), meant_paths("max_step", paths), meant_paths("xyzzy", paths)
        (['trainer.max_steps'], ['trainer.max_steps'], [])

    Args:
        name: the name as it was typed: a path, the last words of a path, or an option's name in another program.
            Hyphens count as underscores.
        paths: the paths of all options.
    """
    name = name.lower().replace("-", "_")
    if name in paths:
        return [name]
    last = name.rpartition(".")[2]
    if (path := ELSEWHERE.get(last, "")) in paths:
        return [path]
    for ending in (name, last):
        found = [path for path in paths if path.endswith(f".{ending}") or path == ending]
        if found:
            return _preferred(found)
    near = nearest(last, {path.rpartition(".")[2] for path in paths})
    return _preferred([path for path in paths if near and path.rpartition(".")[2] == near])


def _preferred(paths: Sequence[str]) -> list[str]:
    """From `paths`, return the options that every run has. If there are none, return all of `paths`."""
    own = [path for path in paths if path.partition(".")[0] in OWN_TABLES]
    return own or list(paths)
