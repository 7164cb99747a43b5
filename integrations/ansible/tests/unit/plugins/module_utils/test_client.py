# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import shutil
import tempfile
import unittest

import grpc

from ansible_collections.keymedic.fleet.plugins.module_utils import client
from ansible_collections.keymedic.fleet.plugins.module_utils.client import ControllerError, find_controller

PROFILES = """\
default = "berlin"
[profiles.berlin]
controller = "berlin:7443"
ca = "/b/ca.crt"
certificate = "/b/admin.crt"
key = "/b/admin.key"
[profiles.half]
controller = "half:7443"
"""
OPTIONS = dict(controller="option:1", ca="ca", cert="cert", key="key")
ENVIRONMENT = dict(KEYMEDIC_CONTROLLER="environment:1", KEYMEDIC_CA="ca", KEYMEDIC_CERT="cert", KEYMEDIC_KEY="key")


class FindControllerTest(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.home)

    def find(self, options, environment=None, profiles=PROFILES):
        folder = os.path.join(self.home, "keymedic")
        if not os.path.isdir(folder):
            os.mkdir(folder)
        with open(os.path.join(folder, "profiles.toml"), "w") as stream:
            stream.write(profiles)
        return find_controller(options, dict(environment or {}, XDG_CONFIG_HOME=self.home))

    def error(self, *arguments, **more):
        with self.assertRaises(ControllerError) as caught:
            self.find(*arguments, **more)
        return str(caught.exception)

    def test_order(self):
        everything = dict(ENVIRONMENT, KEYMEDIC_PROFILE="half")
        self.assertEqual(self.find(dict(OPTIONS, profile="berlin"), everything)["controller"], "option:1")
        self.assertEqual(self.find(dict(profile="berlin"), everything)["controller"], "berlin:7443")
        self.assertEqual(self.find({}, everything)["controller"], "environment:1")
        self.assertEqual(self.find({}, dict(KEYMEDIC_PROFILE="berlin"))["controller"], "berlin:7443")
        self.assertEqual(self.find({})["cert"], "/b/admin.crt")

    def test_errors_name_what_is_lacking(self):
        self.assertIn("'option:1' without cert, key", self.error(dict(controller="option:1", ca="ca")))
        self.assertIn("KEYMEDIC_CA, KEYMEDIC_CERT and KEYMEDIC_KEY", self.error({}, dict(KEYMEDIC_CONTROLLER="c:1")))
        self.assertIn("no profile 'munich'", self.error(dict(profile="munich")))
        self.assertIn("there are: berlin, half", self.error(dict(profile="munich")))
        self.assertIn("'half'", self.error(dict(profile="half")))
        self.assertIn("no controller is known", self.error({}, profiles=""))
        self.assertIn("profiles.toml", self.error({}, profiles="default = berlin"))


class Refusal(grpc.RpcError):
    def __init__(self, code):
        super(Refusal, self).__init__()
        self.code = lambda: code
        self.details = lambda: "no"
        self.trailing_metadata = lambda: ()


class CallTest(unittest.TestCase):
    def setUp(self):
        self.asked = []
        self.addCleanup(setattr, client, "RETRY_AFTER", client.RETRY_AFTER)
        client.RETRY_AFTER = (0, 0)

    def call(self, *codes):
        """Calls a method that is refused with these, then answers."""
        refusals = list(codes)

        def method(request, timeout):
            self.asked.append(request)
            if refusals:
                raise Refusal(refusals.pop(0))
            return "done"

        caller = client.Client.__new__(client.Client)
        caller.controller = "berlin:7443"
        return caller.call(method, "the request")

    def test_asks_again_with_the_same_request(self):
        self.assertEqual(self.call(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE), "done")
        self.assertEqual(self.asked, ["the request"] * 3)

    def test_gives_up(self):
        with self.assertRaisesRegex(ControllerError, "cannot talk to the controller at berlin:7443"):
            self.call(*[grpc.StatusCode.UNAVAILABLE] * 3)

    def test_a_refusal_is_final(self):
        with self.assertRaises(ControllerError):
            self.call(grpc.StatusCode.PERMISSION_DENIED)
        self.assertEqual(len(self.asked), 1)


if __name__ == "__main__":
    unittest.main()
