"""What every program here asks, demands of the simulator, and prints. Nothing of Bursar's is imported: these programs
run in an environment that doesn't have it."""

import json
import sys
import traceback
from pathlib import Path

TEXT = "The weather in Pune is fine."
OUTPUT_TOKENS = 41
QUESTION = [{"role": "user", "content": "What is the weather in Pune?"}]
RESULT = "31 degrees"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
DEMAND = {"text": TEXT, "output": OUTPUT_TOKENS}


def tags(name, demand=None):
    """Headers of a call: its session is the case's name; demand: what the simulator shall answer."""
    headers = {"x-bursar-tags": f"feature=clients,session={name}"}
    return headers | ({"x-sim": json.dumps(demand)} if demand else {})


def report(*cases):
    """Run each case and print what it saw as one JSON object: by the case's name, or its error."""
    program = Path(sys.argv[0]).stem
    seen = {}
    for case in cases:
        name = f"{program}-{case.__name__}"
        try:
            seen[name] = case(name)
        except Exception:
            seen[name] = {"error": traceback.format_exc()[-2_000:]}
    print(json.dumps(seen))
