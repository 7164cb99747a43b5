// SPDX-License-Identifier: Apache-2.0
#include "controller/services/fleet_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/times.h"
#include "controller/store/sqlite_store.h"

namespace keymedic::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TestClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1'900'000'000); }
};

class FleetServiceTest : public ::testing::Test {
 protected:
  FleetServiceTest()
      : store_(*OpenSqliteStore(":memory:")),
        executor_(MakeThreadPool(1)),
        fleet_(*Fleet::Open(*store_, clock_, {}, {})),
        revocations_(*Revocations::Load(*store_)),
        service_(*fleet_, *revocations_, clock_, *executor_) {}

  // A client that was activated so long ago that it leaves Licensed in `days`.
  void AddLate(const std::string& id, int days, const std::string& site) {
    rows::v1::MachineRow row;
    row.set_id(id);
    row.set_display_name("PC-" + id);
    (*row.mutable_labels())["site"] = site;
    fleet_->Enrolled(row);
    v1::LicensingSection licensing;
    v1::Product& product = *licensing.add_products();
    product.set_application_id("55c92734-d682-4d71-983e-d6ec3f16059f");
    product.set_description("Windows(R) Operating System, VOLUME_KMSCLIENT channel");
    product.set_partial_key("2YT43");
    product.set_status(v1::LICENSE_STATUS_LICENSED);
    *product.mutable_expires_at() = ToTimestamp(clock_.Now() + absl::Hours(24 * days));
    v1::KmsClientSection client;
    client.set_client_machine_id("cmid-" + id);
    const std::vector<v1::Section> sections = {MakeSection("licensing", licensing),
                                               MakeSection("kms_client", client)};
    const std::vector<const v1::Section*> pointers = {&sections[0], &sections[1]};
    EXPECT_THAT(fleet_->diagnosis().Apply(id, "PC-" + id, pointers, {}), IsEmpty());
  }
  static v1::Section MakeSection(const std::string& name,
                                 const google::protobuf::MessageLite& payload) {
    v1::Section section;
    section.set_name(name);
    section.set_type(payload.GetTypeName());
    section.set_payload(payload.SerializeAsString());
    section.set_sha256(Sha256(section.payload()));
    return section;
  }

  v1::ListForecastsResponse List(const v1::ListForecastsRequest& request) {
    v1::ListForecastsResponse response;
    const grpc::Status status = service_.ListForecasts(nullptr, &request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static std::vector<std::string> Subjects(const v1::ListForecastsResponse& response) {
    std::vector<std::string> subjects;
    for (const v1::Forecast& forecast : response.forecasts())
      subjects.push_back(forecast.subject());
    return subjects;
  }

  TestClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Fleet> fleet_;
  std::unique_ptr<Revocations> revocations_;
  FleetServiceImpl service_;
};

TEST_F(FleetServiceTest, ForecastsComeInPagesSoonestFirst) {
  AddLate("a", 30, "berlin");
  AddLate("b", 10, "berlin");
  AddLate("c", 20, "london");
  v1::ListForecastsRequest request;
  request.set_page_size(2);
  const v1::ListForecastsResponse first = List(request);
  EXPECT_THAT(Subjects(first), ElementsAre("PC-b", "PC-c"));
  EXPECT_EQ(first.total_size(), 3);
  EXPECT_EQ(first.summary().leaving(), 3u);
  ASSERT_EQ(first.summary().groups_size(), 1) << first.summary().DebugString();
  EXPECT_EQ(first.summary().groups(0).machines(), 3u);
  request.set_page_token(first.next_page_token());
  const v1::ListForecastsResponse last = List(request);
  EXPECT_THAT(Subjects(last), ElementsAre("PC-a"));
  EXPECT_EQ(last.next_page_token(), "");
  EXPECT_FALSE(last.has_summary());
}

TEST_F(FleetServiceTest, ForecastsOfSomeMachinesAndDays) {
  AddLate("a", 30, "berlin");
  AddLate("b", 10, "berlin");
  AddLate("c", 20, "london");
  v1::ListForecastsRequest request;
  request.set_filter("site=berlin");
  EXPECT_THAT(Subjects(List(request)), ElementsAre("PC-b", "PC-a"));
  request.set_days(15);
  const v1::ListForecastsResponse near = List(request);
  EXPECT_THAT(Subjects(near), ElementsAre("PC-b"));
  EXPECT_EQ(near.summary().later(), 1u);
  EXPECT_EQ(near.summary().machines(), 2u);
}

TEST_F(FleetServiceTest, ForecastsRefuseWhatTheyDoNotUnderstand) {
  v1::ListForecastsResponse response;
  for (const char* token : {"x", "-1", "1x"}) {
    v1::ListForecastsRequest request;
    request.set_page_token(token);
    EXPECT_EQ(service_.ListForecasts(nullptr, &request, &response).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT)
        << token;
  }
  v1::ListForecastsRequest request;
  request.set_page_token("1000");
  EXPECT_THAT(Subjects(List(request)), IsEmpty()) << "past the end";
  request.set_filter("fnding=X");
  const grpc::Status status = service_.ListForecasts(nullptr, &request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("finding"));
}

}  // namespace
}  // namespace keymedic::controller
