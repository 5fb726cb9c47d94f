"""Reading exported files: which files are read, and the message about a file that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest

from radfield_core.plugin import Output
from radfield_core.plugins.registry import Registry, get_registry
from radfield_core.testing import Exported, part_under_test
from radfield_core.testing.exported import CannotRead, files_with_coordinates, read_exported


def declared_otherwise(changes, read=None):
    """exporter:pointcloud with a changed declaration, ready to be tested."""
    key, registry = "exporter:pointcloud", get_registry()
    (plugin,) = (plugin for plugin in registry.plugins if plugin.distribution == "radfield-mesh")
    parts = tuple(part._replace(**changes) if part.key == key else part for part in plugin.components)
    others = [row for row in registry.plugins if row is not plugin]
    changed = Registry([*others, plugin._replace(components=parts)], registry.hooks)
    return part_under_test(key, registry=changed, read=read)


def exporter_that_writes(output):
    return declared_otherwise({"writes": output})


def test_only_files_that_are_declared_to_hold_coordinates_are_read(tmp_path):
    for name in ("cameras.json", "depth/1.npy", "depth/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    tested = exporter_that_writes(Output.folder(coordinates=["*.json", "depth/*.npy"]))
    assert files_with_coordinates(tested.choice, tmp_path) == [tmp_path / "cameras.json", tmp_path / "depth/1.npy"]


@pytest.mark.parametrize(("coordinates", "names"), [(True, ["out.ply"]), (False, [])])
def test_of_a_file_with_others_beside_it_only_the_file_itself_is_read(tmp_path, coordinates, names):
    for name in ("out.ply", "out.png"):
        (tmp_path / name).write_text("x")
    tested = exporter_that_writes(Output.file("ply", coordinates=coordinates))
    assert [file.name for file in files_with_coordinates(tested.choice, tmp_path)] == names


def test_a_format_that_trimesh_does_not_know_needs_a_reader_and_the_message_names_both_places(tmp_path):
    with pytest.raises(CannotRead) as caught:
        read_exported(tmp_path / "out.json")
    message = str(caught.value)
    assert "trimesh does not read out.json, and the argument read= is missing" in message
    assert "conformance(…, read=…)" in message and "component(…, read='module:function')" in message


def test_a_reader_may_return_vertices_and_faces_alone(tmp_path):
    content = read_exported(tmp_path / "out.json", lambda path: ([[1, 2, 3]], [[0, 0, 0]]))
    assert content.vertices.tolist() == [[1.0, 2.0, 3.0]] and content.faces.dtype == np.int64
    assert not content.is_empty and not len(content.cameras) and not len(content.depths)


@pytest.mark.parametrize("holds", [{"vertices": np.ones((1, 3))}, {"cameras": np.eye(4)[None]}, {"depths": [[[1.0]]]}])
def test_a_file_with_any_coordinates_is_not_empty(holds):
    assert not Exported(**holds).is_empty and Exported(faces=np.ones((1, 3))).is_empty


def test_functions_for_the_kit_that_a_declaration_names_are_used_unless_the_test_passes_others():
    assert declared_otherwise({"read": "os.path:basename"}).read("a/b") == "b"
    assert declared_otherwise({"read": "os.path:basename"}, lambda path: path).read("a/b") == "a/b"
