# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import unittest

from ansible_collections.keymedic.fleet.plugins.module_utils import rollout
from ansible_collections.keymedic.fleet.plugins.module_utils.client import ControllerError
from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import remediation_service_pb2 as pb

EVERYTHING = dict(
    canary=3, first_wave=20, growth=2.5, concurrency=9, host_concurrency=4, site_concurrency=5, error_budget="5%",
    soak="30m", step_timeout="90s", verify_timeout="2h", queue_timeout="1d", health=["stays_cured", "connected"],
    windows=["fri,sat 22:00-04:00", "00:00-24:00"], missed_window="skip", offline="queue",
    queue_until="2026-12-01T06:00:00Z")


class RolloutTest(unittest.TestCase):
    def test_everything_goes_there_and_back(self):
        self.assertEqual(set(EVERYTHING), set(rollout.SPEC))
        policy = rollout.apply(EVERYTHING, pb.RolloutPolicy())
        self.assertEqual(rollout.to_options(policy), EVERYTHING)
        self.assertEqual(policy.soak.seconds, 1800)
        self.assertEqual(policy.windows[0], pb.MaintenanceWindow(days=[5, 6], begin_minute=1320, end_minute=240))

    def test_what_is_left_out_stays_and_what_is_empty_goes(self):
        policy = rollout.apply(EVERYTHING, pb.RolloutPolicy())
        rollout.apply(dict(canary=None, windows=[], soak="", first_wave=7), policy)
        self.assertEqual(policy.canary, 3)
        self.assertEqual(policy.first_wave, 7)
        self.assertFalse(policy.windows)
        self.assertFalse(policy.HasField("soak"))

    def test_other_ways_to_write_it(self):
        self.assertEqual(rollout.seconds("soak", "1h30m"), 5400)
        self.assertEqual(rollout.seconds("soak", "45"), 45)
        self.assertEqual(list(rollout.window("sat-mon 22:00-04:00").days), [6, 7, 1])
        self.assertEqual(rollout.budget("3").absolute, 3)
        policy = rollout.apply(dict(queue_until="2026-12-01"), pb.RolloutPolicy())
        self.assertEqual(policy.queue_until.ToJsonString(), "2026-12-01T00:00:00Z")

    def test_what_is_wrong_is_named(self):
        for options in (dict(soak="soon"), dict(error_budget="few"), dict(error_budget="1.5"), dict(canary=-1),
                        dict(windows=["22:00"]), dict(windows=["fry 22:00-23:00"]), dict(windows=["24:00-24:00"]),
                        dict(windows=["a b 22:00-23:00"]), dict(queue_until="tomorrow")):
            with self.assertRaises(ControllerError) as caught:
                rollout.apply(options, pb.RolloutPolicy())
            (field, value), = options.items()
            self.assertIn(field, str(caught.exception))
            self.assertIn(str(value[0] if isinstance(value, list) else value), str(caught.exception))


if __name__ == "__main__":
    unittest.main()
