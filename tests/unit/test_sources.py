"""Sources: what is known beforehand is what is loaded; damaged files are told with their lines."""

from __future__ import annotations

import gzip
import hashlib
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dlrun.data.columns import Column
from dlrun.data.inference import describe
from dlrun.data.new_data import load_file
from dlrun.data.sources import Arrays, Bundled, Csv, KerasSource, keras_datasets
from dlrun.data.sources.csv_text import Dialect, frame_of
from dlrun.data.sources.frames import columns_of
from dlrun.data.sources.known import BUNDLED, KERAS
from dlrun.errors import DataError


def write(folder: pathlib.Path, content: bytes | str, name: str = "data.csv") -> Csv:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return Csv(kind="csv", path=name)


@pytest.mark.parametrize("name", list(BUNDLED))
def test_what_is_known_of_a_bundled_set_is_what_is_loaded(name: str) -> None:
    source = Bundled.parse({"kind": "bundled", "name": name})
    known, table = source.known(pathlib.Path()), source.load(pathlib.Path())
    about = BUNDLED[name]
    assert list(known) == list(table.columns)
    assert len(table) == about.rows
    assert source.has_test(pathlib.Path()) == (table.test_rows is not None)
    for column, values in table.columns.items():
        assert len(values) == about.rows
        seen = describe(values)
        assert (seen.kind, seen.shape) == (known[column].kind, known[column].shape), column
        if known[column].classes is not None:
            assert seen.classes == known[column].classes
        if known[column].limits is not None:
            assert (values.min(), values.max()) == known[column].limits
    defaults = source.defaults(pathlib.Path())
    assert {defaults.target, defaults.time, defaults.group} - {None} <= set(known)
    assert set(defaults.inputs or ()) <= set(known)


def test_every_name_of_a_set_is_known() -> None:
    for source, known in ((Bundled, BUNDLED), (KerasSource, KERAS)):
        schema = source.model_json_schema()["properties"]["name"]
        assert schema["enum"] == list(known)
    assert list(keras_datasets.FILES) == list(KERAS)


def test_mnist_has_its_test_part_and_its_labels() -> None:
    table = Bundled(kind="bundled", name="mnist").load(pathlib.Path())
    assert table.test_rows is not None
    assert np.flatnonzero(table.test_rows).tolist() == list(range(60_000, 70_000))
    assert table.columns["label"][:5].tolist() == ["5", "0", "4", "1", "9"]
    assert table.columns["label"][60_000:60_003].tolist() == ["7", "2", "1"]


def test_the_keras_sets_have_as_many_classes_as_their_makers_say() -> None:
    counts = {name: len(about.labels) for name, about in KERAS.items()}
    assert counts == {
        "fashion_mnist": 10,
        "cifar10": 10,
        "cifar100": 100,
        "imdb": 2,
        "reuters": 46,
        "california_housing": 0,
    }
    assert all(len(set(about.labels)) == len(about.labels) for about in KERAS.values())


def test_a_damaged_bundled_file_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.data.sources.bundled.FOLDER", tmp_path)
    (tmp_path / "mnist.npz").write_bytes(b"not it")
    for name, state in (("mnist", "damaged"), ("sotu_eras", "missing")):
        with pytest.raises(DataError, match=f"comes with dlrun, is {state}"):
            Bundled.parse({"kind": "bundled", "name": name}).load(tmp_path)


def test_types_of_a_csv_follow_from_all_rows(tmp_path: pathlib.Path) -> None:
    rows = [f"{index},{index}.0,w{index},true,2010/01/01 00:{index % 60:02}," for index in range(300)]
    source = write(tmp_path, "whole,late,text,flag,when,nothing\n" + "\n".join([*rows, "300,0.5,7,false,,"]) + "\n")
    columns = source.load(tmp_path).columns
    assert columns["whole"].dtype == np.int64
    assert columns["late"].dtype == np.float64
    assert columns["text"].dtype == object
    assert columns["text"][-1] == "7"
    assert columns["flag"].dtype == bool
    assert columns["when"].dtype == "datetime64[us]"
    assert str(columns["when"][1]) == "2010-01-01T00:01:00.000000"
    assert np.isnat(columns["when"][-1])
    assert columns["nothing"].tolist() == [None] * 301


