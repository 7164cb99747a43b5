// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/x509.h"
#include "controller/trust/authority.h"
#include "controller/trust/authorization.h"
#include "controller/trust/tokens.h"
#include "google/protobuf/descriptor.h"
#include "keymedic/v1/access_service.pb.h"
#include "keymedic/v1/agent_service.pb.h"
#include "keymedic/v1/audit_service.pb.h"
#include "keymedic/v1/fleet_service.pb.h"
#include "keymedic/v1/host_key_service.pb.h"
#include "keymedic/v1/policy_service.pb.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::controller {
namespace {

using testing::HasSubstr;

class TestClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(seconds); }
  std::atomic<int64_t> seconds = 1'790'000'000;
};

class TokensTest : public testing::Test {
 protected:
  TokensTest() : store_(*OpenSqliteStore(":memory:")), tokens_(*store_, clock_, random_, kCa) {}

  JoinToken Create(uint32_t uses, int64_t seconds = 3600) {
    v1::CreateTokenRequest request;
    request.set_uses(uses);
    request.mutable_lifetime()->set_seconds(seconds);
    (*request.mutable_labels())["site"] = "berlin";
    auto created = tokens_.Create(request, "spiffe://keymedic/operator/admin/a");
    EXPECT_TRUE(created.ok()) << created.status();
    auto token = JoinToken::Parse(created->secret());
    EXPECT_TRUE(token.ok()) << token.status();
    return *token;
  }

  const std::string kCa = std::string(64, 'a');
  TestClock clock_;
  SystemRandom random_;
  std::unique_ptr<Store> store_;
  Tokens tokens_;
};

TEST_F(TokensTest, IsSpentOnceForEachUseTogetherWithWhatItBuys) {
  const JoinToken token = Create(2);
  EXPECT_EQ(token.ca_sha256, kCa);
  EXPECT_EQ(tokens_.Check(token)->at("site"), "berlin");
  const Batch machine = {{.table = Table::kMachines, .key = "m", .value = "row"}};
  EXPECT_TRUE(tokens_.Redeem(token, machine).ok());
  EXPECT_EQ(*store_->Get(Table::kMachines, "m"), "row");
  EXPECT_TRUE(tokens_.Redeem(token, {}).ok());
  const absl::Status third =
      tokens_.Redeem(token, {{.table = Table::kMachines, .key = "n", .value = "row"}});
  EXPECT_EQ(third.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(third.message()), HasSubstr("used up"));
  EXPECT_EQ(*store_->Get(Table::kMachines, "n"), std::nullopt);
}

