"""The laws of observing: every observer is told, none can stop a run, and one that keeps failing is dropped."""

from __future__ import annotations

import pluggy
import pytest

from radfield_core.errors import PluginError
from radfield_core.plugin import hookimpl
from radfield_core.plugins import hookspecs
from radfield_core.plugins.registry import Registry
from radfield_core.runs.observers import MAX_ERRORS, Observers


class Careful:
    def __init__(self):
        self.seen = []

    @hookimpl
    def radfield_step_ended(self, step):
        self.seen.append(step)

    @hookimpl
    def radfield_evaluated(self, metrics, step):
        self.seen.append((step, metrics["psnr"]))


class Clumsy:
    def __init__(self, error):
        self.error, self.calls = error, 0

    @hookimpl
    def radfield_step_ended(self, step, scalars):
        self.calls += 1
        raise self.error


def observers(*plugins):
    manager = pluggy.PluginManager("radfield")
    manager.add_hookspecs(hookspecs)
    for number, plugin in enumerate(plugins):
        manager.register(plugin, f"acme:{type(plugin).__name__.lower()}{number}")
    return Observers(Registry([], manager))


def test_an_observer_gets_the_parameters_that_it_names():
    careful = Careful()
    told = observers(careful)
    told.tell("radfield_step_ended", step=3, scalars={})
    told.tell("radfield_evaluated", step=3, split="test", metrics={"psnr": 20.0})
    told.tell("radfield_run_finished", folder=None, step=3, reason="max_steps")
    assert careful.seen == [3, (3, 20.0)]


@pytest.mark.parametrize("error", [ValueError("no\nroom"), SystemExit(1), GeneratorExit()])
def test_one_that_raises_is_logged_and_dropped_after_three_errors(error, caplog):
    clumsy, careful = Clumsy(error), Careful()
    told = observers(careful, clumsy, Careful())
    for step in range(10):
        told.tell("radfield_step_ended", step=step, scalars={})
    said = [record.getMessage() for record in caplog.records]
    assert clumsy.calls == MAX_ERRORS == len(said) and {record.levelname for record in caplog.records} == {"WARNING"}
    assert all("plugin acme:clumsy1 failed in radfield_step_ended" in line and "\n" not in line for line in said)
    assert ["not called any more" in line for line in said] == [False, False, True]
    assert careful.seen == list(range(10))


def test_strict_makes_an_observers_error_end_the_run(monkeypatch):
    monkeypatch.setenv("RADFIELD_STRICT_PLUGINS", "1")
    told = observers(Clumsy(ValueError("no room")))
    with pytest.raises(PluginError, match="clumsy0 failed in radfield_step_ended: ValueError: no room") as caught:
        told.tell("radfield_step_ended", step=1, scalars={})
    assert caught.value.problems[0].hint == "Set RADFIELD_DISABLE_PLUGINS=clumsy0 to train without it"


def test_keyboard_interrupt_gets_through_an_observer():
    with pytest.raises(KeyboardInterrupt):
        observers(Clumsy(KeyboardInterrupt())).tell("radfield_step_ended", step=1, scalars={})


def test_a_hook_that_does_not_exist_is_our_own_mistake():
    with pytest.raises(AttributeError):
        observers(Careful()).tell("radfield_nothing", step=1)
