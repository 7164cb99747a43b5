#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keymedic_token
short_description: Join tokens of a KeyMedic estate
version_added: 0.1.0
description:
  - Makes or revokes a join token, which machines need to become part of the estate.
  - The secret is returned once, when the token is made; the controller keeps only its hash. That result is not shown,
    not even without C(no_log), but can be registered.
author: KeyMedic (@keymedic)
extends_documentation_fragment:
  - keymedic.fleet.controller
  - keymedic.fleet.controller.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Without I(name) each run makes a token of its own. With it the second run makes none, and has no C(secret).
options:
  state:
    description: C(present) makes the token, C(absent) revokes it; machines that joined with it stay.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - What the token is for, such as C(berlin-2026). A token with this name is made once, and is not made again
        when it has been revoked, has expired or is used up.
    type: str
  id:
    description: Of the token to revoke, as C(keymedic tokens list) shows it.
    type: str
  uses:
    description: How many machines may join with it.
    type: int
    default: 1
  lifetime:
    description: For how long it is good, such as C(8h).
    type: str
    default: 24h
  labels:
    description: Given to every machine that joins with it.
    type: dict
"""

EXAMPLES = r"""
# Two plays of one playbook, which can be run again: it then makes no token, and who has joined needs none.
- name: A token for the new machines of Berlin
  hosts: localhost
  tasks:
    - name: Make it
      keymedic.fleet.keymedic_token:
        name: berlin-2026
        uses: 40
        lifetime: 8h
        labels:
          site: berlin
      register: berlin

- name: Let them join
  hosts: new_linux_machines
  become: true
  roles:
    - role: keymedic.fleet.agent
      vars:
        keymedic_agent_controller: keymedic.contoso.example:7443
        keymedic_agent_token: "{{ hostvars.localhost.berlin.secret | default('') }}"

# A play of its own, later
- name: Nobody joins with it any more
  hosts: localhost
  tasks:
    - name: Revoke it
      keymedic.fleet.keymedic_token:
        name: berlin-2026
        state: absent
"""

RETURN = r"""
secret:
  description: What machines join with.
  returned: when the token was made
  type: str
token:
  description: The token without its secret, with the fields that C(keymedic tokens list --output json) shows.
  returned: when there is one
  type: dict
"""

import hashlib
import json
import time

from ansible_collections.keymedic.fleet.plugins.module_utils import rollout
from ansible_collections.keymedic.fleet.plugins.module_utils.client import ControllerError, request_id, run, to_dict

try:
    from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import (
        access_service_pb2 as pb, access_service_pb2_grpc as rpc)
except ImportError:  # client.MISSING says so
    pass


def is_named(token, name):
    """The name is the request's id, and the token's id follows from that: CreateTokenRequest says how."""
    made = hashlib.sha256(("%s\n%s" % (token.created_by, name)).encode("utf-8")).hexdigest()
    return made.startswith(token.id)


def find(client, service, options):
    for token in client.pages(service.ListTokens, pb.ListTokensRequest(), "tokens"):
        if token.id == (options["id"] or "").split("/")[-1] or (options["name"] and is_named(token, options["name"])):
            return token
    return None


def why_no_good(token):
    """Empty: machines can join with it."""
    if token.revoked:
        return "is revoked"
    if token.expires_at.seconds <= time.time():
        return "has expired"
    return "" if token.uses_left else "is used up"


def label_text(value):
    """A label is a text; `true` and `3` are what stands in the playbook."""
    return value if isinstance(value, str) else json.dumps(value)


def create(module, client, service):
    options = module.params
    if options["uses"] < 1:
        raise ControllerError("uses is %d: give the number of machines that may join, from 1" % options["uses"])
    labels = dict((key, label_text(value)) for key, value in (options["labels"] or {}).items())
    request = pb.CreateTokenRequest(uses=options["uses"], labels=labels,
                                    request_id=options["name"] or request_id())
    request.lifetime.seconds = rollout.seconds("lifetime", options["lifetime"])
    if module.check_mode:
        return dict(changed=True)
    made = client.call(service.CreateToken, request)
    return dict(changed=True, token=to_dict(made.token), secret=made.secret)


def work(module, client):
    service = rpc.AccessServiceStub(client.channel)
    options = module.params
    token = find(client, service, options) if options["id"] or options["name"] else None
    if options["state"] == "present":
        if options["id"]:
            raise ControllerError("id is '%s': a token that is made gets its id from the controller; give a name"
                                  % options["id"])
        if token is None:
            return create(module, client, service)
        bad = why_no_good(token)
        if bad:
            raise ControllerError("the token '%s' (%s) %s, and a name is used once: take another one"
                                  % (options["name"], token.id, bad))
        return dict(changed=False, token=to_dict(token))
    if token is None:
        return dict(changed=False)
    changed = not token.revoked
    if changed and not module.check_mode:
        token = client.call(service.RevokeToken, pb.RevokeTokenRequest(name=token.name))
    return dict(changed=changed, token=to_dict(token))


def main():
    run(work, dict(
        state=dict(type="str", choices=["present", "absent"], default="present"),
        name=dict(type="str"), id=dict(type="str"), uses=dict(type="int", default=1),
        lifetime=dict(type="str", default="24h"), labels=dict(type="dict"),
    ), mutually_exclusive=[("name", "id")], required_if=[("state", "absent", ("name", "id"), True)])


if __name__ == "__main__":
    main()
