"""Trained runs and anybody's images: `load_run`, `evaluate_scales`, `gdjax-predict`."""

import dataclasses
import json

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import gdjax_train
from gdjax.models import GaussDerNet, GaussDerNetConfig, save_network
from gdjax.plots import generalisation_curve
from gdjax_train import classify
from gdjax_train.errors import UserError
from gdjax_train.pictures import fitted, read_any


@pytest.fixture
def finished(small_digits, recipe, open_run):
    """A run of a small network, trained for four steps; in two scale channels."""
    model = GaussDerNetConfig(sigmas=(0.5, 1.0), widths=(2, 2), order=1)
    data = dataclasses.replace(recipe.data, name="rescaled_digits")
    recipe = dataclasses.replace(
        recipe, nets=("discrete+relu",), epochs=1, model=model, data=data,
        eval_factors=(1.0,), checkpoint_every=4,
    )  # fmt: skip
    session, _ = open_run(recipe, "run")
    session.train()
    return session


def test_a_run_and_its_files_predict_pictures(
    finished, make_examples, tmp_path, capsys
):
    result = finished.evaluate()
    run = gdjax_train.load_run(finished.run.path)
    names = ["discrete+relu, one channel", "discrete+relu, 2 channels"]
    assert list(run.networks) == names
    assert [row["name"][: len(name)] for row, name in zip(
        result["rows"], names, strict=True)] == names  # fmt: skip
    assert run.class_names == tuple("0123456789")
    assert run.recipe == finished.recipe and run.history == finished.run.metrics()
    examples = make_examples(13, 1)
    for row, name in zip(result["rows"], names, strict=True):
        right = run.predict(examples.image, network=name) == examples.label
        assert row["accuracy"] == [pytest.approx(right.mean())]
    last = run.scores(examples.image)
    np.testing.assert_array_equal(last, run.networks[names[1]].scores(examples.image))
    with pytest.raises(ValueError, match="`network='a'` is none of 'discrete"):
        run.predict(examples.image, network="a")
    with pytest.raises(ValueError, match=r"`network=\[\]` is none of"):
        run.network([])

    # On the command line.
    picture = examples.image[0, ..., 0]
    Image.fromarray(picture).save(tmp_path / "a.png")
    out = tmp_path / "out"
    given = [str(finished.run.path), str(tmp_path / "a.png")]
    assert classify.main([*given, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"a.png: class {last[0].argmax()}, score {last[0].max():.3f}" in said
    assert said.count(" px: score") == 2 and said.count("  * ") == 1
    assert (out / "a_prediction.png").read_bytes()[:4] == b"\x89PNG"
    # One channel, from the file of its weights.
    (weights,) = finished.run.path.glob("weights/*.single.safetensors")
    assert classify.main([str(weights), given[1]]) == 0
    found = run.scores(examples.image[:1], network=names[0])[0]
    said = capsys.readouterr().out
    assert f"class {found.argmax()}, score {found.max():.3f}, softmax" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none", "{tmp}/a.png"], "doesn't exist"),
        (["{tmp}", "{tmp}/a.png"], "no run folder"),
        (["{tmp}/a.png", "{tmp}/a.png"], "no safetensors file"),
        (["{tmp}/net", "{tmp}/none.png"], "none.png"),
        (["{tmp}/net", "{tmp}/net"], "net is unreadable"),
        (["{tmp}/net", "{tmp}/a.png", "--name", "b"], "has one network"),
        (["{tmp}/own", "{tmp}/a.png"], "doesn't say how to build"),
    ],
)
def test_what_cannot_be_predicted_is_one_line(arguments, message, tmp_path, capsys):
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b").mkdir()
    net = GaussDerNet(widths=(2,), num_classes=2, order=1)
    arrays = {"params": {"bias": np.zeros(3)}}
    save_network(tmp_path / "net", net, arrays)
    save_network(tmp_path / "own", nn.Dense(3), arrays)
    filled = [each.format(tmp=tmp_path) for each in arguments]
    assert classify.main(filled) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_run_that_is_not_finished_is_refused(small_digits, recipe, open_run):
    session, _ = open_run(recipe, "run")
    with pytest.raises(UserError, match="--resume"):
        gdjax_train.load_run(session.run.path)
    with pytest.raises(UserError, match="`weights='first'`"):
        gdjax_train.load_run(session.run.path, weights="first")


