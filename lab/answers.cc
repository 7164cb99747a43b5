// SPDX-License-Identifier: Apache-2.0
#include "lab/answers.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "kms/tables.h"
#include "lab/timestamps.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kMaxEventsPerRead = 10000;
constexpr int64_t kLogHoursStep = 24;
constexpr int64_t kLogHoursMost = 720;

int32_t SkewBucket(absl::Duration error) {
  return static_cast<int32_t>(std::lround(absl::ToDoubleMinutes(error) / 5) * 5);
}

void FillOs(const Machine& machine, keymedic::v1::OsSection& os) {
  os.set_computer_name(machine.name);
  os.set_dns_domain(machine.suffixes.front());
  os.set_caption(absl::StrCat("Windows, ", machine.edition_id, " edition"));
  os.set_edition_id(machine.edition_id);
  os.set_build(machine.build);
  os.set_revision(machine.revision);
  os.set_is_server(machine.is_server);
  os.set_is_virtual(machine.is_virtual);
  os.add_addresses(machine.address);
  os.set_clock_skew_minutes(SkewBucket(machine.clock_error));
  os.set_clock_source("domain controller");
  os.set_utc_offset_minutes(machine.utc_offset_minutes);
}

void FillLicensing(const Machine& machine, keymedic::v1::LicensingSection& licensing) {
  const ProductState& state = machine.product;
  keymedic::v1::Product& product = *licensing.add_products();
  product.set_activation_id(state.activation_id);
  product.set_application_id(kWindowsApplicationId);
  product.set_name(absl::StrCat("Windows(R), ", machine.edition_id, " edition"));
  product.set_description(absl::StrCat("Windows(R) Operating System, ", state.channel, " channel"));
  product.set_channel(state.channel);
  product.set_key_channel(state.key_channel);
  product.set_partial_key(state.partial_key);
  product.set_status(state.status);
  product.set_status_reason(state.reason);
  const bool licensed = state.status == keymedic::v1::LICENSE_STATUS_LICENSED;
  product.set_permanent(licensed && state.ends == absl::InfiniteFuture());
  if (state.ends != absl::InfiniteFuture()) *product.mutable_expires_at() = ToTimestamp(state.ends);
  product.set_extended_pid(state.extended_pid);
  product.set_rearms_left(machine.rearms_left);
  product.set_is_addon(false);
  product.set_genuine(state.genuine);
  licensing.set_service_version(absl::StrCat("10.0.", machine.build, ".", machine.revision));
  licensing.set_windows_rearms_left(machine.rearms_left);
}

void FillClient(const Machine& machine, keymedic::v1::KmsClientSection& out) {
  const ClientState& client = machine.client;
  out.set_client_machine_id(client.machine_id);
  out.set_registered_host(client.registered_host);
  if (client.registered_port != 0) out.set_registered_port(client.registered_port);
  if (!client.lookup_domain.empty()) out.set_lookup_domain(client.lookup_domain);
  out.set_discovered_host(client.found_host);
  if (client.found_port != 0) out.set_discovered_port(client.found_port);
  if (!client.host_address.empty()) out.set_host_address(client.host_address);
  if (!client.host_extended_pid.empty()) out.set_host_extended_pid(client.host_extended_pid);
  out.set_activation_interval_minutes(absl::ToInt64Minutes(kActivationInterval));
  out.set_renewal_interval_minutes(absl::ToInt64Minutes(kRenewalInterval));
  out.set_host_caching(client.host_caching);
  out.set_activation_type(client.type);
  if (client.last_activation.has_value()) {
    out.set_last_activation_type(client.by_directory ? keymedic::v1::ACTIVATION_TYPE_DIRECTORY
                                                     : keymedic::v1::ACTIVATION_TYPE_KMS);
    if (client.by_directory) out.set_activation_object(client.directory_object);
    *out.mutable_last_activation_at() = ToTimestamp(*client.last_activation);
  }
}

void FillHost(Machine& machine, absl::Time now, keymedic::v1::KmsHostSection& out) {
  using keymedic::v1::LicenseStatus;
  KmsHost& host = *machine.host;
  out.set_enabled(machine.product.is_csvlk());
  out.set_listening_port(host.listening_port);
  out.set_dns_publishing(host.dns_publishing);
  out.set_low_priority(false);  // of the process, not of the record
  out.set_current_count(
      static_cast<int32_t>(host.misread_count.value_or(host.Count(machine.Local(now)))));
  const KmsHost::Counters& counters = host.counters();
  out.set_total_requests(counters.total);
  out.set_failed_requests(counters.failed);
  const auto& by = counters.by_status;
  out.set_requests_unlicensed(by[keymedic::v1::LICENSE_STATUS_UNLICENSED]);
  out.set_requests_licensed(by[keymedic::v1::LICENSE_STATUS_LICENSED]);
  out.set_requests_initial_grace(by[keymedic::v1::LICENSE_STATUS_INITIAL_GRACE]);
  out.set_requests_additional_grace(by[keymedic::v1::LICENSE_STATUS_ADDITIONAL_GRACE]);
  out.set_requests_non_genuine_grace(by[keymedic::v1::LICENSE_STATUS_NON_GENUINE_GRACE]);
  out.set_requests_notification(by[keymedic::v1::LICENSE_STATUS_NOTIFICATION]);
  for (const std::string& domain : host.publish_domains) out.add_publish_domains(domain);
  out.set_service_running(machine.service_running);
  out.set_service_disabled(machine.service_disabled);
  out.set_log_max_bytes(host.log.max_bytes());
  if (!host.log.empty()) {
    const int64_t hours = absl::ToInt64Hours(now - host.log.oldest());
    const int64_t bucket = hours < kLogHoursStep ? hours : hours / kLogHoursStep * kLogHoursStep;
    out.set_log_hours_held(static_cast<uint32_t>(std::clamp<int64_t>(bucket, 0, kLogHoursMost)));
  }
  out.set_log_full(host.log.full());
}

