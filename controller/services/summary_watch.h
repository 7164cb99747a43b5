// SPDX-License-Identifier: Apache-2.0
//
// Tells everyone who watches the summary when it changes. While there is a watcher, the summary is
// made twice a second; without one, nothing runs.
//
// Life cycle: Make -> NewWatcher for each call -> Stop, before the fleet goes. Watchers belong to
// gRPC and may end later than this.
// Threads: any.
#ifndef KEYMEDIC_CONTROLLER_SERVICES_SUMMARY_WATCH_H_
#define KEYMEDIC_CONTROLLER_SERVICES_SUMMARY_WATCH_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/executor.h"
#include "controller/fleet/fleet.h"
#include "keymedic/v1/fleet_service.pb.h"

namespace keymedic::controller {

class SummaryWatch : public std::enable_shared_from_this<SummaryWatch> {
 public:
  class Watcher;

  static std::shared_ptr<SummaryWatch> Make(Fleet& fleet, Executor& executor) {
    return std::shared_ptr<SummaryWatch>(new SummaryWatch(fleet, executor));
  }
  grpc::ServerWriteReactor<v1::Summary>* NewWatcher();
  void Stop();

 private:
  SummaryWatch(Fleet& fleet, Executor& executor) : fleet_(&fleet), executor_(executor) {}
  void Tick();

  std::mutex mutex_;
  Fleet* fleet_;  // guarded by mutex_; null: stopped
  Executor& executor_;
  std::vector<std::weak_ptr<Watcher>> watchers_;  // guarded by mutex_
  bool ticking_ = false;                          // guarded by mutex_
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SERVICES_SUMMARY_WATCH_H_
