import errno
import io
import subprocess
import sys

import pytest

import gdjax
from gdjax_train import __main__ as command, command_line, evaluate, run_folder
from gdjax_train.errors import UserError
from gdjax_train.recipe import DataConfig, Recipe
from gdjax_train.requirements import require


def test_missing_data_leave_no_folder(tmp_path, capsys):
    out, missing = tmp_path / "run", tmp_path / "no" / "data"
    flags = ["gaussdernet_mnist", "--out", str(out), "--data-dir", str(missing)]
    assert command.main(flags) == 2
    (line,) = lines(capsys)
    assert line.startswith("gdjax-train: data set 'mnist'") and str(missing) in line
    assert not out.exists()


def lines(capsys):
    return capsys.readouterr().err.strip().splitlines()


def test_help_lists_the_recipes_without_importing_all():
    code = (
        "import sys\n"
        "from gdjax_train.__main__ import main\n"
        "main(['--help'])\n"
        "heavy = 'grain', 'orbax', 'tensorflow_datasets', 'matplotlib'\n"
        "sys.exit(any(name in sys.modules for name in heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rescaled_digits [default]" in done.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["rescaled_digit"], "did you mean 'rescaled_digits'"),
        (["--nets", "discrte+relu"], "did you mean 'discrete'"),
        (["--epochs", "-1"], "`epochs=-1`"),
        (["--resume"], "needs the folder"),
        (["--model.family", "njet_tyo"], "did you mean 'njet_toy'"),
        (["--model.discretisation", "spectral"], "named by --nets"),
        (["--model.widths", "0"], "widths"),
        (["--resume", "no/such/run"], "doesn't exist"),
        (["--data.name", "rescaled_digit", "--out", "OUT"], "rescaled_digits"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments, words, capsys, tmp_path):
    arguments = [str(tmp_path / "x") if a == "OUT" else a for a in arguments]
    assert command.main(arguments) == 2
    (line,) = lines(capsys)
    assert line.startswith("gdjax-train: ") and words in line


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--preprocessing.mean", "0.1", "0.2"], "`mean=(0.1, 0.2)`: give one number"),
        (["--augment.hue", "0.1"], "need red, green and blue"),
        (["--model.family", "njet_unet", "--nets", "njet+relu"], "for each pixel"),
    ],
)
def test_what_no_image_can_go_through_leaves_no_folder(
    arguments, words, tmp_path, capsys
):
    out = tmp_path / "run"
    assert command.main(["--out", str(out), *arguments]) == 2
    (line,) = lines(capsys)
    assert words in line and not out.exists()


def test_bad_data_that_are_read_late_are_one_line(monkeypatch, capsys):
    from gdjax.data import DataError

    def fail(*_, **__):
        raise DataError("record 7 is damaged")

    monkeypatch.setattr(command, "parse", fail)
    assert command.main(["rescaled_digits"]) == 2
    assert lines(capsys) == ["gdjax-train: record 7 is damaged"]


