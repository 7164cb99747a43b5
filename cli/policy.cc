// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/util/json_util.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/session.h"

namespace keymedic::cli {
namespace {

constexpr uint64_t kMostBytes = 1 << 20;

absl::StatusOr<v1::Policy> Get(const Session& session) {
  return Call(session, session.policy, &v1::PolicyService::Stub::GetPolicy, v1::GetPolicyRequest());
}

int Show(const Globals& globals) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  auto policy = Get(**session);
  if (!policy.ok()) return Fail(policy.status());
  PrintJson(*policy);
  return kOk;
}

int SetPolicy(const Globals& globals, const std::string& file) {
  auto text = ReadFile(file, kMostBytes);
  if (!text.ok()) return Fail(text.status(), kUsage);
  v1::UpdatePolicyRequest request;
  const auto parsed = google::protobuf::util::JsonStringToMessage(*text, request.mutable_policy());
  if (!parsed.ok()) {
    return Fail(absl::InvalidArgumentError(
                    absl::StrCat(file, ": ", std::string(parsed.message()),
                                 "; `keymedic policy show` prints what is there in the same form")),
                kUsage);
  }
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  if (request.policy().etag().empty()) {
    auto now = Get(**session);
    if (!now.ok()) return Fail(now.status());
    request.mutable_policy()->set_etag(now->etag());
  }
  auto saved = Call(**session, (*session)->policy, &v1::PolicyService::Stub::UpdatePolicy, request);
  if (!saved.ok()) return Fail(saved.status());
  PrintJson(*saved);
  return kOk;
}

}  // namespace

void AddPolicy(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "policy",
      "Examples:\n  keymedic policy show > policy.json\n  keymedic policy set policy.json\n\nWhat "
      "the "
      "organisation wants: its KMS hosts, limits, how remediations are rolled out, and what is "
      "treated by itself.");
  noun->require_subcommand(1);
  noun->fallthrough();
  CLI::App* show = noun->add_subcommand("show", "the policy, as JSON");
  show->fallthrough();
  show->callback([&globals, &exit_code] { exit_code = Show(globals); });
  CLI::App* set = noun->add_subcommand(
      "set", "replace it by what a file says; with the file's etag only if nobody was faster");
  set->fallthrough();
  auto file = std::make_shared<std::string>();
  set->add_option("FILE", *file, "JSON, as `keymedic policy show` prints it")->required();
  set->callback([&globals, &exit_code, file] { exit_code = SetPolicy(globals, *file); });
}

}  // namespace keymedic::cli
