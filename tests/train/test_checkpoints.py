import errno
import json

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
import pytest

from gdjax_train.checkpoints import Checkpoints, digests, whole_steps
from gdjax_train.errors import UserError


def state(value):
    return {
        "w": jnp.full((50, 20), float(value)),
        "count": jnp.asarray(value, jnp.int32),
        "none": None,
        "key": jax.random.key(value),
    }


@pytest.fixture
def saved(tmp_path):
    """A folder with checkpoints 1..4 made one after the other."""
    folder = tmp_path / "member" / "stage"
    with Checkpoints(folder, say=print) as checkpoints:
        for step in range(1, 5):
            checkpoints.save(step, state(step))
    return folder


def restore(folder, template=None):
    said = []
    with Checkpoints(folder, say=said.append) as checkpoints:
        found = checkpoints.restore(state(0) if template is None else template)
    return found, said


def largest_file(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def test_the_last_two_are_kept_and_the_newest_comes_back(saved, assert_same):
    assert whole_steps(saved) == [3, 4]
    (step, found), said = restore(saved)
    assert step == 4 and not said
    assert_same(found, state(4))


def test_shapes_and_dtypes_suffice_as_a_template(saved, assert_same):
    (_, found), _ = restore(saved, jax.eval_shape(lambda: state(0)))
    assert_same(found, state(4))


def test_an_empty_folder_has_nothing(tmp_path):
    assert restore(tmp_path / "none")[0] is None


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [flip, cut])
def test_damage_falls_back_to_the_checkpoint_before(saved, assert_same, damage):
    damage(largest_file(saved / "4"))
    (step, found), said = restore(saved)
    assert step == 3
    assert_same(found, state(3))
    assert len(said) == 1 and "4 is damaged" in said[0]
    # The step is free again, so the run can write it anew.
    with Checkpoints(saved, say=print) as checkpoints:
        checkpoints.save(4, state(4), wait=True)
    assert restore(saved)[0][0] == 4


@pytest.mark.parametrize("item", ["state", "integrity"])
def test_a_missing_item_falls_back(saved, item):
    (saved / "4" / item).rename(saved.parent / "elsewhere")
    assert restore(saved)[0][0] == 3


def test_a_changed_digest_is_damage_and_not_another_network(saved):
    (path,) = (saved / "4" / "integrity").rglob("metadata")
    table = json.loads(path.read_text())
    table["leaves"]["['w']"] = "float32[1]:00"
    path.write_text(json.dumps(table))
    assert restore(saved)[0][0] == 3


def test_when_all_are_damaged_nothing_is_left(saved):
    for step in (3, 4):
        flip(largest_file(saved / str(step)))
    found, said = restore(saved)
    assert found is None and len(said) == 2


def test_other_shapes_are_an_error_and_damage_nothing(saved):
    template = state(0) | {"w": jnp.zeros((50, 21))}
    with pytest.raises(UserError, match=r"\['w'\] is float32\[50, 20\], expected"):
        restore(saved, template)
    assert whole_steps(saved) == [3, 4]


def test_missing_and_surplus_arrays_are_an_error(saved):
    template = state(0)
    del template["w"]
    with pytest.raises(UserError, match="expected absent"):
        restore(saved, template)


def test_an_unfinished_write_is_not_seen(saved):
    (saved / "4").rename(saved / "4.orbax-checkpoint-tmp")
    assert restore(saved)[0][0] == 3


def test_a_full_disk_names_the_last_good_checkpoint(saved, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Checkpoints(saved, say=print) as checkpoints:
        monkeypatch.setattr(ocp.CheckpointManager, "save", fail)
        with pytest.raises(UserError, match=r"no space left.*stage/\d.*--resume"):
            checkpoints.save(5, state(5), wait=True)
        monkeypatch.undo()
    assert restore(saved)[0][0] in (4, 5)


def test_digests_tell_dtype_shape_and_contents_apart():
    arrays = [jnp.zeros(4), jnp.zeros((2, 2)), jnp.zeros(4, jnp.int32), jnp.ones(4)]
    assert len({digests(array)[""] for array in arrays}) == 4
    assert digests(jax.random.key(0)) != digests(jax.random.key(1))
