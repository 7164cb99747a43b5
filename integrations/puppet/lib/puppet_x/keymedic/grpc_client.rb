# SPDX-License-Identifier: Apache-2.0
#
# The API over gRPC. Loading this file fails with LoadError where Ruby has no gRPC.
require 'grpc'
require 'securerandom'

stubs = File.join(__dir__, 'stubs') # made from the protocol when the module is built
$LOAD_PATH.unshift(stubs) unless $LOAD_PATH.include?(stubs)
require 'keymedic/v1/fleet_service_services_pb'
require 'keymedic/v1/policy_service_services_pb'
require 'keymedic/v1/remediation_service_services_pb'

module PuppetX::Keymedic
  class GrpcClient
    V1 = ::Keymedic::V1
    SECONDS = 60
    PLAN_SECONDS = 300 # every target is asked
    PAGE = 500
    # A call that finds no controller, as it restarts, is made again: the same request with the same request id.
    RETRIES = {
      'methodConfig' => [{
        'name' => [{}], # every call
        'retryPolicy' => {
          'maxAttempts' => 4, 'initialBackoff' => '0.5s', 'maxBackoff' => '2s', 'backoffMultiplier' => 2,
          'retryableStatusCodes' => ['UNAVAILABLE']
        },
      }],
    }.freeze
    CHANNEL = {
      'grpc.max_receive_message_length' => 256 << 20,
      'grpc.keepalive_time_ms' => 20_000,
      'grpc.http2.max_pings_without_data' => 0,
      'grpc.initial_reconnect_backoff_ms' => 300, # less than the calls'
      'grpc.service_config' => JSON.generate(RETRIES),
    }.freeze
    PAUSE = 0.3 # seconds until it is watched again

    def initialize(profile)
      @controller = profile.controller
      ca, key, certificate = [profile.ca, profile.key, profile.certificate].map { |path| read(path) }
      @credentials = GRPC::Core::ChannelCredentials.new(ca, key, certificate)
    end

    def policy
      call(V1::PolicyService, :get_policy, V1::GetPolicyRequest.new)
    end

    def update_policy(policy)
      call(V1::PolicyService, :update_policy, V1::UpdatePolicyRequest.new(policy: message(V1::Policy, policy)))
    end

    def findings(filter)
      found = []
      token = ''
      loop do
        page = call(V1::FleetService, :list_findings,
                    V1::ListFindingsRequest.new(filter: filter, page_size: PAGE, page_token: token))
        found.concat(page['findings'])
        token = page['next_page_token']
        return found if token.empty?
      end
    end

    # `options`: those of PlanRemediationRequest, and ROLLOUT_OPTIONS.
    def plan(options, preview: false)
      rollout = options.slice(*ROLLOUT_OPTIONS.keys)
      request = options.reject { |name, _| rollout.key?(name) }
      request['policy'] = rollout unless rollout.empty?
      request.merge!('request_id' => SecureRandom.uuid, 'validate_only' => preview)
      call(V1::RemediationService, :plan_remediation, message(V1::PlanRemediationRequest, request), PLAN_SECONDS)
    end

    def start(id, plan_hash)
      call(V1::RemediationService, :start_remediation,
           V1::StartRemediationRequest.new(name: name_of(id), plan_hash: plan_hash, request_id: SecureRandom.uuid))
    end

    def remediation(id)
      call(V1::RemediationService, :get_remediation, V1::GetRemediationRequest.new(name: name_of(id)))
    end

    # Until it has ended or pauses, at most so long; also when the controller restarts meanwhile.
    def wait(id, seconds)
      deadline = Time.now + seconds
      until watched(id, deadline) || Time.now >= deadline
        sleep PAUSE
      end
      remediation(id)
    end

    private

    # Whether it has ended or pauses; else the controller or the time has.
    def watched(id, deadline)
      explained do
        request = V1::GetRemediationRequest.new(name: name_of(id))
        stub(V1::RemediationService).watch_remediation(request, deadline: deadline).any? do |progress|
          V1::RemediationState.resolve(progress.state) >= V1::RemediationState::REMEDIATION_STATE_PAUSED
        end
      end
    rescue Unavailable
      false
    end

    def read(path)
      File.read(path)
    rescue SystemCallError => e
      raise Error, "#{path} of the profile for #{@controller} cannot be read: #{e.message}; `keymedic profile list` shows it"
    end

    def name_of(id)
      id.start_with?('remediations/') ? id : "remediations/#{id}"
    end

    def message(type, hash)
      type.decode_json(JSON.generate(hash))
    rescue Google::Protobuf::ParseError => e
      raise Error, "this is no #{type.descriptor.name}: #{e.message}; `keymedic policy show` shows the names and forms"
    end

    def stub(service)
      service.const_get(:Stub).new(@controller, @credentials, channel_args: CHANNEL)
    end

    def call(service, method, request, seconds = SECONDS)
      answer = explained { stub(service).public_send(method, request, deadline: Time.now + seconds) }
      JSON.parse(answer.to_json(preserve_proto_fieldnames: true, emit_defaults: true))
    end

    def explained
      yield
    rescue GRPC::Unavailable => e
      raise Unavailable, "cannot talk to the controller at #{@controller}: #{e.details}; `keymedic doctor` finds out why"
    rescue GRPC::DeadlineExceeded
      raise Unavailable, "the controller at #{@controller} did not answer in time; `keymedic doctor` finds out why"
    rescue GRPC::BadStatus => e
      raise PuppetX::Keymedic.refusal(e.details)
    end
  end
end
