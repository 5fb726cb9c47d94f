"""Run folders: how they are named, found and locked, and which files they hold.

    config.toml  plugins.json  scene.json  data.json  cameras.safetensors
    checkpoints/  metrics.jsonl  training.json  results.json  images/  pictures/  spikes/

The folder of a run is `outputs/<scene>/<method>/<time>/`, unless `--out` names another folder. `outputs/latest` points
to the newest run below `outputs/`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radfield_core.config.run import RunConfig
from radfield_core.errors import DatasetError, StorageError, UsageError
from radfield_core.files.durable import temporary_path, write_durably, write_new
from radfield_core.files.json_files import MAX_RUN_JSON_BYTES, dump_json, read_json
from radfield_core.files.regular import open_regular, open_to_append, refuse_links_out
from radfield_core.names import Lines, nearest, quoted
from radfield_core.runs.checkpoint_names import is_checkpoint, list_steps, read_best

if TYPE_CHECKING:
    from radfield_core.runs.checkpoint import State

MAX_PATH_BYTES = 4096
RESTORE = "Restore it from a copy, or start a new run: radfield train -c RUN/config.toml"


class _Inside:
    """An attribute of RunFolder whose value is a path inside the run's folder."""

    def __init__(self, name: str):
        self._name = name

    def __get__(self, folder: RunFolder, owner: type[RunFolder]) -> Path:
        return folder.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """A run's folder.

    Attributes:
        path: the folder itself.
        config: file with all options of the run. `compose` can make the same run from this file.
        plugins: file with the names and versions of the distributions that offer the run's parts.
        scene: file with the transform from scene to data coordinates, the unit of the data, and the excluded views.
        data: file with the path of the data, and with the sizes and modification times of the image files.
        cameras: file with the cameras of every split.
        origin: file that names the checkpoint whose weights the run started with; absent if they were random.
        checkpoints: folder of the checkpoints.
        metrics: file with the metrics of training and of evaluations, one JSON object per line.
        training: file with the times, the memory and the warnings of each training of the run.
        results: file with the latest evaluation of the whole test split.
        pictures: folder of the strips of pictures that training makes, such as `step-000001000.png`.
        spikes: folder of the pictures that are rendered when the loss jumps.
    """

    path: Path

    config = _Inside("config.toml")
    plugins = _Inside("plugins.json")
    scene = _Inside("scene.json")
    data = _Inside("data.json")
    cameras = _Inside("cameras.safetensors")
    origin = _Inside("origin.json")
    checkpoints = _Inside("checkpoints")
    metrics = _Inside("metrics.jsonl")
    training = _Inside("training.json")
    results = _Inside("results.json")
    pictures = _Inside("pictures")
    spikes = _Inside("spikes")

    def record(self, config: str, plugins: Mapping[str, str]) -> None:
        """Write the options and the plugin versions, which define the run."""
        write_durably(self.config, config)
        write_durably(self.plugins, dump_json(dict(plugins), indent=2) + "\n")

    def stored_plugins(self) -> dict[str, str]:
        """Read distribution -> version from plugins.json. Raises StorageError if the file is not valid."""
        stored = read_run_json(self.plugins)
        if not isinstance(stored, dict) or not all(isinstance(version, str) for version in stored.values()):
            raise StorageError("is not a table of distributions and versions", path=str(self.plugins), hint=RESTORE)
        return stored

    def stored_data(self) -> dict[str, Any]:
        """Read data.json. If there is none, return {}. Raises StorageError if the file is not valid."""
        stored = read_run_json(self.data) if self.data.exists() else {}
        if not isinstance(stored, dict):
            raise StorageError("is not a table", path=str(self.data), hint=RESTORE)
        return stored

    def left_out(self) -> dict[str, list[int]]:
        """Read split -> numbers of the excluded views from scene.json. Raises StorageError if the file is not valid."""
        if not self.scene.exists():
            return {}
        try:
            stored = read_run_json(self.scene).get("left_out", {})
            return {str(split): [int(view) for view in views] for split, views in stored.items()}
        except (ValueError, TypeError, AttributeError):
            raise StorageError(
                "has no list of the views that were excluded", path=str(self.scene), hint=RESTORE
            ) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for writing inside the block.

        If the process ends or crashes inside the block, the operating system releases the lock.

        Raises:
            StorageError: another process has locked the folder (the message names it), or the lock file is a link or
                has a second name.
        """
        lock = self.path / ".lock"
        try:
            opened = open_to_append(lock)
        except OSError as error:
            raise StorageError(str(error.strerror), path=str(lock), hint=f"rm {quoted(lock)}") from None
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown process"
                raise StorageError(
                    f"another process is writing to this run ({holder})",
                    path=str(self.path),
                    hint="Wait until it ends, or choose another folder with --out",
                ) from None
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
            yield

    def remove_if_unused(self) -> None:
        """Remove the folder if no run has been recorded in it and it contains no other files."""
        if not self.config.exists():
            with contextlib.suppress(OSError):
                (self.path / ".lock").unlink(missing_ok=True)
                self.checkpoints.rmdir()
                self.path.rmdir()

    def check_writable(self) -> None:
        """Create the folder, and write and delete a test file in it. Raises StorageError if this fails."""
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.checkpoints):
                trial = temporary_path(folder / "writable")
                write_new(trial, b"radfield\n")
                trial.unlink()
        except OSError as error:
            raise StorageError(
                f"cannot be written to: {error.strerror}",
                path=str(self.path),
                hint="Make the folder writable, or choose another one for a new run with --out",
            ) from error


def new_run(run: RunConfig, out: Path | None) -> RunFolder:
    """Return the folder for a new run: `out`, or a new folder below `outputs/` if `out` is None.

    Raises:
        UsageError: `out` holds a run already.
    """
    folder = RunFolder(out if out is not None else fresh_folder(Path("outputs") / scene_name(run) / run.method.name))
    if list_steps(folder.checkpoints):
        raise UsageError(
            "holds a run already",
            path=str(folder.path),
            hint=f"Resume it with: radfield train --resume {quoted(folder.path)}, or choose another --out",
        )
    refuse_links_out(folder.path, folder.checkpoints)
    if out is None:
        folder.check_writable()  # creates the folder, so that another process cannot take the same name
    return folder


def scene_name(run: RunConfig) -> str:
    """Return a name for the run's data: the last part of its path. For data without a path, return the name of its
    format."""
    root = getattr(run.data.config, "root", None)
    name = Path(str(root)).resolve().stem if root else run.data.name
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "scene"


def read_run_json(path: Path) -> Any:
    """Read a JSON file of a run. The run may come from a stranger.

    Raises:
        StorageError: the file is too large or not valid.
    """
    try:
        return read_json(path, MAX_RUN_JSON_BYTES)
    except DatasetError as error:
        raise StorageError(error.problems[0].message, path=str(path), hint=RESTORE) from None


def find_run(path: Path) -> tuple[RunFolder, Path | None]:
    """Find the run at a path.

    Args:
        path: a run folder, its `checkpoints` folder, one checkpoint, RUN/checkpoints/best for the best checkpoint, or
            a file that names a run folder (`outputs/latest` on systems without symbolic links).

    Returns:
        The run's folder, and the full path of the checkpoint, which is None if `path` names no checkpoint.

    Raises:
        UsageError: there is no run at the path. If there is a run nearby, the hint names it.
    """
    if path.name == "latest" and path.is_file():
        with open_regular(path, follow_links=True) as file:
            named = file.read(MAX_PATH_BYTES).decode(errors="replace").strip()
        if not (path.parent / named).exists():
            raise _broken(path, named)
        path = path.parent / named if named else path
    if path.name == "best" and not path.exists():
        below = path.parent if path.parent.name == "checkpoints" else path.parent / "checkpoints"
        best = read_best(below)
        path = path if best is None else below / best["checkpoint"]
    for part in (path, *path.parents):
        if part.is_symlink() and not part.exists():
            raise _broken(part, os.readlink(part))
    path = path.resolve()
    chosen = path if is_checkpoint(path) else None
    for folder in (path, path.parent, path.parent.parent) if path.is_dir() else ():
        if (folder / "config.toml").is_file() and (folder == path or _inside_checkpoints(path, folder)):
            found = RunFolder(_relative_to_here(folder))
            refuse_links_out(found.path, found.checkpoints)
            return found, chosen
    raise UsageError("is neither a run folder nor a checkpoint", path=str(path), hint=_nearest_run(path))


def is_other_file(path: Path) -> bool:
    """Return True if a path is a file that does not name a run folder, so that it may be a file of another program."""
    return path.is_file() and path.name != "latest"


def _broken(link: Path, target: str) -> UsageError:
    """Return the error for a link or file that leads to a run which no longer exists.

    The hint names the newest existing run in the same folder.
    """
    outputs = link.parent
    configs = [(path.stat().st_mtime, path.parent) for path in outputs.glob("*/*/*/config.toml") if path.is_file()]
    hint = f"Use the newest existing run: {quoted(max(configs)[1])}" if configs else "radfield train --data PATH"
    return UsageError(f"leads to {target}, which does not exist", path=str(link), hint=hint)


def _relative_to_here(path: Path) -> Path:
    """Return a path relative to the working folder if it lies inside that folder. Otherwise, return it unchanged."""
    here = Path.cwd().resolve()
    return path.relative_to(here) if path.is_relative_to(here) else path


def load_state(
    folder: RunFolder, chosen: Path | None, use: Callable[[State], None] = lambda state: None
) -> tuple[State, Path, list[str]]:
    """Load the checkpoint `chosen`. If `chosen` is None, load the newest checkpoint that is intact.

    Args:
        folder: the run's folder.
        chosen: a checkpoint, or None.
        use: function to call with the state. If it raises CorruptCheckpoint, an older checkpoint is tried.

    Returns:
        The state, the path of its checkpoint, and a list with a message for each newer checkpoint that is damaged.

    Raises:
        StorageError: no checkpoint can be loaded.
    """
    from radfield_core.runs import checkpoint  # imports torch, which finding a run does not need

    if chosen is not None:
        state = checkpoint.load(chosen)
        use(state)
        return state, chosen, []

    def usable(state: State) -> bool:
        use(state)
        return True

    found, path, skipped = checkpoint.newest(folder.checkpoints, usable)
    if found is None or path is None:
        raise StorageError(
            Lines.of("has no checkpoint that can be loaded", *skipped),
            path=str(folder.path),
            hint=f"radfield train -c {quoted(folder.config)}",
        )
    return found, path, skipped


def fresh_folder(parent: Path) -> Path:
    """Return a path below `parent` that does not exist yet. Its name is the present date and time."""
    name = time.strftime("%Y-%m-%d_%H%M%S")
    candidates = (parent / (f"{name}-{n}" if n > 1 else name) for n in range(1, 1000))
    return next(path for path in candidates if not path.exists())


def point_latest(run: Path) -> None:
    """Make `outputs/latest` a link to a run. On systems without links, make it a file that contains the run's path.

    Do nothing if the run is not below `outputs/`.
    """
    outputs = Path("outputs")
    link = outputs / "latest"
    if outputs.resolve() not in run.resolve().parents or (link.is_dir() and not link.is_symlink()):
        return
    target = run.resolve().relative_to(outputs.resolve())
    with contextlib.suppress(OSError):
        beside = temporary_path(link)
        try:
            beside.symlink_to(target, target_is_directory=True)
            os.replace(beside, link)
        except OSError:
            write_durably(link, f"{target}\n")


def _inside_checkpoints(path: Path, folder: Path) -> bool:
    return path.relative_to(folder).parts[0] == "checkpoints"


def _nearest_run(path: Path) -> str:
    """Return the hint for a path at which there is no run.

    The hint names the run that contains the path. If there is none, it names the last run below the path, and if there
    is none either, a path with a similar name.
    """
    around = next((folder for folder in path.parents[:3] if (folder / "config.toml").is_file()), None)
    if around is not None:
        return f"Use the run's folder: {quoted(around)}"
    if path.is_dir():
        runs = sorted(found.parent for found in path.glob("**/config.toml"))
        if runs:
            return f"Use a run below it, such as {quoted(runs[-1])}"
    elif path.parent.is_dir():
        near = nearest(path.name, (item.name for item in path.parent.iterdir() if item != path))
        if near:
            return f"Check the spelling; there is {quoted(path.parent / near)}"
    return "Use the folder that radfield train printed, or outputs/latest for the newest run"
