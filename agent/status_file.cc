// SPDX-License-Identifier: Apache-2.0
#include "agent/status_file.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"

namespace keymedic::agent {

std::string StatusFile(const std::string& state_dir) {
  return absl::StrCat(state_dir, "/status.json");
}

absl::Status StoreStatus(const std::string& state_dir, const v1::MachineStatus& status) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(status, &json, options);
  if (!printed.ok()) {
    return absl::InternalError(
        absl::StrCat(StatusFile(state_dir), " is not written: ", std::string(printed.message())));
  }
  return WriteFileAtomically(StatusFile(state_dir), json);
}

}  // namespace keymedic::agent
