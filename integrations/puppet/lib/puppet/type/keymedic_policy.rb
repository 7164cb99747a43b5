# SPDX-License-Identifier: Apache-2.0
require 'puppet/resource_api'

Puppet::ResourceApi.register_type(
  name: 'keymedic_policy',
  docs: <<~DOC,
    @summary What the organisation wants of an estate: its KMS hosts, limits, how remediations are rolled out.

    An attribute that is not given stays as it is. One call reads the policy, and one more changes it, bound to what
    was read: if somebody else was faster nothing is changed, and the next run decides anew. When the controller
    cannot be reached this resource alone fails.

    @example
      keymedic_policy { 'contoso':
        kms_hosts          => ['kms1.contoso.example', 'kms2.contoso.example'],
        grace_warning_days => 14,
        require_approval   => true,
        rollout            => { 'canary' => 3, 'soak' => '30m', 'error_budget' => { 'percent' => 5 } },
      }
  DOC
  features: ['canonicalize', 'simple_get_filter', 'custom_insync'],
  attributes: {
    name: {
      type: 'String[1]',
      desc: "The controller: a profile's name (`keymedic profile add`), or `default`, as the command takes it by itself.",
      behaviour: :namevar,
    },
    kms_hosts: {
      type: 'Optional[Array[String[1]]]',
      desc: 'The KMS hosts that may activate machines, by their full names. Empty: every host may.',
    },
    expect_kms: {
      type: 'Optional[Boolean]',
      desc: 'Whether machines with a volume edition belong on KMS.',
    },
    grace_warning_days: {
      type: 'Optional[Integer[1]]',
      desc: 'How long before its end a grace period is a finding.',
    },
    clock_skew_minutes: {
      type: 'Optional[Integer[1]]',
      desc: 'From which difference on a wrong clock is a finding.',
    },
    agent_silent_minutes: {
      type: 'Optional[Integer[1]]',
      desc: 'After which time an agent that says nothing is a finding.',
    },
    expiry_ahead_days: {
      type: 'Optional[Integer[1]]',
      desc: 'How long before its end a license is a finding.',
    },
    automatic: {
      type: 'Optional[Array[String[1]]]',
      desc: 'Codes of findings that are treated as they appear.',
    },
    require_approval: {
      type: 'Optional[Boolean]',
      desc: 'Whether a plan is started only after another person has approved it.',
    },
    rollout: {
      type: 'Optional[Hash[String[1], Data]]',
      desc: 'How remediations are rolled out: names as in `keymedic policy show`, times also as `30m`; others stay as they are.',
    },
  },
)
