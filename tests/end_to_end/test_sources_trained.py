"""Trainings from folders of texts and from a server, and what their runs hold."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from postgresql import PASSWORD, programs, server
from running import dlrun, plain, read, trained, write


def test_a_folder_of_texts_three_ways(tmp_path: Path) -> None:
    words = ["red", "green", "blue", "Öl", "line\nbreak", "007"]
    for number in range(60):
        part = "mails/test" if number % 5 == 0 else "mails"
        file = tmp_path / part / ("spam" if number % 3 else "ham") / f"{number:02}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{words[number % 6]} {words[number * 5 % 6]} mail {number}\n", encoding="utf-8")
    tree = {
        "name": "mails",
        "data": {
            "source": {"kind": "text_folder", "path": "mails"},
            "features": {"text": {"kind": "text", "vocabulary_size": 20, "sequence_length": 5}},
        },
        "architecture": {"kind": "lstm", "embedding_size": 3, "units": [3]},
        "training": {"epochs": 1, "batch_size": 16},
    }
    run = trained(write(tmp_path / "mails.yaml", tree), tmp_path / "runs")
    assert read(run / "data.json")["splits"]["test"]["rows"] == 12
    done = dlrun("predict", run, tmp_path / "mails" / "test")
    assert (done.returncode, done.stderr) == (0, "")
    said = list(csv.DictReader(io.StringIO(done.stdout)))
    files = sorted((tmp_path / "mails" / "test").rglob("*.txt"))
    assert [row["file"] for row in said] == [str(file) for file in files]
    frame = pl.read_parquet(run / "predictions.parquet").filter(pl.col("split") == "test").sort("row")
    received = [float(row["probability_spam"]) for row in said]
    np.testing.assert_allclose(received, frame["score_spam"].to_list(), rtol=0, atol=1e-6)

    import keras
    import tensorflow as tf

    texts = [[file.read_text(encoding="utf-8")] for file in files]
    says = keras.models.load_model(run / "model.keras")({"text": tf.constant(texts)})
    np.testing.assert_allclose(received, np.asarray(says)[:, 0], rtol=0, atol=1e-6)

    (tmp_path / "latin.txt").write_bytes("größer".encode("latin-1"))
    done = dlrun("predict", run, tmp_path / "latin.txt")
    assert done.returncode == 1
    assert "latin.txt is not UTF-8: line 1, byte 0xf6" in plain(done.stderr)


def test_the_password_of_a_server_is_in_no_file_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (found := programs()) is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("adbc_driver_postgresql")
    with server(found) as running:
        running.run(
            "CREATE TABLE sales (id int, size numeric, sold text); "
            "INSERT INTO sales SELECT n, n % 13 / 4.0, CASE WHEN n % 3 = 0 THEN 'yes' ELSE 'no' END "
            "FROM generate_series(1, 90) n"
        )
        source = {"kind": "sql", "url": running.url, "table": "sales", "order_by": ["id"]}
        tree = {
            "name": "sales",
            "data": {
                "source": {**source, "password_env": "SHOP"},
                "target": "sold",
                "features": {"size": {"kind": "number"}},
            },
            "architecture": {"kind": "ann"},
            "training": {"epochs": 1, "batch_size": 16},
        }
        spec = write(tmp_path / "sales.yaml", tree)
        monkeypatch.delenv("PGPASSWORD", raising=False)
        done = dlrun("train", spec, "--out", tmp_path / "runs")
        assert done.returncode == 1
        assert "no variable SHOP" in plain(done.stderr)
        monkeypatch.setenv("SHOP", "another")
        done = dlrun("train", spec, "--out", tmp_path / "runs")
        assert "wants another password" in plain(done.stderr)
        monkeypatch.setenv("SHOP", PASSWORD)
        run = trained(spec, tmp_path / "runs")
        done = dlrun("eval", run)
        assert done.returncode == 0, done.stderr
        assert read(run / "data.json")["rows"] == 90
        running.run("UPDATE sales SET size = 7 WHERE id < 50")
        assert "is no longer what" in plain(dlrun("eval", run).stderr)
    held = [file for file in (tmp_path / "runs").rglob("*") if file.is_file()]
    assert len(held) > 10
    for file in held:
        for secret in (PASSWORD, PASSWORD.replace("/", "%2F"), "s3cret"):
            assert secret.encode() not in file.read_bytes(), file
    assert "password_env: SHOP" in (run / "resolved.yaml").read_text(encoding="utf-8")
    assert os.environ["SHOP"] == PASSWORD
