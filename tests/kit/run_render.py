"""Renders the chart, by Helm 4: that Helm 3 makes the same objects is what the check `helm` says.

Invariant: what is returned is what helm printed, and nothing added.
"""

import json
import os

import chart_tools

READ = """import json, sys, yaml
json.dump([[one for one in yaml.load_all(open(file), yaml.CSafeLoader) if one] for file in sys.argv[1:]], sys.stdout)"""


class Renderer:
    def __init__(self, kit):
        self.kit, self.helm, self.count = kit, chart_tools.helms(kit)[-1], 0

    def __call__(self, values):
        """The objects that the chart is with these values."""
        self.count += 1
        file = self.kit.scratch / f"values-{self.count}.json"
        file.write_text(json.dumps(values), encoding="utf-8")
        return self.files([file])[0]

    def files(self, files):
        """The objects for each of these files of values."""
        texts = []
        for file in files:
            texts.append(self.kit.scratch / f"rendered-{file.stem}.yaml")
            texts[-1].write_text(self.helm.template("-f", file), encoding="utf-8")
        return json.loads(self.kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", READ, *texts))
