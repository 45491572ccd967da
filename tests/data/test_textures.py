"""Pieces of photographs: where they lie, found from coordinate-coded photographs."""

from __future__ import annotations

import hashlib
import importlib.util

import numpy as np
import pytest
from PIL import Image

from gdjax.data import (
    DataError,
    Textures,
    class_names,
    factor_tag,
    load,
    load_at_factor,
    prepare,
    quarter_octaves,
    textures,
)


COUNTS = {"train": 2691, "validation": 483, "test": 2115}
FACTORS = quarter_octaves(-4, 4)
ROWS, COLUMNS = np.mgrid[:512, :512]


def no_download(urls):
    raise AssertionError("nothing is to be downloaded")


def pieces(config, photographs):
    """Images and labels of all subsets, from three photographs."""
    found = dict(zip(textures.TEXTURES, photographs, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textures, "photographs", lambda: found)
        return Textures(config=config).originals(None, download=no_download)


@pytest.fixture(scope="module", params=["default", "small_pieces"])
def config(request):
    return request.param


@pytest.fixture(scope="module")
def places(config):
    """Subset -> photograph, top, left [N, 3], and the side of the pieces, in px.

    Blocks of 2x2 px have the half of their row, or column, as grey level.
    """
    codes = [[plane.astype(np.uint8)] * 3 for plane in (ROWS // 2, COLUMNS // 2)]
    which = [np.full((512, 512), n, np.uint8) for n in range(3)]
    which, rows, columns = (pieces(config, c) for c in (which, *codes))
    found = {}
    for subset, images in which.images.items():
        n, side = images[:, 0, 0, 0], images.shape[1]
        y, x = (c.images[subset][..., 0] for c in (rows, columns))
        # Contiguous, upright, and of one photograph.
        steps = np.arange(side, dtype=np.uint8) // 2
        assert (images[..., 0] == n[:, None, None]).all()
        assert (y == y[:, :1, :1] + steps[:, None]).all()
        assert (x == x[:, :1, :1] + steps).all()
        assert (which.labels[subset] == n).all()
        assert (rows.labels[subset] == n).all()
        table = np.stack([n, y[:, 0, 0], x[:, 0, 0]], axis=1).astype(int) * [1, 2, 2]
        found[subset] = table, side
    return found


def test_no_pixel_is_in_two_subsets(places):
    users = np.zeros((3, 512, 512), int)
    halves = {}
    for subset, (table, side) in places.items():
        used = np.zeros((3, 512, 512), bool)
        for n, y, x in table:
            used[n, y : y + side, x : x + side] = True
        users += used
        halves[subset] = [used[:, :, :256].any(), used[:, :, 256:].any()]
    assert users.max() == 1
    assert halves["train"] == halves["validation"] == [True, False]
    assert halves["test"] == [False, True]


def test_every_place_is_there_once_and_classes_are_balanced(places, config):
    for subset, (table, side) in places.items():
        assert len(np.unique(table, axis=0)) == len(table)
        assert len(set(np.bincount(table[:, 0], minlength=3))) == 1
        # All of a grid of 8 px that fits.
        height = {"train": 384, "validation": 128, "test": 512}[subset]
        grid = ((height - side) // 8 + 1) * ((256 - side) // 8 + 1)
        assert len(table) == 3 * grid
        if config == "default":
            assert len(table) == COUNTS[subset]
        offset = (0, 384 * (subset == "validation"), 256 * (subset == "test"))
        assert ((table - offset)[:, 1:] % 8 == 0).all()


def test_the_order_is_a_random_one(places):
    for table, _ in places.values():
        # Neither photograph nor place depends on the position; five deviations.
        position = np.arange(len(table))
        for column in table.T:
            assert abs(np.corrcoef(position, column)[0, 1]) < 5 / np.sqrt(len(table))


@pytest.mark.parametrize("factor", FACTORS)
def test_images_show_the_photograph_at_the_known_place(places, config, factor):
    photographs = list(textures.photographs().values())
    canvas = {"default": 32, "small_pieces": 16}[config]
    builder, originals = Textures(config=config), pieces(config, photographs)
    for subset, (table, side) in places.items():
        if subset != "test" and factor != 1:
            continue
        part = builder.part(originals, subset, factor)
        assert part.labels.tolist() == table[:, 0].tolist()
        part = part._replace(images=part.images[:40], labels=part.labels[:40])
        for (image, _), (n, y, x) in zip(part.examples(), table[:40], strict=True):
            # 2 px of the photograph a pixel at factor 1, and the centre is kept.
            half = canvas / factor
            box = (x + side / 2 - half, y + side / 2 - half)
            box += (x + side / 2 + half, y + side / 2 + half)
            source = Image.fromarray(photographs[n].astype(np.float32))
            expected = source.resize((canvas, canvas), Image.Resampling.BICUBIC, box)
            expected = np.clip(np.asarray(expected), 0, 255)
            assert image.shape == (canvas, canvas, 1) and image.dtype == np.uint8
            # Half a grey level of rounding, and the float32 of Pillow.
            assert np.abs(image[..., 0] - expected).max() <= 0.5 + 2e-3


def test_at_factor_two_the_pixels_are_those_of_the_photograph(places, config):
    photographs = list(textures.photographs().values())
    builder = Textures(config=config)
    part = builder.part(builder.originals(None, download=no_download), "test", 2.0)
    table, side = places["test"]
    size = {"default": 32, "small_pieces": 16}[config]
    margin = (side - size) // 2
    for (image, label), (n, y, x) in zip(part.examples(), table, strict=True):
        rows, columns = (slice(v + margin, v + margin + size) for v in (y, x))
        assert label == n and (image[..., 0] == photographs[n][rows, columns]).all()


def test_no_border_is_blended_in(config):
    white = [np.full((512, 512), 255, np.uint8)] * 3
    originals = pieces(config, white)
    builder = Textures(config=config)
    # 0.3 is smaller than any split: the piece ends within the image.
    for factor in (*FACTORS, 0.3):
        part = builder.part(originals, "test", factor)
        part = part._replace(images=part.images[:3], labels=part.labels[:3])
        assert (part.stack() == 255).all()
    for subset in ("train", "validation"):
        part = builder.part(originals, subset, 1.0)
        part = part._replace(images=part.images[:3], labels=part.labels[:3])
        assert (part.stack() == 255).all()


@pytest.mark.parametrize("subset", COUNTS)
def test_a_ramp_has_twice_its_slope(subset):
    # Half a grey level a px of the photograph; the cubic keeps straight lines.
    ramp = (ROWS // 2).astype(np.uint8)
    part = Textures().part(pieces("default", [ramp] * 3), subset, 1.0)
    part = part._replace(images=part.images[:20], labels=part.labels[:20])
    assert (np.diff(part.stack()[..., 0].astype(int), axis=1) == 1).all()
    assert (np.diff(part.stack()[..., 0].astype(int), axis=2) == 0).all()


def test_splits_limits_and_metadata(tfds_dir):
    assert class_names("textures") == ("brick", "grass", "gravel")
    for split, count in {"train": 64, "validation": 32, "test_scale_1p000": 32}.items():
        found = load("textures/tiny", split)
        assert found.image.shape == (count, 32, 32, 1)
        assert set(found.label) == {0, 1, 2}
    assert Textures.test_factors() == FACTORS
    labels = [
        load("textures/tiny", f"test_scale_{factor_tag(f)}").label for f in FACTORS
    ]
    assert all((each == labels[0]).all() for each in labels)
    provenance = prepare("textures/tiny").provenance
    assert provenance["seed"] == 0 and "scikit-image" in Textures.SOURCE
    assert set(provenance["sha256"]) == set(textures.TEXTURES)
    assert Textures.image_shape("test", config="small_pieces") == (16, 16, 1)


def test_the_set_is_always_the_same(tfds_dir, monkeypatch):
    split = "test_scale_2p000"
    first = load("textures/tiny", split)
    monkeypatch.setenv("TFDS_DATA_DIR", f"{tfds_dir}_again")
    again = load("textures/tiny", split)
    assert (first.image == again.image).all() and (first.label == again.label).all()
    digest = hashlib.sha256(first.image.tobytes() + first.label.tobytes()).hexdigest()
    # A change of any pixel is another version of the set.
    assert digest[:16] == "1d552049c5127c66"


def test_other_factors_are_resampled_and_never_black():
    small = load_at_factor("textures/tiny", 0.4)
    assert small.image.shape == (32, 32, 32, 1)
    ends = np.concatenate([small.image[:, 0], small.image[:, -1]])
    assert ends.mean() > small.image.mean() / 2
    assert (small.label == load_at_factor("textures/tiny", 1).label).all()


def test_scikit_image_is_named_where_it_is_missing(monkeypatch):
    find = importlib.util.find_spec

    def without(name, package=None):
        return None if name == "skimage" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(DataError, match=r"scikit-image.*pip install 'gdjax\[data\]'"):
        load("textures/tiny", "train")


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((512, 500), np.uint8), r"grass\(\) is uint8 \(512, 500\), expected"),
        (np.zeros((512, 512, 3), np.uint8), r"grass\(\) is uint8 \(512, 512, 3\)"),
        (np.zeros((512, 512)), r"grass\(\) is float64 .* another version of scikit-im"),
    ],
)
def test_other_pictures_are_refused(monkeypatch, picture, words):
    import skimage.data

    monkeypatch.setattr(skimage.data, "grass", lambda: picture)
    with pytest.raises(DataError, match=words):
        textures.photographs()