TEST_F(TokensTest, ExpiresAndIsRevoked) {
  const JoinToken expiring = Create(5, 60), revoked = Create(5);
  clock_.seconds += 59;
  EXPECT_TRUE(tokens_.Check(expiring).ok());
  clock_.seconds += 1;
  EXPECT_THAT(std::string(tokens_.Redeem(expiring, {}).message()), HasSubstr("expired"));
  EXPECT_TRUE(tokens_.Revoke(absl::StrCat("tokens/", revoked.id))->revoked());
  EXPECT_THAT(std::string(tokens_.Redeem(revoked, {}).message()), HasSubstr("revoked"));
  EXPECT_EQ(tokens_.Revoke("tokens/none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TokensTest, TellsNobodyWhetherTheIdOrTheSecretWasWrong) {
  JoinToken token = Create(1);
  JoinToken other_id = token, other_secret = token;
  other_id.id = "0000000000";
  other_secret.secret = std::string(32, '0');
  const absl::Status a = tokens_.Redeem(other_id, {}), b = tokens_.Redeem(other_secret, {});
  EXPECT_EQ(a.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(a, b);
  EXPECT_TRUE(tokens_.Redeem(token, {}).ok());
}

TEST_F(TokensTest, KeepsTheSecretsHashOnly) {
  const JoinToken token = Create(1);
  const auto rows = store_->Scan(Table::kTokens, "", "", 10);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_FALSE(absl::StrContains((*rows)[0].value, token.secret));
}

TEST_F(TokensTest, ManyMachinesAtOnceGetExactlyTheUsesThereAre) {
  const JoinToken token = Create(20);
  std::atomic<int> joined = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) joined += tokens_.Redeem(token, {}).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(joined, 20);
  EXPECT_EQ(tokens_.List({})->tokens(0).uses_left(), 0u);
}

TEST_F(TokensTest, ARepeatedRequestMakesNoSecondToken) {
  v1::CreateTokenRequest request;
  request.set_request_id("r1");
  EXPECT_TRUE(tokens_.Create(request, "a").ok());
  EXPECT_EQ(tokens_.Create(request, "a").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(tokens_.Create(request, "b").ok());
  request.set_uses(4'000'000'000);
  EXPECT_EQ(tokens_.Create(request, "a").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TokensTest, ListsInPages) {
  for (int i = 0; i < 5; ++i) Create(1);
  v1::ListTokensRequest request;
  request.set_page_size(2);
  std::set<std::string> ids;
  do {
    const auto page = tokens_.List(request);
    for (const v1::Token& token : page->tokens()) ids.insert(token.id());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(ids.size(), 5u);
}

// Every method that this server offers has its row, and no row is for a method that is not there.
TEST(AuthorizationTest, TheTableCoversEveryMethodOfEveryService) {
  std::set<std::string> methods = {
      "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
  for (const google::protobuf::FileDescriptor* file :
       {v1::AgentMessage::descriptor()->file(), v1::Machine::descriptor()->file(),
        v1::Remediation::descriptor()->file(), v1::Policy::descriptor()->file(),
        v1::Token::descriptor()->file(), v1::HostKey::descriptor()->file(),
        v1::AuditEntry::descriptor()->file()}) {
    ASSERT_GT(file->service_count(), 0) << file->name();
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.insert(absl::StrCat("/", file->service(s)->full_name(), "/",
                                    file->service(s)->method(m)->name()));
      }
    }
  }
  std::set<std::string> rules;
  for (const MethodRule& rule : MethodRules()) {
    EXPECT_TRUE(rules.insert(std::string(rule.path)).second) << rule.path << " stands twice";
    EXPECT_EQ(rule.caller == Caller::kAnyone,
              rule.path == "/keymedic.v1.AgentService/Enroll" ||
                  rule.path == "/keymedic.v1.AgentService/RecoverCertificate")
        << rule.path;
  }
  EXPECT_EQ(rules, methods);
}

class AuthorizeTest : public testing::Test {
 protected:
  AuthorizeTest()
      : store_(*OpenSqliteStore(":memory:")), revocations_(*Revocations::Load(*store_)) {}
  absl::StatusCode Ask(absl::string_view path, const std::string& uri) {
    return Authorize(path, ParseIdentity(uri), *revocations_).code();
  }
  std::unique_ptr<Store> store_;
  std::unique_ptr<Revocations> revocations_;
};

TEST_F(AuthorizeTest, LetsEachRoleDoItsPart) {
  const std::string machine = MachineUri("m1"), viewer = OperatorUri(Role::kViewer, "v"),
                    op = OperatorUri(Role::kOperator, "o"),
                    approver = OperatorUri(Role::kApprover, "p"),
                    admin = OperatorUri(Role::kAdmin, "a");
  const auto ok = absl::StatusCode::kOk, denied = absl::StatusCode::kPermissionDenied;
  struct Row {
    absl::string_view path;
    absl::StatusCode machine, viewer, op, approver, admin;
  };
  for (const Row& row : std::vector<Row>{
           {"/keymedic.v1.AgentService/Connect", ok, denied, denied, denied, denied},
           {"/keymedic.v1.FleetService/GetMachine", denied, ok, ok, ok, ok},
           {"/keymedic.v1.RemediationService/PlanRemediation", denied, denied, ok, ok, ok},
           {"/keymedic.v1.RemediationService/StartRemediation", denied, denied, denied, ok, ok},
           {"/keymedic.v1.AccessService/CreateToken", denied, denied, denied, denied, ok},
           {"/keymedic.v1.HostKeyService/SetHostKey", denied, denied, denied, denied, ok},
           {"/keymedic.v1.HostKeyService/RemoveHostKey", denied, denied, denied, denied, ok},
           {"/keymedic.v1.HostKeyService/ListHostKeys", denied, denied, denied, denied, ok},
           {"/keymedic.v1.AccessService/BanMachine", denied, denied, denied, denied, ok},
           {"/keymedic.v1.AccessService/UnbanMachine", denied, denied, denied, denied, ok},
           {"/keymedic.v1.AccessService/ResetMachine", denied, denied, denied, denied, ok},
           {"/keymedic.v1.AccessService/RemoveMachine", denied, denied, denied, denied, ok},
           {"/grpc.health.v1.Health/Check", ok, ok, ok, ok, ok}}) {
    EXPECT_EQ(Ask(row.path, machine), row.machine) << row.path;
    EXPECT_EQ(Ask(row.path, viewer), row.viewer) << row.path;
    EXPECT_EQ(Ask(row.path, op), row.op) << row.path;
    EXPECT_EQ(Ask(row.path, approver), row.approver) << row.path;
    EXPECT_EQ(Ask(row.path, admin), row.admin) << row.path;
  }
}

TEST_F(AuthorizeTest, RefusesWhoIsNobodyAndWhatIsNothing) {
  EXPECT_EQ(Ask("/keymedic.v1.AgentService/Enroll", ""), absl::StatusCode::kOk);
  EXPECT_EQ(Ask("/keymedic.v1.AgentService/Connect", ""), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Ask("/grpc.health.v1.Health/Check", ""), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Ask("/keymedic.v1.Other/Method", ""), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Ask("/keymedic.v1.Other/Method", MachineUri("m")), absl::StatusCode::kUnimplemented);
  for (const char* uri :
       {"spiffe://keymedic/controller", "spiffe://keymedic/operator/root/x",
        "spiffe://keymedic/operator/admin/", "spiffe://keymedic/operator/admin/a/b",
        "spiffe://keymedic/machine/", "spiffe://keymedic/machine/a/b", "spiffe://other/machine/m",
        "spiffe://keymedic/machine/m\n"}) {
    EXPECT_EQ(Ask("/grpc.health.v1.Health/Check", uri), absl::StatusCode::kPermissionDenied) << uri;
  }
}

TEST_F(AuthorizeTest, ABannedMachineStaysOutAlsoAfterARestart) {
  EXPECT_EQ(Ask("/keymedic.v1.AgentService/Connect", MachineUri("m1")), absl::StatusCode::kOk);
  ASSERT_TRUE(revocations_->Ban("m1", "stolen").ok());
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_EQ(Ask("/keymedic.v1.AgentService/Connect", MachineUri("m1")),
              absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(Ask("/keymedic.v1.AgentService/Connect", MachineUri("m2")), absl::StatusCode::kOk);
    revocations_ = *Revocations::Load(*store_);
  }
  EXPECT_EQ(revocations_->BanReason("m1"), "stolen");
  ASSERT_TRUE(revocations_->Unban("m1").ok());
  EXPECT_EQ(Ask("/keymedic.v1.AgentService/Connect", MachineUri("m1")), absl::StatusCode::kOk);
  EXPECT_EQ(revocations_->Unban("m1").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AuthorizeTest, AResetMakesOlderCertificatesVoidAndNoOthers) {
  const absl::Time now = absl::FromUnixMillis(1'790'000'000'500);
  const auto with_certificate_of = [&](absl::Time issued_at) {
    Identity machine = ParseIdentity(MachineUri("m1"));
    machine.issued_at = issued_at;
    return Authorize("/keymedic.v1.AgentService/Connect", machine, *revocations_).code();
  };
  EXPECT_EQ(with_certificate_of(absl::InfinitePast()), absl::StatusCode::kOk);
  ASSERT_TRUE(revocations_->VoidCertificates("m1", now).ok());
  const absl::Time from = revocations_->ValidFrom("m1");
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_EQ(with_certificate_of(absl::InfinitePast()), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(with_certificate_of(now), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(with_certificate_of(from), absl::StatusCode::kOk);
    EXPECT_EQ(revocations_->ValidFrom("m2"), absl::InfinitePast());
    revocations_ = *Revocations::Load(*store_);
  }
  ASSERT_TRUE(revocations_->Ban("m1", "").ok());
  ASSERT_TRUE(revocations_->Unban("m1").ok());
  EXPECT_EQ(with_certificate_of(now), absl::StatusCode::kUnauthenticated) << "no way around";
  ASSERT_TRUE(revocations_->VoidCertificates("m1", now - absl::Hours(1)).ok());
  EXPECT_GT(revocations_->ValidFrom("m1"), from) << "the clock was set back";
}

class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest() : directory_(testing::TempDir() + "authority_XXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    directory_ += "/data";
  }
  std::string directory_;
  const absl::Time now_ = absl::FromUnixSeconds(1'790'000'000);
};

TEST_F(AuthorityTest, InitNeverOverwrites) {
  ASSERT_TRUE(InitializeAuthority(directory_, {"localhost"}, now_).ok());
  const std::string ca = *ReadFile(directory_ + "/ca.crt");
  const absl::Status again = InitializeAuthority(directory_, {"localhost"}, now_);
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*ReadFile(directory_ + "/ca.crt"), ca);
  for (const char* secret : {"/ca.key", "/server.key", "/admin.key"}) {
    EXPECT_EQ(std::filesystem::status(directory_ + secret).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << secret;
  }
}

TEST_F(AuthorityTest, IssuesWhatTheMachineIsAndNotWhatItSays) {
  ASSERT_TRUE(InitializeAuthority(directory_, {"localhost"}, now_).ok());
  const auto authority = Authority::Load(directory_);
  ASSERT_TRUE(authority.ok()) << authority.status();
  const std::string key = *x509::GenerateKeyPem();
  const auto certificate =
      authority->IssueMachine(*x509::MakeCsrPem(key, "admin"), "m1", now_, absl::Hours(24));
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  const auto info = x509::Inspect(*certificate);
  EXPECT_EQ(info->uri, "spiffe://keymedic/machine/m1");
  EXPECT_EQ(info->not_after, now_ + absl::Hours(24));
  EXPECT_FALSE(authority->IssueMachine("no CSR", "m1", now_, absl::Hours(1)).ok());
  EXPECT_EQ(x509::Inspect(*ReadFile(directory_ + "/admin.crt"))->uri,
            "spiffe://keymedic/operator/admin/admin");
  EXPECT_EQ(x509::Inspect(authority->ca_pem())->fingerprint_sha256, authority->ca_sha256());
  EXPECT_TRUE(absl::StrContains(authority->server().certificate_pem, authority->ca_pem()))
      << "agents find the authority in the server's chain";
}

TEST_F(AuthorityTest, SaysHowToBeginAndWhatIsMixedUp) {
  const auto none = Authority::Load(directory_);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("init"));
  ASSERT_TRUE(InitializeAuthority(directory_, {"localhost"}, now_).ok());
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/ca.key", *x509::GenerateKeyPem()).ok());
  EXPECT_EQ(Authority::Load(directory_).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace keymedic::controller
