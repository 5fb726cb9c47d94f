"""The conditions that affect the last bits of a run's results, beside its options: device, threads and software."""

from __future__ import annotations

import torch

from radfield_core.ops import backend


def conditions(device: torch.device) -> dict[str, str | int]:
    """Return what may change the last bits of results: the device, the number of threads, torch and the backends.

    Args:
        device: the device that the run trains on. A GPU is described by its name.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    used = {f"backend of {op}": used for op, used in backend.in_use(device).items()}
    return {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__, **used}


def departures(saved: object, now: dict[str, str | int], device: torch.device) -> list[str]:
    """Return warnings if a resumed run may differ in its last bits from a run that was never stopped.

    Args:
        saved: what `conditions` returned when the checkpoint was saved. It is read from a file.
        now: what `conditions` returns now. Backends are compared only if they were in use both times.
        device: the device that the resumed run trains on.
    """
    before = saved if isinstance(saved, dict) else {}
    known = [key for key in now if key in before or not key.startswith("backend")]
    other = [
        f"{key} {before.get(key, 'unknown')!s:.80}, now {now[key]}" for key in known if before.get(key) != now[key]
    ]
    found = [f"the checkpoint was saved with {'; '.join(other)}: results may differ in the last bits"] if other else []
    if "threads" in before and isinstance(before["threads"], int) and before["threads"] != now["threads"]:
        found[0] += f" (OMP_NUM_THREADS={before['threads']} sets the number of threads)"
    if device.type != "cpu":
        found.append(
            "on a GPU, gradients are summed in no fixed order: this run will differ in the last bits from a run that "
            "was never stopped"
        )
    return found
