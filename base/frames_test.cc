// SPDX-License-Identifier: Apache-2.0
#include "base/frames.h"

#include <gtest/gtest.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#else
#include <unistd.h>
#endif

#include "keymedic/v1/plugin.pb.h"

namespace keymedic {
namespace {

int MakePipe(int* ends) {
#ifdef _WIN32
  return _pipe(ends, 1 << 16, _O_BINARY);
#else
  return pipe(ends);
#endif
}

struct Pipe {
  int ends[2];
  Pipe() { EXPECT_EQ(MakePipe(ends), 0); }
  ~Pipe() {
    CloseWriter();
    close(ends[0]);
  }
  void CloseWriter() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
};

v1::HostRequest Request() {
  v1::HostRequest request;
  request.set_id(7);
  request.set_plugin("kms_client");
  request.mutable_collect();
  return request;
}

TEST(Frames, RoundTripThroughAPipe) {
  Pipe pipe;
  ASSERT_TRUE(WriteFrame(pipe.ends[1], Request()).ok());
  ASSERT_TRUE(WriteFrame(pipe.ends[1], v1::HostRequest()).ok());
  pipe.CloseWriter();
  v1::HostRequest read;
  ASSERT_TRUE(ReadFrame(pipe.ends[0], read).ok());
  EXPECT_EQ(read.id(), 7u);
  ASSERT_TRUE(ReadFrame(pipe.ends[0], read).ok()) << "an empty message is a frame too";
  EXPECT_EQ(ReadFrame(pipe.ends[0], read).code(), absl::StatusCode::kOutOfRange);
}

TEST(Frames, TruncatedOversizedAndForeignFramesAreNamed) {
  v1::HostRequest read;
  {
    Pipe pipe;
    const std::string frame = *EncodeFrame(Request());
    ASSERT_EQ(write(pipe.ends[1], frame.data(), frame.size() - 1),
              static_cast<ssize_t>(frame.size() - 1));
    pipe.CloseWriter();
    EXPECT_EQ(ReadFrame(pipe.ends[0], read).code(), absl::StatusCode::kDataLoss);
  }
  {
    Pipe pipe;
    ASSERT_EQ(write(pipe.ends[1], "\xff\xff\xff\x7f", 4), 4);
    const absl::Status status = ReadFrame(pipe.ends[0], read);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("2147483647"), absl::string_view::npos);
  }
  {
    Pipe pipe;
    ASSERT_EQ(write(pipe.ends[1], "\x02\x00\x00\x00\xff\xff", 6), 6);
    const absl::Status status = ReadFrame(pipe.ends[0], read);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("keymedic.v1.HostRequest"), absl::string_view::npos);
  }
}

TEST(Frames, ReadingStopsAtTheDeadline) {
  Pipe pipe;
  v1::HostRequest read;
#ifdef _WIN32
  constexpr auto kExpected = absl::StatusCode::kUnimplemented;  // and it does not wait for ever
#else
  constexpr auto kExpected = absl::StatusCode::kDeadlineExceeded;
#endif
  EXPECT_EQ(ReadFrame(pipe.ends[0], read, absl::InfinitePast()).code(), kExpected);
}

TEST(FrameDecoder, TakesBytesInAnyPieces) {
  const std::string bytes = *EncodeFrame(Request()) + *EncodeFrame(Request());
  FrameDecoder decoder;
  std::string frame;
  int frames = 0;
  for (char c : bytes) {
    decoder.Append(absl::string_view(&c, 1));
    auto next = decoder.Next(frame);
    ASSERT_TRUE(next.ok());
    if (*next) {
      ++frames;
      v1::HostRequest read;
      EXPECT_TRUE(read.ParseFromString(frame));
    }
  }
  EXPECT_EQ(frames, 2);
  EXPECT_TRUE(decoder.Finish().ok());
  decoder.Append("\x01");
  EXPECT_EQ(decoder.Finish().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace keymedic
