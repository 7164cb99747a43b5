// SPDX-License-Identifier: Apache-2.0
//
// For tests: machines in a few words, and what is found of them. Everything that a test does not
// say is absent.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_MACHINES_TESTING_H_
#define KEYMEDIC_KMS_DIAGNOSIS_MACHINES_TESTING_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms::testing {

inline const absl::Time kNow = absl::FromUnixSeconds(1'900'000'000);
inline constexpr char kWindows[] = "55c92734-d682-4d71-983e-d6ec3f16059f";
inline constexpr char kDomain[] = "contoso.example";

inline void Set(absl::Time time, google::protobuf::Timestamp* at) {
  at->set_seconds(absl::ToUnixSeconds(time));
}

inline MachineState Machine(std::string id) {
  MachineState machine;
  machine.id = id;
  machine.name = std::move(id);
  return machine;
}

inline MachineState& WithOs(MachineState& machine, const char* edition = "Enterprise",
                            uint32_t build = 22631, bool is_server = false) {
  v1::OsSection& os = machine.os.emplace();
  os.set_computer_name(machine.name);
  os.set_dns_domain(kDomain);
  os.set_edition_id(edition);
  os.set_build(build);
  os.set_is_server(is_server);
  return machine;
}

inline v1::Product& AddProduct(MachineState& machine, const char* channel, const char* partial,
                               v1::LicenseStatus status, uint32_t reason = 0) {
  if (!machine.licensing.has_value()) machine.licensing.emplace();
  v1::Product& product = *machine.licensing->add_products();
  product.set_application_id(kWindows);
  product.set_description(absl::StrCat("Windows(R) Operating System, ", channel, " channel"));
  product.set_channel(channel);
  product.set_partial_key(partial);
  product.set_status(status);
  if (reason != 0) product.set_status_reason(reason);
  return product;
}

// A client of Windows 11 Enterprise that renewed yesterday: nothing is wrong with it.
inline MachineState HealthyClient(std::string id) {
  MachineState machine = Machine(std::move(id));
  WithOs(machine);
  v1::Product& product =
      AddProduct(machine, "VOLUME_KMSCLIENT", "2YT43", v1::LICENSE_STATUS_LICENSED);
  Set(kNow + absl::Hours(24 * 179), product.mutable_expires_at());
  v1::KmsClientSection& client = machine.client.emplace();
  client.set_client_machine_id(absl::StrCat("cmid-of-", machine.id));
  client.set_registered_host("");
  client.set_host_caching(true);
  client.set_activation_type(v1::ACTIVATION_TYPE_ALL);
  Set(kNow - absl::Hours(24), client.mutable_last_activation_at());
  return machine;
}

// The same, in notification for `reason`.
inline MachineState UnlicensedClient(std::string id, uint32_t reason = 0) {
  MachineState machine = HealthyClient(std::move(id));
  v1::Product& product = *machine.licensing->mutable_products(0);
  product.set_status(v1::LICENSE_STATUS_NOTIFICATION);
  product.clear_expires_at();
  if (reason != 0) product.set_status_reason(reason);
  machine.client->clear_last_activation_at();
  return machine;
}

inline v1::ActivationAttempt& AddAttempt(MachineState& machine, uint32_t event, uint32_t error,
                                         const char* host = "") {
  if (!machine.client.has_value()) machine.client.emplace();
  v1::ActivationAttempt& attempt = *machine.client->add_attempts();
  attempt.set_source_event(event);
  attempt.set_error(error);
  if (*host != '\0') attempt.set_host(host);
  Set(kNow - absl::Hours(3), attempt.mutable_at());
  return attempt;
}

inline void AddProbe(MachineState& machine, const std::string& host, v1::ProbeResult result,
                     uint32_t port = 1688) {
  if (!machine.probes.has_value()) machine.probes.emplace();
  v1::Probe& probe = *machine.probes->add_probes();
  probe.set_host(host);
  probe.set_port(port);
  probe.set_result(result);
  probe.set_detail(v1::ProbeResult_Name(result));
}

inline v1::SrvAnswer& AddAnswer(MachineState& machine, uint32_t error = 0,
                                const char* domain = kDomain) {
  if (!machine.names.has_value()) machine.names.emplace();
  v1::SrvAnswer& answer = *machine.names->add_answers();
  answer.set_name(absl::StrCat("_vlmcs._tcp.", domain));
  answer.set_error(error);
  return answer;
}

inline v1::SrvRecord& AddRecord(v1::SrvAnswer& answer, const std::string& target,
                                uint32_t port = 1688) {
  v1::SrvRecord& record = *answer.add_records();
  record.set_target(target);
  record.set_port(port);
  record.set_resolved(true);
  record.add_addresses("10.0.0.9");
  return record;
}

// A host that serves, is listed nowhere, and counts `count`.
inline MachineState HealthyHost(std::string id, int count = 50) {
  MachineState machine = Machine(std::move(id));
  WithOs(machine, "ServerStandard", 20348, true);
  AddProduct(machine, "VOLUME_KMS_WS22", "HOST1", v1::LICENSE_STATUS_LICENSED);
  v1::KmsHostSection& host = machine.host.emplace();
  host.set_enabled(true);
  host.set_listening_port(1688);
  host.set_dns_publishing(true);
  host.set_current_count(count);
  host.set_total_requests(1000);
  host.set_failed_requests(0);
  host.set_service_running(true);
  host.set_log_hours_held(24 * 30);
  v1::FirewallSection& firewall = machine.firewall.emplace();
  firewall.set_enabled(true);
  firewall.set_active_profile("domain");
  v1::FirewallRule& rule = *firewall.add_rules();
  rule.set_id("SPPSVC-In-TCP");
  rule.set_enabled(true);
  rule.set_inbound_allow(true);
  rule.add_tcp_ports(1688);
  return machine;
}

inline v1::RequestSummary& AddRequest(MachineState& machine, const char* cmid,
                                      const std::vector<std::string>& names, uint32_t error = 0,
                                      uint32_t required = 25) {
  v1::RequestSummary& request = *machine.host->add_requests();
  request.set_client_machine_id(cmid);
  for (const std::string& name : names) request.add_machine_names(name);
  request.set_last_error(error);
  request.set_required_count(required);
  Set(kNow - absl::Hours(30), request.mutable_last_at());
  return request;
}

inline std::vector<v1::Finding> Diagnose(const Estate& estate, const std::string& id,
                                         const v1::Policy& policy = {}) {
  return DiagnoseMachine(estate, id, policy, kNow);
}

// Of all machines and records, folded.
inline std::vector<v1::Finding> DiagnoseAll(const Estate& estate,
                                            const std::vector<std::string>& ids,
                                            const v1::Policy& policy = {}) {
  std::vector<v1::Finding> all = DiagnoseRecords(estate, policy, kNow);
  for (const std::string& id : ids) {
    for (v1::Finding& finding : Diagnose(estate, id, policy)) all.push_back(std::move(finding));
  }
  return Fold(estate, std::move(all));
}

inline std::vector<std::string> Codes(const std::vector<v1::Finding>& findings) {
  std::vector<std::string> codes;
  for (const v1::Finding& finding : findings) codes.push_back(finding.code());
  return codes;
}

inline std::vector<std::string> Problems(const std::vector<v1::Finding>& findings) {
  std::vector<std::string> codes;
  for (const v1::Finding& finding : findings) {
    if (IsProblem(finding)) codes.push_back(finding.code());
  }
  return codes;
}

inline const v1::Finding* FindCode(const std::vector<v1::Finding>& findings,
                                   absl::string_view code) {
  for (const v1::Finding& finding : findings) {
    if (finding.code() == code) return &finding;
  }
  return nullptr;
}

// "action(key=value)@machine", in order.
inline std::vector<std::string> Treatments(const v1::Finding& finding) {
  std::vector<std::string> out;
  for (const v1::Treatment& treatment : finding.treatments()) {
    std::string text = treatment.action();
    if (treatment.params().contains("host"))
      absl::StrAppend(&text, "(", treatment.params().at("host"), ":", treatment.params().at("port"),
                      ")");
    else if (treatment.params().contains("port"))
      absl::StrAppend(&text, "(", treatment.params().at("port"), ")");
    if (!treatment.machine_id().empty()) absl::StrAppend(&text, "@", treatment.machine_id());
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace keymedic::kms::testing

#endif  // KEYMEDIC_KMS_DIAGNOSIS_MACHINES_TESTING_H_
