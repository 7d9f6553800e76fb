"""The spec's section `evaluation`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, WithJsonSchema

from dlrun.data.signature import Task
from dlrun.evaluation.names import ALL_METRICS, METRICS, TASKS
from dlrun.evaluation.threshold import Threshold
from dlrun.spec.base import Spec
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem

MetricName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(ALL_METRICS)})]


class Evaluation(Spec):
    """What is measured and drawn once training is done."""

    metrics: Annotated[tuple[MetricName, ...], Field(min_length=1)] | None = None
    """Metrics to compute; left out, all that the task has. `precision`, `recall` and `f1` are means over the classes
    (macro), of two classes too; the values of each class are always written beside them."""

    batch_size: Annotated[int, Field(ge=1)] | None = None
    """Examples that go through the network at once; changes speed and memory, not the result. Left out, dlrun
    chooses."""

    plots: bool = True
    """Whether pictures are drawn into the run folder."""

    threshold: Threshold | None = None
    """Of two classes, from which probability of the second on an example counts as of it: a number; or chosen on the
    validation part: f1 (the best F1 of the second class), youden (the best sum of sensitivity and specificity) or
    {cost: {false_positive: 1, false_negative: 10}} (the least cost). It is kept with the model, and used for all
    metrics and predictions. Left out: the more probable class."""

    def check(self, *tasks: Task) -> Iterator[Problem]:
        """Every metric that does not exist, fits none of the tasks (where they are known), or is listed twice."""
        if self.threshold is not None and tasks and tasks != ("binary",):
            what = f"the task is {tasks[0]}" if len(tasks) == 1 else f"there are {len(tasks)} targets"
            yield Problem(
                ("threshold",),
                f"a threshold is for one target of two classes, and {what}",
                hint="take threshold out",
                at="key",
            )
        fitting = {name: metric for task in tasks for name, metric in METRICS[task].items()} or ALL_METRICS
        for index, name in enumerate(self.metrics or ()):
            path = ("metrics", index)
            if name not in ALL_METRICS:
                near = nearest(name, fitting)
                yield Problem(
                    path,
                    f"there is no metric {name}",
                    expected=f"one of {', '.join(fitting)}",
                    received=name,
                    hint=f"write `{near}`" if near else None,
                )
            elif name not in fitting:
                yield Problem(
                    path,
                    f"{name} does not fit the task, {' or '.join(dict.fromkeys(tasks))}",
                    expected=f"one of {', '.join(fitting)}",
                    received=f"{name}, a metric for {' and '.join(other for other in TASKS if name in METRICS[other])}",
                    hint="leave metrics out to get all that fit",
                )
            elif name in (self.metrics or ())[:index]:
                yield Problem(path, f"{name} is listed twice", received=name, hint="remove one of the two")

    def resolve(self, *tasks: Task) -> Evaluation:
        """The same with the metrics of the tasks written out."""
        fitting = dict.fromkeys(name for task in tasks for name in METRICS[task])
        return self if self.metrics else self.model_copy(update={"metrics": tuple(fitting)})
