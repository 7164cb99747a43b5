// SPDX-License-Identifier: Apache-2.0
#include "agent/plugin_host/server.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/frames.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

void SetError(const absl::Status& status, v1::HostResponse& response) {
  response.clear_answer();
  response.set_status(static_cast<int32_t>(status.code()));
  response.set_message(PrintableText(status.message()));
}

template <typename Response>
void SetAnswer(absl::StatusOr<Response> answer, Response* (v1::HostResponse::*mutable_answer)(),
               v1::HostResponse& response) {
  if (answer.ok()) {
    *(response.*mutable_answer)() = *std::move(answer);
  } else {
    SetError(answer.status(), response);
  }
}

void Dispatch(PluginHandle& plugin, const v1::HostRequest& request, v1::HostResponse& response) {
  switch (request.call_case()) {
    case v1::HostRequest::kCollect:
      return SetAnswer(plugin.Collect(request.collect()), &v1::HostResponse::mutable_collect,
                       response);
    case v1::HostRequest::kAct:
      return SetAnswer(plugin.Act(request.act()), &v1::HostResponse::mutable_act, response);
    case v1::HostRequest::kDiagnose:
      return SetAnswer(plugin.Diagnose(request.diagnose()), &v1::HostResponse::mutable_diagnose,
                       response);
    default:
      return SetError(absl::UnimplementedError(absl::StrCat(
                          "request ", request.id(),
                          " asks for no call that this plugin host knows; agent and plugin host "
                          "must be of one version")),
                      response);
  }
}

// A response too long for a frame is replaced by an error that fits.
absl::Status WriteResponse(int out, const v1::HostResponse& response) {
  if (response.ByteSizeLong() <= kMaxFrameBytes) return WriteFrame(out, response);
  v1::HostResponse error;
  error.set_id(response.id());
  SetError(absl::ResourceExhaustedError(absl::StrCat("the answer to request ", response.id(),
                                                     " has ", response.ByteSizeLong(),
                                                     " bytes, the limit is ", kMaxFrameBytes)),
           error);
  return WriteFrame(out, error);
}

}  // namespace

v1::HostResponse Answer(const PluginSet& plugins, const v1::HostRequest& request) {
  v1::HostResponse response;
  response.set_id(request.id());
  if (request.has_list()) {
    *response.mutable_list() = plugins.list();
    return response;
  }
  if (absl::StatusOr<PluginHandle*> plugin = plugins.Find(request.plugin()); plugin.ok()) {
    Dispatch(**plugin, request, response);
  } else {
    SetError(plugin.status(), response);
  }
  return response;
}

absl::Status Serve(const PluginSet& plugins, int in, int out,
                   const std::function<void()>& before_call) {
  while (true) {
    v1::HostRequest request;
    const absl::Status read = ReadFrame(in, request);
    if (absl::IsOutOfRange(read)) return absl::OkStatus();
    if (!read.ok()) {
      v1::HostResponse farewell;
      SetError(Annotate(read, "plugin host: cannot follow the requests"), farewell);
      KM_RETURN_IF_ERROR(WriteResponse(out, farewell));
      return read;
    }
    before_call();
    KM_RETURN_IF_ERROR(WriteResponse(out, Answer(plugins, request)));
#ifdef __GLIBC__
    malloc_trim(0);  // minutes may pass until the next one
#endif
  }
}

}  // namespace keymedic::agent
