"""Renders the chart with values of a site, by Helm 4: that Helm 3 makes the same objects is what the check `helm` says.

Invariant: what is returned is what helm printed, and nothing added.
"""

import json
import os

import chart_tools

READ = "import json, sys, yaml; json.dump([one for one in yaml.safe_load_all(open(sys.argv[1])) if one], sys.stdout)"


class Renderer:
    def __init__(self, kit):
        self.kit, self.helm, self.count = kit, chart_tools.helms(kit)[-1], 0

    def __call__(self, values):
        """The objects that the chart is with these values."""
        self.count += 1
        file, text = (self.kit.scratch / f"rendered-{self.count}.{kind}" for kind in ("json", "yaml"))
        file.write_text(json.dumps(values), encoding="utf-8")
        text.write_text(self.helm.template("-f", file), encoding="utf-8")
        return json.loads(self.kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", READ, text))
