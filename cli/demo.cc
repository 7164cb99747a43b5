// SPDX-License-Identifier: Apache-2.0
#include "cli/demo.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/remediation_states.h"
#include "base/status_macros.h"
#include "cli/child.h"
#include "cli/finding_view.h"
#include "cli/programs.h"
#include "cli/remediation_view.h"
#include "cli/terminal.h"
#include "lab/estate.h"

namespace keymedic::cli {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(30);
constexpr int kWatchPatienceSeconds = 60;

// Keeps the controller running: one that ends is started again, on the same port.
class ControllerProcess {
 public:
  explicit ControllerProcess(std::string directory) : directory_(std::move(directory)) {}
  ~ControllerProcess() { Stop(); }

  absl::Status Start(bool keep) {
    const std::string data = directory_ + "/controller";
    Child init({.command = {Program(), "init", "--data-dir", data, "--name", "localhost", "--name",
                            "127.0.0.1"},
                .environment = {},
                .log_file = directory_ + "/controller.log"});
    KM_RETURN_IF_ERROR(init.Start());
    std::string ended;
    while ((ended = init.Ended()).empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (!std::filesystem::exists(data + "/ca.crt"))
      return absl::InternalError(absl::StrCat("keymedic-controller init ", ended));
    keep_ = keep;
    KM_ASSIGN_OR_RETURN(address_, Launch("127.0.0.1:0"));
    supervisor_ = std::thread([this] { Supervise(); });
    return absl::OkStatus();
  }

  // Leaves it running (if told so at the start), or ends it.
  void Stop() {
    stopping_ = true;
    if (supervisor_.joinable()) supervisor_.join();
    if (child_ == nullptr) return;
    if (keep_) child_->Release();
    child_.reset();
  }

  Profile profile() const {
    const std::string data = directory_ + "/controller/";
    return {.controller = address_,
            .ca = data + "ca.crt",
            .certificate = data + "admin.crt",
            .key = data + "admin.key"};
  }

 private:
  std::string Program() const { return ProgramPath("keymedic-controller"); }

  // The address that it listens on.
  absl::StatusOr<std::string> Launch(const std::string& listen) {
    const std::string port_file = directory_ + "/controller.port";
    std::error_code ignored;
    std::filesystem::remove(port_file, ignored);
    child_ = std::make_unique<Child>(
        Child::Options{.command = {Program(), "run", "--data-dir", directory_ + "/controller",
                                   "--listen", listen, "--port-file", port_file},
                       .environment = {},
                       .log_file = directory_ + "/controller.log",
                       .pid_file = directory_ + "/controller.pid",
                       .dies_with_us = !keep_});
    KM_RETURN_IF_ERROR(child_->Start());
    const absl::Time deadline = absl::Now() + kStartPatience;
    while (absl::Now() < deadline) {
      if (auto port = ReadFile(port_file, 64); port.ok()) {
        return absl::StrCat("127.0.0.1:", absl::StripSuffix(*port, "\n"));
      }
      if (const std::string ended = child_->Ended(); !ended.empty())
        return absl::InternalError(absl::StrCat("the controller ", ended));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return absl::DeadlineExceededError(
        absl::StrCat("the controller did not start; see ", directory_, "/controller.log"));
  }

  void Supervise() {
    while (!stopping_) {
      if (const std::string ended = child_->Ended(); !ended.empty()) {
        std::cerr << "\nthe controller " << ended << "; starting it again\n";
        if (const auto launched = Launch(address_); !launched.ok())
          std::cerr << "error: " << launched.status().message() << '\n';
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }

  const std::string directory_;
  bool keep_ = false;
  std::string address_;
  std::unique_ptr<Child> child_;  // the supervisor's, while it runs
  std::thread supervisor_;
  std::atomic<bool> stopping_ = false;
};

class Demo {
 public:
  Demo(const DemoOptions& options, const Globals& globals)
      : options_(options), color_(globals.color()), directory_(options.directory) {}
  ~Demo() {
    lab_.reset();
    controller_.reset();
    std::error_code ignored;
    if (options_.directory.empty() && !options_.keep)
      std::filesystem::remove_all(directory_, ignored);
  }

  absl::StatusOr<int> Run() {
    KM_RETURN_IF_ERROR(StartEverything());
    KM_RETURN_IF_ERROR(WaitForMachines());
    KM_RETURN_IF_ERROR(ShowFindings("What is wrong, by cause", before_, findings_before_));
    KM_RETURN_IF_ERROR(Plan());
    KM_RETURN_IF_ERROR(Treat());
    KM_RETURN_IF_ERROR(ShowFindings("What is left", after_, findings_after_));
    Close();
    return ExitCodeOf(outcome_.state());
  }

 private:
  void Title(absl::string_view text) {
    std::cout << '\n' << Paint(text, Style::kBold, color_) << '\n';
  }

  absl::Status StartEverything() {
    KM_ASSIGN_OR_RETURN(const lab::v1::Estate estate, lab::ReadEstateFile(options_.estate));
    machines_ = static_cast<uint32_t>(lab::MachineNames(estate).size());
    if (directory_.empty()) {
      directory_ = std::filesystem::temp_directory_path() / "keymedic-lab-XXXXXX";
      if (mkdtemp(directory_.data()) == nullptr)
        return absl::ErrnoToStatus(errno, "cannot make a temporary directory");
    }
    KM_RETURN_IF_ERROR(MakeDirectories(directory_));
    Title(absl::StrCat("An estate of ", machines_, " machines (", options_.estate, "), all under ",
                       directory_));
    controller_ = std::make_unique<ControllerProcess>(directory_);
    KM_RETURN_IF_ERROR(controller_->Start(options_.keep));
    KM_ASSIGN_OR_RETURN(session_, Session::Open(controller_->profile()));
    std::cout << "controller at " << session_->controller()
              << ", every connection with mutual TLS\n"
              << std::flush;
    v1::CreateTokenRequest request;
    request.set_uses(machines_);
    request.mutable_lifetime()->set_seconds(600);
    KM_ASSIGN_OR_RETURN(
        const v1::CreateTokenResponse token,
        Call(*session_, session_->access, &v1::AccessService::Stub::CreateToken, request));
    lab_ = std::make_unique<Child>(Child::Options{
        .command = {ProgramPath("keymedic"), "lab", "serve", options_.estate, "--controller",
                    session_->controller(), "--state-dir", directory_ + "/agents", "--socket",
                    directory_ + "/lab.sock", "--speed", absl::StrCat(options_.speed)},
        .environment = {{"KEYMEDIC_TOKEN", token.secret()}},
        .log_file = directory_ + "/lab.log",
        .pid_file = directory_ + "/lab.pid",
        .dies_with_us = !options_.keep});
    return lab_->Start();
  }

  // Every machine has joined with a certificate of its own and has told its state.
  absl::Status WaitForMachines() {
    ProgressLine line(std::cerr, isatty(STDERR_FILENO) != 0);
    const absl::Time deadline = absl::Now() + absl::Seconds(120);
    while (absl::Now() < deadline) {
      auto summary = Call(*session_, session_->fleet, &v1::FleetService::Stub::GetSummary,
                          v1::GetSummaryRequest());
      if (!summary.ok()) return summary.status();
      line.Update(absl::StrCat("joined ", summary->machines(), ", reported ",
                               Bar(summary->reported(), machines_)));
      if (summary->reported() >= machines_) return absl::OkStatus();
      if (const std::string ended = lab_->Ended(); !ended.empty())
        return absl::InternalError(absl::StrCat("the lab ", ended));
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return absl::DeadlineExceededError(
        absl::StrCat("not every machine reported in time; see ", directory_, "/lab.log"));
  }

  absl::Status ShowFindings(absl::string_view title, v1::Summary& summary,
                            v1::ListFindingsResponse& findings) {
    v1::ListFindingsRequest request;
    request.set_page_size(1000);
    KM_ASSIGN_OR_RETURN(
        findings, Call(*session_, session_->fleet, &v1::FleetService::Stub::ListFindings, request));
    KM_ASSIGN_OR_RETURN(summary,
                        Call(*session_, session_->fleet, &v1::FleetService::Stub::GetSummary,
                             v1::GetSummaryRequest()));
    Title(title);
    PrintFindingTable(findings.findings(), std::cout, color_);
    return absl::OkStatus();
  }

  absl::Status Plan() {
    v1::PlanRemediationRequest request;
    request.set_selector("all");
    request.set_expect_count(machines_);
    request.add_approve("reset_machine_id");
    request.mutable_policy()->set_canary(3);
    request.mutable_policy()->set_first_wave(10);
    KM_ASSIGN_OR_RETURN(plan_, Call(*session_, session_->remediation,
                                    &v1::RemediationService::Stub::PlanRemediation, request, 120));
    Title("What would be done: every machine was asked what would change");
    PrintPlan(plan_, std::cout, color_, false);
    std::cout << "Giving two cloned machines ids of their own needs a restart and a person's word: "
                 "approved here with --approve reset_machine_id.\n";
    return absl::OkStatus();
  }

  absl::Status Treat() {
    Title("Repair: hosts first, a canary, growing waves; each machine is looked at again");
    v1::StartRemediationRequest request;
    request.set_name(plan_.name());
    request.set_plan_hash(plan_.plan_hash());
    if (plan_.targets_size() == 0) {
      outcome_ = plan_;
      outcome_.set_state(v1::REMEDIATION_STATE_SUCCEEDED);
      return absl::OkStatus();
    }
    KM_RETURN_IF_ERROR(Call(*session_, session_->remediation,
                            &v1::RemediationService::Stub::StartRemediation, request)
                           .status());
    KM_ASSIGN_OR_RETURN(outcome_, WatchToTheEnd(*session_, plan_.name(), kWatchPatienceSeconds));
    PrintOutcome(outcome_, std::cout, color_);
    return absl::OkStatus();
  }

  uint32_t Count(v1::TargetState state) const {
    const auto it = outcome_.totals().find(StateName(state));
    return it == outcome_.totals().end() ? 0 : it->second;
  }

  void Close() {
    Title("Before and after");
    TextTable table({"", "BEFORE", "AFTER"});
    auto row = [&](const char* name, uint32_t before, uint32_t after) {
      table.Add({name, absl::StrCat(before), absl::StrCat(after)});
    };
    row("machines", before_.machines(), after_.machines());
    row("problems (causes)", before_.problems(), after_.problems());
    row("machines affected", before_.machines_affected(), after_.machines_affected());
    auto licensed = [](const v1::Summary& summary) {
      const auto it = summary.by_status().find("LICENSED");
      return it == summary.by_status().end() ? 0u : it->second;
    };
    row("machines licensed", licensed(before_), licensed(after_));
    table.Print(std::cout, color_);
    const double seconds = absl::ToDoubleSeconds(absl::Now() - started_);
    std::cout << absl::StrCat("in ", static_cast<int>(seconds + 0.5), " seconds\n");
    if (options_.keep) PrintKept();
    if (options_.json) PrintFigures(seconds);
  }

  void PrintKept() const {
    const Profile profile = controller_->profile();
    std::cout << "\nEverything goes on running. Look around with\n"
              << "  keymedic profile add lab --controller " << profile.controller << " --ca "
              << profile.ca << " --cert " << profile.certificate << " --key " << profile.key << "\n"
              << "  keymedic machines list --profile lab\n  keymedic findings list --profile lab\n "
                 " keymedic audit list --profile lab\n"
              << "and end it with\n  kill $(cat " << directory_ << "/lab.pid " << directory_
              << "/controller.pid); rm -r " << directory_ << "\n";
  }

  void PrintFigures(double seconds) const {
    nlohmann::ordered_json figures;
    figures["machines"] = before_.machines();
    figures["problems_before"] = before_.problems();
    figures["machines_affected_before"] = before_.machines_affected();
    figures["treated"] = Count(v1::TARGET_STATE_SUCCEEDED);
    figures["failed"] = Count(v1::TARGET_STATE_FAILED) + Count(v1::TARGET_STATE_ROLLED_BACK) +
                        Count(v1::TARGET_STATE_UNKNOWN);
    figures["problems_left"] = after_.problems();
    figures["left"] = nlohmann::ordered_json::array();
    for (const v1::Finding& finding : findings_after_.findings()) {
      if (!finding.cause_code().empty() || finding.severity() < v1::SEVERITY_WARNING) continue;
      figures["left"].push_back({{"code", finding.code()}, {"why", WhyLeft(finding)}});
    }
    figures["seconds"] = static_cast<int>(seconds * 10 + 0.5) / 10.0;
    std::cout << figures.dump() << '\n';
  }

  static std::string WhyLeft(const v1::Finding& finding) {
    return finding.why_untreatable().empty()
               ? absl::StrCat("still there after the treatment: ", WhatToDo(finding))
               : finding.why_untreatable();
  }

  const DemoOptions& options_;
  const bool color_;
  const absl::Time started_ = absl::Now();
  std::string directory_;
  uint32_t machines_ = 0;
  std::unique_ptr<ControllerProcess> controller_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Child> lab_;
  v1::Summary before_, after_;
  v1::ListFindingsResponse findings_before_, findings_after_;
  v1::Remediation plan_, outcome_;

 public:
  void KeepRunning() {
    if (options_.keep && lab_ != nullptr) lab_->Release();
  }
};

}  // namespace

int RunDemo(const DemoOptions& options, const Globals& globals) {
  Demo demo(options, globals);
  auto code = demo.Run();
  if (!code.ok()) return Fail(code.status());
  demo.KeepRunning();
  return *code;
}

}  // namespace keymedic::cli
