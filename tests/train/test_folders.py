"""Training on a user's own folder of pictures."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gdjax.data import rescale
from gdjax.models.network_loading import read_arrays
from gdjax_train import __main__ as command, evaluate, evaluation, phases
from gdjax_train.data import load_split, load_test, source
from gdjax_train.errors import UserError
from gdjax_train.folders import with_whole_paths
from gdjax_train.recipe import DataConfig
from gdjax_train.requirements import require
from gdjax_train.trials import trials
from gdjax_train.validation import validate


COUNTS = {"train": {"cat": 20, "dog": 10}, "test": {"cat": 3, "dog": 4}}


def save(path, seed, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write(root, counts, seed=0):
    for split, classes in counts.items():
        for name, count in classes.items():
            for i in range(count):
                save(root / split / name / f"{i:02}.png", seed := seed + 1)
    return root


@pytest.fixture
def pets(tmp_path):
    return write(tmp_path / "pets", COUNTS)


@pytest.fixture
def on_pets(one_net, pets):
    """A recipe of one trial on the folder; further fields of its data."""

    def make(**fields):
        data = DataConfig(folder=str(pets), **fields)
        model = dataclasses.replace(one_net.model, num_classes=2)
        return dataclasses.replace(one_net, data=data, model=model)

    return make


def sources(recipe, *kinds):
    return [source(trials(recipe)[0], kind) for kind in kinds]


def load(recipe, *kinds):
    return [load_split(own, data_dir=None) for own in sources(recipe, *kinds)]


def test_a_run_from_the_command_line(pets, tmp_path, monkeypatch, net):
    def build(model, *_):
        return net(model.sigmas, classes=2)

    for module in (phases, evaluation):
        monkeypatch.setattr(module, "build", build)
    monkeypatch.chdir(tmp_path)
    flags = "rescaled_digits --epochs 1 --batch-size 8 --out run --data.folder pets"
    flags += " --model.num-classes 2 --data.validation-images 2 --eval-factors 0.5 1"
    assert command.main(flags.split()) == 0
    run = tmp_path / "run"
    stored = json.loads((run / "recipe.json").read_text())["recipe"]
    assert stored["data"]["folder"] == str(pets)
    noted = json.loads((run / "data.json").read_text())["train"]
    assert noted["images"] == 27 and noted["shape"] == [8, 8, 1]
    described, _ = read_arrays(next(run.glob("weights/*.single.safetensors")))
    assert described["facts"]["class_names"] == ["cat", "dog"]
    result = json.loads((run / "evaluation.json").read_text())
    assert result["factors"] == [0.5, 1.0] and result["data"] == str(pets)
    # Wherever it is resumed, and with the folder as it was typed.
    assert command.main(["--resume", "run", "--data.folder", "pets"]) == 0
    pets.rename(tmp_path / "moved")
    assert evaluate.main(["run", "--data-dir", "moved", "--factors", "1"]) == 0
    assert command.main(["--resume", "run", "--data-dir", "moved"]) == 0


def test_paths_become_absolute(monkeypatch, tmp_path, recipe):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home")
    for given, expected in (("a/../b", tmp_path / "b"), ("~/b", "/home/b")):
        data = DataConfig(folder=given)
        found = with_whole_paths(dataclasses.replace(recipe, data=data))
        assert found.data.folder == str(expected)
    assert with_whole_paths(recipe) == recipe


@pytest.mark.parametrize("lazy", [False, True])
def test_all_training_images_are_trained_on_without_validation(on_pets, lazy):
    (train,) = load(on_pets(lazy=lazy), "train")
    assert isinstance(train.image, np.ndarray) != lazy
    assert train.image.shape == (30, 8, 8, 1) and train.classes == ("cat", "dog")
    assert len(load(on_pets(with_validation=True), "train")[0].label) == 30


def test_every_tenth_image_is_validated_on_where_there_is_no_folder(on_pets):
    recipe = on_pets(validation_images=None)
    train, validation = load(recipe, "train", "validation")
    assert train.image.shape[0] == 27 and validation.label.tolist() == [0, 1, 0]
    seen = {image.tobytes() for part in (train, validation) for image in part.image}
    assert len(seen) == 30


@pytest.mark.parametrize("name", ["validation", "val"])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_folder_for_validation(on_pets, pets, open_run, name, lazy):
    write(pets, {name: {"dog": 2}}, seed=99)
    recipe = on_pets(validation_images=None, lazy=lazy)
    train, validation = load(recipe, "train", "validation")
    assert len(train.label) == 30 and validation.label.tolist() == [1, 1]
    joined = on_pets(with_validation=True, lazy=lazy)
    data = _training_data(open_run, joined)
    examples = data.train(trials(joined)[0])
    assert len(examples.image) == 32 and examples.label[-2:].tolist() == [1, 1]


def _training_data(open_run, recipe):
    from gdjax_train.data import TrainingData

    session, _ = open_run(recipe)
    return TrainingData(session.run, recipe)


def test_changed_pictures_and_class_names_are_noticed(on_pets, pets, open_run):
    recipe = on_pets()
    (trial,) = trials(recipe)
    data = _training_data(open_run, recipe)
    before = data.facts(trial)
    assert _training_data(open_run, recipe).train(trial) is not None
    (pets / "train" / "dog").rename(pets / "train" / "eel")
    shutil.rmtree(pets / "test")
    words = f"{pets}' has changed since the run began: split 'train' .*put its"
    with pytest.raises(UserError, match=words):
        _training_data(open_run, recipe).train(trial)
    (pets / "train" / "eel").rename(pets / "train" / "dog")
    save(pets / "train" / "dog" / "03.png", 12345)
    with pytest.raises(UserError, match=words):
        _training_data(open_run, recipe).train(trial)
    assert before["images"] == 30


def test_test_images_are_rescaled_about_their_centres(on_pets):
    (own,) = sources(on_pets(), "test")
    one, half = (
        load_test(own, factor, data_dir=None, limit=4) for factor in (1.0, 0.5)
    )
    assert one.label.tolist() == [0, 1, 0, 1] and half.label.tolist() == [0, 1, 0, 1]
    for image, small in zip(one.image, half.image, strict=True):
        assert (small == rescale(image, 0.5, size=8, background="mirror")).all()


def test_on_a_canvas_test_images_stay_as_they_are(on_pets):
    (own,) = sources(on_pets(canvas=16), "test")
    found = load_test(own, 2.0, data_dir=None, limit=2)
    assert found.image.shape == (2, 8, 8, 1) and found.factor.tolist() == [2, 2]


def test_validation_images_of_the_training_have_factors_of_their_own(on_pets):
    scales = dataclasses.replace(
        DataConfig().scales, kind="log_uniform", low=1.0, high=4.0
    )
    recipe = on_pets(canvas=32, scales=scales, validation_images=None)
    train, validation = load(recipe, "train", "validation")
    assert not np.array_equal(train.factor[:3], validation.factor)


def refused(recipe, words):
    with pytest.raises(UserError, match=words) as caught:
        require(recipe)
    assert "\n" not in str(caught.value)


def test_what_is_said_before_anything_is_written(on_pets, pets):
    require(on_pets(validation_images=None))
    more = dataclasses.replace(on_pets().model, num_classes=10)
    words = r"`num_classes=10`, but `data.folder=.*` has 2 \(cat, dog\): give --model.n"
    refused(dataclasses.replace(on_pets(), model=more), words)
    save(pets / "train" / "dog" / "07.png", 0, size=(8, 6))
    words = r"00\.png is 8x8 px, grey, but .*dog/07\.png is 8x6 px, grey: all pictures"
    refused(on_pets(), words)
    require(on_pets(train_images=8))  # of which it is not one
    words = r"has no folder train_scale_2p000/: for pictures of one size, give --data"
    refused(on_pets(train_images=8, train_sizes=(2.0,)), words)
    (pets / "test").rename(pets / "tests")
    words = f"`data.folder={pets}` has no folder test/: sort the pictures into train/"
    refused(on_pets(train_images=8), words)
    (pets / "train").rename(pets / "trained")
    refused(on_pets(), f"`data.folder={pets}` has no folder train/: sort")
    shutil.rmtree(pets)
    refused(on_pets(), f"{pets}.*`path={pets}` does not exist: give a folder that has")


def test_images_that_are_not_square_or_of_16_bits(on_pets, pets):
    recipe = dataclasses.replace(on_pets(), eval_factors=(1.0, 2.0))
    shutil.rmtree(pets)
    for i, (split, name) in enumerate([("train", "cat"), ("train", "dog")] * 4):
        save(pets / split / name / f"{i}.png", i, size=(8, 6))
    shutil.copytree(pets / "train", pets / "test")
    require(recipe)
    (test,) = sources(recipe, "test")
    image, large = (
        load_test(test, factor, data_dir=None, limit=1).image[0] for factor in (1, 2)
    )
    assert (large == rescale(image, 2, size=(8, 6), background="mirror")).all()
    for path in pets.glob("*/*/*.png"):
        Image.fromarray(np.full((8, 6), 40_000, np.uint16)).save(path)
    words = r"has uint16 \(8, 6, 1\): images of 8 .* factor 1, not 2 \(--eval-factors 1"
    refused(recipe, words)
    require(dataclasses.replace(recipe, eval_factors=()))


def test_unreadable_pictures_are_passed_over_on_request(on_pets, pets):
    broken = next((pets / "train").glob("*/*.png"))
    broken.write_bytes(b"\x89PNG, but no more")
    refused(on_pets(), f"{broken.name}.*unreadable")
    with pytest.warns(UserWarning, match=f"left out: .*{broken.name}"):
        (whole,) = load(on_pets(skip_unreadable=True), "train")
    assert len(whole.label) == len(list(pets.glob("train/*/*.png"))) - 1
    recipe = on_pets(skip_unreadable=True)
    plain = dataclasses.replace(recipe.data, folder=None)
    with pytest.raises(UserError, match="`data.skip_unreadable` is for pictures of a"):
        validate(dataclasses.replace(recipe, data=plain))


def test_masks_are_for_segmentation(on_pets, pets):
    shutil.rmtree(pets)
    for split in ("train", "test"):
        for i in range(2):
            save(pets / split / "images" / f"{i}.png", i)
            mask = np.full((8, 8), i, np.uint8)
            path = pets / split / "masks" / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(mask).save(path)
    words = f"`data.folder={pets}` has a class for each pixel, but the network finds"
    refused(on_pets(), words)
    (train,) = load(on_pets(), "train")
    assert train.label.shape == (2, 8, 8) and train.label[1].max() == 1
    with pytest.raises(UserError, match="has masks: images of 8 bits"):
        load_test(sources(on_pets(), "test")[0], 2.0, data_dir=None, limit=1)


def test_a_folder_is_given_once(on_pets):
    recipe = dataclasses.replace(on_pets(), data_dir="elsewhere")
    words = "`data.folder=.*` and `data_dir=elsewhere`: give the folder alone"
    with pytest.raises(UserError, match=words):
        validate(recipe)