def test_help_names_the_families(capsys):
    with pytest.raises(SystemExit):
        command.main(["rescaled_digits", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--model.family" in text and "njet_allcnn" in text


@pytest.mark.parametrize("script", [command, evaluate], ids=["train", "evaluate"])
def test_the_version(script, capsys):
    assert script.main(["--version"]) == 0
    name, version = capsys.readouterr().out.split()
    assert name.startswith("gdjax-") and version == gdjax.__version__


def test_a_mistyped_flag_gets_a_hint(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["rescaled_digits", "--epohcs", "3"])
    assert stopped.value.code == 2
    assert "--epochs" in capsys.readouterr().err


def test_flags_override_the_recipe():
    flags = "--epochs 1 --batch-size 7 --seed 3 --optimizer.learning-rate 0.5".split()
    flags += ["--model.sigmas", "1", "2", "--nets", "sampled+gelu"]
    recipe = command.parse(Recipe(), flags, name="x", description="")
    assert (recipe.epochs, recipe.batch_size, recipe.seed) == (1, 7, 3)
    assert recipe.optimizer.learning_rate == 0.5
    assert recipe.model.sigmas == (1.0, 2.0)
    assert recipe.nets == ("sampled+gelu",)


@pytest.fixture
def run(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(
        command, "train_and_evaluate", lambda run, recipe, _: trained.append(recipe)
    )
    path = tmp_path / "run"
    run_folder.create("rescaled_digits", Recipe(epochs=5), command="", out=str(path))
    return str(path), trained


def test_an_existing_folder_is_refused(run, capsys):
    assert command.main(["--out", run[0]]) == 2
    assert "--resume" in lines(capsys)[0]


def test_resume_takes_the_recipe_of_the_run(run):
    path, trained = run
    assert command.main(["--resume", path]) == 0
    assert command.main([f"--resume={path}"]) == 0
    assert command.main(["rescaled_digits", "--epochs", "5", "--resume", path]) == 0
    assert trained == [Recipe(epochs=5)] * 3


def test_resume_allows_data_that_have_moved(run):
    path, trained = run
    assert command.main(["--resume", path, "--data-dir", "elsewhere"]) == 0
    assert trained == [Recipe(epochs=5, data_dir="elsewhere")]


def test_resume_refuses_another_recipe(run, capsys):
    path, trained = run
    assert command.main(["gaussdernet_mnist", "--resume", path]) == 2
    assert "a run of 'rescaled_digits'" in lines(capsys)[0]
    assert not trained


def test_resume_refuses_other_settings(run, capsys):
    path, trained = run
    assert command.main(["--resume", path, "--epochs", "6", "--model.order", "3"]) == 2
    (line,) = lines(capsys)
    assert "epochs=6 (was 5)" in line and "model.order=3 (was 2)" in line
    assert command.main(["--resume", path, "--model.family", "njet_nin"]) == 2
    assert "keeps its family of networks, gaussdernet" in lines(capsys)[0]
    assert not trained


def test_evaluate_needs_a_run_folder(tmp_path, capsys):
    assert evaluate.main([str(tmp_path)]) == 2
    assert lines(capsys)[0].startswith("gdjax-evaluate: ")


def test_ctrl_c_says_how_to_continue(run, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "train_and_evaluate", interrupt)
    assert command.main(["--resume", run[0]]) == 130
    assert lines(capsys)[-1] == f"  gdjax-train --resume {run[0]}"
    assert command.main(["--resume", run[0], "--data-dir", "elsewhere"]) == 130
    assert lines(capsys)[-1].endswith(f"--resume {run[0]} --data-dir elsewhere")


def test_evaluate_takes_choices(stand_in, one_net, open_run, capsys):
    session, _ = open_run(one_net)
    session.train()
    path = str(session.run.path)
    assert evaluate.main([path, "--factors", "1", "2", "--sigmas", "1", "2", "4"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"gdjax {gdjax.__version__} on cpu x ")
    assert "3 channels, max" in said
    _, _, names = said.partition(f"written in {path}:\n")
    assert "evaluation.json" in names.split() and len(names.split()) > 1
    assert all((session.run.path / name).exists() for name in names.split())
    assert session.run.read_json("evaluation.json")["factors"] == [1.0, 2.0]


def test_what_nobody_foresaw_is_one_line_but_with_debug(capsys):
    def body(_):
        raise ZeroDivisionError("one\ntwo")

    assert command_line.run_script("gdjax-x", body, []) == 1
    (line,) = lines(capsys)
    assert line.startswith("gdjax-x: unexpected ZeroDivisionError: one two; ")
    with pytest.raises(ZeroDivisionError):
        command_line.run_script("gdjax-x", body, ["--debug"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EIO, "Input/output error", "a.bin"), "a.bin"),
        (MemoryError("440 TiB"), "not enough memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: out of memory"), "smaller --batch-size"),
    ],
)
def test_what_the_machine_refuses_is_mended_by_the_user(error, words, capsys):
    def body(_):
        raise error

    assert command_line.run_script("gdjax-x", body, []) == 2
    assert words in lines(capsys)[0]


def test_letters_that_the_terminal_does_not_have_are_no_reason_to_stop(monkeypatch):
    written = io.BytesIO()
    ascii_ = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", ascii_)
    assert command_line.run_script("gdjax-x", lambda _: print("Größe"), []) == 0
    assert written.getvalue() == b"Gr\\xf6\\xdfe\n"


def test_a_device_that_is_not_there_leaves_no_folder(tmp_path, monkeypatch, capsys):
    import jax

    def fail(*_):
        raise AssertionError

    monkeypatch.setenv("JAX_PLATFORMS", "gpu")
    monkeypatch.setattr(jax, "devices", fail)
    out = tmp_path / "run"
    assert command.main(["--out", str(out)]) == 2
    (line,) = lines(capsys)
    assert "has no device" in line and "JAX_PLATFORMS" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--batch-size", "100000"], "does not fit 1400 training images"),
        (["--model.num-classes", "3"], "give --model.num-classes 10"),
        (["--data.train-images", "999999"], "there are 1,400 train images"),
        (["--data.test-images", "999999"], "there are 397 test images"),
        (["--eval-factors", "1e-6"], "give 1/40 to 40"),
        (["--data-dir="], "`data_dir` is empty"),
        (["--out", "/proc/x"], "`out=/proc/x` can't be made"),
        (["--out", "n" * 300], "can't be made"),
    ],
)
def test_what_can_be_checked_is_checked_before_anything_is_written(
    arguments, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert command.main(["rescaled_digits", *arguments]) == 2
    assert words in lines(capsys)[-1]
    assert not list(tmp_path.iterdir())


def test_fewer_images_than_a_recipe_takes_are_told():
    said, recipe = [], Recipe(data=DataConfig(train_images=5000))
    with pytest.raises(UserError, match="there are 1,400 train images; give"):
        require(recipe)
    require(recipe, usual=recipe, say=said.append)
    (text,) = said
    assert text.endswith("there are 1,400 train images, all of which are used")


def test_a_tilde_is_the_home_also_after_an_equals_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    flags = ["--out=~/x", "--data-dir=~/data"]
    recipe = command.parse(Recipe(), flags, name="x", description="")
    assert (recipe.out, recipe.data_dir) == (f"{tmp_path}/x", f"{tmp_path}/data")
