"""Runs on disk: the folders and checkpoints of runs, and the results of trained runs.

The names below are public. They serve packages that show runs, such as reports and viewers.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.runs.compared import ComparedView as ComparedView, compared_views as compared_views
    from radfield_core.runs.folder import RunFolder as RunFolder, find_run as find_run
    from radfield_core.runs.listing import Measured as Measured, RunFacts as RunFacts, facts as facts
    from radfield_core.runs.notebook import curve as curve
    from radfield_core.runs.record import preset_changes as preset_changes
    from radfield_core.runs.stored_log import read_log as read_log
    from radfield_core.runs.time_needed import seconds_per_ray as seconds_per_ray
    from radfield_core.runs.training_record import read_trainings as read_trainings

_HOMES = {
    "compared": "ComparedView compared_views",
    "folder": "RunFolder find_run",
    "listing": "Measured RunFacts facts",
    "notebook": "curve",
    "record": "preset_changes",
    "stored_log": "read_log",
    "time_needed": "seconds_per_ray",
    "training_record": "read_trainings",
}

if not TYPE_CHECKING:  # if a type checker saw __getattr__, it would accept any name as public
    __getattr__, __dir__ = lazy(__name__, _HOMES)
