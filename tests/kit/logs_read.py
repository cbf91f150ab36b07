"""Run by the Python that has Vector's language and Datadog's models: does with lines what an example for them says.

    logs_read.py < {"remap": VRL, "condition": VRL, "lines": […], "pipelines": […]}

Writes {"events": […], "alarms": [true, …], "pipelines": ["", …]}: what Vector makes of each line, which of these are
alarms, and what of each pipeline Datadog's model does not know.

Invariant: a program that does not compile ends this with an error.
"""

import json
import sys

from datadog_api_client import Configuration
from datadog_api_client.exceptions import ApiTypeError
from datadog_api_client.model_utils import validate_and_convert_types
from datadog_api_client.v1.model.logs_pipeline import LogsPipeline
from pyvrl import Transform


def unknown(pipeline):
    """What the model does not know: a key, or a processor that is none."""
    try:
        model = validate_and_convert_types(pipeline, (LogsPipeline,), ["pipeline"], True, True, Configuration())
    except ApiTypeError as wrong:
        return str(wrong)
    if model._unparsed:
        return "one of its processors is none"
    known = set(LogsPipeline.attribute_map.values())
    return ", ".join(sorted(set(pipeline) - known))


def main():
    asked = json.load(sys.stdin)
    # A program's result is its last expression: here the event, and whether that is an alarm.
    remap, condition = (Transform(f"{asked['remap']}\n{last}") for last in (".", asked["condition"]))
    came = [{"message": line, "host": "host"} for line in asked["lines"]]
    events, alarms = [remap.remap(one) for one in came], [condition.remap(one) for one in came]
    answer = {"events": events, "alarms": alarms, "pipelines": [unknown(one) for one in asked["pipelines"]]}
    json.dump(answer, sys.stdout, default=str)


if __name__ == "__main__":
    main()
