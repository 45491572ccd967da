"""Checkpoints of a phase: written whole, verified when read.

Orbax writes to a temporary folder and renames it, so a killed run leaves whole
checkpoints only. It does not notice a flipped byte: so every leaf's digest is stored
beside the state, and every file's beside the checkpoint, and compared when it is read.
A checkpoint that does not verify is moved aside and the one before it is taken. The
training waits for a copy of the state on the host; a thread hashes and writes it.
"""

from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import json
import logging
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import checkpoint_files
from .errors import UserError


KEPT = 2
# The system's words for a disk, a quota, or a limit of a file's size that is reached.
_FULL = "No space left", "Disk quota", "File too large"


class Checkpoints:
    """The checkpoints of one phase in `folder/<step>`; use as a context manager."""

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        say: Callable[[str], None],
        recipe: str | None = None,
        phase: str = "",
    ):
        """Open, or create, the folder.

        Args:
          folder: of the phase.
          say: prints a line for the user.
          recipe: digest of the recipe that the checkpoints belong to; None: of a run
            that has none.
          phase: which of the run's, such as "discrete-relu/single"; "": any.

        Raises:
          UserError: if there is something else in the place of the folder.
        """
        # Lazily: orbax takes seconds to import, and `--help` has no use for it.
        import orbax.checkpoint as ocp

        # Orbax logs the traceback of a failed write; `_not_saved` says it in one line.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self._args = ocp.args
        self._folder = folder
        self._say, self._recipe, self._phase = say, recipe, phase
        self._manager: Any = None
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is no folder: take it away and continue")
        # Before Orbax looks at them.
        for step in whole_steps(folder):
            if (wrong := checkpoint_files.changed(folder, step)) is not None:
                self._put_aside(step, ValueError(f"{wrong} is not what was written"))
        self._writer = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._writing: concurrent.futures.Future[None] | None = None
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                enable_async_checkpointing=False,
                preservation_policy=ocp.checkpoint_managers.LatestN(KEPT),
            ),
        )

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type | None, error: Any, trace: Any) -> None:
        try:
            self._writer.shutdown()
            self._manager.close()
        except Exception:
            # What went wrong first is what the user needs to hear.
            if kind is None:
                raise

    def save(self, step: int, state: Any, *, wait: bool = False) -> None:
        """Start to write a checkpoint; an earlier write that failed is reported here.

        Args:
          step: its number; later than all before.
          state: pytree of arrays and typed keys.
          wait: return only when it is on disk.

        Raises:
          UserError: if the disk is full, or does not take the checkpoint.
        """
        self.wait()
        # Of its own: the next step uses up the buffers of the state.
        copy = jax.tree.map(_on_host, state)
        self._writing = self._writer.submit(self._write, step, copy)
        if wait:
            self.wait()

    def _write(self, step: int, state: Any) -> None:
        arguments = self._args.Composite(
            state=self._args.StandardSave(state),
            integrity=self._args.JsonSave(
                _sealed(digests(state), self._recipe, phase=self._phase, step=step)
            ),
        )
        if not self._folder.is_dir():  # it would be made anew, without the rest
            raise FileNotFoundError(
                errno.ENOENT, "the folder has gone", str(self._folder)
            )
        self._manager.save(step, args=arguments, force=True)
        checkpoint_files.note(self._folder, step)

    def wait(self) -> None:
        """Wait until the last checkpoint is on disk.

        Raises:
          UserError: if it did not get there.
        """
        writing, self._writing = self._writing, None
        try:
            if writing is not None:
                writing.result()
        except Exception as error:
            raise self._not_saved(error) from error

    def last_good(self) -> str:
        """The newest whole checkpoint, in words for a message."""
        steps = whole_steps(self._folder)
        if not steps:
            return "there is no checkpoint of this phase yet"
        return f"the last good checkpoint is {self._folder / str(steps[-1])}"

    def restore(self, template: Any) -> tuple[int, Any] | None:
        """The newest checkpoint that verifies.

        Args:
          template: pytree like the saved state, of arrays or `ShapeDtypeStruct`s.

        Returns:
          Its step and the state; None if there is no usable checkpoint.

        Raises:
          UserError: if the checkpoint is whole but of another network or optimiser, or
            of another recipe.
        """
        for step in reversed(whole_steps(self._folder)):
            try:
                return step, self._read(step, template)
            except UserError:
                raise
            except Exception as error:
                # Whatever orbax, tensorstore or the file system raise on damage.
                self._put_aside(step, error)
        return None

    def _read(self, step: int, template: Any) -> Any:
        wrong = checkpoint_files.changed(self._folder, step)
        if wrong is not None:
            raise ValueError(f"{wrong} is not what was written")
        args = self._args
        stored = self._manager.restore(
            step, args=args.Composite(integrity=args.JsonRestore())
        )["integrity"]
        expected = _unsealed(stored)
        self._require_same_recipe(step, stored.get("recipe"))
        for name, value in (("step", step), ("phase", self._phase)):
            # Older ones don't say, and not everybody asks.
            if value and stored.get(name, value) != value:
                raise ValueError(f"it is that of {name} {stored[name]}")
        _require_same_shapes(expected, template, self._folder / str(step))
        state = self._manager.restore(
            step, args=args.Composite(state=args.StandardRestore(template))
        )["state"]
        found = digests(state)
        wrong = [name for name in expected if found[name] != expected[name]]
        if wrong:
            raise ValueError(f"{len(wrong)} arrays changed on disk, first {wrong[0]}")
        return state

    def _require_same_recipe(self, step: int, stored: str | None) -> None:
        # Runs of older versions have no digests.
        if None not in (stored, self._recipe) and stored != self._recipe:
            raise UserError(
                f"checkpoint {self._folder / str(step)} does not belong to the run's "
                "recipe.json: one of them is another run's; put back the right one, or "
                "start a new run"
            )

    def _put_aside(self, step: int, error: Exception) -> None:
        source = self._folder / str(step)
        target = self._folder.parent / f"{self._folder.name}-damaged" / str(step)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        if self._manager is not None:
            self._manager.reload()
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        self._say(
            f"checkpoint {source} is damaged ({reason}); moved to {target}, "
            "trying the one before it"
        )

    def _not_saved(self, error: Exception) -> UserError:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if is_full_disk(error):
            reason = "no space left on the disk"
        return UserError(
            f"a checkpoint could not be written to {self._folder}: {reason}; "
            f"{self.last_good()}; free some space and continue with --resume"
        )


