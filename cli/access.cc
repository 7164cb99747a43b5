// SPDX-License-Identifier: Apache-2.0
//
// Who may join (tokens), what was done (audit), and which controllers are known here (profiles).
#include <filesystem>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/files.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace keymedic::cli {
namespace {

struct TokenOptions {
  uint32_t uses = 1;
  std::string lifetime = "24h";
  std::vector<std::string> labels;
};

int CreateToken(const Globals& globals, const TokenOptions& options) {
  absl::Duration lifetime;
  if (!absl::ParseDuration(options.lifetime, &lifetime) || lifetime <= absl::ZeroDuration()) {
    return Fail(absl::InvalidArgumentError(absl::StrCat("--lifetime is '", options.lifetime,
                                                        "': give something like 30m, 24h or 168h")),
                kUsage);
  }
  v1::CreateTokenRequest request;
  request.set_uses(options.uses);
  request.mutable_lifetime()->set_seconds(absl::ToInt64Seconds(lifetime));
  for (const std::string& label : options.labels) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(label, absl::MaxSplits('=', 1));
    if (pair.first.empty() || pair.second.empty()) {
      return Fail(absl::InvalidArgumentError(absl::StrCat(
                      "--label is '", label, "': give name=value, such as site=berlin")),
                  kUsage);
    }
    (*request.mutable_labels())[pair.first] = pair.second;
  }
  SystemRandom random;
  request.set_request_id(random.Uuid());
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  auto created =
      Call(**session, (*session)->access, &v1::AccessService::Stub::CreateToken, request);
  if (!created.ok()) return Fail(created.status());
  if (globals.json()) {
    PrintJson(*created);
    return kOk;
  }
  std::cerr << "good for " << created->token().uses_total() << " machine"
            << (created->token().uses_total() == 1 ? "" : "s") << " within " << options.lifetime
            << "; it is shown only now. On the machine:\n  keymedic-agent enroll --controller "
            << (*session)->controller() << " --token TOKEN\n";
  std::cout << created->secret() << '\n';
  return kOk;
}

int ListTokens(const Globals& globals) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  const auto tokens = CallForAll(**session, (*session)->access,
                                 &v1::AccessService::Stub::ListTokens, v1::ListTokensRequest());
  if (!tokens.ok()) return Fail(tokens.status());
  if (globals.json()) {
    PrintJson(*tokens);
    return kOk;
  }
  TextTable table({"ID", "LEFT", "EXPIRES", "MADE", "BY"});
  for (const v1::Token& token : tokens->tokens()) {
    const absl::Duration left = absl::FromUnixSeconds(token.expires_at().seconds()) - absl::Now();
    const std::string expires = token.revoked() ? "revoked"
                                : left <= absl::ZeroDuration()
                                    ? "expired"
                                    : absl::StrCat("in ", absl::ToInt64Minutes(left), " min");
    table.Add({token.id(), absl::StrCat(token.uses_left(), "/", token.uses_total()), expires,
               Ago(token.created_at(), token.has_created_at()), token.created_by()});
  }
  table.Print(std::cout, globals.color());
  return kOk;
}

int RevokeToken(const Globals& globals, const std::string& id) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::RevokeTokenRequest request;
  request.set_name(absl::StartsWith(id, "tokens/") ? id : absl::StrCat("tokens/", id));
  auto token = Call(**session, (*session)->access, &v1::AccessService::Stub::RevokeToken, request);
  if (!token.ok()) return Fail(token.status());
  if (globals.json()) {
    PrintJson(*token);
  } else {
    std::cout << token->id() << " revoked; machines that joined with it stay\n";
  }
  return kOk;
}

int ListAudit(const Globals& globals, const std::string& filter, int limit) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::ListAuditEntriesRequest request;
  request.set_filter(filter);
  request.set_page_size(limit);
  auto entries =
      Call(**session, (*session)->audit, &v1::AuditService::Stub::ListAuditEntries, request);
  if (!entries.ok()) return Fail(entries.status());
  if (globals.json()) {
    PrintJson(*entries);
    return kOk;
  }
  TextTable table({"TIME (UTC)", "WHO", "WHAT", "ON", "DETAIL"});
  for (const v1::AuditEntry& entry : entries->entries()) {
    table.Add({absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(entry.time().seconds()),
                                absl::UTCTimeZone()),
               entry.actor(), entry.act(), entry.object(), entry.detail()});
  }
  table.Print(std::cout, globals.color());
  return kOk;
}

absl::StatusOr<Profiles> LoadProfiles() { return Profiles::Load(ProfilesPath()); }

template <typename Change>
int ChangeProfiles(Change change, const std::string& done) {
  auto profiles = LoadProfiles();
  if (!profiles.ok()) return Fail(profiles.status());
  if (const absl::Status status = change(*profiles); !status.ok()) return Fail(status);
  if (const absl::Status status = profiles->Save(); !status.ok()) return Fail(status);
  std::cout << done << '\n';
  return kOk;
}

