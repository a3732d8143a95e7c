"""What helm makes of the chart with each of the examples: lints it, renders it, holds it against Kubernetes' own schemas.

chart.py            fails if deploy/helm/rendered is stale
chart.py --write    writes it anew

helm's own code, out of a Python package (helm-python-sdk); helm itself is in no package registry. Rules are left out of what is
kept: they have tests of their own, and change more often than the chart.
"""

import pathlib
import subprocess
import sys

import helm_python
import kubernetes_validate
import yaml
from helm_python.chart import Chart, lint

HERE = pathlib.Path(__file__).parent
CHART = HERE / "tidegate"
KUBERNETES = "1.34"


def render(values):
    made = Chart.load(CHART).render(values, name="tidegate", namespace="kafka", is_install=True)
    texts = (text.strip() for name, text in sorted(made.items()) if not name.endswith("NOTES.txt"))
    return "\n---\n".join(text.removeprefix("---").strip() for text in texts if text) + "\n"


def linted(name, values):
    report = lint(CHART, values, strict=True)
    grave = [m for m in report["messages"] if m["severity"] >= 2]
    if grave or report["errors"]:
        sys.exit(f"{name}: {grave or report['errors']}")


def validated(name, text):
    checked = 0
    for resource in yaml.safe_load_all(text):
        if resource and not resource["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(resource, KUBERNETES, strict=True)
            checked += 1
    print(f"{name}: {checked} resources are as Kubernetes {KUBERNETES} wants them")


def refused(values, word):
    """The chart must say what is missing, instead of making something that can't work."""
    try:
        render(values)
    except helm_python.HelmError as error:
        if word in str(error):
            return
        raise
    sys.exit(f"the chart should refuse {values}")


def main():
    sources = subprocess.run(["sh", HERE / "sources.sh"], capture_output=True, text=True, check=True).stdout.strip()
    stale = []
    for example in sorted((HERE / "examples").glob("*.yaml")):
        values = yaml.safe_load(example.read_text())
        linted(example.name, values)
        validated(example.name, render(values))
        kept = HERE / "rendered" / example.name
        without_rules = values | {"monitoring": values.get("monitoring", {}) | {"rules": False}}
        text = f"# of sources {sources}\n# by `make deploy-check`, from examples/{example.name}\n---\n{render(without_rules)}"
        if "--write" in sys.argv:
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(text)
        elif not kept.exists() or kept.read_text() != text:
            stale.append(example.name)
    refused({"cluster": {"bootstrap": ["kafka:9092"]}}, "zones")
    refused({"zones": [{"name": "az1"}]}, "cluster.bootstrap")
    refused({"zones": [{"name": "az1"}], "cluster": {"bootstrap": ["kafka:9092"]}, "config": {"fleet": {}}}, "config.fleet")
    if stale:
        sys.exit(f"stale: {', '.join(stale)}: WRITE=1 make deploy-check")


main()
