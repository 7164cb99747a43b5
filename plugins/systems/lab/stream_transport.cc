// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/lab/stream_transport.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/frames.h"
#include "base/status_macros.h"

namespace keymedic::systems {
namespace {

class Connection {
 public:
  Connection(std::string place, LabDial dial, absl::Duration deadline)
      : place_(std::move(place)), dial_(std::move(dial)), deadline_(deadline) {}

  absl::StatusOr<lab::v1::MachineResponse> Call(const lab::v1::MachineRequest& request) {
    KM_ASSIGN_OR_RETURN(const std::string frame, EncodeFrame(request));
    const bool may_be_stale = stream_ != nullptr;
    absl::Status sent = Send(frame);
    if (!sent.ok() && may_be_stale) sent = Send(frame);
    KM_RETURN_IF_ERROR(sent);
    auto response = Receive();
    if (response.ok() || absl::IsDeadlineExceeded(response.status()) || request.has_act() ||
        !may_be_stale) {
      return response;
    }
    KM_RETURN_IF_ERROR(Send(frame));
    return Receive();
  }

 private:
  absl::Status Send(absl::string_view frame) {
    const absl::Time deadline = absl::Now() + deadline_;
    if (stream_ == nullptr) {
      KM_ASSIGN_OR_RETURN(stream_, dial_(deadline));
    }
    const absl::Status sent = stream_->Send(frame, deadline);
    if (sent.ok()) return sent;
    stream_.reset();
    return absl::UnavailableError(
        absl::StrCat("cannot write to the lab at ", place_, ": ", sent.message()));
  }

  absl::StatusOr<lab::v1::MachineResponse> Receive() {
    auto response = ReadResponse(absl::Now() + deadline_);
    if (response.ok()) return response;
    stream_.reset();  // a late answer must not be taken for the next one
    const auto code = absl::IsDeadlineExceeded(response.status())
                          ? absl::StatusCode::kDeadlineExceeded
                          : absl::StatusCode::kUnavailable;
    return absl::Status(code, absl::StrCat("no answer from the lab at ", place_, ": ",
                                           response.status().message()));
  }

  absl::StatusOr<lab::v1::MachineResponse> ReadResponse(absl::Time deadline) {
    FrameDecoder decoder;
    std::string frame;
    while (true) {
      KM_ASSIGN_OR_RETURN(const bool whole, decoder.Next(frame));
      if (whole) break;
      KM_ASSIGN_OR_RETURN(const std::string bytes, stream_->Receive(deadline));
      decoder.Append(bytes);
    }
    lab::v1::MachineResponse response;
    if (response.ParseFromString(frame)) return response;
    return absl::InvalidArgumentError(
        absl::StrCat("a frame of ", frame.size(), " bytes is no ", response.GetTypeName()));
  }

  const std::string place_;
  const LabDial dial_;
  const absl::Duration deadline_;
  std::unique_ptr<LabStream> stream_;
};

}  // namespace

LabTransport MakeStreamTransport(std::string place, LabDial dial, absl::Duration deadline) {
  auto connection = std::make_shared<Connection>(std::move(place), std::move(dial), deadline);
  return [connection](const lab::v1::MachineRequest& request) { return connection->Call(request); };
}

}  // namespace keymedic::systems
