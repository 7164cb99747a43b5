# SPDX-License-Identifier: Apache-2.0
require 'puppet/resource_api'

Puppet::ResourceApi.register_type(
  name: 'keymedic_policy',
  docs: <<~DOC,
    @summary What the organisation wants of an estate: its KMS hosts, limits, how remediations are rolled out.

    An attribute that is not given stays as it is. One call reads the policy, and one more changes it, bound to what
    was read: if somebody else was faster nothing is changed, and the next run decides anew. When the controller
    cannot be reached nothing is changed, with a warning; with `strict` this resource then fails, and it alone.

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
    strict: {
      type: 'Optional[Boolean]',
      desc: 'Whether the resource fails when the controller cannot be reached. Without it there is a warning.',
      behaviour: :parameter,
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
      # Only forms that are as they are stored or that the provider turns into that: any other would be a change at each
      # run. 0 and ..._UNSPECIFIED are stored where nothing was said.
      type: <<~'TYPE',
        Optional[Struct[{
          Optional[canary] => Integer[0],
          Optional[first_wave] => Integer[0],
          Optional[growth] => Numeric,
          Optional[concurrency] => Integer[0],
          Optional[error_budget] => Optional[Struct[{Optional[absolute] => Integer[0], Optional[percent] => Numeric}]],
          Optional[step_timeout] => Optional[Pattern[/\A([0-9.]+[smh])+\z/]],
          Optional[verify_timeout] => Optional[Pattern[/\A([0-9.]+[smh])+\z/]],
          Optional[host_concurrency] => Integer[0],
          Optional[site_concurrency] => Integer[0],
          Optional[soak] => Optional[Pattern[/\A([0-9.]+[smh])+\z/]],
          Optional[health] => Array[Enum[
            'HEALTH_CONDITION_STAYS_CURED', 'HEALTH_CONDITION_NO_NEW_CRITICAL', 'HEALTH_CONDITION_CONNECTED']],
          Optional[windows] => Array[Struct[{
            Optional[days] => Array[Integer[1, 7]],
            Optional[begin_minute] => Integer[0, 1439],
            Optional[end_minute] => Integer[0, 1439]}]],
          Optional[missed_window] => Enum[
            'MISSED_WINDOW_UNSPECIFIED', 'MISSED_WINDOW_NEXT', 'MISSED_WINDOW_SKIP', 'MISSED_WINDOW_RUN'],
          Optional[offline] => Enum['OFFLINE_RULE_UNSPECIFIED', 'OFFLINE_RULE_QUEUE', 'OFFLINE_RULE_SKIP'],
          Optional[queue_timeout] => Optional[Pattern[/\A([0-9.]+[smh])+\z/]],
          Optional[queue_until] => Optional[Pattern[/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.([0-9]{3})+)?Z\z/]],
        }]]
      TYPE
      desc: 'How remediations are rolled out, as in `keymedic policy show`, times also as `1h30m`; what is not given stays.',
    },
  },
)
