// SPDX-License-Identifier: Apache-2.0
#include "base/frames.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/wait_readable.h"

namespace keymedic {
namespace {

constexpr size_t kHeader = 4;

uint32_t DecodeLength(absl::string_view bytes) {
  uint32_t length = 0;
  for (size_t i = 0; i < kHeader; ++i)
    length |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return length;
}

absl::Status TooLong(uint64_t length) {
  return absl::InvalidArgumentError(
      absl::StrCat("a frame of ", length, " bytes is longer than the ", kMaxFrameBytes,
                   " allowed: the other side speaks another protocol, or is damaged"));
}

// Reads up to `size` bytes; fewer only at the end of the stream.
absl::StatusOr<size_t> ReadUpTo(int fd, char* data, size_t size, absl::Time deadline) {
  size_t done = 0;
  while (done < size) {
    KM_RETURN_IF_ERROR(WaitReadable(fd, deadline));
    const ssize_t n = read(fd, data + done, size - done);
    if (n == 0) break;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read a frame");
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace

absl::StatusOr<std::string> EncodeFrame(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  if (size > kMaxFrameBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a message of ", size, " bytes does not fit into a frame of at most ", kMaxFrameBytes));
  }
  std::string out;
  out.reserve(kHeader + size);
  for (size_t i = 0; i < kHeader; ++i) out.push_back(static_cast<char>((size >> (8 * i)) & 0xff));
  message.AppendPartialToString(&out);
  return out;
}

absl::StatusOr<bool> FrameDecoder::Next(std::string& frame) {
  if (buffer_.size() < kHeader) return false;
  const uint32_t length = DecodeLength(buffer_);
  if (length > kMaxFrameBytes) return TooLong(length);
  if (buffer_.size() < kHeader + length) return false;
  frame.assign(buffer_, kHeader, length);
  buffer_.erase(0, kHeader + length);
  return true;
}

absl::Status FrameDecoder::Finish() const {
  if (buffer_.empty()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the stream ended inside a frame: ", buffer_.size(), " bytes of it had come"));
}

absl::Status WriteFrame(int fd, const google::protobuf::MessageLite& message) {
  KM_ASSIGN_OR_RETURN(const std::string frame, EncodeFrame(message));
  absl::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t n = write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot write a frame");
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status ReadFrame(int fd, google::protobuf::MessageLite& message, absl::Time deadline) {
  char header[kHeader];
  KM_ASSIGN_OR_RETURN(const size_t got, ReadUpTo(fd, header, kHeader, deadline));
  if (got == 0) return absl::OutOfRangeError("the stream has ended");
  if (got < kHeader)
    return absl::DataLossError(
        absl::StrCat("the stream ended inside a frame's length: ", got, " of 4 bytes had come"));
  const uint32_t length = DecodeLength(absl::string_view(header, kHeader));
  if (length > kMaxFrameBytes) return TooLong(length);
  std::string body(length, '\0');
  KM_ASSIGN_OR_RETURN(const size_t body_got, ReadUpTo(fd, body.data(), length, deadline));
  if (body_got < length) {
    return absl::DataLossError(absl::StrCat("the stream ended inside a frame: ", body_got, " of ",
                                            length, " bytes had come"));
  }
  if (!message.ParseFromString(body)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame of ", length, " bytes is no ", message.GetTypeName()));
  }
  return absl::OkStatus();
}

}  // namespace keymedic
