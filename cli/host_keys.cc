// SPDX-License-Identifier: Apache-2.0
//
// The keys that KMS hosts are given. A key comes from standard input, never from the command line.
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "cli/secret_input.h"
#include "cli/terminal.h"

namespace keymedic::cli {
namespace {

// What is no key at all is told without asking the controller.
absl::StatusOr<ProductKey> ReadKey(const std::string& host) {
  KM_ASSIGN_OR_RETURN(
      const std::string line,
      ReadSecret(STDIN_FILENO, absl::StrCat("KMS host key for ", host, ": "), std::cerr));
  return ProductKey::Parse(line);
}

std::string TitleOf(const v1::HostKey& key) {
  return key.host().empty() ? key.machine_id() : key.host();
}

int Set(const Globals& globals, const std::string& host) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  auto key = ReadKey(host);
  if (!key.ok()) return Fail(key.status(), kUsage);
  v1::SetHostKeyRequest request;
  request.set_host(host);
  request.set_key(key->reveal());
  auto stored =
      Call(**session, (*session)->host_keys, &v1::HostKeyService::Stub::SetHostKey, request);
  if (!stored.ok()) return Fail(stored.status());
  if (globals.json()) {
    PrintJson(*stored);
  } else {
    std::cout << "the key ending in " << stored->partial_key() << " is stored for "
              << TitleOf(*stored) << " (machines/" << stored->machine_id()
              << "); it is installed by a remediation that asks for it\n";
  }
  return kOk;
}

int List(const Globals& globals) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  const auto keys = CallForAll(**session, (*session)->host_keys,
                               &v1::HostKeyService::Stub::ListHostKeys, v1::ListHostKeysRequest());
  if (!keys.ok()) return Fail(keys.status());
  if (globals.json()) {
    PrintJson(*keys);
    return kOk;
  }
  TextTable table({"HOST", "KEY ENDS IN", "SET", "BY", "MACHINE"});
  for (const v1::HostKey& key : keys->host_keys()) {
    table.Add({TitleOf(key), key.partial_key(), Ago(key.set_at(), key.has_set_at()), key.set_by(),
               key.machine_id()});
  }
  table.Print(std::cout, globals.color());
  return kOk;
}

int Remove(const Globals& globals, const std::string& host) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::RemoveHostKeyRequest request;
  request.set_host(host);
  auto removed =
      Call(**session, (*session)->host_keys, &v1::HostKeyService::Stub::RemoveHostKey, request);
  if (!removed.ok()) return Fail(removed.status());
  if (globals.json()) {
    PrintJson(*removed);
  } else {
    std::cout << "the key ending in " << removed->partial_key() << " is no longer stored for "
              << TitleOf(*removed) << "; what is installed there stays\n";
  }
  return kOk;
}

}  // namespace

void AddHostKeys(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "host-keys",
      "Examples:\n  keymedic host-keys set --host kms-1            asks for the key\n  keymedic "
      "host-keys set --host kms-1 < key.txt\n  keymedic host-keys list\n  keymedic host-keys "
      "remove "
      "--host kms-1\n\nThe keys that KMS hosts are given (CSVLK): stored encrypted at the "
      "controller, sent to their host alone.");
  noun->require_subcommand(1);
  noun->fallthrough();
  auto host = std::make_shared<std::string>();
  const auto add = [&](const char* verb, const char* what) {
    CLI::App* command = noun->add_subcommand(verb, what);
    command->fallthrough();
    command->add_option("--host", *host, "the KMS host: a machine's name or id")->required();
    return command;
  };
  add("set", "store the key on standard input for one host, in place of the one that is there")
      ->callback([&globals, &exit_code, host] { exit_code = Set(globals, *host); });
  CLI::App* list = noun->add_subcommand("list", "which hosts have one, and its last characters");
  list->fallthrough();
  list->callback([&globals, &exit_code] { exit_code = List(globals); });
  add("remove", "forget the key of one host; what is installed there stays")
      ->callback([&globals, &exit_code, host] { exit_code = Remove(globals, *host); });
}

}  // namespace keymedic::cli
