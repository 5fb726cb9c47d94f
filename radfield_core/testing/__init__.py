"""Public test kit for plugin authors.

`conformance` makes the tests of a part. In these tests, the other parts of the run are toy parts, which are small and
fast.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.testing.captures import (
        pixel_difference as pixel_difference,
        ray_difference as ray_difference,
        toy_capture as toy_capture,
    )
    from radfield_core.testing.exported import Exported as Exported
    from radfield_core.testing.fuzzing import (
        apply_byte_edits as apply_byte_edits,
        apply_value_edits as apply_value_edits,
        byte_edits as byte_edits,
        value_edits as value_edits,
    )
    from radfield_core.testing.gpu_kernels import (
        CompiledKernel as CompiledKernel,
        compile_kernels as compile_kernels,
    )
    from radfield_core.testing.kit import conformance as conformance, part_under_test as part_under_test
    from radfield_core.testing.sphere import SPHERE_RADIUS as SPHERE_RADIUS, sphere_model as sphere_model
    from radfield_core.testing.toys import (
        BlobField as BlobField,
        ConstantField as ConstantField,
        RaggedSampler as RaggedSampler,
        SphereField as SphereField,
        importance_sampler as importance_sampler,
        toy_cameras as toy_cameras,
        toy_context as toy_context,
        toy_rays as toy_rays,
        volume_renderer as volume_renderer,
    )
    from radfield_core.testing.training import toy_scene as toy_scene
    from radfield_core.testing.under_test import Example as Example
    from radfield_core.testing.valid_scene import assert_valid_scene as assert_valid_scene

_HOMES = {
    "captures": "pixel_difference ray_difference toy_capture",
    "exported": "Exported",
    "fuzzing": "apply_byte_edits apply_value_edits byte_edits value_edits",
    "gpu_kernels": "CompiledKernel compile_kernels",
    "kit": "conformance part_under_test",
    "sphere": "SPHERE_RADIUS sphere_model",
    "toys": (
        "BlobField ConstantField RaggedSampler SphereField importance_sampler toy_cameras toy_context toy_rays "
        "volume_renderer"
    ),
    "training": "toy_scene",
    "under_test": "Example",
    "valid_scene": "assert_valid_scene",
}

if not TYPE_CHECKING:  # if a type checker saw __getattr__, it would accept any name
    __getattr__, __dir__ = lazy(__name__, _HOMES)
