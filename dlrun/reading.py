"""From a spec file to an experiment, its data and its model; whatever is wrong is told where it is written."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from dlrun.data.signature import Signature
from dlrun.errors import MisfitError, OutOfMemoryError, SpecError
from dlrun.experiment import Experiment
from dlrun.run.files import missing
from dlrun.spec.diagnostics import validate
from dlrun.spec.document import Document, read_document

if TYPE_CHECKING:
    from dlrun.data.dataset import Dataset
    from dlrun.training.team import Team


def read_experiment(path: pathlib.Path, overrides: Sequence[str] = ()) -> tuple[Experiment, Document]:
    """Reads and checks a spec file, without its data.

    Args:
        path: the YAML file.
        overrides: `a.b=value`, as after `--set`.

    Raises:
        SpecError: with every mistake in the file at once.
    """
    document = read_document(path, overrides)
    experiment = validate(document, Experiment)
    if problems := experiment.check(path.parent):
        raise SpecError(document, problems)
    return experiment, document


def read_resolved(path: pathlib.Path) -> tuple[Experiment, Document]:
    """Reads the resolved spec of a run. Its data need not be there: a run can be sent to where it is not.

    Raises:
        RunError: it is missing.
        SpecError: somebody has edited the file.
    """
    if not path.exists():
        raise missing(path)
    document = read_document(path)
    return validate(document, Experiment), document


def load_data(experiment: Experiment, document: Document, spec: pathlib.Path) -> tuple[Experiment, Dataset]:
    """Loads the data of an experiment, and checks the spec against it; gives the resolved experiment too.

    Args:
        spec: the file; relative paths in it are relative to its folder, and a run without a name takes its.

    Raises:
        SpecError: the spec does not fit the data.
        DataError: the data cannot be read.
    """
    with placed(document):
        dataset = experiment.load(spec.parent)
        experiment = experiment.resolve(dataset, name=spec.stem)
        validation = len(dataset.parts.validation) > 0
        if problems := list(experiment.check_signature(dataset.preparation.signature, validation=validation)):
            raise MisfitError(*problems)
    return experiment, dataset


def build_model(experiment: Experiment, document: Document, signature: Signature, team: Team | None = None) -> Any:
    """Builds the Keras model of a resolved experiment.

    Args:
        team: whose replicas it is built on; None for one device.

    Raises:
        SpecError: layers do not fit one another.
        OutOfMemoryError: its weights do not fit in memory.
    """
    from dlrun.training.memory import Request, is_out_of_memory

    with placed(document), team.scope() if team else nullcontext():
        try:
            return experiment.build(signature)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            asked = str(Request.parse(str(error)))
            raise OutOfMemoryError(
                "the weights of the network do not fit in memory" + (f": asked for {asked}" if asked else ""),
                hint="give its layers fewer units or filters (dlrun show SPEC tells how many each has)",
            ) from error


@contextmanager
def placed(document: Document) -> Iterator[None]:
    """Gives problems that are found within it their place in the spec's text.

    Raises:
        SpecError: instead of MisfitError.
    """
    try:
        yield
    except MisfitError as error:
        raise SpecError(document, error.problems) from error
