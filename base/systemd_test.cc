// SPDX-License-Identifier: Apache-2.0
#include "base/systemd.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/executor.h"
#include "base/temp_dir_testing.h"

namespace keymedic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The other end of NOTIFY_SOCKET.
class Listener {
 public:
  explicit Listener(const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    EXPECT_EQ(bind(descriptor_, reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0)
        << name << ": " << std::strerror(errno);
  }
  ~Listener() { close(descriptor_); }

  // What has come since.
  std::vector<std::string> Heard() {
    std::vector<std::string> heard;
    char bytes[4096];
    for (ssize_t size; (size = recv(descriptor_, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0;) {
      heard.emplace_back(bytes, static_cast<size_t>(size));
    }
    return heard;
  }

 private:
  const int descriptor_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

class SystemdTest : public ::testing::Test {
 protected:
  ~SystemdTest() override { std::filesystem::remove_all(dir_); }

  const std::string dir_ = MakeTempDir("systemd");
  const std::string name_ = dir_ + "/notify";
  Listener listener_{name_};
  ManualExecutor executor_;
  SystemdNotifier notifier_{{name_, absl::Seconds(20)}};
  int machines_ = 0;
  Watched watched_{executor_, nullptr, [this] { return absl::StrCat(machines_, " agents"); }};
};

TEST_F(SystemdTest, IsReadyWithItsStatusAtOnceAndAliveAtHalfOfTheTime) {
  EXPECT_THAT(listener_.Heard(), IsEmpty());
  notifier_.Watch(watched_);
  EXPECT_THAT(listener_.Heard(), ElementsAre("READY=1\nWATCHDOG=1\nSTATUS=0 agents"));
  machines_ = 12;
  executor_.Advance(absl::Seconds(9));
  EXPECT_THAT(listener_.Heard(), IsEmpty());
  executor_.Advance(absl::Seconds(1));
  EXPECT_THAT(listener_.Heard(), ElementsAre("WATCHDOG=1\nSTATUS=12 agents"));
  executor_.Advance(absl::Seconds(20));
  EXPECT_EQ(listener_.Heard().size(), 2u);
}

TEST_F(SystemdTest, WorkThatHangsGivesNoSignOfLife) {
  std::vector<std::function<void()>> lane;
  watched_.through = [&](std::function<void()> alive) { lane.push_back(std::move(alive)); };
  notifier_.Watch(watched_);
  listener_.Heard();
  executor_.Advance(absl::Minutes(10));
  EXPECT_THAT(listener_.Heard(), IsEmpty());
  ASSERT_EQ(lane.size(), 1u) << "signs pile up";
  lane[0]();
  EXPECT_EQ(listener_.Heard().size(), 1u);
  executor_.Advance(absl::Seconds(10));
  EXPECT_EQ(lane.size(), 2u);
}

TEST_F(SystemdTest, OtherWorkTakesThePlaceOfWhatWasWatched) {
  std::function<void()> late;
  watched_.through = [&](std::function<void()> alive) { late = std::move(alive); };
  notifier_.Watch(watched_);
  executor_.Advance(absl::Seconds(10));
  notifier_.Watch({executor_, nullptr, [] { return std::string("two\nlines"); }});
  listener_.Heard();
  late();
  EXPECT_THAT(listener_.Heard(), IsEmpty());
  executor_.Advance(absl::Seconds(10));
  EXPECT_THAT(listener_.Heard(), ElementsAre("WATCHDOG=1\nSTATUS=two lines"));
}

TEST_F(SystemdTest, AfterTheStopNothingIsAskedOrSaid) {
  watched_.status = [this] { return absl::StrCat(++machines_); };
  notifier_.Watch(watched_);
  listener_.Heard();
  notifier_.Stop();
  notifier_.Stop();
  EXPECT_THAT(listener_.Heard(), ElementsAre("STOPPING=1\nSTATUS=stops"));
  notifier_.Watch(watched_);
  executor_.Advance(absl::Minutes(1));
  EXPECT_THAT(listener_.Heard(), IsEmpty());
  EXPECT_EQ(machines_, 1);
}

TEST_F(SystemdTest, AListenerThatDoesNotListenHoldsNothingUp) {
  SystemdNotifier notifier({name_, absl::Seconds(20), absl::Milliseconds(1)});
  notifier.Watch(watched_);
  const std::string queue = *ReadFile("/proc/sys/net/unix/max_dgram_qlen");
  const int more_than_it_holds = std::stoi(queue) + 10;
  for (int i = 0; i < more_than_it_holds; ++i) executor_.Advance(absl::Seconds(10));
  EXPECT_LT(listener_.Heard().size(), static_cast<size_t>(more_than_it_holds));
  executor_.Advance(absl::Seconds(10));
  EXPECT_EQ(listener_.Heard().size(), 1u) << "as soon as it listens again";
}

TEST_F(SystemdTest, WhereNobodyListensNothingHappens) {
  watched_.status = [this] { return absl::StrCat(++machines_); };
  SystemdNotifier nobody({});
  nobody.Watch(watched_);
  SystemdNotifier gone({dir_ + "/gone", absl::Seconds(20)});
  gone.Watch(watched_);
  SystemdNotifier long_name({std::string(4096, 'x'), absl::Seconds(20)});
  long_name.Watch(watched_);
  executor_.Advance(absl::Seconds(10));
  EXPECT_EQ(machines_, 4) << "two of them, twice";
}

TEST_F(SystemdTest, ReadsTheEnvironment) {
  const std::string abstract = absl::StrCat("@keymedic-test-", getpid());
  Listener listener(abstract);
  setenv("NOTIFY_SOCKET", abstract.c_str(), 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", absl::StrCat(getpid()).c_str(), 1);
  const auto options = SystemdNotifier::Options::FromEnvironment();
  EXPECT_EQ(options.watchdog, absl::Seconds(3));
  SystemdNotifier(options).Watch(watched_);
  EXPECT_EQ(listener.Heard().size(), 2u) << "ready, and stopping when it is destroyed";
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(SystemdNotifier::Options::FromEnvironment().watchdog, absl::InfiniteDuration());
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
  EXPECT_EQ(SystemdNotifier::Options::FromEnvironment().socket, "");
}

}  // namespace
}  // namespace keymedic
