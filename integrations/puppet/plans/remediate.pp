# SPDX-License-Identifier: Apache-2.0

# @summary Plans a remediation, starts it and waits for its end. The controller rolls it out: canary, waves, error budget.
#
# When there is nothing to treat, nothing is started. Fails when the remediation does not succeed, with what is left
# in the error's details.
#
# @param targets
#   The one machine that calls the controller, most often `localhost`: not the machines that are treated.
# @param selector
#   Which findings or machines.
# @param expect_count
#   Refuse if more machines than this would be touched.
# @param treat
#   Only these actions.
# @param approve
#   Actions that need an explicit word, such as `reset_machine_id`.
# @param canary
#   Machines in the canary, if not as the estate's policy says.
# @param wait
#   Seconds to wait for the end; the remediation goes on at the controller without whoever waits.
# @param profile
#   The controller: a profile of the user that the tasks run as.
# @param noop
#   Only show which machines would be treated and how.
# @return [Hash] the remediation: id, state, totals, machines; `warning` if machines were left out, such as those that
#   stayed offline
plan keymedic::remediate(
  TargetSpec $targets,
  String[1] $selector,
  Optional[Integer[1]] $expect_count = undef,
  Optional[Array[String[1]]] $treat = undef,
  Optional[Array[String[1]]] $approve = undef,
  Optional[Integer[1]] $canary = undef,
  Integer[1] $wait = 3600,
  String[1] $profile = 'default',
  Boolean $noop = false,
) {
  $options = {
    'selector'     => $selector,
    'expect_count' => $expect_count,
    'treat'        => $treat,
    'approve'      => $approve,
    'canary'       => $canary,
    'profile'      => $profile,
  }.filter |$name, $value| { $value =~ NotUndef }

  $plan = run_task('keymedic::plan', $targets, $options + { '_noop' => $noop }).first.value
  if $noop or empty($plan['machines']) {
    return $plan
  }

  $remediation = { 'id' => $plan['id'], 'profile' => $profile }
  run_task('keymedic::start', $targets, $remediation + { 'plan_hash' => $plan['plan_hash'] })
  $end = run_task('keymedic::status', $targets, $remediation + { 'wait' => $wait }).first.value
  if $end['state'] != 'succeeded' {
    $said = $end['state'] ? {
      'running' => "still runs after ${wait} s and goes on; follow it: keymedic remediations watch ${end['id']}",
      default   => "is ${end['state']}: ${end['reason']}; see: keymedic remediations show ${end['id']}",
    }
    fail_plan("remediation ${end['id']} ${said}", 'keymedic/not-succeeded', $end)
  }

  $left = $end['machines'].filter |$machine| { !($machine['state'] in ['succeeded', 'no-change']) }
  if empty($left) {
    return $end
  }
  $warning = "${length($left)} of ${length($end['machines'])} machines were not treated: ${join($left.map |$machine| {
    "${machine['name']} (${machine['state']}: ${machine['message']})"
  }, ', ')}"
  warning("remediation ${end['id']}: ${warning}")
  return $end + { 'warning' => $warning }
}
