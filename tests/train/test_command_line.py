import subprocess
import sys

import pytest

from gdjax_train import __main__ as command, evaluate, loop, run_folder
from gdjax_train.recipe import Recipe


def test_missing_data_leave_no_folder(tmp_path, capsys):
    out, missing = tmp_path / "run", tmp_path / "no" / "data"
    flags = ["gaussdernet_mnist", "--out", str(out), "--data-dir", str(missing)]
    assert command.main(flags) == 2
    (line,) = lines(capsys)
    assert line.startswith("gdjax-train: data set 'mnist'") and str(missing) in line
    assert not out.exists()


def lines(capsys):
    return capsys.readouterr().err.strip().splitlines()


def test_help_lists_the_recipes_without_importing_jax():
    code = (
        "import sys\n"
        "from gdjax_train.__main__ import main\n"
        "main(['--help'])\n"
        "sys.exit(any(m in sys.modules for m in ('jax', 'grain', 'orbax')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rescaled_digits [default]" in done.stdout
    assert "gaussdernet_mnist_large_scale" in done.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["rescaled_digit"], "did you mean 'rescaled_digits'"),
        (["--nets", "discrte+relu"], "did you mean 'discrete'"),
        (["--epochs", "-1"], "`epochs=-1`"),
        (["--resume"], "needs the folder"),
        (["--resume", "no/such/run"], "no run folder"),
        (["--data.name", "rescaled_digit", "--out", "OUT"], "rescaled_digits"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments, words, capsys, tmp_path):
    arguments = [str(tmp_path / "x") if a == "OUT" else a for a in arguments]
    assert command.main(arguments) == 2
    (line,) = lines(capsys)
    assert line.startswith("gdjax-train: ") and words in line


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
        command, "_train_and_evaluate", lambda run, recipe, _: trained.append(recipe)
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
    assert not trained


def test_evaluate_needs_a_run_folder(tmp_path, capsys):
    assert evaluate.main([str(tmp_path)]) == 2
    assert lines(capsys)[0].startswith("gdjax-evaluate: ")


def test_ctrl_c_says_how_to_continue(run, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_train_and_evaluate", interrupt)
    assert command.main(["--resume", run[0]]) == 130
    assert "--resume" in lines(capsys)[-1]


def test_evaluate_takes_choices(stand_in, one_net, open_run, capsys):
    session, _ = open_run(one_net)
    loop.train(session)
    path = str(session.run.path)
    assert evaluate.main([path, "--factors", "1", "2", "--sigmas", "1", "2", "4"]) == 0
    assert "3 channels, max" in capsys.readouterr().out
    assert session.run.read_json("evaluation.json")["factors"] == [1.0, 2.0]
