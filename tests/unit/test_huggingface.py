"""Data sets of Hugging Face that are on this machine."""

from __future__ import annotations

import importlib.util
import json
import pathlib

import numpy as np
import pytest

from dlrun.data.columns import Column
from dlrun.data.section import Data
from dlrun.data.sources import HuggingFace
from dlrun.data.sources.huggingface import OFFLINE
from dlrun.errors import DataError, DlrunError, MissingExtraError
from dlrun.init import init_from

INSTALLED = importlib.util.find_spec("datasets") is not None
needed = pytest.mark.skipif(not INSTALLED, reason="the library datasets is not installed")


def source(**fields: object) -> HuggingFace:
    return HuggingFace.parse({"kind": "huggingface", **fields})


def describe(folder: pathlib.Path) -> None:
    """The descriptions that save_to_disk writes, which are read without the library."""
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["pos", "neg"], "_type": "ClassLabel"},
    }
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
        (folder / part / "dataset_info.json").write_text(json.dumps({"features": features}), encoding="utf-8")
        (folder / part / "state.json").write_text("{}", encoding="utf-8")
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")


def test_what_is_known_without_the_library(tmp_path: pathlib.Path) -> None:
    describe(tmp_path / "saved")
    found = source(path="saved")
    assert list(found.check(tmp_path)) == []
    expected = {"text": Column("unknown"), "label": Column("category", classes=("neg", "pos"))}
    assert found.known(tmp_path) == expected
    assert found.has_test(tmp_path)
    alone = source(path="saved/train")
    assert alone.known(tmp_path) == expected
    assert not alone.has_test(tmp_path)
    assert not source(path="saved", part="test").has_test(tmp_path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "neither path nor name"),
        ({"path": "saved", "name": "imdb"}, "both path and name"),
        ({"path": "saved", "config": "plain"}, "config belongs to name"),
        ({"path": "svaed"}, "there is no folder .*svaed"),
        ({"path": "empty"}, "is no saved data set: it has no state.json"),
        ({"path": "broken"}, "dataset_dict.json cannot be read"),
        ({"path": "saved", "part": "dev"}, "there is no part dev"),
        ({"path": "saved", "time": "when"}, "there is no column when"),
    ],
)
def test_mistakes(fields: dict[str, object], words: str, tmp_path: pathlib.Path) -> None:
    describe(tmp_path / "saved")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dataset_dict.json").write_text("{", encoding="utf-8")
    (problem,) = source(**fields).check(tmp_path)
    with pytest.raises(DataError, match=words):
        raise DataError(problem.message)


def test_the_test_part_stands_behind_the_part_that_is_trained_on(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the library gives is stood in for: how the parts are joined does not need it."""
    parts = {"test": np.array([7, 8]), "extra": np.array([9]), "dev": np.array([5]), "train": np.arange(3)}
    monkeypatch.setattr(HuggingFace, "_found", lambda *_: parts)
    monkeypatch.setattr(HuggingFace, "_columns", lambda _, part, name: {"x": part})
    table = source(name="numbers").load(tmp_path)
    assert table.columns["x"].tolist() == [0, 1, 2, 5, 7, 8]
    assert table.test_rows is not None
    assert table.test_rows.tolist() == [False] * 4 + [True] * 2
    assert table.validation_rows is not None
    assert table.validation_rows.tolist() == [False] * 3 + [True] + [False] * 2
    assert table.notes == ("numbers: the rows of extra are not used",)
    alone = source(name="numbers", part="test").load(tmp_path)
    assert (alone.columns["x"].tolist(), alone.test_rows, alone.validation_rows) == ([7, 8], None, None)
    alone = source(name="numbers", part="dev").load(tmp_path)
    assert (alone.columns["x"].tolist(), alone.validation_rows) == ([5, 7, 8], None)
    parts["dev"], parts["valid"] = np.array([[5]]), np.array([6])  # `valid` comes first of the two
    assert source(name="numbers").load(tmp_path).notes == ("numbers: the rows of extra, dev are not used",)
    del parts["valid"]
    with pytest.raises(DataError, match=r"numbers: x has the shapes \(\) and \(1,\) in its parts"):
        source(name="numbers").load(tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_a_validation_part_is_that_of_the_data(
    known: bool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a named data set, whose parts are not known before it is read."""
    parts = {"train": np.arange(3), "validation": np.array([5.0]), "test": np.array([7.0, 8])}
    monkeypatch.setattr(HuggingFace, "_found", lambda *_: parts)
    monkeypatch.setattr(HuggingFace, "_columns", lambda _, part, name: {"x": part / 1, "y": part * 2.0})
    describe(tmp_path / "numbers")
    (tmp_path / "numbers" / "dataset_dict.json").write_text(json.dumps({"splits": list(parts)}), encoding="utf-8")
    monkeypatch.setattr(HuggingFace, "known", lambda *_: None)
    tree = {
        "source": {"kind": "huggingface", "path" if known else "name": "numbers"},
        "target": "y",
        "features": {"x": {"kind": "number"}},
    }
    data = Data.parse(tree)
    assert list(data.check(tmp_path)) == []
    dataset = data.load(tmp_path, 0)
    assert {part: rows.tolist() for part, rows in dataset.parts.items()} == {
        "train": [0, 1, 2], "validation": [3], "test": [4, 5]
    }  # fmt: skip
    assert dataset.resolved.has_validation
    again = Data.parse(dataset.resolved.tree())
    assert list(again.check(tmp_path)) == []
    assert again.load(tmp_path, 1).parts.validation.tolist() == [3]
    for split in ({"validation": 0.2}, {"kind": "kfold"}):
        said = Data.parse({**tree, "split": split})
        told = [problem.message for problem in said.check(tmp_path)]
        assert told == (["the source has a validation part of its own"] if known else [])
        with pytest.raises(DlrunError, match="the source has a validation part of its own"):
            said.load(tmp_path, 0)


def test_the_library_is_named_where_it_is_not_installed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as raised:
        source(name="imdb").load(tmp_path)
    assert raised.value.hint == "pip install 'dlrun[huggingface]'"


@needed
@pytest.mark.filterwarnings("ignore")
def test_a_saved_data_set_is_a_table(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in OFFLINE:  # which the library reads when it is imported
        monkeypatch.setenv(variable, "1")
    import datasets
    from PIL import Image

    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "row": datasets.Sequence(datasets.Value("float32"), length=2),
            "image": datasets.Image(),
        }
    )

    def made(count: int) -> datasets.Dataset:
        rows = range(count)
        columns = {
            "text": [f"text {row}" if row else None for row in rows],
            "label": [row % 2 for row in rows],
            "row": [[row, 0.5] for row in rows],
            "image": [Image.fromarray(np.full((4, 5, 3), row, np.uint8)) for row in rows],
        }
        return datasets.Dataset.from_dict(columns, features=features)

    parts = {"train": made(20), "test": made(6), "more": made(2), "validation": made(3)}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    found = source(path="saved")
    assert list(found.check(tmp_path)) == []
    table = found.load(tmp_path)
    assert table.columns["text"][:2].tolist() == [None, "text 1"]
    assert table.columns["label"][:3].tolist() == ["neg", "pos", "neg"]
    assert table.columns["row"][3].tolist() == [3, 0.5]
    assert table.columns["image"].shape == (29, 4, 5, 3)
    assert table.columns["image"][20:, 0, 0, 0].tolist() == [*range(3), *range(6)]
    assert table.test_rows is not None
    assert table.test_rows.sum() == 6
    assert table.notes == ("saved: the rows of more are not used",)
    draft = init_from(tmp_path / "saved", tmp_path / "draft.yaml").read_text(encoding="utf-8")
    assert "source: {kind: huggingface, path: saved}" in draft
    assert "split: {kind: files} # the data says itself what is train, validation and test" in " ".join(draft.split())
    parts["train"].select([3, 1]).save_to_disk(str(tmp_path / "few"))
    assert source(path="few").load(tmp_path).columns["text"].tolist() == ["text 3", "text 1"]
    arrow = next((tmp_path / "saved" / "train").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:200])
    with pytest.raises(DataError, match="saved cannot be read"):
        found.load(tmp_path)
    with pytest.raises(DataError, match="nobody/nothing is not in the cache"):
        source(name="nobody/nothing").load(tmp_path)
