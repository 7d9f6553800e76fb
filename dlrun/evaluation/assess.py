"""From a trained model to numbers: predictions for each split, their metrics, and those of the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

from dlrun.data.examples import Examples
from dlrun.data.fitted_target import FittedNumbers
from dlrun.data.on_disk import picked
from dlrun.data.preparation import Preparation
from dlrun.evaluation.baselines import baselines, season
from dlrun.evaluation.metrics import measure, measure_several
from dlrun.evaluation.predictions import Predictions
from dlrun.evaluation.reconstruction import Noisy, errors
from dlrun.evaluation.threshold import Chosen, Threshold, choose
from dlrun.training.losses import Loss
from dlrun.training.model import Forward
from dlrun.training.outputs import scores

if TYPE_CHECKING:
    import numpy as np

NEEDED_NEXT = ("polars", "sklearn.metrics", "matplotlib.figure", "matplotlib.backends.backend_agg")
"""What measures and draws."""

SAMPLES = 12
"""How many originals and reconstructions are kept to look at."""


@dataclass(frozen=True)
class Judge:
    """Measures a trained model.

    Args:
        model: the Keras model.
        preparation: the fitted features and target it was trained with.
        losses: of each target; they say what the model's outputs mean.
        metrics: which are computed; None for all of the task's.
        batch_size: examples that go through the network at once.
        noise: of a denoising autoencoder: it is judged by how well it restores noisy inputs.
        seed: of the spec; the noise follows from it.
        threshold: of two classes, as `Predictions` has it.
    """

    model: Any
    preparation: Preparation
    losses: tuple[Loss, ...]
    metrics: Sequence[str] | None
    batch_size: int | None
    noise: float
    seed: int
    threshold: float | None = None

    def predict(self, split: str, examples: Examples) -> Predictions:
        """What the model says of a split, in the units of the data."""
        if self.reconstructs:
            return reconstructed([self], split, [examples])
        outputs = self._forward.each(examples.inputs)
        parts = zip(self.preparation.each, self.losses, examples.each, strict=True)
        main, *further = (self._restored(split, *part, outputs) for part in parts)
        return replace(main, further=tuple(further)) if further else main

    def _restored(
        self, split: str, preparation: Preparation, loss: Loss, examples: Examples, outputs: list[np.ndarray]
    ) -> Predictions:
        """What the model says of one target, from its outputs, the first of those given, which are taken away."""
        import numpy as np

        output = preparation.signature.output
        said = scores(outputs.pop(0), output, loss)
        if isinstance(preparation.target, FittedNumbers):
            said = preparation.target.restore(said, examples.past)
        truth = np.asarray(examples.truth)  # of examples on disk, too
        found = Predictions(
            split, output.task, output.name, output.classes, examples.rows, truth, said,
            threshold=self.threshold,
        )  # fmt: skip
        if examples.past is None or examples.past.ids is None:
            return found
        return replace(found, series=examples.past.ids, times=examples.past.time_index)

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know of how the predictions were made."""
        return (self._forward.note,) if self._forward.note else ()

    @cached_property
    def _forward(self) -> Forward:
        return Forward(self.model, self.batch_size)

    @property
    def reconstructs(self) -> bool:
        """Whether the model is an autoencoder."""
        return self.preparation.signature.output.task == "reconstruction"

    def given(self, split: str, examples: Examples) -> np.ndarray | Noisy:
        """What an autoencoder is given: its inputs, with the noise that it is to take out again. To be sliced."""
        (values,) = examples.inputs.values()
        return Noisy(values, self.noise, self.seed, split) if self.noise else values

    def reconstruct(self, given: np.ndarray) -> np.ndarray:
        """What an autoencoder makes of what it is given, (n, …)."""
        output = self.preparation.signature.output
        (outputs,) = self._forward.each({self.preparation.inputs[0].name: given})
        return scores(outputs, output, self.losses[0])

    def baselines(self, predictions: Predictions, examples: Examples, train: Examples) -> dict[str, Predictions]:
        """What a trivial model says of the same examples, by its name."""
        if self.reconstructs:
            given = self.given(predictions.split, examples)
            noisy = given if isinstance(given, Noisy) else None
            return baselines(predictions, train.truth, inputs=examples.truth, noisy=noisy)
        history, seconds = self._history(examples), self._step_seconds()
        found: dict[str, Predictions] = {}
        for each, part in zip(predictions.each, train.each, strict=True):
            for name, trivial in baselines(each, part.truth, history=history, step_seconds=seconds).items():
                before = found.get(name)  # of another target
                found[name] = replace(before, further=(*before.further, trivial)) if before else trivial
        return found

    def decided(self, how: Threshold, examples: Examples) -> tuple[Judge, Chosen]:
        """The same with a threshold, and what it is.

        Args:
            how: as the spec has it.
            examples: of the validation part, by which it is chosen where the spec does not state it.
        """
        classes = self.preparation.signature.output.classes
        if isinstance(how, float):
            chosen = Chosen(how, "as the spec says", classes[1], None)
        else:
            said = self.predict("validation", examples)
            chosen = choose(how, said.truth, said.scores[:, 1], classes)
        return replace(self, threshold=chosen.value), chosen

    def measure(self, predictions: Predictions) -> dict[str, Any]:
        """The metrics of a split, as metrics.json has them."""
        if len(self.losses) == 1:
            return measure(predictions, self.metrics)
        return measure_several(predictions, self.metrics)

    def samples(self, split: str, examples: Examples) -> dict[str, np.ndarray]:
        """A few inputs and what the autoencoder makes of them, evenly from the whole split."""
        import numpy as np

        chosen = np.linspace(0, len(examples) - 1, min(SAMPLES, len(examples))).astype(int)
        given = picked(self.given(split, examples), chosen)
        found = {
            "originals": picked(examples.truth, chosen),
            "reconstructions": self.reconstruct(given).astype(np.float32),
        }
        return found | ({"noisy": given} if self.noise else {})

    def _history(self, examples: Examples) -> np.ndarray | None:
        """The past values before each forecast, (n, steps), in the units of the data, as many as baselines look at;
        None where there are none."""
        series, past = self.preparation.series, examples.past
        if series is None or past is None or past.values is None:
            return None
        repeats = season(series.step)
        return past.last(repeats.steps if repeats and repeats.steps <= series.window else 1)

    def _step_seconds(self) -> float | None:
        return self.preparation.series.step if self.preparation.series else None


