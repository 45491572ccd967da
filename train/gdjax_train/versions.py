"""What a result depends on beside recipe and data: versions, device, types."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

from .errors import UserError
from .run_files import RunFolder


def versions(precision: str) -> dict[str, Any]:
    """What a result depends on beside recipe and data."""
    import jax

    found: dict[str, Any] = {"commit": commit()}
    for package in ("gdjax", "jax", "flax", "optax", "orbax-checkpoint", "grain"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    found["python"] = platform.python_version()
    found["platform"] = platform.machine()
    found["device"] = f"{jax.devices()[0].platform}: {devices()}"
    found["precision"] = precision
    found["x64"] = bool(jax.config.jax_enable_x64)
    return found


def devices() -> str:
    """Kind and number of the devices, such as "NVIDIA H100 80GB HBM3 x 1".

    Raises:
      UserError: if JAX has none.
    """
    import jax

    try:
        return f"{jax.devices()[0].device_kind} x {jax.device_count()}"
    except (RuntimeError, AssertionError) as error:
        # What JAX says is empty for some platforms that aren't there.
        reason = " ".join(str(error).split())
        platforms = jax.config.jax_platforms or os.environ.get("JAX_PLATFORMS")
        where = f"`JAX_PLATFORMS={platforms}`" if platforms else "JAX"
        raise UserError(
            f"{where} has no device to compute on{': ' * bool(reason)}{reason}; leave "
            "JAX_PLATFORMS out for those that there are, or install JAX for yours"
        ) from error


def commit() -> str | None:
    """The git commit of this code, with "-dirty" for changes; None outside git."""
    here = pathlib.Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def compare_versions(run: RunFolder, precision: str) -> list[str]:
    """What has changed since the run began, as "jax=0.11 (was 0.10)".

    The same recipe and data give the same bits with the same versions on the same
    device only, so a resume notes in versions.json what it went on with.
    """
    noted = run.read_json("versions.json") or {}
    now = versions(precision)
    changed = [
        f"{name}={value} (was {noted.get(name)})"
        for name, value in now.items()
        if name in noted and noted[name] != value
    ]
    if changed:
        before = noted.get("resumed", [])
        resumed = [*(before if isinstance(before, list) else []), now]
        run.write_json("versions.json", noted | {"resumed": resumed})
    return changed


def require_same_types(run: RunFolder) -> None:
    """Refuse a run whose numbers have types that this process would cut.

    Raises:
      UserError: if it was trained with 64-bit types and they are off, or the other way
        round.
    """
    import jax

    noted = (run.read_json("versions.json") or {}).get("x64")
    now = bool(jax.config.jax_enable_x64)
    if noted is None or noted == now:  # older runs don't say
        return
    done, remedy = ("with", "set") if noted else ("without", "unset")
    raise UserError(
        f"{run.path} was trained {done} 64-bit types: {remedy} JAX_ENABLE_X64 in the "
        "environment (in Python, `jax.config.update('jax_enable_x64', "
        f"{noted})`) and try again"
    )
