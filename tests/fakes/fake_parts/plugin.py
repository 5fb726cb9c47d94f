"""Declaration of the fake parts."""

from radfield_core.plugin import component, hookimpl

RADFIELD_API = (1, 0)

CODE = "fake_parts.code_that_does_not_exist:Part"


@hookimpl
def radfield_components():
    """The fake parts."""
    return [
        component("encoding", "wave", impl=CODE, config="fake_parts.config:WaveConfig", summary="waves",
                  provides={"points", "directions", "grad"}),
        component("encoding", "cells", impl=CODE, config="fake_parts.config:CellsConfig", summary="cells",
                  provides={"points", "gaussians"}, capabilities="fake_parts.config:cells_capabilities"),
        component("field", "blob", impl=CODE, config="fake_parts.config:BlobConfig", summary="a blob",
                  provides={"density", "rgb"},
                  requires={"encoding": {"points|gaussians"}, "direction_encoding": {"directions"}}),
        component("field", "slab", impl=CODE, config="fake_parts.config:SlabConfig", summary="a slab",
                  provides={"alpha", "sdf", "fakes.thick"}),
        component("sampler", "crooked", impl=CODE, config="fake_parts.config:CrookedConfig", summary="crooked rays",
                  provides={"packed"}, requires={"field": {"sdf", "fakes.thick"}}),
        component("dataparser", "boxes", impl=CODE, config="fake_parts.config:BoxesConfig", summary="boxes.txt",
                  provides={"images"}, sniff="fake_parts.config:sniff_boxes"),
        component("dataparser", "crates", impl=CODE, config="fake_parts.config:CratesConfig", summary="crates.txt",
                  provides={"depths"}, sniff="fake_parts.config:sniff_crates"),
        component("dataparser", "nervous", impl=CODE, config="fake_parts.config:CratesConfig", summary="anything",
                  provides={"images"}, sniff="fake_parts.config:sniff_and_fail"),
        component("dataparser", "dreams", impl=CODE, config="fake_parts.config:DreamsConfig", summary="reads no files",
                  provides={"depths"}),
        component("method", "study", impl=CODE, config="fake_parts.config:StudyConfig", summary="a study",
                  requires={"field": {"rgb", "density|alpha"}, "data": {"images"}},
                  preset={"study": "fake_parts:presets/study.toml", "study-small": "fake_parts:presets/small.toml"}),
        component("method", "bare", impl=CODE, config="fake_parts.config:StudyConfig", summary="without a preset"),
        component("method", "far-fetched", impl=CODE, config="fake_parts.config:StudyConfig", summary="absent parts",
                  preset="fake_parts:presets/far.toml"),
        component("method", "painter", impl=CODE, config="fake_parts.config:StudyConfig", summary="its own model",
                  slots=(), provides={"point_color"}),
        component("method", "etcher", impl=CODE, config="fake_parts.config:StudyConfig", summary="rays of its own",
                  slots=("sampler",), provides={"density"}),
    ]  # fmt: skip
