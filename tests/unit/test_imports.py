"""The light commands stay light: what is slow to import is imported by what needs it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from dlrun.data.section import Data
from dlrun.run.folder import RunFolder

ROOT = Path(__file__).parents[2]
HEAVY = {"tensorflow", "keras", "sklearn", "matplotlib", "polars"}
PROGRAM = """
import sys
from dlrun.cli import main
try:
    main()
except SystemExit as end:
    code = end.code or 0
print(code, *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded(*arguments: str, folder: Path = ROOT) -> tuple[int, set[str]]:
    """The exit code of a command, and the top-level modules in memory at its end."""
    code, modules, _ = ran(*arguments, folder=folder)
    return code, modules


def ran(*arguments: str, folder: Path) -> tuple[int, set[str], str]:
    """As `loaded`, with what was said."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, encoding="utf-8", cwd=folder
    )
    *said, last = done.stderr.splitlines()
    code, *modules = last.split()
    return int(code), set(modules), " ".join(said)


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["train", "--help"],
        ["check", "configs/cnn_mnist.yaml"],
        ["check", "configs/ann_csv.yaml", "--json"],
        ["schema"],
        ["datasets"],
    ],
    ids=" ".join,
)
def test_command_is_light(command: list[str]) -> None:
    code, modules = loaded(*command)
    assert code == 0
    assert "dlrun" in modules
    assert not modules & HEAVY


def test_a_spec_with_mistakes_is_answered_lightly() -> None:
    code, modules = loaded("train", "tests/unit/bad_specs/several_at_once.yaml")
    assert code == 2
    assert not modules & HEAVY


def test_init_and_compare_are_light(tmp_path: Path) -> None:
    for command in (["init", "--kind", "lstm"], ["check", "lstm.yaml"]):
        code, modules = loaded(*command, folder=tmp_path)
        assert (code, modules & HEAVY) == (0, set())
    run = tmp_path / "runs" / "broken-20260101-000000"
    run.mkdir(parents=True)
    (run / "status.json").write_text("{", encoding="utf-8")
    _, modules = loaded("compare", "runs", folder=tmp_path)
    assert not modules & HEAVY


def test_data_is_read_before_tensorflow_is_loaded(tmp_path: Path) -> None:
    """It takes half a gigabyte, and so do the columns of a large table that are read one at a time."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "status.json").write_text('{"state": "finished"}', encoding="utf-8")
    spec = "data: {source: {kind: csv, path: gone.csv}, target: b}\narchitecture: {kind: ann}\n"
    (run / "resolved.yaml").write_text(spec, encoding="utf-8")
    (tmp_path / "new.csv").write_text("a,b\n1,\n", encoding="utf-8")
    for command in (["eval", "run"], ["eval", "run", "--data", "gone.csv"]):
        code, modules = loaded(*command, folder=tmp_path)
        assert (code, modules & {"tensorflow", "keras"}) == (1, set())


def test_what_is_wrong_with_new_rows_is_told_before_tensorflow_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("a,b\n" + "1,2\n3,5\n" * 20, encoding="utf-8")
    data = {"source": {"kind": "csv", "path": "old.csv"}, "target": "b", "features": {"a": {"kind": "number"}}}
    run = RunFolder.create(tmp_path, "run", datetime(2026, 1, 1))
    run.start(1, "mse")
    run.write_preparation(Data.parse(data).load(tmp_path, 0).preparation.tree())
    run.write_resolved({"data": data, "architecture": {"kind": "ann"}})
    for content, told in (("c\n1\n", "a is missing"), ("a\n1\nx\n", "row 2"), ("a\n1\n", "weights.npz")):
        (tmp_path / "new.csv").write_text(content, encoding="utf-8")
        code, modules, said = ran("predict", str(run.path), "new.csv", folder=tmp_path)
        assert told in said
        assert (code, modules & {"tensorflow", "keras"}) == (1, set())


def test_checking_a_table_reads_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"a": 1, "b": 2}\n', encoding="utf-8")
    (tmp_path / "1.parquet").write_bytes(b"PAR1 what polars alone can read PAR1")
    for kind, path in (("json", "*.jsonl"), ("parquet", "1.parquet")):
        source = f"{{kind: {kind}, path: '{path}', where: [{{column: a, min: 0}}], limit: 10}}"
        spec = f"data: {{source: {source}, target: b}}\narchitecture: {{kind: ann}}\n"
        (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")
        code, modules = loaded("check", "spec.yaml", folder=tmp_path)
        assert (code, modules & HEAVY) == (0, set())


def test_the_package_has_these_names_and_no_others() -> None:
    program = (
        "import dlrun; print(*sorted(name for name in vars(dlrun) if not name.startswith('_')), dlrun.__version__)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.split() == ["0.1.0"]
