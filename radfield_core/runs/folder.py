"""Run folders: what a run leaves behind, where it is found again, and who may write to it.

    config.toml  plugins.json  scene.json  checkpoints/  metrics.jsonl  results.json  images/  spikes/

Runs go to `outputs/<scene>/<method>/<time>/`, unless a folder is named. `outputs/latest` points at the newest below
`outputs/`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radfield_core.config.run import RunConfig
from radfield_core.errors import DatasetError, StorageError, UsageError
from radfield_core.files.durable import dump_json, write_durably
from radfield_core.files.untrusted import read_json
from radfield_core.names import nearest, quoted
from radfield_core.runs import checkpoint

MAX_JSON_BYTES = 16 * 2**20
RESTORE = "restoring it from a copy, or a new run with `radfield train -c RUN/config.toml`"


@dataclass(frozen=True)
class RunFolder:
    """A run's folder and the paths in it."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def config(self) -> Path:
        """The config, whole: composing it gives the run again."""
        return self.path / "config.toml"

    @property
    def plugins(self) -> Path:
        """Distributions that the run's parts came from, with their versions."""
        return self.path / "plugins.json"

    @property
    def scene(self) -> Path:
        """The way from scene coordinates to the data's own, their unit, and the views that the run does without."""
        return self.path / "scene.json"

    @property
    def metrics(self) -> Path:
        """One JSON object per line: training and evaluations."""
        return self.path / "metrics.jsonl"

    @property
    def results(self) -> Path:
        """The latest evaluation of a whole split."""
        return self.path / "results.json"

    def record(self, config: str, plugins: Mapping[str, str]) -> None:
        """Write what defines the run."""
        write_durably(self.config, config)
        write_durably(self.plugins, dump_json(dict(plugins), indent=2) + "\n")

    def stored_plugins(self) -> dict[str, str]:
        """The distributions and versions that the run was recorded with."""
        stored = _read_json(self.plugins)
        if not isinstance(stored, dict) or not all(isinstance(version, str) for version in stored.values()):
            raise StorageError("is no table of distributions and versions", path=str(self.plugins), hint=RESTORE)
        return stored

    def left_out(self) -> dict[str, list[int]]:
        """Split -> numbers of the views that the run does without."""
        if not self.scene.exists():
            return {}
        try:
            stored = _read_json(self.scene).get("left_out", {})
            return {str(split): [int(view) for view in views] for split, views in stored.items()}
        except (ValueError, TypeError, AttributeError):
            raise StorageError("does not say which views are left out", path=str(self.scene), hint=RESTORE) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing. Raises StorageError, naming the holder, if another process has it.

        The system gives the lock back when its holder ends, however it ends.
        """
        path = self.path / ".lock"
        with open(path, "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise StorageError(
                    f"another process is writing to this run ({file.read().strip() or 'it does not say which'})",
                    path=str(self.path), hint="wait for it to end, or choose another folder with --out",
                ) from None  # fmt: skip
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
            yield

    def remove_if_unused(self) -> None:
        """Remove a folder in which nothing has been recorded yet."""
        if not self.config.exists():
            with contextlib.suppress(OSError):  # what others have put there stays
                (self.path / ".lock").unlink(missing_ok=True)
                self.checkpoints.rmdir()
                self.path.rmdir()

    def check_writable(self) -> None:
        """Write and delete a file, so that a folder that cannot be written to is found out before training."""
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.checkpoints):
                trial = folder / f".writable-{os.getpid()}"
                write_durably(trial, "radfield\n")
                trial.unlink()
        except OSError as error:
            raise StorageError(
                f"cannot be written to: {error.strerror}", path=str(self.path),
                hint="make it writable, or for a new run name a folder of your own with --out",
            ) from error  # fmt: skip


def new_run(run: RunConfig, out: Path | None) -> RunFolder:
    """The folder of a new run: `out` itself, or a fresh one below `outputs/`. UsageError if `out` holds a run."""
    folder = RunFolder(out if out is not None else fresh_folder(Path("outputs") / scene_name(run) / run.method.name))
    if checkpoint.list_steps(folder.checkpoints):
        raise UsageError(
            "holds a run already", path=str(folder.path),
            hint=f"radfield train --resume {quoted(folder.path)}, or another --out",
        )  # fmt: skip
    if out is None:
        folder.check_writable()  # the name is taken from here on
    return folder


def scene_name(run: RunConfig) -> str:
    """A name for the data: the last part of its path, or the format's name."""
    root = getattr(run.data.config, "root", None)
    name = Path(str(root)).resolve().stem if root else run.data.name
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "scene"


