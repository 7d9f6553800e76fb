"""How the answers of the short commands look: eval, check, show, init, datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.console.numbers import number
from dlrun.console.profile import print_findings, print_profile
from dlrun.console.results import GAP, metrics_table
from dlrun.console.streams import error_console, standard_console
from dlrun.evaluation.names import label

if TYPE_CHECKING:
    from rich.table import Table

    from dlrun.check import Checked
    from dlrun.data.signature import Signature
    from dlrun.datasets import Entry
    from dlrun.evaluate import Result
    from dlrun.predict import Predicted
    from dlrun.show import Shown, Way


def print_result(result: Result) -> None:
    """The metrics of an evaluation beside the baselines."""
    from rich.text import Text

    from dlrun.evaluation.folds import measured

    console = standard_console()
    what = result.split if result.baseline else f"{result.split}: new data"
    console.print(
        Text.assemble((result.run.name, "bold"), f"  {what}, {number(result.examples)} examples"), soft_wrap=True
    )
    console.print()
    scalars = {name: value for name, value in result.metrics.items() if isinstance(value, int | float)}
    console.print(
        metrics_table(scalars, result.split, result.baseline, main=result.main_metric, deviation=result.deviation)
    )
    if result.deviation:
        console.print(Text(f"\nmean ± standard deviation over the folds, {measured(result.split)}", "dim"))
    interval = result.metrics.get("interval", {}).get(result.main_metric)
    if interval:
        bounds = f"[{number(interval[0])}, {number(interval[1])}]"
        console.print(Text(f"\n95% interval of {label(result.main_metric)} {bounds}", "dim"))
    for note in result.notes:
        console.print(Text(f"note: {note}", "yellow"), soft_wrap=True)


def print_predicted(predicted: Predicted, out: Path | None) -> None:
    """What was left out and what is odd, on stderr; and the file with the predictions, where it is not printed."""
    from rich.text import Text

    errors = error_console()
    for reason in predicted.left_out.reasons():
        errors.print(Text(f"left out: {reason}", "yellow"), soft_wrap=True)
    for note in predicted.notes:
        errors.print(Text(f"note: {note}", "yellow"), soft_wrap=True)
    if out is not None:
        count = "1 row" if predicted.rows == 1 else f"{number(predicted.rows)} rows"
        standard_console().print(Text.assemble(("wrote", "dim"), f" {out}  ", (count, "dim")), soft_wrap=True)


def print_checked(checked: Checked, spec: Path) -> None:
    """That a spec has no mistakes, and what it describes."""
    from rich.text import Text

    console = standard_console()
    verdict = ("no mistakes", "green") if checked.sound else ("the data has mistakes", "bold red")
    console.print(Text.assemble((f"{spec}", "bold"), "  ", verdict), soft_wrap=True)
    console.print()
    if checked.profile is not None:
        print_profile(checked.profile, checked.roles)
        console.print()
    if checked.findings:
        print_findings(checked.findings)
        console.print()
    if checked.signature is None:
        facts = {"features": "known once the data is read: dlrun check --deep"}
    else:
        facts = _signature_facts(checked.signature)
    facts["architecture"] = checked.experiment.architecture.kind
    if checked.rows:
        facts["examples"] = ", ".join(f"{name} {number(count)}" for name, count in checked.rows.items())
    if checked.unused:
        facts["unused"] = ", ".join(checked.unused)
    if checked.parameters is not None:
        facts["parameters"] = number(checked.parameters)
        facts["loss"] = " → ".join(number(loss) for loss in checked.loss)
    _print_facts(facts)
    if checked.sound:
        console.print()
        print_next([f"dlrun train {_argument(spec)}"])


def print_shown(shown: Shown) -> None:
    """The resolved spec, then the layers with their shapes and parameters."""
    from rich.syntax import Syntax
    from rich.table import Table

    from dlrun.run.resolved import resolved_text

    console = standard_console()
    text = resolved_text(shown.experiment.tree())
    if console.is_terminal:
        console.print(Syntax(text, "yaml", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        console.print(text, soft_wrap=True)
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim")
    for title in ("layer", "kind", "output"):
        table.add_column(title)
    table.add_column("parameters", justify="right")
    for layer in shown.layers:
        sides = " × ".join("?" if side is None else f"{side}" for side in layer.shape)
        table.add_row(layer.name, layer.kind, sides, number(layer.parameters) if layer.parameters else "")
    table.add_row("", "", "", number(shown.parameters), style="bold")
    console.print(table)
    console.print()
    console.print(_ways_table(shown.ways))
    console.print()
    facts = _signature_facts(shown.signature)
    if shown.vector_names:
        facts["columns"] = ", ".join(shown.vector_names)
    _print_facts(facts)


def _ways_table(ways: Sequence[Way]) -> Table:
    """How each column gets into the network."""
    from rich.table import Table

    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim")
    for title in ("column", "feature", "input", "encoder", "width", "into"):
        table.add_column(title, justify="right" if title == "width" else "left")
    for way in ways:
        table.add_row(way.column, way.feature, way.input, way.encoder, number(way.width), way.joined)
    return table


def print_datasets(entries: Sequence[Entry]) -> None:
    """The data sets that a spec can name, one a line."""
    from rich.table import Table
    from rich.text import Text

    console = standard_console()
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim")
    for title in ("source", "name", "target", "state", "what it is"):
        table.add_column(title, no_wrap=title != "what it is")
    styles = {"bundled": "green", "cached": "green", "download": "yellow"}
    for entry in entries:
        state, name = Text(entry.state, styles[entry.state]), Text(entry.name, "bold")
        table.add_row(entry.source, name, entry.target or "", state, entry.about)
    console.print(table)
    console.print()
    print_next(["data: {source: {kind: bundled, name: mnist}}"], title="in a spec")


def print_warning(text: str) -> None:
    """What went well enough to go on, on stderr."""
    from rich.text import Text

    error_console().print(Text.assemble(("warning: ", "bold yellow"), text), soft_wrap=True)


def print_next(commands: Sequence[str], title: str = "next") -> None:
    """What to type next, each in a line that can be copied whole."""
    from rich.text import Text

    console = standard_console()
    for index, command in enumerate(commands):
        start = title if index == 0 else " " * len(title)
        console.print(Text.assemble((start, "dim"), "  ", command), soft_wrap=True)


def _signature_facts(signature: Signature) -> dict[str, str]:
    from dlrun.models.blocks import describe_inputs
    from dlrun.training.losses import describe

    facts = {"input": describe_inputs(signature), "predicts": " and ".join(map(describe, signature.outputs))}
    for output in signature.outputs:
        if output.classes:
            facts[f"classes of {output.name}" if signature.further else "classes"] = ", ".join(output.classes)
    return facts


def _print_facts(facts: Mapping[str, str]) -> None:
    """A line for each fact, its name before it. Not a rich table, which takes longer to load than a spec to check."""
    from rich.text import Text

    console, width = standard_console(), max(map(len, facts))
    for name, value in facts.items():
        console.print(Text.assemble((name.ljust(width), "dim"), "  ", value), soft_wrap=True)


def _argument(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
