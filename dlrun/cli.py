"""The command line: parses, calls a verb, shows the answer. Nothing else exits."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dlrun import __version__, console
from dlrun.errors import DlrunError, SpecError, UsageError
from dlrun.options import (
    AsJson,
    ClusterName,
    InFormat,
    OfSplit,
    OnCluster,
    OnDevice,
    Overrides,
    RunPath,
    SpecFile,
    Workers,
)

if TYPE_CHECKING:
    from dlrun.experiment import Experiment
    from dlrun.run.folder import RunFolder

app = typer.Typer(
    name="dlrun",
    help="Train deep-learning models from a YAML file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dlrun {__version__}")
        raise typer.Exit


@app.callback()
def dlrun(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=show_version)
    ] = False,
) -> None:
    pass


@app.command()
def train(
    spec: SpecFile,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="Folder for the run's folder.")] = Path("runs"),
    seed: Annotated[int | None, typer.Option(help="Instead of the spec's seed.", show_default=False)] = None,
    device: OnDevice = None,
    workers: Workers = None,
    cluster: OnCluster = None,
    as_json: AsJson = False,
) -> None:
    """Train what a spec describes, and judge it, into a new run folder."""
    from dlrun.train import train as run_training

    flags = list(overrides or [])
    flags += [f"seed={seed}"] if seed is not None else []
    flags += [f"runtime.device={device}"] if device is not None else []
    if workers or cluster:
        from dlrun.reading import read_experiment

        experiment, _ = read_experiment(spec, flags)
        sets = [part for flag in flags for part in ("--set", flag)]
        launch(experiment, ["train", str(spec), *sets, "--out", str(out)], workers, cluster, as_json=as_json)
    with native_log() as log:
        display = console.TrainingDisplay(console.error_console() if as_json else None)
        run = run_training(spec, out=out, display=display, overrides=flags, log=log)
    print_run(run, as_json=as_json)


@app.command()
def resume(
    run: RunPath,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="How many there are to be in all; trains a finished run on.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Go on though versions or device have changed.")] = False,
    workers: Workers = None,
    cluster: OnCluster = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was interrupted or killed, to the same bits as if it had not been."""
    from dlrun.resume import resume as go_on

    if workers or cluster:
        from dlrun.reading import read_resolved
        from dlrun.run.folder import RunFolder

        experiment, _ = read_resolved(RunFolder.open(run).resolved_path)
        flags = [*(["--epochs", str(epochs)] if epochs else []), *(["--force"] if force else [])]
        launch(experiment, ["resume", str(run), *flags], workers, cluster, as_json=as_json)

    with native_log():
        display = console.TrainingDisplay(console.error_console() if as_json else None)
        finished = go_on(run, display=display, epochs=epochs, force=force)
    print_run(finished, as_json=as_json)


def launch(
    experiment: Experiment, arguments: list[str], workers: int | None, cluster: ClusterName | None, *, as_json: bool
) -> NoReturn:
    """Runs the command in several processes, and ends as they do."""
    if experiment.is_folded:  # told once, and not by each of them
        from dlrun.folds import several_workers

        raise several_workers()
    strategy = experiment.runtime.strategy
    if strategy not in ("auto", "multi_worker"):
        raise UsageError(
            f"runtime.strategy is {strategy}, which has one worker",
            hint="write `strategy: auto` in the spec, or leave --workers and --cluster out",
        )
    arguments += ["--json"] if as_json else []
    if cluster is None:
        from dlrun.cluster.local import run_here

        raise typer.Exit(run_here(arguments, workers or 2, os.environ))
    from dlrun.cluster.ray import run_on_ray

    raise typer.Exit(run_on_ray(arguments, workers))


def evaluate(
    run: RunPath,
    split: OfSplit = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="New data in the source's form.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a run again, on one of its splits or on new data."""
    from dlrun.evaluate import evaluate as measure

    if split and data:
        raise typer.BadParameter("give --split or --data, not both")
    with native_log():
        result = measure(run, split=split.value if split else None, data=data)
    if as_json:
        print_json(result.tree())
    else:
        console.print_result(result)


app.command("eval")(evaluate)
app.command("evaluate", hidden=True)(evaluate)


@app.command()
def predict(
    run: RunPath,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="New data in the source's form; - for a pipe.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="A .csv, .parquet or .jsonl file; left out: printed."),
    ] = None,
    form: InFormat = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out rows that cannot be read, and say which.")
    ] = False,
    every_window: Annotated[
        bool, typer.Option("--every-window", help="Of a series: forecast after every row, not only after the last.")
    ] = False,
) -> None:
    """Predict new data: a row for each of its rows, numbered from 1, in their order."""
    from dlrun.predict import predict as predict_files
    from dlrun.writing import format_of, to_file, to_stream

    written = format_of(out, form.value if form else None)
    output = to_file(out, written) if out else to_stream(sys.stdout.buffer, written, at_once=not skip_bad_rows)
    with native_log():
        predicted = predict_files(
            run, files, output, piped=sys.stdin.buffer, skip_bad_rows=skip_bad_rows, every_window=every_window
        )
    console.print_predicted(predicted, out)


