# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Runs the module of this name, and keeps the secret that it returns out of what is shown and logged. A module
cannot do that itself: only what comes from an action may say `_ansible_no_log`, and of a loop's results together only
the task says it."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if "secret" in result:
            result["_ansible_no_log"] = self._task.no_log = True
        return result
