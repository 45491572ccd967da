"""A user's own network on a folder of pictures: killed, resumed, saved, loaded."""

import importlib
import signal
import subprocess
import sys

import jax
import jax.export
import numpy as np
import pytest
from PIL import Image

from gdjax.data import from_folder
from gdjax.models import load_network
from gdjax_train.checkpoints import whole_steps


OWN = """
import os, signal, sys

import flax.linen as nn

import gdjax_train
from gdjax.data import from_folder


class CNN(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(nn.Conv(4, (3, 3))(x))
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(0.2, deterministic=not train)(x.mean((1, 2)))
        return nn.Dense(2)(x)


def train(pictures, out, on_row=None):
    return gdjax_train.fit(
        CNN(), from_folder(pictures), epochs=4, batch_size=4, out=out, on_row=on_row,
        progress=False,
    )


def killed(row):
    if row["step"] == 12:  # before the third checkpoint; the first is whole
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    import own_network
    own_network.train(*sys.argv[1:], on_row=own_network.killed)
"""


@pytest.fixture
def pictures(tmp_path):
    """Eight dark and eight bright pictures of 6 px."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 150), ("dark", 0)):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for i in range(8):
            pixels = (level + rng.integers(0, 100, (6, 6))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "pictures"


def test_a_network_of_ones_own_is_killed_and_ends_in_the_same_bits(
    pictures, tmp_path, monkeypatch, assert_same
):
    (tmp_path / "own_network.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    own_network = importlib.import_module("own_network")

    unbroken = own_network.train(pictures, tmp_path / "unbroken")
    assert unbroken.class_names == ("bright", "dark")
    command = [sys.executable, str(tmp_path / "own_network.py"), str(pictures)]
    done = subprocess.run([*command, str(tmp_path / "run")], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    kept = whole_steps(tmp_path / "run" / "checkpoints")
    assert 4 in kept and 12 not in kept

    found = own_network.train(pictures, tmp_path / "run")
    assert_same(found.variables, unbroken.variables)
    found.save(tmp_path / "net.safetensors")
    network = load_network(tmp_path / "net.safetensors", model=own_network.CNN())
    images = from_folder(pictures).image[:]
    np.testing.assert_array_equal(network.predict(images), found.predict(images))
    shape = jax.ShapeDtypeStruct((16, 6, 6, 1), np.float32)
    exported = jax.export.export(
        jax.jit(lambda x: own_network.CNN().apply(found.variables, x))
    )(shape)
    scores = exported.call((images / 255).astype(np.float32))
    np.testing.assert_allclose(scores, found.scores(images), atol=1e-5)
