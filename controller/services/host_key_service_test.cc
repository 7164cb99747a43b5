// SPDX-License-Identifier: Apache-2.0
//
// HostKeyService as clients meet it.
#include <gmock/gmock.h>

#include <filesystem>

#include "base/files.h"
#include "controller/server_testing.h"
#include "controller/trust/identity.h"
#include "keymedic/v1/host_key_service.grpc.pb.h"
#include "kms/tables.h"

namespace keymedic::controller {
namespace {

using testing::HasSubstr;
using testing::Not;

class HostKeyServiceTest : public ServerTest {
 protected:
  using Service = v1::HostKeyService;

  HostKeyServiceTest() { EnrolledMachine(); }

  grpc::Status Set(Role role, const std::string& host, const std::string& key) {
    v1::SetHostKeyRequest request;
    request.set_host(host);
    request.set_key(key);
    Context context;
    return Service::NewStub(As(role))->SetHostKey(&context, request, &answer_);
  }
  grpc::Status Remove(Role role, const std::string& host) {
    v1::RemoveHostKeyRequest request;
    request.set_host(host);
    Context context;
    return Service::NewStub(As(role))->RemoveHostKey(&context, request, &answer_);
  }
  grpc::Status List(Role role) {
    Context context;
    return Service::NewStub(As(role))->ListHostKeys(&context, {}, &list_);
  }
  std::string Audit() { return Audited("host_key.").DebugString(); }

  const std::string kKey = "AAAAA-BBBBB-CCCCC-DDDDD-22222";
  v1::HostKey answer_;
  v1::ListHostKeysResponse list_;
};

TEST_F(HostKeyServiceTest, IsForAdminsAlone) {
  for (const Role role : {Role::kViewer, Role::kOperator, Role::kApprover}) {
    EXPECT_EQ(Set(role, "pc1", kKey).error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(Remove(role, "pc1").error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(List(role).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  ASSERT_TRUE(List(Role::kAdmin).ok());
  EXPECT_EQ(list_.host_keys_size(), 0);
}

TEST_F(HostKeyServiceTest, ShowsItsLastCharactersAndLeavesNoMoreOfItAnywhere) {
  ASSERT_TRUE(Set(Role::kAdmin, "PC1", kKey).ok());
  EXPECT_EQ(answer_.name(), "host-keys/m1");
  EXPECT_EQ(answer_.host(), "pc1");
  EXPECT_EQ(answer_.partial_key(), "22222");
  Restart();
  ASSERT_TRUE(List(Role::kAdmin).ok());
  ASSERT_EQ(list_.host_keys_size(), 1);
  EXPECT_EQ(list_.host_keys(0).host(), "pc1");
  EXPECT_EQ(list_.host_keys(0).set_by(), OperatorUri(Role::kAdmin, "somebody"));
  ASSERT_TRUE(Remove(Role::kAdmin, "m1").ok());
  EXPECT_EQ(Remove(Role::kAdmin, "m1").error_code(), grpc::StatusCode::NOT_FOUND);
  const std::string audit = Audit();
  EXPECT_THAT(audit, HasSubstr("host_key.set"));
  EXPECT_THAT(audit, HasSubstr("host_key.remove"));
  EXPECT_THAT(audit, HasSubstr("for pc1, the key ending in 22222"));
  EXPECT_THAT(audit, Not(HasSubstr("DDDDD")));
  server_.reset();
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    EXPECT_THAT(*ReadFile(file.path().string()), Not(HasSubstr("DDDDD"))) << file.path();
  }
}

TEST_F(HostKeyServiceTest, RefusalsNeverRepeatTheKey) {
  const grpc::Status malformed = Set(Role::kAdmin, "pc1", kKey + "X");
  EXPECT_EQ(malformed.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const grpc::Status client_key = Set(Role::kAdmin, "pc1", std::string(kms::Gvlks()[0].key));
  EXPECT_EQ(client_key.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(client_key.error_message(), HasSubstr("client setup key"));
  const grpc::Status unknown = Set(Role::kAdmin, kKey, kKey);  // pasted into the wrong field
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  for (const grpc::Status* status : {&malformed, &client_key, &unknown}) {
    EXPECT_THAT(status->error_message(), Not(HasSubstr("DDDDD")));
    EXPECT_THAT(status->error_message(), Not(HasSubstr(std::string(kms::Gvlks()[0].key))));
    EXPECT_THAT(status->error_details(), Not(HasSubstr("DDDDD")));
  }
  ASSERT_TRUE(List(Role::kAdmin).ok());
  EXPECT_EQ(list_.host_keys_size(), 0);
}

}  // namespace
}  // namespace keymedic::controller
