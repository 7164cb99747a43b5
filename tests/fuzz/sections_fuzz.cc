// SPDX-License-Identifier: Apache-2.0
//
// What agents send: any bytes may stand in a section, and any values in one that parses.
#include "kms/diagnosis/diagnosis.h"
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms;           // NOLINT: a program of one function
using namespace keymedic::kms::readers;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr const char* kNames[][2] = {{"os", "OsSection"},
                                              {"licensing", "LicensingSection"},
                                              {"names", "NamesSection"},
                                              {"kms_client", "KmsClientSection"},
                                              {"probes", "ProbesSection"},
                                              {"kms_host", "KmsHostSection"},
                                              {"firewall", "FirewallSection"}};
  // Pieces of "kind, length, payload" make the machines; kind 7 begins the next machine.
  Estate estate;
  MachineState state;
  std::vector<std::string> ids;
  const auto finish = [&] {
    state.id = state.name = "m" + std::to_string(ids.size());
    ids.push_back(state.id);
    estate.Upsert(std::move(state));
    state = MachineState();
  };
  absl::string_view bytes = View(data, size);
  while (bytes.size() >= 2 && ids.size() < 16) {
    const uint8_t kind = static_cast<uint8_t>(bytes[0]) % 8;
    const size_t length = static_cast<uint8_t>(bytes[1]);
    bytes.remove_prefix(2);
    const absl::string_view payload = bytes.substr(0, length);
    bytes.remove_prefix(payload.size());
    if (kind == 7) {
      finish();
      continue;
    }
    keymedic::v1::Section section;
    section.set_name(kNames[kind][0]);
    section.set_type(std::string("keymedic.v1.") + kNames[kind][1]);
    section.set_payload(payload.data(), payload.size());
    (void)ApplySection(section, state);
  }
  finish();
  const absl::Time now = absl::FromUnixSeconds(1'900'000'000);
  std::vector<keymedic::v1::Finding> findings = DiagnoseRecords(estate, {}, now);
  for (const std::string& id : ids) {
    for (auto& finding : DiagnoseMachine(estate, id, {}, now)) findings.push_back(finding);
  }
  const size_t found = findings.size();
  Require(Fold(estate, std::move(findings)).size() == found, "folding keeps every finding");
  for (const std::string& id : ids) estate.Remove(id);
  Require(estate.size() == 0, "what was removed is gone");
  return 0;
}
