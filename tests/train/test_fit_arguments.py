"""Arguments of `fit` that are of no use: named, before anything is written."""

import pathlib

import flax.linen as nn
import numpy as np
import optax
import pytest

import gdjax_train
from gdjax.models import Preprocessing
from gdjax_train.errors import UserError
from gdjax_train.fitted import Fitted
from gdjax_train.own_data import classes_of


class Plain(nn.Module):
    """Three classes."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(x.reshape(len(x), -1))


X, Y = np.zeros((6, 4, 4, 1), np.uint8), np.arange(6) % 3
GIVEN = {
    "model": Plain(), "train": (X, Y), "epochs": 1, "batch_size": 3, "progress": False,
}  # fmt: skip


class Unsized:
    """Examples without a length."""

    def __getitem__(self, row):
        return X[row], Y[row]


def updating(update):
    """An optimizer that makes something of gradients."""
    return optax.GradientTransformation(lambda p: (), lambda g, s, p: update(g))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": lambda logits: logits}, TypeError, "`loss` can't be traced: .*takes"),
        ({"loss": lambda x, y: {}["a"]}, ValueError, "`loss` .*traced: KeyError: 'a'"),
        ({"augment": lambda x: x}, TypeError, "`augment` can't be traced"),
        ({"loss": "a"}, TypeError, "`loss='a'` must be a function"),
        ({"augment": "a"}, TypeError, "`augment='a'` must be a function"),
        ({"on_row": "a"}, TypeError, "`on_row='a'` must be a function"),
        ({"preprocessing": None}, TypeError, "`preprocessing=None` must be a"),
        ({"optimizer": {}}, TypeError, "`optimizer={}` must be an Optax"),
        ({"optimizer": optax.adam}, TypeError, "`optimizer=<func.*must be an Optax"),
        ({"optimizer": updating(lambda g: 3)}, ValueError, "`optimizer` gives no"),
        ({"optimizer": updating(lambda g: (None, ()))}, ValueError, "`optimizer` gi"),
        ({"optimizer": updating(lambda g: 1 / 0)}, ValueError, "`opt.*ZeroDivision"),
        ({"loss": lambda x, y: x[:, 0] > 0}, TypeError, "`loss` gives bool"),
        ({"augment": lambda k, x: x > 0}, TypeError, "`augment` gives bool"),
        ({"on_row": lambda: 0}, TypeError, "`on_row` can't be called with a row"),
        ({"class_names": 1}, TypeError, "`class_names=1` must be a tuple of strings"),
        ({"class_names": "abc"}, TypeError, "`class_names='abc'` must be a tuple"),
        ({"train": np.array(2)}, TypeError, "`train` is a ndarray"),
        ({"train": Unsized()}, TypeError, "`train` is a Unsized.*with a length"),
        # They were classes 0 to 2 in 32 bits.
        ({"train": (X, Y + 2**32)}, ValueError, "`train`: the label .* is more than"),
        ({"train": (X, [[0], [0, 1]])}, ValueError, "`train`: labels are no array"),
        ({"train": [(X[0], [[0], [0, 1]])]}, ValueError, r"`train\[0\]`: its label"),
        ({"validation": np.array(2)}, TypeError, "`validation` is a ndarray"),
        ({"out": []}, TypeError, r"`out=\[\]` must be a path"),
        ({"out": b"a"}, TypeError, "`out=b'a'` must be a path"),
        ({"out": ""}, UserError, "`out=''` is empty"),
        ({"out": "a\0"}, UserError, "`out=.* null character"),
    ],
)
def test_arguments_of_other_types_are_named(change, error, message, tmp_path):
    given = GIVEN | {"out": tmp_path / "run"} | change
    with pytest.raises(error, match=message):
        gdjax_train.fit(**given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file", "exists and is no folder of `fit`"),
        ("link", "exists and is no folder of `fit`"),
        ("file/run", "can't be made: Not a directory"),
        ("a" * 300, "can't be made: File name too long"),
        ("new/" + "a" * 300, "can't be made: File name too long"),
    ],
)
def test_places_where_there_can_be_no_folder(out, message, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=f"`out=.*{message}"):
        gdjax_train.fit(**GIVEN, out=tmp_path / out)
    assert sorted(tmp_path.iterdir()) == before
    assert not (tmp_path / "file").read_bytes()


@pytest.mark.skipif(not pathlib.Path("/proc/self").exists(), reason="of Linux")
def test_a_file_system_that_holds_no_folders():
    with pytest.raises(UserError, match="`out=/proc/gdjax` can't be made"):
        gdjax_train.fit(**GIVEN, out="/proc/gdjax")


def test_labels_and_images_of_another_network_are_refused():
    """Masks of as many columns as there are images would be compared with classes."""
    image = np.zeros((4, 4, 4, 1), np.uint8)
    scores = np.zeros((4, 3), np.float32)
    found = Fitted(Plain(), {}, [], (4, 4, 1), Preprocessing(), (), lambda *a: a[0])
    object.__setattr__(found, "_batches", lambda images: iter([(scores, 4)]))
    with pytest.raises(ValueError, match=r"`labels` have shape \(4, 4, 4\).*\(4,\)"):
        found.evaluate(image, np.zeros((4, 4, 4), int))
    with pytest.raises(ValueError, match="`images` have 2 channels, the network has 1"):
        found.evaluate(np.concatenate([image, image], -1), np.zeros(4, int))
    with pytest.raises(ValueError, match="`labels`: labels of shape"):
        found.evaluate(image, None)


def test_names_of_classes_are_strings():
    """Other sets call other things their classes, such as how many they have."""

    class Set:
        classes = None

    for classes, found in (
        (3, ()), ([0, 1], ()), (["a", "b"], ("a", "b")), (np.array(["a"]), ("a",)),
    ):  # fmt: skip
        Set.classes = classes
        assert classes_of(Set()) == found
    assert classes_of((X, Y)) == ()