# Pictures.


def written(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    image = image if mode is None else image.convert(mode)
    image.save(path, **options)
    return read_any(path)


def test_pictures_of_all_modes_have_their_grey_levels(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    path = tmp_path / "a.png"
    for mode in ("L", "LA", "P", "RGB", "RGBA"):
        found = written(path, grey, mode)
        assert found.shape == (6, 8, 1 if mode in ("L", "LA") else 3)
        np.testing.assert_allclose(found, grey[..., None] / 255 + 0 * found)
    found = written(path, grey.astype(np.uint16) * 257)
    np.testing.assert_allclose(found[..., 0], grey / 255)
    # Half transparent over black and over white.
    layers = np.stack([grey] * 3 + [np.full_like(grey, 51)], -1)
    found = written(path, layers)
    np.testing.assert_allclose(found[..., 0], grey / 255 * 0.2)
    found = read_any(path, background="white")
    np.testing.assert_allclose(found[..., 1], grey / 255 * 0.2 + 0.8)
    # Turned by its EXIF data.
    exif = Image.Exif()
    exif[0x0112] = 6  # what is up was on the right
    found = written(path, grey, exif=exif)
    np.testing.assert_allclose(found[..., 0], np.rot90(grey, -1) / 255)


def test_pictures_are_fitted():
    image = np.zeros((8, 20, 1))
    image[:, 6:14] = 0.5  # the central square
    np.testing.assert_allclose(fitted(image, (8, 8, 1)), 0.5)
    np.testing.assert_allclose(fitted(image, (4, 4, 1)), 0.5, atol=1e-6)
    padded = fitted(np.full((8, 16, 1), 0.5), (8, 8, 3), "pad")
    assert padded.shape == (8, 8, 3)
    np.testing.assert_allclose(padded[2:6], 0.5, atol=1e-6)
    assert not padded[:2].any() and not padded[6:].any()
    assert fitted(image, (4, 4, 1), "none").shape == (8, 20, 1)
    colour = np.broadcast_to([1.0, 0.5, 0.0], (4, 4, 3))
    np.testing.assert_allclose(fitted(colour, (4, 4, 1)), 0.299 + 0.587 / 2)
    with pytest.raises(UserError, match="5 channels"):
        fitted(image, (8, 8, 5))


# Sizes.


class Mass(nn.Module):
    """Two classes: whether more than half of an image of 8 px is white."""

    @nn.compact
    def __call__(self, x):
        self.param("none", nn.initializers.zeros, ())
        mass = x.mean((1, 2, 3))
        return jnp.stack([0.5 - mass, mass - 0.5], -1)


def test_sizes_of_ones_own_images():
    white = np.full((3, 8, 8, 1), 255, np.uint8)
    given = Mass(), {"params": {"none": np.zeros(())}}, white, np.array([1, 1, 0])
    # At half the size a quarter is white: class 0.
    found = gdjax_train.evaluate_scales(*given, factors=(1, 0.5, 2))
    assert found["factors"] == [0.5, 1.0, 2.0]
    (row,) = found["rows"]
    assert row["accuracy"] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert row["images"] == [3] * 3 and row["name"] == "Mass"
    json.dumps(found, allow_nan=False)
    generalisation_curve(found["factors"], found["rows"])
    mirrored = gdjax_train.evaluate_scales(*given, factors=[0.5], background="mirror")
    assert mirrored["rows"][0]["accuracy"] == pytest.approx([2 / 3])
    floats = *given[:2], white / 255, given[3]
    again = gdjax_train.evaluate_scales(*floats, factors=(0.5, 1, 2))
    assert again == found


def test_scale_channels_of_ones_own_images():
    net = GaussDerNet(widths=(2,), num_classes=2, sigmas=(0.5, 1.0), order=1)
    x = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    fit = gdjax_train.fit(
        net, (x, np.arange(5) % 2), epochs=1, batch_size=5, progress=False
    )
    found = gdjax_train.evaluate_scales(
        net, fit.variables, x, np.arange(5) % 2, factors=(1, 2), batch_size=2
    )
    (row,) = found["rows"]
    assert row["sigmas"] == [0.5, 1.0] and np.shape(row["selected"]) == (2, 2)
    np.testing.assert_allclose(np.sum(row["selected"], -1), 1)
    right = fit.evaluate(x, np.arange(5) % 2)["accuracy"]
    assert row["accuracy"][0] == pytest.approx(right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factors": (0, 1)}, r"`factors=\[0, 1\]`"),
        ({"factors": ()}, "at least one"),
        ({"factors": (np.nan,)}, "positive numbers"),
        ({"variables": {}}, '`variables` has no "params"'),
        ({"variables": {"params": {"other": np.zeros(3)}}}, "are not those of `model`"),
        ({"labels": np.array([0, 2])}, "has the label 2"),
        ({"labels": np.zeros((2, 8, 8), int)}, "`labels` are masks"),
        ({"labels": np.array([0])}, "`labels`.*don't fit images"),
        # It was class 0 in 32 bits.
        ({"labels": np.array([0, 2**32])}, "`labels`: the label 4294967296 is more"),
        ({"labels": [[0], [0, 1]]}, "`labels`: labels are no array"),
        ({"labels": None}, "`labels`"),
        ({"variables": None}, '`variables` has no "params"'),
        ({"variables": {"params": {"none": "a"}}}, "are not those of `model`"),
        ({"factors": -1}, "`factors=-1`: give positive"),
        ({"factors": [[1.0]]}, "give positive"),
        ({"factors": 10**400}, "`factors=1.*beyond the range of floats"),
        ({"factors": 1e-30}, "`factors=1e-30`.*leaves nothing.*1/8 to 8"),
        ({"factors": [1, 1e9]}, r"`factors=\[1, 1000.*leaves nothing"),
        ({"batch_size": 0}, "`batch_size=0`"),
        ({"batch_size": -1}, "`batch_size=-1`"),
        ({"background": "a"}, "`background='a'`"),
        ({"factors": None}, "`factors=None`"),
        ({"factors": "a"}, "`factors='a'`"),
        ({"batch_size": None}, "`batch_size=None`"),
        ({"batch_size": "a"}, "`batch_size='a'`"),
        ({"batch_size": 2.5}, "`batch_size=2.5`"),
        ({"preprocessing": None}, "`preprocessing=None` must be a"),
        ({"preprocessing": "a"}, "`preprocessing='a'` must be a"),
        ({"background": None}, "`background=None`"),
        ({"name": 1}, "`name=1`"),
        ({"model": None}, "`model` is a NoneType"),
        ({"images": None}, "`images` have shape"),
    ],
)
def test_bad_input_of_sizes_is_refused(change, message):
    given = {
        "model": Mass(), "variables": {"params": {"none": np.zeros(())}},
        "images": np.zeros((2, 8, 8, 1), np.uint8), "labels": np.array([0, 1]),
        "factors": (1.0,),
    }  # fmt: skip
    with pytest.raises((TypeError, ValueError), match=message):
        gdjax_train.evaluate_scales(**given | change)


def test_variables_of_any_numbers():
    """Of Python's, and in the byte order of another machine."""
    x, y = np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 0])
    for number in (0.0, np.zeros((), ">f4")):
        found = gdjax_train.evaluate_scales(
            Mass(), {"params": {"none": number}}, x, y, factors=1
        )
        assert found["rows"][0]["accuracy"] == [1.0]
        assert found["rows"][0]["parameters"] == 1


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (None, TypeError, "`path=None` must be a path"),
        ([], TypeError, r"`path=\[\]` must be a path"),
        (b"a", TypeError, "`path=b'a'` must be a path"),
        ("", UserError, "`path=''` is empty"),
        ("a\0", UserError, "`path=.* null character"),
        ("a" * 300, UserError, "`path=a+` doesn't exist"),
    ],
)
def test_what_is_no_path_of_a_run(path, error, message):
    with pytest.raises(error, match=message):
        gdjax_train.load_run(path)


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="`path=.*is no folder"):
        gdjax_train.load_run(tmp_path / "file")
    with pytest.raises(UserError, match="`path=.*doesn't exist"):
        gdjax_train.load_run(tmp_path / "file" / "run")
