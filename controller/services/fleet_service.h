// SPDX-License-Identifier: Apache-2.0
//
// FleetService: the estate as it is now. Lists are made from one folded view, so a page never shows
// a finding without its cause.
#ifndef KEYMEDIC_CONTROLLER_SERVICES_FLEET_SERVICE_H_
#define KEYMEDIC_CONTROLLER_SERVICES_FLEET_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <memory>

#include "base/executor.h"
#include "controller/fleet/fleet.h"
#include "controller/services/summary_watch.h"
#include "controller/trust/revocations.h"
#include "keymedic/v1/fleet_service.grpc.pb.h"

namespace keymedic::controller {

class FleetServiceImpl final
    : public v1::FleetService::WithCallbackMethod_WatchSummary<v1::FleetService::Service> {
 public:
  FleetServiceImpl(Fleet& fleet, const Revocations& revocations, const Clock& clock,
                   Executor& executor)
      : fleet_(fleet),
        revocations_(revocations),
        clock_(clock),
        watch_(SummaryWatch::Make(fleet, executor)) {}
  // No watcher is told anything any more; before the fleet goes.
  ~FleetServiceImpl() override { watch_->Stop(); }

  grpc::Status ListMachines(grpc::ServerContext* context, const v1::ListMachinesRequest* request,
                            v1::ListMachinesResponse* response) override;
  grpc::Status GetMachine(grpc::ServerContext* context, const v1::GetMachineRequest* request,
                          v1::Machine* response) override;
  grpc::Status ListFindings(grpc::ServerContext* context, const v1::ListFindingsRequest* request,
                            v1::ListFindingsResponse* response) override;
  grpc::Status GetSummary(grpc::ServerContext* context, const v1::GetSummaryRequest* request,
                          v1::Summary* response) override;
  grpc::Status ListForecasts(grpc::ServerContext* context, const v1::ListForecastsRequest* request,
                             v1::ListForecastsResponse* response) override;
  grpc::Status DiagnoseCaptures(grpc::ServerContext* context,
                                const v1::DiagnoseCapturesRequest* request,
                                v1::DiagnoseCapturesResponse* response) override;
  grpc::ServerWriteReactor<v1::Summary>* WatchSummary(
      grpc::CallbackServerContext* context, const v1::GetSummaryRequest* request) override {
    return watch_->NewWatcher();
  }

 private:
  absl::StatusOr<v1::ListMachinesResponse> DoListMachines(const v1::ListMachinesRequest& request);
  absl::StatusOr<v1::ListFindingsResponse> DoListFindings(const v1::ListFindingsRequest& request);
  absl::StatusOr<v1::ListForecastsResponse> DoListForecasts(
      const v1::ListForecastsRequest& request);
  absl::StatusOr<v1::Machine> DoGetMachine(const v1::GetMachineRequest& request);

  absl::StatusOr<v1::Machine> Describe(const std::string& machine_id);

  Fleet& fleet_;
  const Revocations& revocations_;
  const Clock& clock_;
  const std::shared_ptr<SummaryWatch> watch_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVICES_FLEET_SERVICE_H_