int AddProfile(const std::string& name, Profile profile) {
  for (std::string* path : {&profile.ca, &profile.certificate, &profile.key}) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(NativePath(*path), error)) {
      return Fail(absl::NotFoundError(absl::StrCat(
          *path,
          " is not there; `keymedic-controller init` makes ca.crt, admin.crt and admin.key")));
    }
    *path = std::filesystem::absolute(NativePath(*path)).lexically_normal().string();
  }
  return ChangeProfiles([&](Profiles& profiles) { return profiles.Add(name, profile); },
                        absl::StrCat("profile ", name, " added; try: keymedic doctor"));
}

int ListProfiles(const Globals& globals) {
  auto profiles = LoadProfiles();
  if (!profiles.ok()) return Fail(profiles.status());
  TextTable table({"NAME", "CONTROLLER", "CERTIFICATE"});
  for (const auto& [name, profile] : profiles->all()) {
    table.Add({name + (name == profiles->default_name() ? " (default)" : ""), profile.controller,
               profile.certificate});
  }
  table.Print(std::cout, globals.color());
  return kOk;
}

}  // namespace

void AddTokens(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun =
      app.add_subcommand("tokens",
                         "Examples:\n  keymedic tokens create --uses 200 --lifetime 8h --label "
                         "site=berlin\n  keymedic tokens revoke t-4f2a\n\nJoin tokens: what a "
                         "machine needs to become part of the estate.");
  noun->require_subcommand(1);
  noun->fallthrough();
  CLI::App* create =
      noun->add_subcommand("create", "make one; it is printed once and stored as a hash");
  create->fallthrough();
  auto options = std::make_shared<TokenOptions>();
  create->add_option("--uses", options->uses, "how many machines may join with it (default 1)");
  create->add_option("--lifetime", options->lifetime, "how long it is good (default 24h)");
  create->add_option("--label", options->labels,
                     "name=value, given to every machine that joins with it");
  create->callback([&globals, &exit_code, options] { exit_code = CreateToken(globals, *options); });
  CLI::App* list = noun->add_subcommand("list", "all of them, without their secrets");
  list->fallthrough();
  list->callback([&globals, &exit_code] { exit_code = ListTokens(globals); });
  CLI::App* revoke = noun->add_subcommand("revoke", "nobody joins with it any more");
  revoke->fallthrough();
  auto id = std::make_shared<std::string>();
  revoke->add_option("ID", *id)->required();
  revoke->callback([&globals, &exit_code, id] { exit_code = RevokeToken(globals, *id); });
}

void AddAudit(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand("audit",
                                      "Examples:\n  keymedic audit list\n  keymedic audit list "
                                      "--about remediation --limit 20\n\nWho did what, and when.");
  noun->require_subcommand(1);
  noun->fallthrough();
  CLI::App* list = noun->add_subcommand("list", "the newest acts");
  list->fallthrough();
  auto filter = std::make_shared<std::string>();
  auto limit = std::make_shared<int>(100);
  list->add_option("--about", *filter, "only acts or objects with this in their name");
  list->add_option("--limit", *limit, "how many (default 100)")->check(CLI::Range(1, 1000));
  list->callback(
      [&globals, &exit_code, filter, limit] { exit_code = ListAudit(globals, *filter, *limit); });
}

void AddProfiles(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun =
      app.add_subcommand("profile",
                         "Examples:\n  keymedic profile add berlin --controller kc.example:7443 "
                         "--ca ca.crt --cert admin.crt --key admin.key\n  keymedic profile use "
                         "berlin\n\nWhich controllers are known here, and with which certificate.");
  noun->require_subcommand(1);
  noun->fallthrough();
  auto name = std::make_shared<std::string>();
  auto profile = std::make_shared<Profile>();
  CLI::App* add =
      noun->add_subcommand("add", "remember a controller; the first one is the default");
  add->add_option("NAME", *name)->required();
  add->add_option("--controller", profile->controller, "HOST:PORT")->required();
  add->add_option("--ca", profile->ca, "certificate of the controller's authority, PEM")
      ->required();
  add->add_option("--cert", profile->certificate, "your certificate, PEM")->required();
  add->add_option("--key", profile->key, "its private key, PEM")->required();
  add->callback([&exit_code, name, profile] { exit_code = AddProfile(*name, *profile); });
  CLI::App* list = noun->add_subcommand("list", "all of them");
  list->callback([&globals, &exit_code] { exit_code = ListProfiles(globals); });
  CLI::App* use = noun->add_subcommand("use", "make one the default");
  use->add_option("NAME", *name)->required();
  use->callback([&exit_code, name] {
    exit_code = ChangeProfiles([&](Profiles& profiles) { return profiles.Use(*name); },
                               absl::StrCat(*name, " is the default now"));
  });
  CLI::App* remove = noun->add_subcommand("remove", "forget one; its files stay");
  remove->add_option("NAME", *name)->required();
  remove->callback([&exit_code, name] {
    exit_code = ChangeProfiles([&](Profiles& profiles) { return profiles.Remove(*name); },
                               absl::StrCat(*name, " removed"));
  });
}

}  // namespace keymedic::cli