def _read_json(path: Path) -> Any:
    """The value of a file of ours, which may have come from a stranger. Raises StorageError."""
    try:
        return read_json(path, MAX_JSON_BYTES)
    except DatasetError as error:
        raise StorageError(error.problems[0].message, path=str(path), hint=RESTORE) from None


def find_run(path: Path) -> tuple[RunFolder, Path | None]:
    """The run that a path means, and the checkpoint if the path is one. Raises UsageError.

    A path may be a run folder, its `checkpoints` folder, one checkpoint, or a file that names a run folder
    (`outputs/latest` where links are not possible).
    """
    if path.is_file() and path.name == "latest":
        named = path.read_text(encoding="utf-8", errors="replace").strip()
        path = path.parent / named if named else path
    path = path.resolve()
    chosen = path if checkpoint.is_checkpoint(path) else None
    for folder in (path, path.parent, path.parent.parent) if path.is_dir() else ():
        if (folder / "config.toml").is_file() and (folder == path or _inside_checkpoints(path, folder)):
            return RunFolder(_from_here(folder)), chosen
    raise UsageError("is neither a run folder nor a checkpoint", path=str(path), hint=_near(path))


def _from_here(path: Path) -> Path:
    """The path as a person would write it: relative to the working folder where it lies inside."""
    return path.relative_to(here) if path.is_relative_to(here := Path.cwd().resolve()) else path


def load_state(folder: RunFolder, chosen: Path | None) -> tuple[checkpoint.State, Path, list[str]]:
    """The state of the chosen checkpoint, or of the newest good one; with a line for each that was skipped."""
    if chosen is not None:
        return checkpoint.load(chosen), chosen, []
    state, path, skipped = checkpoint.newest(folder.checkpoints)
    if state is None or path is None:
        raise StorageError(
            "\n".join(["has no checkpoint that can be loaded", *skipped]), path=str(folder.path),
            hint=f"training anew: radfield train -c {quoted(folder.config)}",
        )  # fmt: skip
    return state, path, skipped


def fresh_folder(parent: Path) -> Path:
    """A folder below `parent`, named by the time, that does not exist yet."""
    name = time.strftime("%Y-%m-%d_%H%M%S")
    candidates = (parent / (f"{name}-{n}" if n > 1 else name) for n in range(1, 1000))
    return next(path for path in candidates if not path.exists())


def point_latest(run: Path) -> None:
    """Make `outputs/latest` a link to a run below `outputs/`, or, where there are no links, a file that names it.

    Runs elsewhere leave it as it is.
    """
    outputs = Path("outputs")
    link, beside = outputs / "latest", outputs / f".latest.tmp-{os.getpid()}"
    if outputs.resolve() not in run.resolve().parents or (link.is_dir() and not link.is_symlink()):
        return
    target = run.resolve().relative_to(outputs.resolve())
    with contextlib.suppress(OSError):
        try:
            beside.symlink_to(target, target_is_directory=True)
            os.replace(beside, link)
        except OSError:
            write_durably(link, f"{target}\n")


def _inside_checkpoints(path: Path, folder: Path) -> bool:
    return path.relative_to(folder).parts[0] == "checkpoints"


def _near(path: Path) -> str:
    """A run that may have been meant: the one that the path lies in, the last below it, or one of a near name."""
    around = next((folder for folder in path.parents[:3] if (folder / "config.toml").is_file()), None)
    if around is not None:
        return quoted(around)
    if path.is_dir():
        runs = sorted(found.parent for found in path.glob("**/config.toml"))
        if runs:
            return quoted(runs[-1])
    elif path.parent.is_dir():
        near = nearest(path.name, (item.name for item in path.parent.iterdir() if item != path))
        if near:
            return quoted(path.parent / near)
    return "radfield train prints the folder of its run; outputs/latest is the newest"
