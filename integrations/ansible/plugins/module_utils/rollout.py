# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""The rollout policy: as people write it in a playbook, and as a message. Texts are those of the command's
options (`--soak 30m`, `--window 'fri,sat 22:00-04:00'`), names those of the fields."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from ansible_collections.keymedic.fleet.plugins.module_utils.client import ControllerError, word

try:
    from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import remediation_service_pb2 as pb
except ImportError:  # client.MISSING says so
    pb = None

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
NUMBERS = ("canary", "first_wave", "growth", "concurrency", "host_concurrency", "site_concurrency")
DURATIONS = ("step_timeout", "verify_timeout", "soak", "queue_timeout")
HEALTH = ("stays_cured", "no_new_critical", "connected")

SPEC = dict((name, dict(type="int")) for name in NUMBERS)
SPEC["growth"] = dict(type="float")
SPEC.update((name, dict(type="str")) for name in DURATIONS)
SPEC.update(
    error_budget=dict(type="str"),
    health=dict(type="list", elements="str", choices=list(HEALTH)),
    windows=dict(type="list", elements="str"),
    missed_window=dict(type="str", choices=["next", "skip", "run"]),
    offline=dict(type="str", choices=["queue", "skip"]),
    queue_until=dict(type="str"),
)


def wrong(field, value, wanted):
    return ControllerError("%s is '%s': %s" % (field, value, wanted))


def seconds(field, text):
    """30m, 1h30m, 90s, or a number of seconds."""
    units = dict(UNITS)
    if re.match(r"^\d+$", text):
        return int(text)
    if not re.match(r"^(\d+[dhms])+$", text):
        raise wrong(field, text, "give a time such as 30m or 2h")
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))


def duration_text(whole):
    for unit, length in UNITS:
        if whole and whole % length == 0:
            return "%d%s" % (whole // length, unit)
    return "0s"


def minute(text):
    found = re.match(r"^(\d{1,2}):([0-5]\d)$", text)
    of_day = int(found.group(1)) * 60 + int(found.group(2)) if found else None
    return of_day if found and of_day <= 24 * 60 else None


def days(text):
    chosen = []
    for piece in text.lower().split(","):
        ends = piece.split("-")
        if len(ends) > 2 or any(end not in DAYS for end in ends):
            return None
        day = DAYS.index(ends[0])
        while True:
            chosen.append(day + 1)
            if day == DAYS.index(ends[-1]):
                break
            day = (day + 1) % 7  # sat-mon goes over the end of the week
    return chosen


def window(text):
    words = text.split()
    times = words[-1].split("-") if words else []
    begin, end = [minute(time) for time in times] if len(times) == 2 else (None, None)
    on = days(words[0]) if len(words) == 2 else []
    if begin is None or end is None or begin == 24 * 60 or len(words) > 2 or on is None:
        raise wrong("windows", text, "write it as 22:00-04:00 or fri,sat 22:00-04:00 or mon-thu 20:00-24:00, in each "
                                     "machine's own time")
    return pb.MaintenanceWindow(days=on, begin_minute=begin, end_minute=end)


def window_text(message):
    on = ",".join(DAYS[day - 1] for day in message.days)
    times = "%02d:%02d-%02d:%02d" % (divmod(message.begin_minute, 60) + divmod(message.end_minute, 60))
    return ("%s %s" % (on, times)).strip()


def budget(text):
    found = re.match(r"^(\d+(?:\.\d+)?)(%?)$", text)
    if not found or (not found.group(2) and "." in text):
        raise wrong("error_budget", text, "give a number of machines (3) or a percentage (5%)")
    if found.group(2):
        return pb.ErrorBudget(percent=float(found.group(1)))
    return pb.ErrorBudget(absolute=int(text))


def budget_text(message):
    kind = message.WhichOneof("kind")
    if kind is None:
        return ""
    return "%g%%" % message.percent if kind == "percent" else str(message.absolute)


def enum_value(enum, prefix, text):
    return enum.Value(prefix + text.upper())


def apply(options, policy):
    """Sets in the message what `options` say; what they leave out (None) stays, what is empty is taken away."""
    for field, value in options.items():
        if value is None:
            continue
        policy.ClearField(field)
        if value in ("", []):
            continue
        if field in NUMBERS:
            if value < 0:
                raise wrong(field, value, "give a number from 0")
            setattr(policy, field, value)
        elif field in DURATIONS:
            getattr(policy, field).seconds = seconds(field, value)
        elif field == "error_budget":
            policy.error_budget.CopyFrom(budget(value))
        elif field == "health":
            policy.health.extend(enum_value(pb.HealthCondition, "HEALTH_CONDITION_", name) for name in value)
        elif field == "windows":
            policy.windows.extend(window(text) for text in value)
        elif field == "missed_window":
            policy.missed_window = enum_value(pb.MissedWindow, "MISSED_WINDOW_", value)
        elif field == "offline":
            policy.offline = enum_value(pb.OfflineRule, "OFFLINE_RULE_", value)
        elif field == "queue_until":
            try:
                policy.queue_until.FromJsonString(value if "T" in value else value + "T00:00:00Z")
            except ValueError:
                raise wrong(field, value, "give a day (2026-12-01) or an instant (2026-12-01T06:00:00Z)")
    return policy


def to_options(policy):
    """What the message says, as `apply` takes it; what it leaves open is not there."""
    options = dict((name, getattr(policy, name)) for name in NUMBERS if getattr(policy, name))
    options.update((name, duration_text(getattr(policy, name).seconds)) for name in DURATIONS if policy.HasField(name))
    if policy.HasField("error_budget"):
        options["error_budget"] = budget_text(policy.error_budget)
    if policy.health:
        options["health"] = [word(pb.HealthCondition, value, "HEALTH_CONDITION_").replace("-", "_")
                             for value in policy.health]
    if policy.windows:
        options["windows"] = [window_text(one) for one in policy.windows]
    if policy.missed_window:
        options["missed_window"] = word(pb.MissedWindow, policy.missed_window, "MISSED_WINDOW_")
    if policy.offline:
        options["offline"] = word(pb.OfflineRule, policy.offline, "OFFLINE_RULE_")
    if policy.HasField("queue_until"):
        options["queue_until"] = policy.queue_until.ToJsonString()
    return options
