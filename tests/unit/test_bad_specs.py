"""What a person reads after a mistake in a spec, to the letter: each bad_specs/*.yaml beside its *.txt."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from dlrun.console import print_error
from dlrun.errors import DlrunError
from dlrun.reading import read_experiment

BAD_SPECS = Path(__file__).parent / "bad_specs"


def complaint(spec: Path, *overrides: str) -> tuple[int, str]:
    """The exit code and the text that a mistake leads to."""
    console = Console(file=io.StringIO(), width=100, highlight=False)
    with pytest.raises(DlrunError) as raised:
        read_experiment(spec, overrides)
    print_error(raised.value, console)
    assert isinstance(console.file, io.StringIO)
    return raised.value.exit_code, console.file.getvalue()


def test_there_are_enough_of_them() -> None:
    specs, texts = ({path.stem for path in BAD_SPECS.glob(f"*.{ending}")} for ending in ("yaml", "txt"))
    assert specs == texts
    assert len(specs) >= 30


@pytest.mark.parametrize("spec", sorted(BAD_SPECS.glob("*.yaml")), ids=lambda spec: spec.stem)
def test_text(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD_SPECS)
    code, text = complaint(Path(spec.name))
    text = text.replace(str(BAD_SPECS), "<folder>")
    assert text.splitlines() == spec.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    assert code == 2


def write_large(path: Path) -> None:
    path.write_bytes(b"name: large\n" + b"# as large as a data set\n" * 400_000)


def write_deep(path: Path) -> None:
    path.write_text(f"data: {'[' * 500}{']' * 500}\n", encoding="utf-8")


def write_latin(path: Path) -> None:
    path.write_bytes("name: Größe\n".encode("latin-1"))


def write_wide(path: Path) -> None:
    path.write_bytes("name: x\n".encode("utf-16"))


GENERATED: list[tuple[Callable[[Path], object], list[str]]] = [
    (
        write_large,
        [
            "mine.yaml  the file is larger than 1 MB",
            "        mend      a spec holds settings, not data: name the right file",
            "",
            "1 mistake in mine.yaml",
        ],
    ),
    (
        write_deep,
        [
            f"mine.yaml:1:56  data{'[0]' * 31}...: more than 50 mappings and lists are inside each other here",
            f"    1 | data: {'[' * 80}...",
            f"      | {' ' * 55}^",
            "        mend      no setting needs that: see whether a bracket is missing",
            "",
            "1 mistake in mine.yaml",
        ],
    ),
    (
        write_latin,
        [
            "mine.yaml  byte 9 (0xf6, on line 1) is not UTF-8",
            "        expected  a text in UTF-8",
            "        received  what looks like Latin-1 or Windows-1252",
            "        mend      save the file as UTF-8",
            "",
            "1 mistake in mine.yaml",
        ],
    ),
    (
        write_wide,
        [
            "mine.yaml  byte 1 (0xff, on line 1) is not UTF-8",
            "        expected  a text in UTF-8",
            "        received  what looks like UTF-16",
            "        mend      save the file as UTF-8",
            "",
            "1 mistake in mine.yaml",
        ],
    ),
    (Path.mkdir, ["error: mine.yaml is a folder, not a spec file"]),
    (lambda path: None, ["error: mine.yaml does not exist", " mend: `dlrun init` writes a spec to start from"]),
]


@pytest.mark.parametrize(("write", "lines"), GENERATED)
def test_text_of_files_that_are_made_here(
    write: Callable[[Path], object], lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("mine.yaml"))
    code, text = complaint(Path("mine.yaml"))
    assert text.splitlines() == lines
    assert code == 2


def test_libyaml_has_a_limit_of_its_own_which_is_told_alike(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"data: {'[' * 3000}{']' * 3000}\n", encoding="utf-8")
    code, text = complaint(tmp_path / "mine.yaml")
    assert "mappings and lists are inside each other here" in text
    assert "see whether a bracket is missing" in text
    assert code == 2


def test_a_missing_spec_is_answered_with_one_of_a_near_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cnn_mnist.yaml").touch()
    _, text = complaint(Path("cnn_minst.yaml"))
    assert text == "error: cnn_minst.yaml does not exist\n mend: did you mean cnn_mnist.yaml?\n"


def test_a_flag_is_shown_as_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD_SPECS)
    _, text = complaint(Path("near_kind.yaml"), "architecture.kind=cnn", "training.epohs=3")
    assert text.splitlines() == [
        "--set  training.epohs: unknown field",
        "      | --set training.epohs=3",
        "      |                ^^^^^",
        "        expected  one of epochs, batch_size, gradient_accumulation, shuffle, oversample,",
        "                  early_stopping, reduce_on_plateau, checkpoint, on_not_finite, on_out_of_memory",
        "        mend      write `epochs`",
        "",
        "1 mistake in near_kind.yaml",
    ]


@pytest.mark.parametrize("name", ["several_at_once", "tab", "more_pooling_than_pixels"])
def test_process_says_it_on_stderr_and_exits_with_2(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dlrun", "check", f"{name}.yaml"], cwd=BAD_SPECS, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode("utf-8").splitlines()[-1].endswith(f" in {name}.yaml")