void FillSrv(const Landscape& landscape, const Machine& machine, const std::string& name,
             keymedic::v1::SrvAnswer& out) {
  out.set_name(name);
  if (machine.no_name_server) return out.set_error(kDnsNoServer);
  for (const Srv& record : landscape.dns.LookupSrv(name)) {
    keymedic::v1::SrvRecord& srv = *out.add_records();
    srv.set_target(record.target);
    srv.set_port(record.port);
    srv.set_priority(record.priority);
    srv.set_weight(record.weight);
    std::string full_name;
    const std::string address = landscape.Resolve(machine, record.target, &full_name);
    if (!address.empty()) srv.add_addresses(address);
    srv.set_resolved(true);
  }
  if (out.records().empty()) out.set_error(kDnsNameDoesNotExist);
}

void FillProbe(Landscape& landscape, const Machine& machine, const v1::Endpoint& endpoint,
               keymedic::v1::Probe& out) {
  out.set_host(endpoint.host());
  out.set_port(endpoint.port());
  const Connection connection = landscape.Connect(machine, endpoint.host(), endpoint.port());
  switch (connection.result) {
    case Reached::kKms:
      out.set_result(keymedic::v1::PROBE_RESULT_KMS);
      out.set_detail(absl::StrCat("a KMS interface listens at ", connection.address));
      break;
    case Reached::kRefused:
      out.set_result(keymedic::v1::PROBE_RESULT_REFUSED);
      out.set_detail(absl::StrCat(connection.address, " refused the connection"));
      break;
    case Reached::kTimeout:
      out.set_result(keymedic::v1::PROBE_RESULT_TIMEOUT);
      out.set_detail(absl::StrCat(connection.address, " did not answer within 5 s"));
      break;
    case Reached::kUnresolved:
      out.set_result(keymedic::v1::PROBE_RESULT_UNRESOLVED);
      out.set_detail(absl::StrCat(endpoint.host(), " has no address"));
      break;
  }
}

void Refuse(v1::MachineResponse& response, absl::StatusCode code, std::string message) {
  response.set_status(static_cast<int32_t>(code));
  response.set_message(std::move(message));
}

void ReadEvents(const Machine& machine, const v1::ReadEvents& request,
                v1::MachineResponse& response) {
  const Log* log = nullptr;
  if (request.channel() == kApplicationChannel) log = &machine.application;
  if (request.channel() == kKmsChannel && machine.host != nullptr) log = &machine.host->log;
  if (log == nullptr) {
    return Refuse(
        response, absl::StatusCode::kNotFound,
        absl::StrCat("there is no event log '", request.channel(), "' on ", machine.name));
  }
  v1::Events& out = *response.mutable_events();
  out.set_last_record_id(request.after());
  const uint32_t limit =
      request.limit() == 0 ? kMaxEventsPerRead : std::min(request.limit(), kMaxEventsPerRead);
  for (keymedic::v1::EventRecord& event : log->Read(request.after(), limit)) {
    out.set_last_record_id(event.record_id());
    *out.add_events() = std::move(event);
  }
}

}  // namespace

v1::MachineResponse Answer(Landscape& landscape, Machine& machine,
                           const v1::MachineRequest& request, absl::Time now) {
  using Call = v1::MachineRequest;
  v1::MachineResponse response;
  RefreshProduct(machine.product, now);
  switch (request.call_case()) {
    case Call::kOs:
      FillOs(machine, *response.mutable_os());
      break;
    case Call::kLicensing:
      FillLicensing(machine, *response.mutable_licensing());
      break;
    case Call::kClient:
      FillClient(machine, *response.mutable_client());
      break;
    case Call::kHost:
      if (machine.host == nullptr) {
        Refuse(response, absl::StatusCode::kNotFound,
               absl::StrCat(machine.name, " is not a KMS host"));
      } else {
        FillHost(machine, now, *response.mutable_host());
      }
      break;
    case Call::kReadEvents:
      ReadEvents(machine, request.read_events(), response);
      break;
    case Call::kFirewall:
      response.mutable_firewall()->set_enabled(true);
      response.mutable_firewall()->set_active_profile(machine.active_profile);
      for (const auto& rule : machine.rules) *response.mutable_firewall()->add_rules() = rule;
      break;
    case Call::kSuffixes:
      for (const std::string& suffix : machine.suffixes)
        response.mutable_suffixes()->add_suffixes(suffix);
      response.mutable_suffixes();
      break;
    case Call::kLookupSrv:
      FillSrv(landscape, machine, request.lookup_srv(), *response.mutable_srv());
      break;
    case Call::kProbe:
      FillProbe(landscape, machine, request.probe(), *response.mutable_probe());
      break;
    case Call::kQueryService:
      if (request.query_service() != kLicensingService) {
        Refuse(
            response, absl::StatusCode::kNotFound,
            absl::StrCat("there is no service '", request.query_service(), "' on ", machine.name));
      } else {
        response.mutable_service()->set_running(machine.service_running);
        response.mutable_service()->set_disabled(machine.service_disabled);
      }
      break;
    case Call::kRearmPending:
      response.set_rearm_pending(machine.rearm_pending);
      break;
    case Call::kEffects:
      response.mutable_effects()->mutable_count()->insert(machine.effects.begin(),
                                                          machine.effects.end());
      break;
    case Call::kAct:
    case Call::CALL_NOT_SET:
      Refuse(response, absl::StatusCode::kInvalidArgument, "the request asks for nothing");
      break;
  }
  return response;
}

}  // namespace keymedic::lab
