"""Tests for plugins: `conformance` writes them; toy scenes, fields and samplers stand in for the other parts."""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.testing.captures import ray_difference as ray_difference, toy_capture as toy_capture
    from radfield_core.testing.kit import conformance as conformance, subject_of as subject_of
    from radfield_core.testing.laws.geometry import RADIUS as RADIUS, sphere as sphere
    from radfield_core.testing.mutations import (
        byte_edits as byte_edits,
        edited as edited,
        edited_value as edited_value,
        value_edits as value_edits,
    )
    from radfield_core.testing.soundness import assert_sound as assert_sound
    from radfield_core.testing.subject import Example as Example
    from radfield_core.testing.toys import (
        Ball as Ball,
        Blob as Blob,
        Constant as Constant,
        Ragged as Ragged,
        importance as importance,
        toy_context as toy_context,
        toy_rays as toy_rays,
        volume as volume,
    )
    from radfield_core.testing.training import toy_scene as toy_scene

_HOMES = {
    "kit": "conformance subject_of",
    "laws.geometry": "RADIUS sphere",
    "subject": "Example",
    "captures": "toy_capture ray_difference",
    "mutations": "byte_edits edited edited_value value_edits",
    "soundness": "assert_sound",
    "training": "toy_scene",
    "toys": "Ball Blob Constant Ragged importance toy_context toy_rays volume",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
