# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""The connection to a controller, and what all modules and plugins of this collection share about it.

Where the controller is found goes by the rules of the command `keymedic`, so that a playbook and a person
use the same profile: the options, then KEYMEDIC_CONTROLLER with KEYMEDIC_CA, KEYMEDIC_CERT and
KEYMEDIC_KEY, then KEYMEDIC_PROFILE, then the default profile.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import time
import traceback
import uuid

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

MISSING = None  # (library, traceback) of the first that is not there
try:
    import grpc
except ImportError:
    MISSING = ("grpcio", traceback.format_exc())
try:
    from google.protobuf import json_format
except ImportError:
    MISSING = MISSING or ("protobuf", traceback.format_exc())
try:
    import tomllib as toml  # Python 3.11
except ImportError:
    try:
        import tomli as toml
    except ImportError:
        toml = None

CALL_SECONDS = 60
RETRY_AFTER = (0.5, 1, 2, 4)  # seconds: a controller that restarts is back within them
PAGE_SIZE = 1000  # the most that a controller gives
MOST_BYTES = 256 << 20  # of one answer: a plan with all its targets

# Options that say where the controller is; the doc fragment `controller` describes them.
CONNECTION = dict(
    controller=dict(type="str"),
    ca=dict(type="path"),
    cert=dict(type="path"),
    key=dict(type="path", no_log=False),  # the path of a file
    profile=dict(type="str"),
)
CREDENTIALS = ("ca", "cert", "key")


class ControllerError(Exception):
    """What kept a call from being answered, with the remedy. `reason` is the controller's name for it."""

    def __init__(self, message, code="", reason=""):
        super(ControllerError, self).__init__(message)
        self.code = code
        self.reason = reason


def missing_library():
    """How to get what is missing on this machine; None when all is there."""
    if MISSING is None:
        return None
    return "%s On Debian: apt install python3-grpcio python3-protobuf" % missing_required_lib(MISSING[0])


def profiles_path(environment):
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME") or ".", ".config")
    return os.path.join(base, "keymedic", "profiles.toml")


def read_profile(name, environment):
    """The profile of that name, or the default one, as `keymedic profile add` wrote it."""
    path = profiles_path(environment)
    if toml is None:
        raise ControllerError("%s is not read without this: %s" % (path, missing_required_lib("tomli")))
    try:
        with open(path, "rb") as stream:
            stored = toml.load(stream)
    except (IOError, OSError):
        stored = {}
    except toml.TOMLDecodeError as error:
        raise ControllerError("%s: %s; mend it, or remove it and add the profiles again" % (path, error))
    name = name or stored.get("default")
    if not name:
        raise ControllerError(
            "no controller is known: give the options controller, ca, cert and key, or add a profile with "
            "`keymedic profile add`, or set KEYMEDIC_CONTROLLER, KEYMEDIC_CA, KEYMEDIC_CERT and KEYMEDIC_KEY")
    profiles = stored.get("profiles", {})
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none; make one with `keymedic profile add`"
        raise ControllerError("no profile '%s' in %s; there are: %s" % (name, path, known))
    profile = profiles[name]
    found = dict(controller=profile.get("controller"), ca=profile.get("ca"), cert=profile.get("certificate"),
                 key=profile.get("key"))
    if not all(found.values()):
        raise ControllerError("profile '%s' in %s is not whole; add it again with `keymedic profile add`" % (name, path))
    return found


def find_controller(options, environment):
    """controller (HOST:PORT) and the paths ca, cert and key."""
    if options.get("controller"):
        lacking = [name for name in CREDENTIALS if not options.get(name)]
        if lacking:
            raise ControllerError("controller is '%s' without %s: give the PEM files that go with it"
                                  % (options["controller"], ", ".join(lacking)))
        return dict((name, options[name]) for name in ("controller",) + CREDENTIALS)
    if options.get("profile"):
        return read_profile(options["profile"], environment)
    if environment.get("KEYMEDIC_CONTROLLER"):
        found = dict((name, environment.get("KEYMEDIC_" + name.upper())) for name in ("controller",) + CREDENTIALS)
        if not all(found.values()):
            raise ControllerError("KEYMEDIC_CONTROLLER is set, so KEYMEDIC_CA, KEYMEDIC_CERT and KEYMEDIC_KEY "
                                  "must name the PEM files to use with it")
        return found
    return read_profile(environment.get("KEYMEDIC_PROFILE"), environment)


