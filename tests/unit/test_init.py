"""The specs that `dlrun init` writes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from dlrun.errors import UsageError
from dlrun.experiment import Experiment
from dlrun.init import MODELINE, SCHEMA, TEMPLATES, init
from dlrun.models import Architecture
from dlrun.reading import read_experiment
from dlrun.schema import schema_text

KINDS = sorted(
    kind for member in get_args(get_args(Architecture)[0]) for kind in get_args(member.model_fields["kind"].annotation)
)


def test_every_architecture_has_a_template() -> None:
    assert sorted(TEMPLATES) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_has_no_mistake(kind: str, tmp_path: Path) -> None:
    path = init(kind, tmp_path / f"{kind}_1.yaml")
    experiment, _ = read_experiment(path)
    assert experiment.architecture.kind == kind
    text = path.read_text(encoding="utf-8")
    assert text.startswith(MODELINE)
    assert str(path) in text
    assert "{file}" not in text
    assert "{name}" not in text
    assert text.count("# ") > 3, "a template explains itself"
    assert (tmp_path / SCHEMA).read_text(encoding="utf-8") == schema_text()


def test_it_names_the_file_after_the_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert init("gru") == Path("gru.yaml")
    experiment, _ = read_experiment(Path("gru.yaml"))
    assert isinstance(experiment, Experiment)
    assert experiment.name == "gru"


@pytest.mark.parametrize(
    ("file", "name"), [("my first spec.yaml", "my_first_spec"), ("_größe.v2.yaml", "gr_e.v2"), ("数字.yaml", "run")]
)
def test_a_file_may_be_called_what_a_run_may_not(file: str, name: str, tmp_path: Path) -> None:
    experiment, _ = read_experiment(init("cnn", tmp_path / file))
    assert experiment.name == name


def test_it_never_writes_over_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="exists already") as raised:
        init("cnn", path)
    assert raised.value.hint == "name another file with -o"
    assert path.read_text(encoding="utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_it_says_what_it_does_not_know_and_where_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no architecture lstn: expected one of ann, autoencoder, cnn") as raised:
        init("lstn", tmp_path / "mine.yaml")
    assert raised.value.hint == "did you mean lstm?"
    with pytest.raises(UsageError, match="cannot be written"):
        init("cnn", tmp_path / "nowhere" / "mine.yaml")
