"""What docs/ shows: manifests and scripts that are what they claim, numbers that follow from their formula."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlrun.experiment import Experiment
from dlrun.reading import read_experiment
from dlrun.spec.document import parse_document

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "distributed.md").read_text(encoding="utf-8")


def test_every_file_that_the_page_names_is_there() -> None:
    names = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(names) >= 2
    for name in names:
        assert (DOCS / name).is_file(), name


@pytest.mark.parametrize("page", ["README.md", "docs/data.md", "docs/distributed.md"])
def test_every_example_is_a_spec_or_a_part_of_one(page: str) -> None:
    """As far as that shows without its data: sections of a spec, or fields of its section `data`."""
    examples = re.findall(r"```yaml\n(.*?)```", (DOCS.parent / page).read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        tree = parse_document(example, Path(page)).value
        tree = tree if tree.keys() <= Experiment.model_fields.keys() else {"data": tree}
        tree["data"] = {"source": {"kind": "bundled", "name": "digits"}, **tree.get("data", {})}
        Experiment.parse({"name": "example", "architecture": {"kind": "ann"}, **tree})


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    text = (DOCS / "examples" / "tfjob.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_the_manifest_is_a_tfjob(manifests: dict[str, dict[str, Any]]) -> None:
    job = manifests["TFJob"]
    assert job["apiVersion"] == "kubeflow.org/v1"
    replicas = job["spec"]["tfReplicaSpecs"]
    assert {kind: each["replicas"] for kind, each in replicas.items()} == {"Chief": 1, "Worker": 3}
    for each in replicas.values():
        assert each["restartPolicy"] == "OnFailure"
        pod = each["template"]["spec"]
        (container,) = pod["containers"]
        # What the operator looks for: https://www.kubeflow.org/docs/components/trainer/legacy-v1/user-guides/tensorflow
        assert container["name"] == "tensorflow"
        assert container["ports"] == [{"name": "tfjob-port", "containerPort": 2222}]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts == {"spec": "/spec", "runs": "/runs"}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["spec"]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
        assert container["command"] == ["sh", "/spec/start.sh"]
        assert "start.sh" in manifests["ConfigMap"]["data"]


def test_the_manifest_holds_a_spec_without_mistakes(manifests: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(manifests["ConfigMap"]["data"]["spec.yaml"], encoding="utf-8")
    experiment, _ = read_experiment(path)
    assert experiment.runtime.strategy == "multi_worker"
    assert experiment.name == "cnn_mnist"


def runs(script: str, folder: Path, *shell: str) -> list[str]:
    """The commands of dlrun that a script starts, in a folder."""
    told = folder / "told.txt"
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, program in (("dlrun", f'echo "$@" >> {told}'), ("srun", '"$@"'), ("scontrol", f'echo "$@" >> {told}')):
        (tools / name).write_text(f"#!/bin/sh\n{program}\nexit ${{ENDS:-0}}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    (folder / "script").write_text(script, encoding="utf-8")
    told.write_text("", encoding="utf-8")
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "SLURM_JOB_ID": "77", "ENDS": "130"}
    done = subprocess.run([*shell, "script"], cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
    return told.read_text(encoding="utf-8").splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell")
def test_a_pod_begins_and_then_goes_on(manifests: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    script = manifests["ConfigMap"]["data"]["start.sh"].replace("/runs", f"{tmp_path}/runs")
    assert runs(script, tmp_path, "sh") == [f"train /spec/spec.yaml --out {tmp_path}/runs"]
    for stamp in ("20260102-000000", "20260101-000000"):
        (tmp_path / "runs" / f"cnn_mnist-{stamp}").mkdir(parents=True)
    assert runs(script, tmp_path, "sh") == [f"resume {tmp_path}/runs/cnn_mnist-20260102-000000"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_slurm_job_begins_goes_on_and_is_queued_again(tmp_path: Path) -> None:
    path = DOCS / "examples" / "train.slurm"
    subprocess.run(["bash", "-n", str(path)], check=True)
    script = path.read_text(encoding="utf-8")
    begins, *options = script.split("\n\n")[0].splitlines()
    assert begins == "#!/bin/bash"
    assert all(option.startswith("#SBATCH --") for option in options)
    given = dict(option.removeprefix("#SBATCH --").partition("=")[::2] for option in options)
    assert given["ntasks-per-node"] == "1"
    assert given["signal"] == "TERM@120"  # to the tasks: with B: it would be the script that gets it
    assert "requeue" in given
    again = "requeue 77"
    assert runs(script, tmp_path, "bash") == [
        "train spec.yaml --out runs --set runtime.strategy=multi_worker",
        again,
    ]
    (tmp_path / "runs" / "cnn_mnist-20260101-000000").mkdir(parents=True)
    assert runs(script, tmp_path, "bash") == ["resume runs/cnn_mnist-20260101-000000", again]


def test_the_settings_of_the_page_are_those_of_the_spec() -> None:
    (text,) = re.findall(r"```yaml\n(runtime:.*?)```", PAGE, re.DOTALL)
    section = yaml.safe_load(text)["runtime"]
    fields = Experiment.model_fields["runtime"].annotation.model_fields  # type: ignore[union-attr]
    for name, value in section.items():
        assert fields[name].default == value, name


def test_the_table_follows_from_the_formula() -> None:
    workers, batch, latency, bandwidth = 4, 64, 0.85e-3, 1.25e9  # as the page says above it
    rows = re.findall(r"^\| (?:ann|autoencoder|cnn|lstm) \|.*$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for row in rows:
        cells = [float(re.sub(r"[^\d.]", "", cell)) for cell in row.split("|")[2:-1]]
        parameters, rate, sent, one, adding, four, enough = cells
        size = 4 * parameters
        add = 2 * (workers - 1) * (latency + size / (workers * bandwidth))
        assert sent == 2 * (workers - 1) / workers * size
        assert one == pytest.approx(1e3 * batch / rate, abs=0.006)
        assert adding == pytest.approx(1e3 * add, abs=0.006)
        assert four == pytest.approx(1e3 * (batch / (workers * rate) + add), abs=0.006)
        assert enough == pytest.approx(4 * workers * rate * add, abs=0.6)


def test_the_table_counts_the_parameters_of_the_benchmarks() -> None:
    counts = {
        "ann": (10 + 1) * 8 + (8 + 1),
        "autoencoder": (784 + 1) * 64 + (64 + 1) * 784,
        "cnn": (9 + 1) * 32 + (13 * 13 * 32 + 1) * 128 + (128 + 1) * 10,
        "lstm": 5000 * 128 + 4 * ((128 + 64) * 64 + 64) + (64 + 1),
    }
    for name, count in counts.items():
        assert f"| {name} | {count:,} |" in PAGE