def reconstructed(judges: Sequence[Judge], split: str, examples: Sequence[Examples]) -> Predictions:
    """How far what autoencoders make of a split, of several their mean, is from it.

    Args:
        examples: of the split, as each of them reads it; those of the first are what is compared with.
    """
    import numpy as np

    output, of_first = judges[0].preparation.signature.output, examples[0]
    givens = [judge.given(split, own) for judge, own in zip(judges, examples, strict=True)]

    def made(part: slice) -> np.ndarray:
        each = [judge.reconstruct(given[part]) for judge, given in zip(judges, givens, strict=True)]
        return each[0] if len(each) == 1 else cast("np.ndarray", np.mean(each, axis=0))

    found = errors(of_first.truth, made, judges[0]._forward.batch_size)
    nothing = np.zeros((len(of_first), 0))
    return Predictions(split, output.task, output.name, (), of_first.rows, nothing, found)


def all_metrics(judge: Judge, splits: Mapping[str, Examples]) -> tuple[dict[str, Any], dict[str, Predictions]]:
    """What metrics.json holds, and the predictions that it was measured on: those of the train split only where there
    is no other.

    Args:
        splits: train first, then validation and test where they have examples. The baselines are measured on the
            last of them.
    """
    # TensorFlow predicts without Python: meanwhile Python reads what it needs next, which takes it two seconds.
    loading = Thread(target=lambda: [import_module(name) for name in NEEDED_NEXT])
    loading.start()
    metrics: dict[str, Any] = {}
    predictions: dict[str, Predictions] = {}
    for name, examples in splits.items():
        said = judge.predict(name, examples)
        loading.join()  # none of these may be seen half loaded
        metrics[name] = judge.measure(said)
        if name != "train" or len(splits) == 1:
            predictions[name] = said
        del said  # before the next are made: those of the train split are the most
    last = list(splits)[-1]
    metrics["baseline"] = {
        name: judge.measure(trivial)
        for name, trivial in judge.baselines(predictions[last], splits[last], splits["train"]).items()
    }
    return metrics, predictions