def whole_steps(folder: pathlib.Path) -> list[int]:
    """Steps that have a finished checkpoint, ascending."""
    if not folder.is_dir():
        return []
    names = {path.name for path in folder.iterdir()}
    return sorted(int(n) for n in names if n.isdecimal() and str(int(n)) == n)


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that the disk is full."""
    while error is not None:
        text = str(error)
        # tensorstore reports its own error type, with the system's words in it.
        if any(words in text for words in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def digests(tree: Any) -> dict[str, str]:
    """For each leaf "dtype[shape]:sha256"; typed keys by their data."""
    return {
        name: f"{_signature(leaf)}:{hashlib.sha256(_bytes(leaf)).hexdigest()}"
        for name, leaf in _leaves(tree)
    }


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]


def _signature(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _bytes(leaf: Any) -> memoryview | bytes:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data


def _on_host(leaf: Any) -> Any:
    """A copy of an array on the host; of a typed key, on its device."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = np.array(jax.random.key_data(leaf))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    return np.array(leaf)


def _seal(stored: dict[str, Any]) -> str:
    text = json.dumps(stored, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sealed(
    leaves: dict[str, str], recipe: str | None, *, phase: str, step: int
) -> dict[str, Any]:
    # The digests have a digest: else damage to them would look like another network.
    stored = {"leaves": leaves, "phase": phase, "step": step}
    stored |= {} if recipe is None else {"recipe": recipe}
    return stored | {"sha256": _seal(stored)}


def _unsealed(stored: dict[str, Any]) -> dict[str, str]:
    sealed = {name: value for name, value in stored.items() if name != "sha256"}
    # Older ones sealed the leaves alone.
    if _seal(sealed if len(sealed) > 1 else stored["leaves"]) != stored["sha256"]:
        raise ValueError("the table of digests changed on disk")
    return stored["leaves"]


def _require_same_shapes(
    stored: dict[str, str], template: Any, folder: pathlib.Path
) -> None:
    saved = {name: text.rpartition(":")[0] for name, text in stored.items()}
    wanted = {name: _signature(leaf) for name, leaf in _leaves(template)}
    odd = sorted(name for name in saved | wanted if saved.get(name) != wanted.get(name))
    if odd:
        name = odd[0]
        raise UserError(
            f"checkpoint {folder} is of another network or optimiser: {name} is "
            f"{saved.get(name, 'not in it')}, expected {wanted.get(name, 'absent')} "
            f"({len(odd)} such arrays); resume with the recipe that it was made with"
        )
