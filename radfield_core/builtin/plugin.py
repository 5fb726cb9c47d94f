"""Declarations of core's own parts and benchmarks, in the form that a plugin uses."""

from __future__ import annotations

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    return [
        component(
            "sampler", "importance",
            impl="radfield_core.builtin.importance:Importance", config="radfield_core.builtin.config:ImportanceConfig",
            summary="stratified samples, and additional samples where weights are large (NeRF)",
            provides={"dense"}, capabilities="radfield_core.builtin.config:importance_capabilities",
        ),
        component(
            "renderer", "volume",
            impl="radfield_core.builtin.volume:Volume", config="radfield_core.builtin.config:VolumeConfig",
            summary="emission and absorption along the ray",
            requires={"field": {"density|alpha"}}, capabilities="radfield_core.builtin.config:volume_capabilities",
        ),
        component(
            "loss", "distortion",
            impl="radfield_core.builtin.distortion:Distortion", config="radfield_core.builtin.config:DistortionConfig",
            summary="concentrates the weights of each ray (mip-NeRF 360)", requires={"field": {"density|alpha"}},
        ),
    ]  # fmt: skip


@hookimpl
def radfield_benchmarks() -> dict[str, str]:
    return {
        "compositing": "radfield_core.bench.kernels:compositing",
        "perceptron": "radfield_core.bench.kernels:perceptron",
    }
