"""What the sizes of feature maps are read from when a run goes on."""

import types

import pytest

from gdjax_train.errors import UserError
from gdjax_train.resolution import Plans
from gdjax_train.run_files import RunFolder


class Model:
    """Plans one side, a pixel less than the last one."""

    def plan(self, params, *, side, previous):
        return ((previous or (side + 1,))[0] - 1,)


PHASE = types.SimpleNamespace(name="multi", model=Model())
TRIAL = types.SimpleNamespace(slug="net")


@pytest.fixture
def run(tmp_path):
    """A folder with a checkpoint of step 6, and the plans of two epochs."""
    (tmp_path / "checkpoints" / "net" / "multi" / "6").mkdir(parents=True)
    folder = RunFolder(tmp_path)
    folder.write_json("resolution/net.json", [[8], [7]])
    return folder


def plans(run):
    return Plans(run, TRIAL, PHASE, side=8)


def test_plans_go_on(run):
    assert plans(run).now() == (7,)
    assert plans(run).before(2, None) == (6,) == plans(run).now()


@pytest.mark.parametrize(
    "content",
    ["[]", "", "[[8], [7", "{}", "3", "null", '[["8"]]', "[[8.0]]", "[[0]]", "[[]]",
     "[[8], [7, 7]]", "[8, 7]", "[[true]]", b"\xff\xfe", None, "folder"],
)  # fmt: skip
def test_plans_that_are_lost_are_said_in_one_line(run, content):
    path = run.path / "resolution" / "net.json"
    path.unlink()
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match="net.json .*copy of it") as caught:
        plans(run)
    assert "\n" not in str(caught.value)


def test_plans_of_fewer_epochs_than_were_trained(run):
    run.write_json("resolution/net.json", [[8]])
    with pytest.raises(UserError, match="net.json has sizes for 1 of 3 epochs"):
        plans(run).before(3, None)


def test_before_the_first_checkpoint_nothing_can_be_lost(tmp_path):
    (tmp_path / "checkpoints" / "net" / "multi" / "0").mkdir(parents=True)
    assert plans(RunFolder(tmp_path)).now() == (8,)
