"""Pictures: drawn from plain data, readable, the same from the same files. Warnings are errors, here as everywhere."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from sklearn.metrics import average_precision_score

from dlrun.evaluation.baselines import baselines
from dlrun.evaluation.confusion import confusion
from dlrun.evaluation.metrics import measure
from dlrun.evaluation.plots import draw_all, draw_comparison, draw_curves, png, save
from dlrun.evaluation.plots.augmented import draw_augmented
from dlrun.evaluation.plots.confusion import draw_confusion
from dlrun.evaluation.plots.folds import held_out
from dlrun.evaluation.plots.forecast import draw_forecasts
from dlrun.evaluation.plots.ranking import draw_ranking
from dlrun.evaluation.plots.reconstruction import draw_error_distribution, draw_reconstructions
from dlrun.evaluation.plots.style import DPI, number, shorten, with_interval
from dlrun.evaluation.predictions import Predictions, mean_errors


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def says(figure, part):
    return any(part in text for text in texts(figure))


def history(epochs, scale=1.0, seed=0):
    noise = np.random.default_rng(seed).normal(size=epochs) * 0.01
    return [
        {
            "epoch": epoch,
            "loss": scale / epoch,
            "accuracy": 1 - 0.5 / epoch,
            "validation_loss": scale / epoch + 0.1 + abs(float(noise[epoch - 1])),
            "validation_accuracy": 0.9 - 0.5 / epoch,
            "learning_rate": 1e-3,
            "seconds": 2.0,
            "examples_per_second": 4000.0,
        }
        for epoch in range(1, epochs + 1)
    ]


def classification(classes, examples=400, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, len(classes), examples)
    logits = generator.normal(size=(examples, len(classes)))
    logits[np.arange(examples), truth] += 2
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    task = "binary" if len(classes) == 2 else "multiclass"
    return Predictions("test", task, "label", tuple(classes), np.arange(examples), truth, scores.astype(np.float32))


def forecast(windows=200, horizon=6):
    series = 10 + np.sin(np.arange(windows + horizon + 48) / 4)
    every = np.lib.stride_tricks.sliding_window_view(series, 24 + horizon)
    truth = every[:, 24:]
    return Predictions("test", "forecast", "temp", (), np.arange(len(truth)) + 23, truth, truth + 0.1), every[:, :24]


def drawn(predictions, train, **arguments):
    keep = {name: arguments.pop(name) for name in ("history", "step_seconds", "inputs") if name in arguments}
    metrics = {
        "test": measure(predictions),
        "baseline": {name: measure(found) for name, found in baselines(predictions, train, **keep).items()},
    }
    return dict(
        draw_all(
            history(5),
            metrics,
            predictions.to_frame().lazy(),
            task=predictions.task,
            target=predictions.target,
            best_epoch=4,
            **arguments,
        )
    )


def overlaps(labels, figure):
    """The pairs of neighbouring labels whose boxes share ground."""
    renderer = figure.canvas.get_renderer()
    boxes = [label.get_window_extent(renderer) for label in labels if label.get_text()]
    return [(a, b) for a, b in pairwise(boxes) if a.overlaps(b)]


def test_a_file_is_a_picture_of_the_size_it_says(tmp_path):
    figure = draw_curves(history(5), best_epoch=4)
    save(figure, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"
        assert image.size == tuple(round(inches * DPI) for inches in figure.get_size_inches())
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OSError):
        save(draw_curves(history(1)), tmp_path / "missing" / "curves.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OSError):
        save(draw_curves(history(1)), tmp_path / "taken.png")
    assert [file.name for file in tmp_path.iterdir()] == ["taken.png"]


def test_the_same_data_makes_the_same_bytes_and_leaves_no_settings_behind():
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        first = png(draw_curves(history(5), 4))
    assert png(draw_curves(history(5), 4)) == first
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("epochs", [1, 2, 30, 200])
def test_curves_of_any_length(epochs):
    figure = draw_curves(history(epochs), best_epoch=epochs)
    png(figure)
    assert {"Loss", "Accuracy", "train", "validation", "epoch"} <= set(texts(figure))
    assert not says(figure, "Learning rate")


def test_curves_state_the_best_epoch():
    rows = history(5)
    figure = draw_curves(rows, best_epoch=4)
    assert says(figure, f"Validation loss {number(rows[3]['validation_loss'])} at epoch 4, the best epoch")
    assert says(figure, "5 epochs in 10.0 s")


def test_curves_are_logarithmic_over_more_than_two_decades():
    rows = [{"epoch": epoch, "loss": 10.0**-epoch} for epoch in range(4)]
    assert draw_curves(rows).axes[0].get_yscale() == "log"
    assert draw_curves(rows[:2]).axes[0].get_yscale() == "linear"


def test_curves_with_values_missing():
    rows = history(3)
    rows[2] |= {"loss": float("nan"), "validation_loss": None}
    png(draw_curves(rows, best_epoch=1))
    png(draw_curves([{"epoch": 1, "loss": float("nan")}]))


@pytest.mark.parametrize("classes", [2, 5, 10, 20, 21, 40, 100])
@pytest.mark.parametrize("length", [1, 30])
def test_confusion_is_legible(classes, length):
    names = [f"{index}{'y' * length}{index}" for index in range(classes)]
    figure = draw_confusion(confusion(classification(names, 20 * classes)))
    png(figure)
    axes = figure.axes[0]
    assert overlaps(axes.get_xticklabels(), figure) == []
    assert overlaps(axes.get_yticklabels(), figure) == []
    assert axes.xaxis.label.get_window_extent(figure.canvas.get_renderer()).y0 > 0
    assert says(figure, "Most frequent mistakes") == (classes > 20)
    assert bool(axes.texts) == (classes <= 20)


def test_confusion_writes_counts_and_names():
    figure = draw_confusion({"labels": ["cat", "a $dog$"], "counts": [[1234, 5], [0, 67]]})
    png(figure)
    assert {"1,234", "5", "0", "67", "cat", "predicted class", "true class"} <= set(texts(figure))
    assert says(figure, "Accuracy 0.9962 on 1,306 examples")


def test_names_that_shorten_to_the_same_are_numbered():
    names = ["a name that is long " + middle + " and ends as others do" for middle in ("x", "y")]
    figure = draw_confusion({"labels": names, "counts": [[1, 0], [0, 1]]})
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(set(shown)) == 2
    assert shown[1].startswith("1: ")


@pytest.mark.parametrize("classes", [2, 3, 10, 30])
def test_ranking(classes):
    predictions = classification([f"class {index}" for index in range(classes)])
    figure = draw_ranking(predictions)
    png(figure)
    assert says(figure, f"ROC AUC {measure(predictions)['roc_auc']:.4f}")
    assert {"false positive rate", "true positive rate", "recall", "precision"} <= set(texts(figure))
    assert says(figure, "mean of the classes") == (classes > 2)


@pytest.mark.parametrize("classes", [3, 10])
def test_the_areas_below_the_curves_of_precision_are_those_that_are_written(classes):
    predictions = classification([f"class {index}" for index in range(classes)])
    right = draw_ranking(predictions).axes[1]
    one_hot = np.eye(classes)[predictions.truth]
    for label, average in (("mean of the classes", "macro"), ("all decisions", "micro")):
        [line] = [line for line in right.lines if str(line.get_label()).startswith(label)]
        assert line.get_drawstyle() == "steps-pre"
        x, y = map(np.asarray, line.get_data())
        area = average_precision_score(one_hot, predictions.scores, average=average)
        assert float(np.diff(x) @ y[1:]) == pytest.approx(area, abs=1e-3)
    assert {line.get_drawstyle() for line in right.lines} == {"steps-pre"}
    left = draw_ranking(predictions).axes[0]
    of_class = [
        {str(each.get_label()).split("   ")[0]: each.get_color() for each in side.lines} for side in (left, right)
    ]
    for name in of_class[0].keys() & of_class[1].keys() & set(predictions.classes):
        assert of_class[0][name] == of_class[1][name]
    title = right.get_legend().get_title().get_text()
    assert title.startswith("mean and worst classes" if classes > 3 else "mean and classes")


def test_ranking_enlarges_the_corner_where_all_is_near_it():
    truth = np.arange(1000) % 2
    chance = np.where(truth == 1, 0.9, 0.1)
    chance[:4] = 0.5
    nearly = Predictions("test", "binary", "x", ("no", "yes"), truth, truth, np.column_stack([1 - chance, chance]))
    left = draw_ranking(nearly).axes[0]
    assert left.get_xlim()[1] < 0.11
    assert 0.89 < left.get_ylim()[0] < 1 < left.get_ylim()[1]
    perfect = replace(nearly, scores=np.column_stack([1 - truth, truth]).astype(float))
    assert draw_ranking(perfect).axes[0].get_xlim()[1] > 1


def test_ranking_of_a_single_class_is_no_picture():
    both = classification(["a", "b"])
    assert draw_ranking(replace(both, truth=both.truth * 0)) is None


def test_all_of_a_classification():
    predictions = classification(["no", "yes"])
    found = drawn(predictions, predictions.truth, confusion=confusion(predictions))
    assert list(found) == ["curves", "confusion_matrix", "roc_and_precision_recall"]
    assert says(found["confusion_matrix"], "on 400 test examples")
    assert says(found["confusion_matrix"], "baseline: majority class")


@pytest.mark.parametrize("examples", [1, 90, 5000])
def test_all_of_a_regression(examples):
    truth = np.random.default_rng(0).gamma(3, size=examples)
    predictions = Predictions("test", "regression", "price in $", (), np.arange(examples), truth, truth * 0.9 + 0.1)
    found = drawn(predictions, truth)
    assert list(found) == ["curves", "residuals"]
    png(found["residuals"])
    assert says(found["residuals"], "MAE")
    assert says(found["residuals"], r"true price in \$")


@pytest.mark.parametrize("windows", [2, 14, 28, 29, 200])
def test_each_forecast_has_some_past_before_it(windows):
    predictions, _ = forecast(200, 1)
    predictions = predictions._cut(slice(0, windows))
    for axes in draw_forecasts(predictions).axes:
        if axes.lines:
            past = np.asarray(axes.lines[1].get_ydata())[:-1]
            assert np.isfinite(past).sum() >= min(windows // 2, 24)


@pytest.mark.parametrize(("windows", "horizon"), [(200, 6), (200, 1), (1, 6)])
def test_all_of_a_forecast(windows, horizon):
    predictions, past = forecast(windows, horizon)
    chosen = slice(None) if windows > 1 else slice(1)
    predictions = Predictions(
        "test", "forecast", "temp", (), predictions.rows[chosen], predictions.truth[chosen], predictions.scores[chosen]
    )
    found = drawn(predictions, None, history=past[chosen], step_seconds=3600, step="hour")
    assert list(found) == ["curves", "forecasts"] + ["error_by_step"] * (horizon > 1)
    for figure in found.values():
        png(figure)
    assert {"true", "forecast", "temp"} <= set(texts(found["forecasts"]))
    if horizon > 1:
        assert {"model", "last value", "same hour of the day before", "hours ahead"} <= set(
            texts(found["error_by_step"])
        )


def test_the_past_of_a_forecast_is_the_truth_of_earlier_windows():
    predictions, past = forecast()
    figure = drawn(predictions, None, history=past)["forecasts"]
    line = figure.axes[-1].lines[1]
    assert line.get_xdata()[-1] == 1  # it reaches to the first step of the forecast
    np.testing.assert_allclose(line.get_ydata()[:-1], past[-1])


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (12,), (20, 2)])
@pytest.mark.parametrize("noisy", [False, True])
def test_all_of_a_reconstruction(shape, noisy):
    originals = np.random.default_rng(0).random((50, *shape)).astype(np.float32)
    found = mean_errors(originals, originals * 0.9)
    predictions = Predictions("test", "reconstruction", "x", (), np.arange(50), np.zeros((50, 0)), found)
    samples = {"originals": originals[:12], "reconstructions": originals[:12] * 0.9}
    if noisy:
        samples["noisy"] = originals[:12] + 0.1
    found = drawn(predictions, originals, samples=samples, inputs=originals)
    assert list(found) == ["curves", "reconstructions", "error_distribution"]
    for figure in found.values():
        png(figure)
    assert {"original", "reconstruction"} <= set(texts(found["reconstructions"]))
    assert says(found["reconstructions"], "with noise") == noisy
    head = min(text.get_window_extent().y0 for text in found["reconstructions"].texts)
    assert all(legend.get_window_extent().y1 < head for legend in found["reconstructions"].legends)
    assert says(found["error_distribution"], "p99")


def test_reconstruction_of_one_black_image_and_errors_without_spread():
    black = np.zeros((1, 4, 4, 1))
    png(draw_reconstructions({"originals": black, "reconstructions": black}))
    png(draw_error_distribution(np.zeros(5)))
    assert draw_error_distribution(np.geomspace(1e-6, 1, 100)).axes[0].get_xscale() == "log"


def test_only_other_metrics_than_the_main_one():
    predictions = classification(["no", "yes"])
    metrics = {"test": measure(predictions, ["f1"])}
    found = dict(
        draw_all(
            [], metrics, predictions.to_frame().lazy(), task="binary", target="x", confusion=confusion(predictions)
        )
    )
    assert says(found["confusion_matrix"], "F1 (macro)")


def test_the_last_split_is_drawn():
    import polars as pl

    test, validation = classification(["no", "yes"], 30), classification(["no", "yes"], 70)
    frame = pl.concat([validation.to_frame().with_columns(split=pl.lit("validation")), test.to_frame()])
    found = dict(draw_all([], {}, frame.lazy(), task="binary", target="x"))
    assert says(found["roc_and_precision_recall"], "30 test examples")
    assert not list(draw_all([], {}, frame.head(0).lazy(), task="binary", target="x"))


@pytest.mark.parametrize("with_test", [True, False])
def test_of_folds_the_trivial_models_of_another_part_are_not_told(with_test):
    predictions = replace(classification(["no", "yes"]), split="validation")
    metrics = {"validation": measure(predictions), "baseline": {"majority class": measure(predictions)}}
    metrics |= {"test": measure(predictions)} if with_test else {}
    found = draw_all(
        [],
        held_out(metrics),
        predictions.to_frame().lazy(),
        task="binary",
        target="x",
        confusion=confusion(predictions),
    )
    assert says(dict(found)["confusion_matrix"], "majority class") != with_test


@pytest.mark.parametrize("runs", [0, 1, 8, 20])
def test_comparison(runs):
    curves = {f"experiment_{index}-20261123-010317": history(5 + index, 1 + index, index) for index in range(runs)}
    figure = draw_comparison(curves, "validation_accuracy" if runs == 8 else "validation_loss")
    png(figure)
    labels = figure.axes[0].texts
    assert len(labels) == min(runs, 8)
    assert overlaps(sorted(labels, key=lambda text: text.get_window_extent().y0), figure) == []


def test_mixed_images_say_what_they_are_made_of():
    images = {"originals": np.zeros((2, 4, 4, 1)), "augmented": np.zeros((2, 1, 4, 4, 1))}
    figure = draw_augmented(images | {"partners": np.array([[1], [0]]), "shares": np.array([[0.3], [1.0]])})
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["image 1", "30% of 1, 70% of 2", "image 2", "100% of 2, 0% of 1"]
    assert not any(axes.get_xlabel() for axes in draw_augmented(images).axes)


def test_all_lines_of_a_comparison_have_dots_or_none_has():
    figure = draw_comparison({"short": history(5), "long": history(60)})
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 1]
    assert [line.get_marker() for line in lines] == ["None", "None"]


def test_comparison_takes_the_train_column_where_there_is_no_other():
    figure = draw_comparison({"plain": [{"epoch": 1, "loss": 0.5}], "none": [{"epoch": 1, "mae": 1.0}]})
    assert says(figure, "plain reaches 0.5000")
    assert says(figure, "1 run;")
    assert not says(figure, "left out")


def test_comparison_says_how_many_are_left_out():
    assert says(draw_comparison({"a": history(3)}, left_out=2), "2 with other data, metric or loss left out")


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [
        (0.98712, (0.9847, 0.9893), "0.987 [0.985, 0.989]"),
        (0.95, (0.935, 0.965), "0.950 [0.935, 0.965]"),
        (44.12, (38.2, 50.04), "44 [38, 50]"),
        (12345.6, (12300, 12391.2), "12,346 [12,300, 12,391]"),
        (0.0, (0.0, 0.0096), "0.000 [0.000, 0.010]"),
        (0.98329, (0.96405, 0.99232), "0.983 [0.964, 0.992]"),
        (3e-8, (2e-8, 5e-8), "3.00e-08 [2.00e-08, 5.00e-08]"),
        (0.5, None, "0.5000"),
        (0.5, (0.5, 0.5), "0.5000"),
    ],
)
def test_numbers_with_their_interval(value, interval, expected):
    assert with_interval(value, interval) == expected


def test_numbers_and_names_for_people():
    assert [number(value) for value in (0, 0.98765, 1e-5, 123.4, 12345.6, -2.5)] == [
        "0.000", "0.9877", "1.00e-05", "123.4", "12,346", "-2.500",
    ]  # fmt: skip
    assert shorten("short", 10) == "short"
    assert shorten("abcdefghijklmnop", 9) == "abcd…mnop"
