"""PyTorch on one thread, doing what it is asked for: a JSON object a line comes in, and one goes out.

{"rows", "classes", "logits", "targets"}  the inputs of the calls to come, float32 and int32 in base64
{"run": CALL}                             makes the call: {"value"} is its loss, {"output"} what it writes, in base64
{"turn": CALL, "milliseconds"}            makes it for so long: {"nanoseconds"} is the median of one call
"""

import base64
import json
import statistics
import sys
import time

import torch
from torch.nn import functional

torch.set_num_threads(1)
torch.set_num_interop_threads(1)


def tensor(text, dtype):
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=dtype)


class Calls:
    """Each returns the loss, where there is one, and a tensor."""

    def __init__(self, rows, classes, logits, targets):
        self.logits = tensor(logits, torch.float32).reshape(rows, classes)
        self.leaf = self.logits.clone().requires_grad_()
        self.targets = tensor(targets, torch.int32).long()

    def crossEntropy(self):
        with torch.no_grad():
            return functional.cross_entropy(self.logits, self.targets).item(), None

    def crossEntropyWithGrad(self):
        self.leaf.grad = None
        loss = functional.cross_entropy(self.leaf, self.targets)
        loss.backward()
        return loss.item(), self.leaf.grad

    def logSoftmax(self):
        with torch.no_grad():
            return 0, functional.log_softmax(self.logits, dim=-1)

    def softmax(self):
        with torch.no_grad():
            return 0, functional.softmax(self.logits, dim=-1)


def run(call):
    value, output = call()
    encoded = None if output is None else base64.b64encode(output.numpy().tobytes()).decode()
    return {"value": value, "output": encoded}


def turn(call, milliseconds):
    times = []
    now = time.perf_counter_ns()
    end = now + milliseconds * 1e6
    while now < end:
        start = now
        call()
        now = time.perf_counter_ns()
        times.append(now - start)
    return {"nanoseconds": statistics.median(times)}


def reply(answer):
    print(json.dumps(answer), flush=True)


reply({"version": torch.__version__})
calls = None
for line in sys.stdin:
    request = json.loads(line)
    if "run" in request:
        reply(run(getattr(calls, request["run"])))
    elif "turn" in request:
        reply(turn(getattr(calls, request["turn"]), request["milliseconds"]))
    else:
        calls = Calls(**request)
        reply({})