def test_missing_values(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "number,text,flag\n1,a,true\nNA,,\n,NA,false\n")
    columns = Csv(kind="csv", path="data.csv", missing=("NA",)).load(tmp_path).columns
    np.testing.assert_array_equal(columns["number"], [1, np.nan, np.nan])
    assert columns["text"].tolist() == ["a", None, None]
    assert columns["flag"].tolist() == ["true", None, "false"]


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz", "with space, ümlaut and [glob*].csv"])
def test_a_csv_by_any_name(tmp_path: pathlib.Path, name: str) -> None:
    data = "\ufeffa;b\n1;ü\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    source = Csv(kind="csv", path=name, delimiter=";")
    assert list(source.check(tmp_path)) == []
    assert source.known(tmp_path) == {"a": Column("unknown"), "b": Column("unknown")}
    assert {name: values.tolist() for name, values in source.load(tmp_path).columns.items()} == {"a": [1], "b": ["ü"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 values, but there are 2 columns"),
        (b"a,b\n1,2\n\n3\n", "line 4 has 1 value, but there are 2 columns"),
        (b'a,b\n"x\ny",2\n3\n', "line 4 has 1 value"),
        (b'a,b\n1,2\n"x,3\n4,5\n', "line 3 has 1 value, but there are 2 columns; a quote may be left open"),
        (b'a,b\n"",2\n"x,3\n', "line 3 has 1 value, but there are 2 columns; a quote may be left open"),
        (b'"a",b\n"",2\nx,y",3\n4,5\n', "line 3 has 3 values, but there are 2 columns; a quote may be left open$"),
        (b'"a",b\n"",2\n"x""","y",3\n4,5\n', "line 3 has 3 values, but there are 2 columns$"),
        (b"a,b\n1,2\n\xe4,3\n", "not UTF-8: line 3, byte 0xe4"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8: line 1, byte 0xff"),
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"a,b\n", "no rows below"),
        (b"a,b,a\n1,2,3\n", "two columns of the same name: a"),
        (b",a\n0,1\n", "column 1 has no name"),
    ],
)
def test_a_damaged_csv_is_told_with_its_line(tmp_path: pathlib.Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write(tmp_path, content).load(tmp_path)


def test_a_truncated_gz_is_told(tmp_path: pathlib.Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    for data in (packed[: len(packed) // 2], b"no gz at all", packed[:20] + b"\x00\x01\x02\x03" + packed[24:]):
        with pytest.raises(DataError, match="damaged"):
            write(tmp_path, data, "data.csv.gz").load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message", "path"),
    [
        (None, "there is no file", ("path",)),
        (b"", "is empty, or begins with an empty line", ("path",)),
        (b"a,a\n", "two columns of the same name", ("path",)),
        (b"\xff\xfe", "not UTF-8", ("path",)),
        (b"dat,temp\n1,2\n", "the file has no column date", ("time",)),
    ],
)
def test_the_first_line_is_checked_without_reading_the_file(
    tmp_path: pathlib.Path, content: bytes | None, message: str, path: tuple[str]
) -> None:
    if content is not None:
        (tmp_path / "data.csv").write_bytes(content)
    (tmp_path / "dato.csv").touch()
    [problem] = Csv(kind="csv", path="data.csv", time="date").check(tmp_path)
    assert message in problem.message
    assert problem.path == path
    if content is None:
        assert problem.hint == "did you mean dato.csv?"


@pytest.mark.parametrize(
    ("header", "hint"),
    [("a;b,c", None), ("a;b;c", 'delimiter: ";"'), ("a\tb", r'delimiter: "\t"'), ("a|b", 'delimiter: "|"')],
)
def test_another_delimiter_is_seen_in_the_first_line(tmp_path: pathlib.Path, header: str, hint: str | None) -> None:
    source = write(tmp_path, f"{header}\n1\n")
    found = [(problem.path, problem.received, problem.hint) for problem in source.check(tmp_path)]
    assert found == ([] if hint is None else [(("delimiter",), '","', hint)])
    assert (source.known(tmp_path) is None) == (hint is not None)


def test_a_comma_that_should_be_the_delimiter(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "a,b\n1,2\n")
    [problem] = Csv(kind="csv", path="data.csv", delimiter=";").check(tmp_path)
    assert (problem.received, problem.hint) == ('";"', 'delimiter: ","')


def test_decimal_commas(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "a;b;c\n165,3;1,5;1\n-2;x;2\n;+0,25;3\n")
    source = Csv(kind="csv", path="data.csv", delimiter=";", decimal_comma=True)
    assert list(source.check(tmp_path)) == []
    columns = source.load(tmp_path).columns
    np.testing.assert_array_equal(columns["a"], [165.3, -2, np.nan])
    assert columns["b"].tolist() == ["1.5", "x", "+0.25"]
    assert columns["c"].tolist() == [1, 2, 3]
    write(tmp_path, 'a,b\n"1,5",2\n')
    [problem] = Csv(kind="csv", path="data.csv", decimal_comma=True).check(tmp_path)
    assert problem.path == ("decimal_comma",)


def test_a_column_of_decimal_commas_is_taken_for_numbers_and_refused() -> None:
    values = np.array([f"{index},{index}" for index in range(60)], object)
    assert describe(values) == Column("number")


def test_objects_in_a_npz_are_texts_that_were_saved_wrongly(tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "a.npz", name=np.array(["a", "b"], object), x=np.arange(2))
    [problem] = Arrays(kind="arrays", path="a.npz").check(tmp_path)
    assert problem.path == ("path",)
    assert problem.hint == "save texts with dtype=str: numpy.array(name, dtype=str)"


def test_a_folder_without_files_and_one_that_is_missing(tmp_path: pathlib.Path) -> None:
    [problem] = Csv(kind="csv", path=".").check(tmp_path)
    assert problem.message == f"no file in {tmp_path} ends in .csv, .tsv, .txt"
    [problem] = Csv(kind="csv", path="nowhere/data.csv").check(tmp_path)
    assert "is missing too" in (problem.hint or "")


def test_times_of_a_csv(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "date,x\n2010-01-01T12:00:00+02:00,1\n2010-01-01T13:00:00+02:00,2\n")
    source = Csv(kind="csv", path="data.csv", time="date")
    assert source.known(tmp_path) == {"date": Column("time"), "x": Column("unknown")}
    assert str(source.load(tmp_path).columns["date"][0]) == "2010-01-01T10:00:00.000000"
    write(tmp_path, "date,x\n2010-01-01,1\nyesterday,2\n")
    with pytest.raises(DataError, match="date is no time in row 2: 'yesterday'"):
        source.load(tmp_path)
    write(tmp_path, "date,x\nsoon,1\n")
    with pytest.raises(DataError, match="date is no time in row 1: 'soon'"):
        source.load(tmp_path)


@settings(max_examples=200)
@given(st.binary(max_size=120) | st.text(alphabet='a1,"\n\r;\x00 é', max_size=120).map(str.encode))
def test_no_content_of_a_csv_makes_a_traceback(data: bytes) -> None:
    try:
        columns = columns_of(frame_of(data, "t", Dialect()), "t")
    except DataError:
        return
    assert len({len(values) for values in columns.values()}) == 1


def test_arrays_with_and_without_a_test_part(tmp_path: pathlib.Path) -> None:
    pixels = np.zeros((5, 4, 4), np.uint8)
    np.savez(tmp_path / "plain.npz", x=pixels, y=np.arange(5), name=np.array(list("abcde")))
    plain = Arrays(kind="arrays", path="plain.npz")
    assert list(plain.check(tmp_path)) == []
    known = plain.known(tmp_path)
    assert known == {"x": Column("image", (4, 4)), "y": Column("unknown"), "name": Column("unknown")}
    table = plain.load(tmp_path)
    assert table.test_rows is None
    assert table.columns["x"].dtype == np.uint8
    assert table.columns["name"].tolist() == list("abcde")
    np.savez(tmp_path / "both.npz", x_train=pixels, y_train=np.arange(5), x_test=pixels[:2], y_test=np.arange(2))
    both = Arrays(kind="arrays", path="both.npz")
    assert both.known(tmp_path) == {"x": Column("image", (4, 4)), "y": Column("unknown")}
    assert both.has_test(tmp_path)
    table = both.load(tmp_path)
    assert table.test_rows is not None
    assert table.test_rows.tolist() == [False] * 5 + [True] * 2
    assert table.columns["y"].tolist() == [0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3), "y": np.zeros(4)}, "differ in their rows: x 3, y 4"),
        ({"x": np.zeros(3), "y": np.array([{}, 1, "a"], object)}, "y holds Python objects"),
        ({"x": np.array(3)}, "single value"),
        ({"x": np.zeros(3, complex)}, "has the type complex128"),
        ({"x_train": np.zeros(3), "y": np.zeros(3)}, "x_test is missing"),
        ({"x_train": np.zeros((3, 2)), "x_test": np.zeros((3, 1))}, "have the shapes"),
        ({}, "no arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_told(tmp_path: pathlib.Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        Arrays(kind="arrays", path="a.npz").load(tmp_path)


def test_a_file_that_holds_no_arrays_is_told(tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "whole.npz", x=np.arange(1000))
    whole = (tmp_path / "whole.npz").read_bytes()
    np.save(tmp_path / "single.npy", np.arange(3))
    for data in (b"", b"text", whole[:-40], whole[200:], (tmp_path / "single.npy").read_bytes()):
        (tmp_path / "a.npz").write_bytes(data)
        source = Arrays(kind="arrays", path="a.npz")
        assert source.known(tmp_path) is None
        assert len(list(source.check(tmp_path))) == 1
        with pytest.raises(DataError, match=r"a\.npz is no"):
            source.load(tmp_path)


def test_a_keras_set_without_network_says_what_to_put_where(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras_datasets, "GOOGLE", (tmp_path / "nothing").as_uri() + "/")
    digest = hashlib.sha256(b"right").hexdigest()
    files = {"california_housing": (("housing.npz", keras_datasets.GOOGLE, digest),)}
    monkeypatch.setattr(keras_datasets, "FILES", files)
    source = KerasSource(kind="keras", name="california_housing")
    target = tmp_path / "datasets" / "housing.npz"
    assert source.missing_files() == [target]
    with pytest.raises(DataError, match=r"housing\.npz is not there, and cannot be downloaded") as caught:
        source.load(tmp_path)
    assert digest in (caught.value.hint or "")
    target.write_bytes(b"wrong")
    with pytest.raises(DataError, match="has the wrong content, and cannot be downloaded"):
        source.load(tmp_path)
    assert [each.name for each in target.parent.iterdir()] == ["housing.npz"]


def test_a_download_is_kept_only_with_the_right_hash(tmp_path: pathlib.Path) -> None:
    origin, file = tmp_path / "origin", tmp_path / "cache" / "file"
    origin.write_bytes(b"right")
    with pytest.raises(DataError, match="gave another file"):
        keras_datasets._fetch(file, origin.as_uri(), hashlib.sha256(b"other").hexdigest())
    assert not file.exists()
    keras_datasets._fetch(file, origin.as_uri(), hashlib.md5(b"right").hexdigest())
    assert file.read_bytes() == b"right"
    origin.unlink()
    keras_datasets._fetch(file, origin.as_uri(), hashlib.sha256(b"right").hexdigest())  # from the cache


def test_new_data_in_the_form_of_a_source(tmp_path: pathlib.Path) -> None:
    (tmp_path / "new.csv").write_text("date;temp\n2011/01/01 00:00;40\n", encoding="utf-8")
    source = Csv(kind="csv", path="gone.csv", delimiter=";", time="date")
    assert load_file(source, tmp_path / "new.csv").columns["temp"].tolist() == [40]
    np.savez(tmp_path / "new.npz", image=np.zeros((2, 28, 28, 1), np.uint8))
    assert len(load_file(Bundled(kind="bundled", name="mnist"), tmp_path / "new.npz")) == 2
    (tmp_path / "new.doc").touch()
    with pytest.raises(DataError, match="no known form"):
        load_file(Bundled(kind="bundled", name="mnist"), tmp_path / "new.doc")
    for gone in ("gone.csv", "gone"):
        with pytest.raises(DataError, match="there is no file"):
            load_file(Bundled(kind="bundled", name="iris"), tmp_path / gone)


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "é"])
def test_a_delimiter_is_one_plain_character(delimiter: str) -> None:
    with pytest.raises(ValidationError):
        Csv.parse({"kind": "csv", "path": "data.csv", "delimiter": delimiter})