def read_pem(path, what):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (IOError, OSError) as error:
        raise ControllerError("%s: cannot read %s: %s; `keymedic-controller init` makes ca.crt, admin.crt and "
                              "admin.key" % (what, path, error.strerror))


class Client(object):
    """One controller. Connects when the first call needs it."""

    def __init__(self, options, environment=None):
        place = find_controller(options, os.environ if environment is None else environment)
        self.controller = place["controller"]
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read_pem(place["ca"], "ca"),
            private_key=read_pem(place["key"], "key"),
            certificate_chain=read_pem(place["cert"], "cert"))
        self.channel = grpc.secure_channel(self.controller, credentials, options=[
            ("grpc.max_receive_message_length", MOST_BYTES), ("grpc.keepalive_time_ms", 30000),
            ("grpc.http2.max_pings_without_data", 0)])  # a remediation may have nothing to tell for hours

    def call(self, method, request, timeout=CALL_SECONDS):
        """Asks again when the controller cannot be reached. By the request's id it knows what it did already."""
        waits = list(RETRY_AFTER)
        while True:
            try:
                return method(request, timeout=timeout)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or not waits:
                    raise self.explain(error)
                time.sleep(waits.pop(0))

    def pages(self, method, request, field):
        """What a List call has, over all of its pages."""
        request.page_size = PAGE_SIZE
        while True:
            page = self.call(method, request)
            for item in getattr(page, field):
                yield item
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch(self, method, request, timeout):
        """What a stream tells until it ends or time is up. A controller that restarts is asked again."""
        end = time.time() + timeout
        while True:
            stream = method(request, timeout=max(end - time.time(), 0.001))
            try:
                for message in stream:
                    yield message
                return
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    return
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.time() > end:
                    raise self.explain(error)
                time.sleep(1)
            finally:
                stream.cancel()

    def explain(self, error):
        """The message of a failed call, as the command `keymedic` puts it."""
        code = error.code()
        text = error.details()
        if code == grpc.StatusCode.UNAVAILABLE:
            text = "cannot talk to the controller at %s: %s; `keymedic doctor` finds out why" % (self.controller, text)
        elif code == grpc.StatusCode.DEADLINE_EXCEEDED:
            text = "the controller at %s did not answer in time; `keymedic doctor` finds out why" % self.controller
        return ControllerError(text, code.name, reason_of(error))


def reason_of(error):
    """What the controller calls it in the status' google.rpc.ErrorInfo: NOTHING_TO_TREAT."""
    from ansible_collections.keymedic.fleet.plugins.module_utils.rpc import error_details_pb2, status_pb2

    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
    return ""


def request_id():
    return str(uuid.uuid4())


def to_dict(message):
    """A message as `keymedic --output json` prints it."""
    try:
        return json_format.MessageToDict(message, preserving_proto_field_name=True, including_default_value_fields=True)
    except TypeError:  # protobuf 5.26 and newer
        return json_format.MessageToDict(message, preserving_proto_field_name=True,
                                         always_print_fields_with_no_presence=True)


def word(enum, value, prefix):
    """What the command calls an enum's value: TARGET_STATE_NO_CHANGE is `no-change`."""
    return enum.Name(value)[len(prefix):].lower().replace("_", "-")


def run(work, argument_spec, **arguments):
    """A whole module: `work(module, client)` gives what it returns."""
    spec = dict(argument_spec)
    spec.update(CONNECTION)
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **arguments)
    if MISSING is not None:
        module.fail_json(msg=missing_library(), exception=MISSING[1])
    try:
        result = work(module, Client(module.params))
    except ControllerError as error:
        module.fail_json(msg=str(error), code=error.code, reason=error.reason)
    module.exit_json(**result)
