"""Declaration of the parts for imperfect captures."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "sampler",
            "proposal",
            impl="radfield_capture.proposal:ProposalSampler",
            config="radfield_capture.proposal_config:ProposalConfig",
            summary="draws samples where small density networks expect surfaces (mip-NeRF 360)",
            provides={"dense", "multilevel"},
            requires={"encoding": {"points"}},
        ),
    ]
