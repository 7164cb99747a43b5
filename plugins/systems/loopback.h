// SPDX-License-Identifier: Apache-2.0
//
// For tests: servers on ports of the loopback that the system chooses, on Windows and Linux alike.
// Each has one thread of its own, joined in its destructor. What a server says comes from the test;
// it runs on that thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_LOOPBACK_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_LOOPBACK_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "plugins/systems/portable/socket.h"

namespace keymedic::systems {

// Longer than any test waits for what is going to happen.
inline constexpr absl::Duration kTestPatience = absl::Seconds(60);

// A name of this computer for itself, to connect to.
struct LoopbackAddress {
  LoopbackAddress(uint16_t port, bool v6 = false);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr_storage storage{};
  int size = 0;
};

// The server's end of one connection.
class Peer {
 public:
  explicit Peer(NativeSocket native) : native_(native), socket_(OwnedSocket(native)) {}
  std::string Read(size_t size);  // all of them; what came until then if the stream ends earlier
  std::string ReadRest();         // until the other side leaves
  void Say(absl::string_view bytes);
  void ResetAtEnd();  // the end of this object then resets the connection

 private:
  NativeSocket native_;
  TcpSocket socket_;
  std::string waiting_;
};

// Listens, serves one connection by `serve`, ends. If nobody has come until the destructor, that is
// a connection which ends at once.
class OneShotServer {
 public:
  explicit OneShotServer(std::function<void(Peer&)> serve, bool v6 = false);
  ~OneShotServer();
  OneShotServer(const OneShotServer&) = delete;
  OneShotServer& operator=(const OneShotServer&) = delete;
  uint16_t port() const { return port_; }
  bool usable() const { return port_ != 0; }  // false: this computer has no such loopback

 private:
  const bool v6_;
  uint16_t port_ = 0;
  OwnedSocket listener_;
  std::thread thread_;
};

// Answers datagrams; an empty answer is silence.
class DatagramServer {
 public:
  DatagramServer();
  ~DatagramServer();
  DatagramServer(const DatagramServer&) = delete;
  DatagramServer& operator=(const DatagramServer&) = delete;
  uint16_t port() const { return port_; }
  void Start(std::function<std::string(const std::string&)> answer);

 private:
  void Serve(const std::function<std::string(const std::string&)>& answer);
  uint16_t port_ = 0;
  std::atomic<bool> ending_ = false;
  OwnedSocket socket_;
  std::thread thread_;
};

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_LOOPBACK_H_
