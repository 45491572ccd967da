"""DeepLab in runs: the head's rate, a backbone from a file, crops, VOC's mean IoU."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy

from gdjax.data import Examples
from gdjax.models.njet_deeplab import DilatedResNetConfig, NJetDeepLabConfig
from gdjax.models.resnet_weights import NAMES
from gdjax_train import data as data_module, evaluation, recipes
from gdjax_train.data import Source
from gdjax_train.errors import UserError
from gdjax_train.initial_weights import with_backbone
from gdjax_train.optimizer import make_optimizer, make_schedule
from gdjax_train.recipe import OptimizerConfig
from gdjax_train.scoring import background_class
from gdjax_train.trials import trials
from gdjax_train.validation import validate


VOC = recipes.find("njet_deeplab_voc").recipe
SMALL = NJetDeepLabConfig(
    num_classes=3, sigmas=(1.0, 2.0), dilations=(1, 2),
    backbone=DilatedResNetConfig(blocks=(1, 1, 1, 1), width=4, stride=8),
)  # fmt: skip


def test_the_rate_falls_by_a_power_and_the_heads_is_a_multiple():
    config = OptimizerConfig(
        name="sgd", learning_rate=0.5, min_learning_rate=0.0, power=0.9, momentum=0.0,
        head_rate=10.0,
    )  # fmt: skip
    rate = make_schedule(config, learning_rate=0.5, steps=20, steps_per_epoch=5)
    expected = [0.5 * (1 - step / 20) ** 0.9 for step in (0, 5, 19, 20)]
    np.testing.assert_allclose([rate(s) for s in (0, 5, 19, 20)], expected, rtol=1e-6)
    warm = dataclasses.replace(config, warmup_epochs=1, warmup_fraction=0.2)
    rate = make_schedule(warm, learning_rate=0.5, steps=20, steps_per_epoch=5)
    np.testing.assert_allclose([rate(0), rate(5), rate(20)], [0.1, 0.5, 0], atol=1e-7)
    params = {"backbone": {"kernel": jnp.ones(2)}, "head": {"kernel": jnp.ones(2)}}
    optimizer = make_optimizer(config, optax.constant_schedule(0.5))
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    np.testing.assert_allclose(updates["backbone"]["kernel"], -0.5)
    np.testing.assert_allclose(updates["head"]["kernel"], -5.0)


def test_voc_counts_its_background():
    assert background_class(Source("pascal_voc/voc", "test")) is None
    assert background_class(Source("garments_on_textures/small", "test")) == 0


def random_variables(model):
    """What `init` gives, drawn anew: statistics are not 0 and 1."""
    blank = jnp.zeros((1, 16, 16, 3))
    shapes = jax.eval_shape(model.build().init, jax.random.key(0), blank)
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda s: rng.random(s.shape).astype(np.float32), shapes)


def write_backbone(path, variables):
    """A file with torchvision's names, of the backbone of such variables."""
    arrays = {}
    for part, kinds in variables.items():
        for place, leaf in jax.tree_util.tree_leaves_with_path(
            kinds.get("backbone", {})
        ):
            *modules, kind = [key.key for key in place]
            name = ".".join([*(m.replace("_", ".") for m in modules), NAMES[kind]])
            arrays[name] = leaf.transpose(3, 2, 0, 1) if leaf.ndim == 4 else leaf
        assert part in ("params", "batch_stats")
    safetensors.numpy.save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, path
    )


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A recipe of a small DeepLab on 4 random photographs of 40 px."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (4, 40, 40, 3), np.uint8)
    mask = rng.integers(0, 3, (4, 40, 40), np.uint8)
    mask[:, :3] = 255
    found = Examples(image, mask, classes=("background", "a", "b"))

    def load(source, *, data_dir, limit=None):
        return Examples(image[:limit], mask[:limit], classes=found.classes)

    monkeypatch.setattr(data_module, "load_split", load)
    monkeypatch.setattr(evaluation, "load_test", lambda *_, **__: found)
    recipe = dataclasses.replace(
        VOC, epochs=1, batch_size=2, nets=("plain+relu",), model=SMALL,
        augment=dataclasses.replace(VOC.augment, crop=24),
    )  # fmt: skip
    return recipe


def test_a_small_deeplab_is_trained_on_crops_from_a_files_backbone(
    tiny, tmp_path, open_run
):
    wanted = random_variables(SMALL.with_net("plain", "relu"))
    path = tmp_path / "backbone.safetensors"
    write_backbone(path, wanted)
    recipe = dataclasses.replace(
        tiny, backbone_weights=str(path),
        # Nothing but the head moves, and nothing of the backbone decays.
        optimizer=dataclasses.replace(tiny.optimizer, learning_rate=1e-30),
        loss=dataclasses.replace(tiny.loss, l2=0.0),
    )  # fmt: skip
    validate(recipe)
    session, _ = open_run(recipe)
    session.train()
    (trial,) = trials(recipe)
    _, variables = evaluation.trained_network(session.run, trial, "single")
    for part in ("params", "batch_stats"):
        found, expected = variables[part]["backbone"], wanted[part]["backbone"]
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected
        )
    (row,) = session.evaluate()["rows"]
    # Of all three classes: the background is one of them.
    given = [value for value in row["iou"][0] if value is not None]
    assert row["images"] == [4] and row["mean_iou"][0] == pytest.approx(np.mean(given))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"backbone_weights": "x"},
            "`backbone_weights=x`: the network has no backbone",
        ),
        ({"head_rate": 2.0}, "`optimizer.head_rate=2.0`: the network has no backbone"),
        ({"power": 0.9, "drops": (3,)}, "`optimizer.power=0.9` and `optimizer.drops"),
        ({"power": -1.0}, "optimizer.power=-1.0"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    recipe = recipes.find("rescaled_digits").recipe
    own = {name: changes[name] for name in changes if name != "backbone_weights"}
    optimizer = dataclasses.replace(recipe.optimizer, **own)
    with pytest.raises(UserError, match=words):
        validate(
            dataclasses.replace(
                recipe,
                optimizer=optimizer,
                backbone_weights=changes.get("backbone_weights"),
            )  # fmt: skip
        )


def test_files_that_do_not_fit_are_named(tmp_path):
    variables = random_variables(SMALL.with_net("plain", "relu"))
    with pytest.raises(UserError, match="`backbone_weights=.*nowhere"):
        with_backbone(str(tmp_path / "nowhere"), variables)
    path = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"conv1.weight": np.zeros((3, 3))}, path)
    with pytest.raises(UserError, match="other.safetensors`: .*doesn't fit"):
        with_backbone(str(path), variables)