@app.command()
def compare(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Runs, folders of runs, or globs.")],
    sort: Annotated[
        str | None, typer.Option(help="A metric or a field of the spec; left out: the main metric.")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, and nothing else.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the curves over one another.", show_default=False)
    ] = None,
) -> None:
    """Show runs side by side: their metrics, and what differs in their specs."""
    from dlrun.compare import compare as compare_runs

    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    comparison = compare_runs(paths, sort=sort)
    if plot:
        from dlrun.evaluation.plots import draw_comparison, save

        try:
            save(draw_comparison(comparison.histories(), left_out=comparison.left_out), plot)
        except OSError as error:
            raise UsageError(f"{plot} cannot be written: {error.strerror}") from None
    if as_json:
        typer.echo(comparison.to_json())
    elif as_csv:
        typer.echo(comparison.to_csv(), nl=False)
    else:
        console.print_comparison(comparison)


@app.command()
def check(
    spec: SpecFile,
    overrides: Overrides = None,
    deep: Annotated[
        bool,
        typer.Option(
            help="Also read the data, say what it holds and what is odd in it, build the model, and train two steps."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find every mistake in a spec at once."""
    from dlrun.check import check as check_spec

    try:
        with native_log() if deep else nullcontext():
            checked = check_spec(spec, overrides=overrides or (), deep=deep)
    except SpecError as error:
        if as_json:
            print_json({"valid": False, "mistakes": error.tree()})
            raise typer.Exit(error.exit_code) from None
        raise
    if as_json:
        print_json(checked.tree())
    else:
        console.print_checked(checked, spec)
    if not checked.sound:
        raise typer.Exit(1)


@app.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="SPEC|RUN", help="A YAML file, or the folder of a run.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show the resolved spec, the layers, their shapes and parameters."""
    from dlrun.show import show as show_model

    with native_log():
        shown = show_model(path, overrides=overrides or ())
    if as_json:
        print_json(shown.tree())
    else:
        console.print_shown(shown)


@app.command()
def schema(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write it to a file instead.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON Schema of the spec, for editors."""
    from dlrun.schema import schema_text, write_schema

    if out:
        write_schema(out)
    else:
        typer.echo(schema_text(), nl=False)


@app.command("init")
def init_spec(
    kind: Annotated[
        str | None, typer.Option(help="Which architecture to start from; left out: cnn.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|FOLDER",
            help="Data to write the spec for: what it holds decides.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="With --from: the column that is predicted.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="The file to write; left out: KIND.yaml, or as the data is called.", show_default=False
        ),
    ] = None,
) -> None:
    """Write a commented spec to start from, and the schema that editors check it with."""
    from dlrun.init import init, init_from

    if kind and data:
        raise typer.BadParameter("give --kind or --from, not both")
    if target is not None and data is None:
        raise typer.BadParameter("--target goes with --from")
    written = init_from(data, out, target, warn=console.print_warning) if data else init(kind or "cnn", out)
    console.print_next([str(written)], title="wrote")
    next_ = [f"dlrun check --deep {written}"] if data else []
    console.print_next([*next_, f"dlrun train {written}"], title="next ")


@app.command()
def datasets(as_json: AsJson = False) -> None:
    """List the data sets that are bundled, cached, or downloaded when used."""
    from dlrun.datasets import datasets as list_datasets

    found = list_datasets()
    if as_json:
        print_json([entry.tree() for entry in found])
    else:
        console.print_datasets(found)


def print_run(run: RunFolder | None, *, as_json: bool) -> None:
    """A run that has just been trained; None where another process has it."""
    if run is None:
        return
    if as_json:
        print_json({"run": str(run.path), "status": run.status().tree(), "metrics": run.metrics()})
    else:
        console.print_summary(run)


@app.command()
def doctor(
    out: Annotated[Path, typer.Option(help="Folder for runs, as given to train.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Say what this machine has, how fast it is, and what is wrong with it."""
    from dlrun.doctor import doctor as diagnose

    found = diagnose(out)
    if as_json:
        print_json(found.tree())
    else:
        console.print_diagnosis(found)
    if not found.able:
        raise typer.Exit(1)


def print_json(value: Any) -> None:
    """JSON on stdout, floats with all their digits."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@contextmanager
def native_log() -> Iterator[Path]:
    """Within it, what TensorFlow's C++ code writes to stderr goes to a temporary file, whose path it gives."""
    with tempfile.TemporaryDirectory(prefix="dlrun-") as folder:
        path = Path(folder, "log.txt")
        with console.capture_native_stderr(path):
            yield path


def main() -> None:
    """The program `dlrun`."""
    # Imports make hundreds of thousands of objects that stay: looking among them for garbage is a tenth of a start.
    gc.set_threshold(50_000)
    console.prepare_streams()
    try:
        app()
    except DlrunError as error:
        console.print_error(error)
        sys.exit(error.exit_code)
