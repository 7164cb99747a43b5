// SPDX-License-Identifier: Apache-2.0
#include "cli/secret_input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <functional>
#include <sstream>
#include <utility>

namespace keymedic::cli {
namespace {

constexpr char kKey[] = "AAAAA-BBBBB-CCCCC-DDDDD-22222";

// A stream that lets somebody answer as soon as it has been asked.
class Asked : public std::stringbuf {
 public:
  explicit Asked(std::function<void()> answer) : answer_(std::move(answer)) {}
  int sync() override {
    if (answer_) std::exchange(answer_, nullptr)();
    return 0;
  }

 private:
  std::function<void()> answer_;
};

class Terminal {
 public:
  Terminal() : person_(posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_EQ(grantpt(person_) + unlockpt(person_), 0);
    program_ = open(ptsname(person_), O_RDWR | O_NOCTTY);
    EXPECT_GE(program_, 0);
  }
  ~Terminal() {
    close(program_);
    close(person_);
  }
  void Type(const std::string& text) const {
    EXPECT_EQ(write(person_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  bool Echoes() const {
    termios now{};
    EXPECT_EQ(tcgetattr(program_, &now), 0);
    return (now.c_lflag & ECHO) != 0;
  }
  std::string Shown() const {
    fcntl(person_, F_SETFL, O_NONBLOCK);
    char buffer[1024];
    const ssize_t n = read(person_, buffer, sizeof(buffer));
    return n <= 0 ? "" : std::string(buffer, static_cast<size_t>(n));
  }
  int program() const { return program_; }

 private:
  int person_, program_ = -1;
};

TEST(SecretInput, ATerminalIsAskedAndShowsNothingOfTheAnswer) {
  const Terminal terminal;
  ASSERT_TRUE(terminal.Echoes());
  bool echoed = true;
  Asked asked([&] {
    echoed = terminal.Echoes();
    terminal.Type(std::string(kKey) + "\n");
  });
  std::ostream out(&asked);
  const auto secret = ReadSecret(terminal.program(), "the key: ", out);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(*secret, kKey);
  EXPECT_EQ(asked.str(), "the key: \n");
  EXPECT_FALSE(echoed);
  EXPECT_EQ(terminal.Shown(), "");
  EXPECT_TRUE(terminal.Echoes()) << "the terminal was not given back as it was";
}

absl::StatusOr<std::string> FromPipe(const std::string& text) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  EXPECT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  std::ostringstream out;
  auto secret = ReadSecret(ends[0], "the key: ", out);
  close(ends[0]);
  EXPECT_EQ(out.str(), "") << "a pipe is not asked";
  return secret;
}

TEST(SecretInput, AFileGivesItsFirstLine) {
  EXPECT_EQ(*FromPipe(std::string(kKey) + "\r\nanother line\n"), kKey);
  EXPECT_EQ(*FromPipe(kKey), kKey);
  EXPECT_TRUE(absl::IsInvalidArgument(FromPipe("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(FromPipe("\n").status()));
  const auto long_line = FromPipe(std::string(2000, 'x'));
  EXPECT_TRUE(absl::IsInvalidArgument(long_line.status()));
  EXPECT_EQ(std::string(long_line.status().message()).find("xxx"), std::string::npos);
}

}  // namespace
}  // namespace keymedic::cli
