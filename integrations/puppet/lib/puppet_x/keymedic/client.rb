# SPDX-License-Identifier: Apache-2.0
#
# The controller's API for Puppet and Bolt. Two ways to the same answers, which are the protocol's
# messages as JSON with the protocol's names: gRPC where Ruby has it (Debian's ruby-grpc), else the
# command `keymedic` (Puppet's own Ruby comes without the grpc gem). Who calls does not see which.
#
#   client = PuppetX::Keymedic.connect('contoso')   # a profile; 'default': as `keymedic` without one
#   client.policy                                   # => {"kms_hosts" => [...], ..., "etag" => "..."}
require 'json'
require_relative 'profile'

module PuppetX::Keymedic
  # Options of a plan that go into its rollout, as the command calls them; all else of a rollout is the
  # estate's policy.
  ROLLOUT_OPTIONS = {
    'canary' => '--canary', 'first_wave' => '--first-wave', 'growth' => '--growth', 'concurrency' => '--concurrency'
  }.freeze

  # A plan that has nothing to do.
  class NothingToTreat < Error; end

  # The controller does not answer.
  class Unavailable < Error; end

  # Their texts are all that the command tells of them, and the same on both ways.
  KINDS = {
    /\Anothing to treat:/ => NothingToTreat,
    /\Acannot talk to the controller at / => Unavailable,
    /\Athe controller at \S+ did not answer in time/ => Unavailable,
  }.freeze

  # The error for what is said.
  def self.refusal(text)
    (KINDS.find { |pattern, _| text.match?(pattern) }&.last || Error).new(text)
  end

  def self.connect(profile_name)
    begin
      require_relative 'grpc_client'
    rescue LoadError
      require_relative 'command_client'
      return CommandClient.new(profile_name)
    end
    GrpcClient.new(find_profile(profile_name))
  end
end
