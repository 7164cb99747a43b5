// SPDX-License-Identifier: Apache-2.0
#include "controller/services/fleet_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "controller/selector.h"
#include "controller/services/errors.h"
#include "kms/readers/captures.h"

namespace keymedic::controller {
namespace {

size_t PageSize(int32_t wanted) {
  return wanted <= 0 ? 100 : std::min<size_t>(static_cast<size_t>(wanted), 1000);
}

absl::Status BadPageToken() {
  return absl::InvalidArgumentError(
      "page_token is not one that this service gave; leave it empty to begin");
}

// Empty: everything. (In a list that is harmless; a plan refuses it.)
absl::StatusOr<std::optional<Selector>> ParseFilter(const std::string& filter) {
  if (filter.empty()) return std::nullopt;
  KM_ASSIGN_OR_RETURN(Selector selector, Selector::Parse(filter));
  return selector;
}

template <typename T>
grpc::Status Answer(absl::StatusOr<T> result, T* response) {
  if (!result.ok()) return ToGrpcStatus(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

// A finding is meant if the selector fits one of the machines that it is about, with it alone.
class FindingFilter {
 public:
  FindingFilter(Selector selector, std::vector<FleetPort::MachineInfo> machines)
      : selector_(std::move(selector)), machines_(std::move(machines)) {
    for (const FleetPort::MachineInfo& machine : machines_) {
      by_name_.emplace(machine.display_name, &machine);
      by_name_[machine.id] = &machine;
    }
  }

  bool Fits(const v1::Finding& finding) const {
    const std::vector<v1::Finding> alone = {finding};
    bool named = false;
    const auto fits = [&](const std::string& machine) {
      const auto known = by_name_.find(machine);
      if (known == by_name_.end()) return false;
      named = true;
      return selector_.Matches(*known->second, alone);
    };
    if (!finding.machine_id().empty() && fits(finding.machine_id())) return true;
    for (const std::string& machine : finding.affected_machines()) {
      if (fits(machine)) return true;
    }
    return !named && selector_.Matches({}, alone);
  }

 private:
  const Selector selector_;
  const std::vector<FleetPort::MachineInfo> machines_;
  absl::flat_hash_map<absl::string_view, const FleetPort::MachineInfo*> by_name_;
};

// Those that the selector fits, by name; all without one.
std::vector<FleetPort::MachineInfo> MachinesOf(Fleet& fleet,
                                               const std::optional<Selector>& selector) {
  std::vector<FleetPort::MachineInfo> machines = fleet.Machines();
  if (!selector) return machines;
  const auto view = fleet.View();
  std::erase_if(machines, [&](const FleetPort::MachineInfo& machine) {
    std::vector<v1::Finding> findings;
    if (const auto own = view->of_machine.find(machine.id); own != view->of_machine.end()) {
      for (size_t i : own->second) findings.push_back(view->findings[i]);
    }
    return !selector->Matches(machine, findings);
  });
  return machines;
}

}  // namespace

grpc::Status FleetServiceImpl::ListMachines(grpc::ServerContext* context,
                                            const v1::ListMachinesRequest* request,
                                            v1::ListMachinesResponse* response) {
  return Answer(DoListMachines(*request), response);
}

absl::StatusOr<v1::ListMachinesResponse> FleetServiceImpl::DoListMachines(
    const v1::ListMachinesRequest& request) {
  KM_ASSIGN_OR_RETURN(const std::optional<Selector> selector, ParseFilter(request.filter()));
  std::vector<FleetPort::MachineInfo> machines = MachinesOf(fleet_, selector);
  v1::ListMachinesResponse response;
  response.set_total_size(static_cast<int32_t>(machines.size()));
  // The token is the last one's place in the order, so pages hold when machines come and go.
  const auto place = [](const FleetPort::MachineInfo& machine) {
    return std::make_pair(absl::string_view(machine.display_name), absl::string_view(machine.id));
  };
  auto next = machines.begin();
  if (!request.page_token().empty()) {
    const size_t cut = request.page_token().rfind('\n');
    if (cut == std::string::npos) return BadPageToken();
    const absl::string_view token = request.page_token();
    const auto after = std::make_pair(token.substr(0, cut), token.substr(cut + 1));
    next = std::partition_point(machines.begin(), machines.end(),
                                [&](const auto& machine) { return place(machine) <= after; });
  }
  const size_t page = PageSize(request.page_size());
  for (; next != machines.end() && response.machines_size() < static_cast<int>(page); ++next) {
    absl::StatusOr<v1::Machine> machine = Describe(next->id);
    if (absl::IsNotFound(machine.status())) continue;  // removed meanwhile
    KM_RETURN_IF_ERROR(machine.status());
    *response.add_machines() = *std::move(machine);
  }
  if (next != machines.end()) {
    response.set_next_page_token(
        absl::StrCat(std::prev(next)->display_name, "\n", std::prev(next)->id));
  }
  return response;
}

absl::StatusOr<v1::Machine> FleetServiceImpl::Describe(const std::string& machine_id) {
  KM_ASSIGN_OR_RETURN(v1::Machine machine, fleet_.DescribeMachine(machine_id));
  if (auto reason = revocations_.BanReason(machine_id)) {
    machine.set_banned(true);
    machine.set_ban_reason(*std::move(reason));
  }
  return machine;
}

grpc::Status FleetServiceImpl::GetMachine(grpc::ServerContext* context,
                                          const v1::GetMachineRequest* request,
                                          v1::Machine* response) {
  return Answer(DoGetMachine(*request), response);
}

absl::StatusOr<v1::Machine> FleetServiceImpl::DoGetMachine(const v1::GetMachineRequest& request) {
  KM_ASSIGN_OR_RETURN(const std::string id, fleet_.ResolveMachine(request.name()));
  KM_ASSIGN_OR_RETURN(v1::Machine machine, Describe(id));
  KM_ASSIGN_OR_RETURN(std::vector<v1::Section> sections, fleet_.SectionsOf(id));
  for (v1::Section& section : sections) *machine.add_sections() = std::move(section);
  return machine;
}

grpc::Status FleetServiceImpl::ListFindings(grpc::ServerContext* context,
                                            const v1::ListFindingsRequest* request,
                                            v1::ListFindingsResponse* response) {
  return Answer(DoListFindings(*request), response);
}

absl::StatusOr<v1::ListFindingsResponse> FleetServiceImpl::DoListFindings(
    const v1::ListFindingsRequest& request) {
  KM_ASSIGN_OR_RETURN(std::optional<Selector> selector, ParseFilter(request.filter()));
  std::optional<FindingFilter> filter;
  if (selector) filter.emplace(*std::move(selector), fleet_.Machines());
  size_t begin = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &begin)) {
    return BadPageToken();
  }
  const size_t end = begin + PageSize(request.page_size());
  v1::ListFindingsResponse response;
  size_t count = 0;
  for (const auto view = fleet_.View(); const v1::Finding& finding : view->findings) {
    if (!request.include_folded() && !finding.cause_code().empty()) continue;
    if (filter && !filter->Fits(finding)) continue;
    if (count >= begin && count < end) *response.add_findings() = finding;
    ++count;
  }
  response.set_total_size(static_cast<int32_t>(count));
  if (end < count) response.set_next_page_token(absl::StrCat(end));
  return response;
}

grpc::Status FleetServiceImpl::GetSummary(grpc::ServerContext* context,
                                          const v1::GetSummaryRequest* request,
                                          v1::Summary* response) {
  *response = fleet_.Summary();
  return grpc::Status::OK;
}

grpc::Status FleetServiceImpl::ListForecasts(grpc::ServerContext* context,
                                             const v1::ListForecastsRequest* request,
                                             v1::ListForecastsResponse* response) {
  return Answer(DoListForecasts(*request), response);
}

absl::StatusOr<v1::ListForecastsResponse> FleetServiceImpl::DoListForecasts(
    const v1::ListForecastsRequest& request) {
  KM_ASSIGN_OR_RETURN(const std::optional<Selector> selector, ParseFilter(request.filter()));
  int begin = 0;
  if (!request.page_token().empty() &&
      (!absl::SimpleAtoi(request.page_token(), &begin) || begin < 0)) {
    return BadPageToken();
  }
  kms::ForecastOptions options;
  if (request.days() != 0) options.ahead = absl::Hours(24) * request.days();
  absl::flat_hash_set<std::string> meant;
  if (selector) {
    for (FleetPort::MachineInfo& machine : MachinesOf(fleet_, selector))
      meant.insert(std::move(machine.id));
    options.about = [&](const kms::MachineState& machine) { return meant.contains(machine.id); };
  }
  v1::ListForecastsResponse response = fleet_.Forecast(options);
  const int total = response.forecasts_size();
  begin = std::min(begin, total);
  const int end = std::min<int>(total, begin + static_cast<int>(PageSize(request.page_size())));
  response.mutable_forecasts()->DeleteSubrange(end, total - end);
  response.mutable_forecasts()->DeleteSubrange(0, begin);
  if (begin != 0) response.clear_summary();
  if (end < total) response.set_next_page_token(absl::StrCat(end));
  return response;
}

grpc::Status FleetServiceImpl::DiagnoseCaptures(grpc::ServerContext* context,
                                                const v1::DiagnoseCapturesRequest* request,
                                                v1::DiagnoseCapturesResponse* response) {
  kms::CaptureSet captures;
  for (const v1::Capture& capture : request->captures()) {
    captures.Add(capture.file(), capture.content());
  }
  *response = captures.Diagnose(fleet_.diagnosis().policy(), clock_.Now());
  return grpc::Status::OK;
}

}  // namespace keymedic::controller
