// SPDX-License-Identifier: Apache-2.0
//
// keymedic doctor: looks at KeyMedic itself, step by step, and stops explaining at the first thing
// that is wrong.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/x509.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace keymedic::cli {
namespace {

class Checkup {
 public:
  explicit Checkup(const Globals& globals) : globals_(globals) {}

  bool Step(const std::string& name, const absl::Status& status, const std::string& good = "") {
    const bool ok = status.ok();
    if (globals_.json()) {
      steps_ += absl::StrCat(steps_.empty() ? "" : ",", "{\"check\":\"", name,
                             "\",\"ok\":", ok ? "true" : "false", "}");
    } else {
      std::cout << Paint(ok ? "ok  " : "FAIL", ok ? Style::kGreen : Style::kRed, globals_.color())
                << "  " << name << (good.empty() ? "" : ": " + good) << '\n';
    }
    if (!ok) failure_ = status;
    return ok;
  }

  int Finish() {
    if (globals_.json())
      std::cout << "{\"ok\":" << (failure_.ok() ? "true" : "false") << ",\"checks\":[" << steps_
                << "]}\n";
    return failure_.ok() ? kOk : Fail(failure_);
  }

 private:
  const Globals& globals_;
  absl::Status failure_;
  std::string steps_;
};

absl::Status CheckCertificate(const Profile& profile, std::string& who) {
  auto certificate = ReadFile(profile.certificate, 1 << 20);
  if (!certificate.ok()) return certificate.status();
  auto key = ReadFile(profile.key, 1 << 20);
  if (!key.ok()) return key.status();
  auto info = x509::Inspect(*certificate);
  if (!info.ok())
    return absl::InvalidArgumentError(
        absl::StrCat(profile.certificate, ": ", info.status().message()));
  if (!x509::KeyMatches(*key, *certificate)) {
    return absl::FailedPreconditionError(
        absl::StrCat(profile.key, " is not the key of ", profile.certificate));
  }
  if (absl::Now() > info->not_after) {
    return absl::FailedPreconditionError(absl::StrCat(profile.certificate, " ended on ",
                                                      absl::FormatTime(info->not_after),
                                                      "; have a new one made"));
  }
  who = absl::StrCat(info->uri, ", until ",
                     absl::FormatTime("%Y-%m-%d", info->not_after, absl::UTCTimeZone()));
  return absl::OkStatus();
}

int Doctor(const Globals& globals) {
  Checkup checkup(globals);
  auto profile = FindProfile(globals.profile);
  if (!checkup.Step("a controller is known", profile.status(),
                    profile.ok() ? profile->controller : ""))
    return checkup.Finish();
  std::string who;
  const absl::Status certificate = CheckCertificate(*profile, who);
  if (!checkup.Step("your certificate is good", certificate, who)) return checkup.Finish();
  auto session = Session::Open(*profile);
  if (!checkup.Step("its authority can be read", session.status(), profile->ca))
    return checkup.Finish();
  auto summary = Call(**session, (*session)->fleet, &v1::FleetService::Stub::GetSummary,
                      v1::GetSummaryRequest(), 10);
  checkup.Step("the controller answers", summary.status(),
               summary.ok()
                   ? absl::StrCat(summary->connected(), " of ", summary->machines(),
                                  " machines connected, ", summary->problems(), " problems")
                   : "");
  return checkup.Finish();
}

}  // namespace

void AddDoctor(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* verb = app.add_subcommand("doctor",
                                      "Examples:\n  keymedic doctor\n  keymedic doctor --profile "
                                      "berlin\n\nFinds out why KeyMedic itself does not work.");
  verb->fallthrough();
  verb->callback([&globals, &exit_code] { exit_code = Doctor(globals); });
}

}  // namespace keymedic::cli
