// SPDX-License-Identifier: Apache-2.0
#include "lab/socket_server.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "base/frames.h"
#include "lab/world_testing.h"
#include "plugins/systems/lab/tcp_transport.h"
#include "plugins/systems/lab/unix_transport.h"

namespace keymedic::lab {
namespace {

class SocketServerTest : public testing::Test {
 protected:
  SocketServerTest() : lab_(SmallEstate(30)) {
    std::string folder = "/tmp/keymedic-lab-XXXXXX";  // short: a socket path has 107 characters
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder_ + "/lab.sock";
  }
  ~SocketServerTest() override {
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }
  int Connect() {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  static v1::MachineRequest AskOs(const std::string& machine) {
    v1::MachineRequest request;
    request.set_machine(machine);
    request.mutable_os();
    return request;
  }

  Lived lab_;
  std::string folder_, path_;
};

TEST_F(SocketServerTest, ServesManyConnectionsOfOneOwner) {
  auto server = LabSocketServer::Start(*lab_.world, path_);
  ASSERT_TRUE(server.ok()) << server.status();
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto first = systems::MakeUnixTransport(path_);
  const auto second = systems::MakeUnixTransport(path_);
  for (int i = 0; i < 3; ++i) {
    const auto one = first(AskOs("pc-001"));
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_EQ(one->os().computer_name(), "pc-001");
    const auto two = second(AskOs("kms-1"));
    ASSERT_TRUE(two.ok()) << two.status();
    EXPECT_EQ(two->os().computer_name(), "kms-1");
  }
}

TEST_F(SocketServerTest, ABadFrameEndsItsConnectionOnly) {
  auto server = LabSocketServer::Start(*lab_.world, path_);
  ASSERT_TRUE(server.ok()) << server.status();
  const int fd = Connect();
  ASSERT_EQ(write(fd, "\xff\xff\xff\xff garbage", 12), 12);
  v1::MachineResponse response;
  ASSERT_TRUE(ReadFrame(fd, response, absl::Now() + absl::Seconds(30)).ok());
  EXPECT_NE(response.status(), 0);
  EXPECT_THAT(response.message(), testing::HasSubstr("cannot read"));
  char byte;
  EXPECT_LE(read(fd, &byte, 1), 0);
  close(fd);
  EXPECT_TRUE(systems::MakeUnixTransport(path_)(AskOs("pc-001")).ok());
}

TEST_F(SocketServerTest, StopsWithOpenConnectionsAndTakesTheFileAlong) {
  auto server = LabSocketServer::Start(*lab_.world, path_);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto transport = systems::MakeUnixTransport(path_);
  ASSERT_TRUE(transport(AskOs("pc-001")).ok());
  server->reset();
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
  EXPECT_EQ(transport(AskOs("pc-001")).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SocketServerTest, ReplacesAnEndedLabAndRespectsALivingOne) {
  {
    auto first = LabSocketServer::Start(*lab_.world, path_);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(LabSocketServer::Start(*lab_.world, path_).status().code(),
              absl::StatusCode::kAlreadyExists);
  }
  // A socket that nobody serves, as a killed lab leaves one.
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  EXPECT_TRUE(LabSocketServer::Start(*lab_.world, path_).ok());
}

TEST_F(SocketServerTest, APortOfTheLoopbackServesTheSame) {
  for (const std::string address : {"127.0.0.1:0", "127.1.2.3:0", "[::1]:0"}) {
    if (address[0] == '[' && access("/proc/net/if_inet6", F_OK) != 0) continue;
    auto server = LabSocketServer::StartTcp(*lab_.world, address);
    ASSERT_TRUE(server.ok()) << server.status();
    const std::string place = (*server)->place();
    EXPECT_EQ(place.substr(0, place.rfind(':')), address.substr(0, address.rfind(':')));
    EXPECT_NE(place.substr(place.rfind(':')), ":0");
    const auto transport = systems::MakeTcpTransport(place);
    const auto answer = transport(AskOs("pc-001"));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->os().computer_name(), "pc-001");
    EXPECT_EQ(LabSocketServer::StartTcp(*lab_.world, place).status().code(),
              absl::StatusCode::kUnavailable);
    server->reset();
    EXPECT_EQ(transport(AskOs("pc-001")).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(LabSocketServer::StartTcp(*lab_.world, place).ok()) << "the port is free again";
  }
}

TEST_F(SocketServerTest, RefusesAddressesThatOthersCouldReach) {
  for (const std::string bad :
       {"0.0.0.0:0", "192.0.2.1:0", "[::]:0", "[::ffff:127.0.0.1]:0", "localhost:0", "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", ":0", "", "128.0.0.1:0"}) {
    const auto server = LabSocketServer::StartTcp(*lab_.world, bad);
    ASSERT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(server.status().message(), testing::HasSubstr("'" + bad + "'"));
    EXPECT_THAT(server.status().message(), testing::HasSubstr("127.0.0.1:PORT"));
  }
}

TEST_F(SocketServerTest, RefusesPathsThatCannotBe) {
  EXPECT_EQ(LabSocketServer::Start(*lab_.world, std::string(200, 'x')).status().code(),
            absl::StatusCode::kInvalidArgument);
  std::ofstream(path_) << "a letter";
  EXPECT_EQ(LabSocketServer::Start(*lab_.world, path_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(LabSocketServer::Start(*lab_.world, folder_ + "/none/lab.sock").status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace keymedic::lab
