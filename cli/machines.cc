// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/text_format.h"
#include "kms/license_status.h"

namespace keymedic::cli {
namespace {

std::string StatusName(v1::LicenseStatus status) {
  if (status == v1::LICENSE_STATUS_UNSPECIFIED) return "unknown";
  return absl::StrReplaceAll(absl::AsciiStrToLower(kms::LicenseStatusName(status)), {{"_", " "}});
}

std::string Labels(const v1::Machine& machine) {
  std::vector<std::string> out;
  for (const auto& [key, value] : machine.labels()) out.push_back(absl::StrCat(key, "=", value));
  std::sort(out.begin(), out.end());
  return absl::StrJoin(out, ",");
}

int List(const Globals& globals, const std::string& filter) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::ListMachinesRequest request;
  request.set_filter(filter);
  const auto all =
      CallForAll(**session, (*session)->fleet, &v1::FleetService::Stub::ListMachines, request);
  if (!all.ok()) return Fail(all.status());
  if (globals.json()) {
    PrintJson(*all);
    return kOk;
  }
  TextTable table({"MACHINE", "STATUS", "FINDINGS", "ROLES", "LABELS", "SEEN", "PRODUCT"});
  for (const v1::Machine& machine : all->machines()) {
    table.Add(
        {machine.display_name(), StatusName(machine.license_status()),
         absl::StrCat(machine.findings()), absl::StrJoin(machine.roles(), ","), Labels(machine),
         machine.banned()      ? "banned"
         : machine.connected() ? "connected"
                               : Ago(machine.last_seen_at(), machine.has_last_seen_at()),
         machine.product()},
        machine.findings() > 0 ? Style::kYellow : Style::kPlain);
  }
  table.Print(std::cout, globals.color());
  return kOk;
}

void PrintSection(const v1::Section& section) {
  const google::protobuf::Descriptor* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(section.type());
  if (type == nullptr) {
    std::cout << "  " << section.payload().size() << " bytes of " << section.type() << '\n';
    return;
  }
  std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!message->ParseFromString(section.payload())) return;
  google::protobuf::TextFormat::Printer printer;
  printer.SetInitialIndentLevel(1);
  std::string text;
  printer.PrintToString(*message, &text);
  std::cout << text;
}

int Show(const Globals& globals, const std::string& name) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::GetMachineRequest request;
  request.set_name(name);
  auto machine = Call(**session, (*session)->fleet, &v1::FleetService::Stub::GetMachine, request);
  if (!machine.ok()) return Fail(machine.status());
  if (globals.json()) {
    PrintJson(*machine);
    return kOk;
  }
  std::cout << Paint(machine->display_name(), Style::kBold, globals.color()) << "  "
            << machine->name() << '\n'
            << "  " << machine->product() << ", " << StatusName(machine->license_status()) << "; "
            << machine->findings() << " findings; "
            << (machine->connected() ? "connected" : "not connected") << "; agent "
            << machine->agent_version() << "; " << Labels(*machine) << '\n';
  if (machine->banned()) std::cout << "  banned: " << machine->ban_reason() << '\n';
  for (const v1::Section& section : machine->sections()) {
    std::cout << Paint(section.name(), Style::kBold, globals.color()) << '\n';
    PrintSection(section);
  }
  return kOk;
}

template <typename Request>
using AccessMethod = grpc::Status (v1::AccessService::Stub::*)(grpc::ClientContext*, const Request&,
                                                               v1::MachineAccess*);

// A verb about one machine's right to be here; `then` is said when it is done.
template <typename Request>
void AddAccessVerb(CLI::App& noun, Globals& globals, int& exit_code, const std::string& verb,
                   const std::string& help, AccessMethod<Request> method, const std::string& then) {
  CLI::App* command = noun.add_subcommand(verb, help);
  command->fallthrough();
  auto request = std::make_shared<Request>();
  command
      ->add_option_function<std::string>(
          "MACHINE", [request](const std::string& name) { request->set_name(name); }, "name or id")
      ->required();
  command->add_option_function<std::string>(
      "--reason", [request](const std::string& reason) { request->set_reason(reason); },
      "why, for the audit log");
  command->callback([&globals, &exit_code, request, method, then] {
    auto session = OpenSession(globals);
    if (!session.ok()) {
      exit_code = Fail(session.status());
      return;
    }
    auto machine = Call(**session, (*session)->access, method, *request);
    if (!machine.ok()) {
      exit_code = Fail(machine.status());
    } else if (globals.json()) {
      PrintJson(*machine);
    } else {
      std::cout << machine->display_name() << " (" << machine->name() << ") " << then << '\n';
    }
  });
}

void AddAccessVerbs(CLI::App& noun, Globals& globals, int& exit_code) {
  using Stub = v1::AccessService::Stub;
  AddAccessVerb<v1::BanMachineRequest>(
      noun, globals, exit_code, "ban", "it stays out, whatever certificate or token it has",
      &Stub::BanMachine,
      "is banned: it stays out until `keymedic machines unban`, and cannot enrol");
  AddAccessVerb<v1::UnbanMachineRequest>(
      noun, globals, exit_code, "unban", "a ban is over", &Stub::UnbanMachine,
      "is not banned any more: it may connect with a certificate that is still good, and enrol");
  AddAccessVerb<v1::ResetMachineRequest>(
      noun, globals, exit_code, "reset", "its certificates are void; it may enrol again",
      &Stub::ResetMachine,
      "is reset: its certificates are void. A join token brings it back as the same machine");
  AddAccessVerb<v1::RemoveMachineRequest>(
      noun, globals, exit_code, "remove", "it is gone for good; not while it is connected",
      &Stub::RemoveMachine,
      "is removed, with all that was known of it, and its certificates are void");
}

}  // namespace

void AddMachines(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "machines",
      "Examples:\n  keymedic machines list --select 'site=berlin and role=kms_host'\n  keymedic "
      "machines show pc-017\n  keymedic machines ban lt-042 --reason stolen\n\nThe machines of the "
      "estate.");
  noun->require_subcommand(1);
  noun->fallthrough();
  CLI::App* list = noun->add_subcommand("list", "the machines, with license status and findings");
  list->fallthrough();
  auto filter = std::make_shared<std::string>();
  list->add_option("--select", *filter, "which: a selector, see docs/selectors.md");
  list->callback([&globals, &exit_code, filter] { exit_code = List(globals, *filter); });
  CLI::App* show = noun->add_subcommand("show", "one machine with all its state");
  show->fallthrough();
  auto name = std::make_shared<std::string>();
  show->add_option("MACHINE", *name, "name or id")->required();
  show->callback([&globals, &exit_code, name] { exit_code = Show(globals, *name); });
  AddAccessVerbs(*noun, globals, exit_code);
}

}  // namespace keymedic::cli
