# SPDX-License-Identifier: Apache-2.0
"""Writes what every task returned, and the recap, as JSON to the file that KEYMEDIC_TOLD names. Beside the
ordinary output, as ansible-core has no callback for programs."""

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: told
type: aggregate
short_description: results for tests
description: See the file.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "told"

    def __init__(self):
        super().__init__()
        self._tasks = []

    def _keep(self, result, **_):
        self._tasks.append({"task": result._task.get_name(), "host": result._host.get_name(), **result._result})

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_unreachable = v2_runner_on_skipped = _keep

    def v2_playbook_on_stats(self, stats):
        told = {"tasks": self._tasks, "stats": {host: stats.summarize(host) for host in stats.processed}}
        with open(os.environ["KEYMEDIC_TOLD"], "w", encoding="utf-8") as out:
            json.dump(told, out, default=str)
