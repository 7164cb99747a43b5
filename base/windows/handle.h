// SPDX-License-Identifier: Apache-2.0
//
// A handle of Windows that is closed with its object. Null when there is none; what Windows calls
// INVALID_HANDLE_VALUE counts as none, too.
#ifndef KEYMEDIC_BASE_WINDOWS_HANDLE_H_
#define KEYMEDIC_BASE_WINDOWS_HANDLE_H_

#include <windows.h>

#include <utility>

namespace keymedic::windows {

class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE handle) : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() { Close(); }

  HANDLE get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }
  void Close() {
    if (handle_ != nullptr) CloseHandle(std::exchange(handle_, nullptr));
  }

 private:
  HANDLE handle_ = nullptr;
};

}  // namespace keymedic::windows

#endif  // KEYMEDIC_BASE_WINDOWS_HANDLE_H_
