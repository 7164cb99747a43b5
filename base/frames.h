// SPDX-License-Identifier: Apache-2.0
//
// Messages on a byte stream: 4 bytes length, little endian, then the serialised message. Used
// between agent and plugin host, and between a plugin and a lab.
#ifndef KEYMEDIC_BASE_FRAMES_H_
#define KEYMEDIC_BASE_FRAMES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"

namespace keymedic {

inline constexpr uint32_t kMaxFrameBytes = 64u << 20;

// Length and message, ready to be written. kResourceExhausted past kMaxFrameBytes.
absl::StatusOr<std::string> EncodeFrame(const google::protobuf::MessageLite& message);

// Collects bytes, gives whole frames. Not synchronised.
class FrameDecoder {
 public:
  void Append(absl::string_view bytes) { buffer_.append(bytes.data(), bytes.size()); }
  // True: `frame` holds the next one. False: more bytes are needed. kInvalidArgument: a length over
  // kMaxFrameBytes, named; the stream cannot be followed any further.
  absl::StatusOr<bool> Next(std::string& frame);
  // What is left at the end of the stream: ok if nothing, kDataLoss if half a frame, with the
  // sizes.
  absl::Status Finish() const;

 private:
  std::string buffer_;
};

// Blocking, on file descriptors. Read: kOutOfRange at a clean end of the stream, kDataLoss in the
// middle of a frame, kDeadlineExceeded, kInvalidArgument for a frame that is too long or no message
// of that type.
absl::Status WriteFrame(int fd, const google::protobuf::MessageLite& message);
absl::Status ReadFrame(int fd, google::protobuf::MessageLite& message,
                       absl::Time deadline = absl::InfiniteFuture());  // see base/wait_readable.h

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_FRAMES_H_
