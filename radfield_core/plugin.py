"""The names that a plugin's declaration imports: `hookimpl`, `component`, `Component`, `Output` and `Fit`.

Importing this module is fast, because it imports neither torch nor numpy nor attrs.

A plugin is a Python module that a distribution lists as an entry point in the group `radfield.plugins`. An example:

    from radfield_core.plugin import component, hookimpl

    RADFIELD_API = (1, 0)

    @hookimpl
    def radfield_components():
        return [
            component(
                "encoding", "fourier", impl="acme.fourier:Fourier", config="acme.config:FourierConfig",
                summary="random Fourier features", provides={"points", "grad", "grad2"},
            )
        ]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

KINDS = (
    "dataparser", "encoding", "field", "sampler", "renderer", "rays", "color", "loss", "observer", "method", "exporter",
    "metric", "converter",
)  # fmt: skip

MODEL_SLOTS = ("field", "sampler", "renderer", "background", "rays", "color")
"""The slots of a run that choose the parts of its model. A method may use all of them, some, or none."""
REFERENCES = ("impl", "config", "capabilities", "sniff", "writer", "read", "example")
"""The attributes of a declaration that name code as "module:attribute"."""

_Function = TypeVar("_Function")


def hookimpl(function: _Function) -> _Function:
    """Mark a function as an implementation of the hook with the same name, and return the function.

    This sets the same attribute as pluggy's own marker, so a declaration need not import pluggy.
    """
    options = {name: False for name in ("wrapper", "hookwrapper", "optionalhook", "tryfirst", "trylast")}
    setattr(function, "radfield_impl", {**options, "specname": None})  # noqa: B010
    return function


class Output(NamedTuple):
    """What an exporter writes: one file, or a folder of files. Make it with `Output.file` or `Output.folder`.

    Attributes:
        endings: for a file, the endings that its name may have, without the dot. The first one is the default. Empty
            for a folder.
        coordinates: patterns of the names of those files that hold coordinates. In a folder, they are paths relative to
            the folder.
    """

    endings: tuple[str, ...]
    coordinates: tuple[str, ...]

    @classmethod
    def file(cls, *endings: str, coordinates: bool = True) -> Output:
        """Declare that an exporter writes one file.

        The exporter may write further files beside it, such as the texture of a mesh. Their names must begin with the
        name of the file without its ending.

        Args:
            endings: the endings that the file may have, without the dot; the first one is the default. If the exporter
                has an option `format`, that option chooses one of them.
            coordinates: False if the file holds no coordinates of the scene, such as a picture.

        Example:
            >>> Output.file("ply", "obj").endings
            ('ply', 'obj')
        """
        return cls(endings, ("*",) if coordinates else ())

    @classmethod
    def folder(cls, *, coordinates: Iterable[str] = ("*",)) -> Output:
        """Declare that an exporter writes a folder of files.

        Args:
            coordinates: patterns of the files that hold coordinates, as paths in the folder. `*` stands for any text,
                including slashes. By default, all files do.

        Example:
            >>> output = Output.folder(coordinates=["transforms.json", "depth/*.npy"])
            >>> output.is_folder, output.has_coordinates("depth/0001.npy"), output.has_coordinates("depth/0001.png")
            (True, True, False)
        """
        return cls((), tuple(coordinates))

    @property
    def is_folder(self) -> bool:
        """True if the exporter writes a folder."""
        return not self.endings

    def has_coordinates(self, name: str) -> bool:
        """Return True if a written file holds coordinates.

        Args:
            name: name of the file; in a folder, its path in the folder, with slashes.
        """
        from fnmatch import fnmatchcase

        return any(fnmatchcase(name, pattern) for pattern in self.coordinates)

    def __str__(self) -> str:
        return "a folder" if self.is_folder else f"a file: {', '.join(self.endings)}"


class Component(NamedTuple):
    """The declaration of one part. The part's code is imported when the part is first used.

    The function `component` makes a declaration. Its docstring describes the attributes that are not listed here.

    Attributes:
        distribution: name of the distribution that declares the part. It is set when the plugin is discovered.
        plugin: name of the entry point that declares the part. It is set when the plugin is discovered.
    """

    kind: str
    name: str
    impl: str
    config: str
    summary: str
    provides: frozenset[str]
    requires: Mapping[str, frozenset[str]]
    preset: Mapping[str, str]
    capabilities: str | None
    sniff: str | None
    writer: str | None
    aliases: Mapping[str, str] = MappingProxyType({})
    writes: Output | None = None
    slots: tuple[str, ...] = MODEL_SLOTS
    read: str | None = None
    example: str | None = None
    distribution: str = ""
    plugin: str = ""

    @property
    def key(self) -> str:
        """The kind and the name of the part, such as "encoding:hash"."""
        return f"{self.kind}:{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which users choose the part: first the part's own name, then the names of its other presets."""
        return tuple(dict.fromkeys((self.name, *self.preset)))


