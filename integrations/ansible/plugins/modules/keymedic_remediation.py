#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keymedic_remediation
short_description: Repair what is wrong with the machines of a KeyMedic estate
version_added: 0.1.0
description:
  - Plans the repair of what a selector names, starts it, and waits for its end. The controller rolls it out, with a
    canary, growing waves and an error budget, and looks at each machine again to see that it is cured.
  - Where nothing is left to treat, nothing is done.
author: KeyMedic (@keymedic)
extends_documentation_fragment:
  - keymedic.fleet.controller
  - keymedic.fleet.controller.attributes
  - keymedic.fleet.rollout
attributes:
  check_mode:
    support: full
    details:
      - Without C(--diff) no machine is asked and nothing is stored.
      - With C(--diff) each machine is asked what would change on it. The plan is stored on the controller, so that
        just this plan can be approved and started with I(id) and I(plan_hash); no machine is changed.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - C(started) carries the plan out.
      - C(planned) stores the plan and carries nothing out. As no machine changes, it counts as no change.
    type: str
    choices: [planned, started]
    default: started
  selector:
    description: Which findings or machines, such as C(finding=CLIENT_KEY_NOT_GVLK and site=berlin). C(all) says all.
    type: str
  id:
    description:
      - A plan that was made before. One that was started already is waited for, as it was started.
      - I(rollout) takes the place of the plan's own. What is treated stands in the plan and cannot be given.
    type: str
  plan_hash:
    description: Of the plan I(id) that was seen. A different plan is not started.
    type: str
  expect_count:
    description: Fail, before any machine is changed, if more machines than this would be touched. C(0) expects none.
    type: int
  treat:
    description: Only these actions. Without it, what the findings propose. A plan that is there has its own.
    type: list
    elements: str
  approve:
    description: Actions that need your explicit word, such as C(reset_machine_id).
    type: list
    elements: str
  again:
    description: Also what was tried on the same machine for the same finding before, and failed. By default not.
    type: bool
  wait:
    description: Wait for the end, and fail unless that is a success.
    type: bool
    default: true
  wait_timeout:
    description: For how many seconds to wait. The remediation goes on after that.
    type: int
    default: 3600
seealso:
  - module: keymedic.fleet.keymedic_finding_info
  - module: keymedic.fleet.keymedic_policy
"""

EXAMPLES = r"""
- name: Give the clients of Berlin the key of their edition
  keymedic.fleet.keymedic_remediation:
    selector: finding=CLIENT_KEY_NOT_GVLK and site=berlin
    expect_count: 40
    rollout:
      canary: 3
      error_budget: 5%
      soak: 10m

- name: Make a plan, for somebody to look at
  keymedic.fleet.keymedic_remediation:
    selector: site=berlin
    state: planned
  register: plan

- name: Carry out that plan and no other
  keymedic.fleet.keymedic_remediation:
    id: "{{ plan.id }}"
    plan_hash: "{{ plan.plan_hash }}"
    wait_timeout: 7200
"""

RETURN = r"""
id:
  description: Of the remediation, also of a plan that was refused its start; empty where nothing was stored.
  returned: success or failed
  type: str
  sample: r-a4870f3239
state:
  description:
    - C(planned), C(running), C(paused), C(succeeded), C(failed), C(stopped-by-budget), C(aborted),
      or C(nothing-to-treat).
  returned: success or failed
  type: str
plan_hash:
  description: What starting this plan takes.
  returned: success or failed
  type: str
selector:
  description: What was asked for.
  returned: success or failed
  type: str
reason:
  description: Why it stopped, failed or was paused.
  returned: success or failed
  type: str
totals:
  description: Machines by state.
  returned: success or failed
  type: dict
  sample: {succeeded: 66}
targets:
  description:
    - The machines, each with C(machine) (its name), C(machine_id), C(wave), C(state), C(message), C(findings) and
      C(steps).
  returned: success or failed
  type: list
  elements: dict
failed_machines:
  description: Those of them that did not end well, each with C(machine), C(machine_id), C(state) and C(message).
  returned: success or failed
  type: list
  elements: dict
untreatable:
  description: Findings that the plan can do nothing about, each with C(code), C(subject) and C(why).
  returned: success or failed
  type: list
  elements: dict