def component(
    kind: str,
    name: str,
    *,
    impl: str,
    config: str,
    summary: str,
    provides: Iterable[str] = (),
    requires: Mapping[str, Iterable[str]] | None = None,
    preset: str | Mapping[str, str] | None = None,
    capabilities: str | None = None,
    sniff: str | None = None,
    writer: str | None = None,
    aliases: Mapping[str, str] | None = None,
    writes: Output | None = None,
    slots: Iterable[str] = MODEL_SLOTS,
    read: str | None = None,
    example: str | None = None,
) -> Component:
    """Declare one part.

    Args:
        kind: one of `KINDS`.
        name: name by which users choose the part.
        impl: class of the part, as "package.module:Class".
        config: class of the part's options, as "package.module:Class". The class's module must not import torch.
        summary: one line that describes the part in lists.
        provides: capabilities of the part, such as "density". `radfield_core.plugins.vocabulary` lists all of them. A
            capability that you add starts with a name of your own, as in "acme.word".
        requires: dictionary: slot -> capabilities that the part in this slot must provide. "points|gaussians" means
            either of the two. A slot is an option that names another part. It is an option of the part itself, such as
            "encoding", or an option of the run, such as "field", "sampler" and "data".
        preset: only for methods: the TOML file with the method's options, as "package:presets/neus.toml". To give
            several presets, pass a table of name -> file. The preset with the method's own name is the default.
        capabilities: function, as "module:function", that adds capabilities depending on options or hardware. It takes
            the options and returns (provides, requires), which are added to the arguments `provides` and `requires`. It
            must not import torch.
        sniff: only for dataparsers: function, as "module:function", that takes a path. If the path is in the parser's
            format, it returns the reason, as text or as `Fit`. Otherwise, it returns None. The function must not
            import torch.
        writer: only for dataparsers: function, as "module:function", that writes a scene in the parser's format. The
            command `radfield data make --format` calls it.
        aliases: table of a name in other programs -> the name here, such as {"instant-ngp": "ngp"}. An alias chooses
            nothing by itself: the error for it names the part that was meant.
        writes: only for exporters, which must state it: what the exporter writes, such as `Output.file("ply")` or
            `Output.folder()`.
        slots: only for methods: the slots of the run that the method uses, of those in `MODEL_SLOTS`. A method that
            brings its own model passes those that this model uses, or (). The config of its runs has no other slots. If
            "field" is not among them, `provides` must contain the capabilities of the object that the model's `queries`
            returns, because exporters, metrics and losses that require something of the field are compared with them.
        read: only for exporters: function, as "module:function", that reads a file that the exporter wrote, for the
            conformance kit. An exporter needs it if trimesh does not read its format. `radfield_core.testing.Exported`
            describes what it returns.
        example: only for dataparsers and converters: function, as "module:function", that writes a small data set into
            an empty folder and returns it as a `radfield_core.testing.Example`, for the conformance kit.

    Returns:
        The declaration, to be returned from `radfield_components`.

    Example:
        >>> part = component(
        ...     "encoding", "fourier", impl="acme.fourier:Fourier", config="acme.config:FourierConfig",
        ...     summary="random Fourier features", provides={"points", "grad", "grad2"},
        ... )
        >>> part.key
        'encoding:fourier'
    """
    presets = {name: preset} if isinstance(preset, str) else dict(preset or {})
    needs = {slot: frozenset(words) for slot, words in (requires or {}).items()}
    given = frozenset(provides)
    known_as = dict(aliases or {})
    return Component(
        kind, name, impl, config, summary, given, needs, presets, capabilities, sniff, writer, known_as, writes,
        tuple(slots), read, example,
    )  # fmt: skip


class Fit(str):
    """The reason why a path is in the format of a dataparser. It tells which format to take if others fit, too.

    A `sniff` function may return it instead of plain text. If two formats fit the same path, the one that reads more of
    what is there should be taken. If neither declares this, the user is asked.

    Args:
        reason: why the path is in the format.
        over: names of the dataparsers that read less of such a path.
        under: names of the dataparsers that read more of such a path.

    Example:
        >>> fit = Fit("it holds scene.json", over={"colmap"})
        >>> fit, sorted(fit.over), sorted(fit.under)
        ('it holds scene.json', ['colmap'], [])
    """

    over: frozenset[str]
    under: frozenset[str]

    def __new__(cls, reason: str, *, over: Iterable[str] = (), under: Iterable[str] = ()) -> Fit:
        """Make a text with two attributes."""
        fit = super().__new__(cls, reason)
        fit.over, fit.under = frozenset(over), frozenset(under)
        return fit


def load(reference: str) -> Any:
    """Import the object that a reference names.

    Args:
        reference: "package.module:attribute". Importing runs code, so pass only references from a plugin's declaration,
            never references from a file.

    Example:
        >>> load("math:pi")
        3.141592653589793
    """
    from importlib import import_module

    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


def load_of(component: Component, reference: str) -> Any:
    """Import the object that a part's declaration names by `reference`.

    Raises:
        BrokenPlugin: the code cannot be imported; the message names the part and its distribution.
    """
    try:
        return load(reference)
    except Exception as error:  # code of a third party may raise anything
        from radfield_core.errors import BrokenPlugin

        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise BrokenPlugin(
            f"{component.key} of {component.distribution} cannot be imported: {text}",
            hint="radfield plugins doctor",
        ) from error