"""

from ansible_collections.keymedic.fleet.plugins.module_utils import rollout
from ansible_collections.keymedic.fleet.plugins.module_utils.client import ControllerError, request_id, run, word

try:
    from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import (
        command_pb2, remediation_service_pb2 as pb, remediation_service_pb2_grpc as rpc)
except ImportError:  # client.MISSING says so
    pass

PLAN_SECONDS = 600  # every machine is asked
NAMED = 5  # in a message; the rest is in the result
NOTHING_TO_TREAT = "NOTHING_TO_TREAT"


def state_name(state):
    return word(pb.RemediationState, state, "REMEDIATION_STATE_")


def target_state(state):
    return word(pb.TargetState, state, "TARGET_STATE_")


def is_open(target):
    return target.state < pb.TARGET_STATE_SUCCEEDED


def is_good(target):
    return target.state in (pb.TARGET_STATE_SUCCEEDED, pb.TARGET_STATE_NO_CHANGE)


def to_do(plan):
    """Planned, with something to treat."""
    return plan.state == pb.REMEDIATION_STATE_PLANNED and any(is_open(target) for target in plan.targets)


def described(plan):
    """What the module returns of a remediation."""
    state = state_name(plan.state)
    if plan.state <= pb.REMEDIATION_STATE_PLANNED and not to_do(plan):
        state = "nothing-to-treat"
    targets = [dict(
        machine=target.display_name, machine_id=target.machine_id, wave=target.wave, state=target_state(target.state),
        message=target.message, findings=list(target.finding_codes),
        steps=[dict(action=step.action, message=step.message, outcome=word(command_pb2.Outcome, step.outcome, "OUTCOME_"))
               for step in target.steps]) for target in plan.targets]
    ended = plan.state >= pb.REMEDIATION_STATE_SUCCEEDED
    failed = [dict(machine=target.display_name, machine_id=target.machine_id, state=target_state(target.state),
                   message=target.message)
              for target in plan.targets if not is_good(target) and (ended or not is_open(target))]
    return dict(
        id=plan.id, state=state, plan_hash=plan.plan_hash, selector=plan.selector,
        reason=plan.reason, totals=dict(plan.totals), targets=targets, failed_machines=failed,
        untreatable=[dict(code=finding.code, subject=finding.subject, why=finding.why_untreatable)
                     for finding in plan.untreatable])


def diff_of(plan, done):
    """What changes on which machine; with `done`, what did. A step that depends on an earlier one cannot be asked
    beforehand what it would change."""
    before, after = {}, {}
    for target in plan.targets:
        old, new = {}, {}
        for step in target.steps:
            if done and step.outcome != command_pb2.OUTCOME_CHANGED:
                continue
            for change in step.changes:
                old[change.field], new[change.field] = change.before, change.after
            if not step.changes:
                new[step.action] = "done"
        if old or new:
            before[target.display_name], after[target.display_name] = old, new
    return dict(before=before, after=after)


def make_plan(module, client, service, preview):
    """None: there is nothing to treat."""
    options = module.params
    request = pb.PlanRemediationRequest(
        selector=options["selector"], expect_count=options["expect_count"] or 0, treat=options["treat"] or [],
        approve=options["approve"] or [], again=bool(options["again"]), validate_only=preview, request_id=request_id())
    rollout.apply(options["rollout"] or {}, request.policy)
    try:
        return client.call(service.PlanRemediation, request, PLAN_SECONDS)
    except ControllerError as error:
        if error.reason == NOTHING_TO_TREAT:
            return None
        raise


def start(module, client, service, plan):
    given = module.params["plan_hash"] or (plan.plan_hash if module.params["selector"] else "")
    if not given:
        raise ControllerError("plan_hash is needed to start %s: it says which plan you have seen" % plan.id)
    request = pb.StartRemediationRequest(name=plan.name, plan_hash=given, request_id=request_id())
    policy = module.params["rollout"] or {}
    if module.params["id"] and any(value is not None for value in policy.values()):
        rollout.apply(policy, request.policy)
    return client.call(service.StartRemediation, request)


def check_count(module, plan):
    expected = module.params["expect_count"]
    if expected is not None and len(plan.targets) > expected:
        raise ControllerError("the plan%s has %d targets, and at most %d were expected; look at it with `state: planned`"
                              % (" " + plan.id if plan.id else "", len(plan.targets), expected))


def wait(module, client, service, plan):
    """The remediation at its end, when it pauses, or when time is up."""
    request = pb.GetRemediationRequest(name=plan.name)
    progress = client.watch(service.WatchRemediation, request, module.params["wait_timeout"])
    for now in progress:
        if now.state == pb.REMEDIATION_STATE_PAUSED:
            break
    progress.close()
    return client.call(service.GetRemediation, request)


def why_failed(plan, seconds):
    """Empty: it succeeded."""
    if plan.state == pb.REMEDIATION_STATE_SUCCEEDED:
        return ""
    text = "remediation %s is %s" % (plan.id, state_name(plan.state))
    if plan.reason:
        text += ": " + plan.reason
    lost = [target for target in plan.targets if not is_open(target) and not is_good(target)]
    if lost:
        text += "; %d of %d machines did not end well: %s" % (len(lost), len(plan.targets), named(lost))
    if plan.state == pb.REMEDIATION_STATE_PAUSED:
        return text + "; go on with `keymedic remediations resume %s` or end it with `abort`" % plan.id
    if plan.state == pb.REMEDIATION_STATE_RUNNING:
        return text + " still, after %d s, and goes on; wait for it with id: %s and a longer wait_timeout" % (
            seconds, plan.id)
    return text + "; `keymedic remediations show %s` tells each, `keymedic remediations retry %s` plans " \
                  "what is left" % (plan.id, plan.id)


def named(targets):
    """The first of them, each with what became of it."""
    texts = ["%s %s (%s)" % (target.display_name, target_state(target.state), target.message or "no message")
             for target in targets[:NAMED]]
    return ", ".join(texts) + (", ..." if len(targets) > NAMED else "")


def warn_of_untreated(module, plan):
    """A remediation succeeds, too, when machines were left out, as those that are away."""
    left = [target for target in plan.targets if not is_good(target)]
    if plan.state == pb.REMEDIATION_STATE_SUCCEEDED and left:
        module.warn("%d of %d machines were not treated: %s" % (len(left), len(plan.targets), named(left)))


def warn_of_untreatable(module, plan):
    if plan.untreatable:
        first = plan.untreatable[0]
        module.warn("%d finding(s) are not treated, such as %s on %s: %s" % (
            len(plan.untreatable), first.code, first.subject, first.why_untreatable))


def with_plan(module, plan, step, *arguments):
    """`step(*arguments)`; when that is refused, the failure has the plan, which is stored and can be started later."""
    try:
        return step(*arguments)
    except ControllerError as error:
        module.fail_json(msg=str(error), code=error.code, **dict(described(plan), reason=error.reason, changed=False))


def work(module, client):
    service = rpc.RemediationServiceStub(client.channel)
    options = module.params
    if options["expect_count"] is not None and options["expect_count"] < 0:
        raise ControllerError("expect_count is %d: give a number from 0; what is left out is no limit"
                              % options["expect_count"])
    if options["id"]:
        name = options["id"] if "/" in options["id"] else "remediations/" + options["id"]
        plan = client.call(service.GetRemediation, pb.GetRemediationRequest(name=name))
    else:
        # What machines would change only they can say: a preview is enough where nobody asks. It is, too, where no
        # target is expected: the controller takes 0 for no limit.
        preview = options["expect_count"] == 0 or module.check_mode and not module._diff
        plan = make_plan(module, client, service, preview)
        if plan is None:
            return dict(described(pb.Remediation(selector=options["selector"])), changed=False)
    warn_of_untreatable(module, plan)
    if to_do(plan):
        with_plan(module, plan, check_count, module, plan)
    wanted = to_do(plan) and options["state"] == "started"
    if module.check_mode or options["state"] == "planned":
        result = dict(described(plan), changed=wanted)
        if module._diff:
            result["diff"] = diff_of(plan, done=False)
        return result
    if wanted:
        plan = with_plan(module, plan, start, module, client, service, plan)
    running = plan.state in (pb.REMEDIATION_STATE_RUNNING, pb.REMEDIATION_STATE_PAUSED)
    if options["wait"] and running:
        plan = wait(module, client, service, plan)
    warn_of_untreated(module, plan)
    result = described(plan)
    result["changed"] = wanted and (not options["wait"] or any(
        step.outcome == command_pb2.OUTCOME_CHANGED for target in plan.targets for step in target.steps))
    if module._diff and wanted:
        result["diff"] = diff_of(plan, done=True)
    failure = why_failed(plan, options["wait_timeout"]) if options["wait"] and (wanted or options["id"]) else ""
    if failure and plan.state != pb.REMEDIATION_STATE_PLANNED:
        module.fail_json(msg=failure, **result)
    return result


def main():
    run(work, dict(
        state=dict(type="str", choices=["planned", "started"], default="started"),
        selector=dict(type="str"), id=dict(type="str"), plan_hash=dict(type="str"),
        expect_count=dict(type="int"), treat=dict(type="list", elements="str"),
        approve=dict(type="list", elements="str"), again=dict(type="bool"),
        rollout=dict(type="dict", options=rollout.SPEC),
        wait=dict(type="bool", default=True), wait_timeout=dict(type="int", default=3600),
    ), required_one_of=[("selector", "id")], mutually_exclusive=[("selector", name) for name in ("id", "plan_hash")] + [
        ("id", name) for name in ("treat", "approve", "again")])


if __name__ == "__main__":
    main()
