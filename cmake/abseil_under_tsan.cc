// SPDX-License-Identifier: Apache-2.0
//
// Why: Debian's Abseil is built without the thread sanitizer, which therefore does not see that a
// mutex or a notification orders what two threads do, and calls all that is guarded by one a race.
// Suppressions would hide the true races as well. So these definitions take the place of Abseil's
// (a program's symbols come before a shared library's), go on to the real ones, and tell the
// sanitizer of the order. A function that is missing here shows as a false race, never as silence.
// Life cycle: linked into each program of a build for the thread sanitizer, and into nothing else.
// Threads: any. Errors: the program ends if it finds no shared Abseil behind it.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <bit>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

// Abseil's function of the same name. (A pointer to a member that is not virtual is its address and
// an adjustment, in the C++ ABI of everything but Windows.)
template <typename Member>
Member Next(Member mine) {
  struct Parts {
    void* function;
    ptrdiff_t adjustment;
  };
  Parts parts = std::bit_cast<Parts>(mine);
  Dl_info symbol{};
  if (dladdr(parts.function, &symbol) != 0 && symbol.dli_sname != nullptr) {
    parts.function = dlsym(RTLD_NEXT, symbol.dli_sname);
    if (parts.function != nullptr) return std::bit_cast<Member>(parts);
  }
  std::fprintf(stderr, "abseil_under_tsan: no shared Abseil has %s\n",
               symbol.dli_sname == nullptr ? "this function" : symbol.dli_sname);
  std::abort();
}

void Acquire(const void* object) { __tsan_acquire(const_cast<void*>(object)); }
void Release(const void* object) { __tsan_release(const_cast<void*>(object)); }

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto next = Next(&Mutex::Lock);
  (this->*next)();
  Acquire(this);
}

void Mutex::Unlock() {
  static const auto next = Next(&Mutex::Unlock);
  Release(this);
  (this->*next)();
}

bool Mutex::TryLock() {
  static const auto next = Next(&Mutex::TryLock);
  const bool locked = (this->*next)();
  if (locked) Acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  static const auto next = Next(&Mutex::ReaderLock);
  (this->*next)();
  Acquire(this);
}

void Mutex::ReaderUnlock() {
  static const auto next = Next(&Mutex::ReaderUnlock);
  Release(this);
  (this->*next)();
}

void Mutex::LockWhen(const Condition& condition) {
  static const auto next = Next(&Mutex::LockWhen);
  (this->*next)(condition);
  Acquire(this);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, absl::Duration timeout) {
  static const auto next = Next(&Mutex::LockWhenWithTimeout);
  const bool held = (this->*next)(condition, timeout);
  Acquire(this);
  return held;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, absl::Time deadline) {
  static const auto next = Next(&Mutex::LockWhenWithDeadline);
  const bool held = (this->*next)(condition, deadline);
  Acquire(this);
  return held;
}

void Mutex::Await(const Condition& condition) {
  static const auto next = Next(&Mutex::Await);
  Release(this);
  (this->*next)(condition);
  Acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, absl::Duration timeout) {
  static const auto next = Next(&Mutex::AwaitWithTimeout);
  Release(this);
  const bool held = (this->*next)(condition, timeout);
  Acquire(this);
  return held;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, absl::Time deadline) {
  static const auto next = Next(&Mutex::AwaitWithDeadline);
  Release(this);
  const bool held = (this->*next)(condition, deadline);
  Acquire(this);
  return held;
}

// Another thread evaluates the waiter's condition: under the lock, but after it told of its
// release.
bool Condition::Eval() const {
  static const auto next = Next(&Condition::Eval);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  const bool held = (this->*next)();
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  return held;
}

void CondVar::Wait(Mutex* mutex) {
  static const auto next = Next(&CondVar::Wait);
  Release(mutex);
  (this->*next)(mutex);
  Acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, absl::Duration timeout) {
  static const auto next = Next(&CondVar::WaitWithTimeout);
  Release(mutex);
  const bool timed_out = (this->*next)(mutex, timeout);
  Acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, absl::Time deadline) {
  static const auto next = Next(&CondVar::WaitWithDeadline);
  Release(mutex);
  const bool timed_out = (this->*next)(mutex, deadline);
  Acquire(mutex);
  return timed_out;
}

// Also for HasBeenNotified, which is inline and reads `notified_yet_`.
void Notification::Notify() {
  static const auto next = Next(&Notification::Notify);
  Release(this);
  Release(&notified_yet_);
  (this->*next)();
}

void Notification::WaitForNotification() const {
  static const auto next = Next(&Notification::WaitForNotification);
  (this->*next)();
  Acquire(this);
}

bool Notification::WaitForNotificationWithTimeout(absl::Duration timeout) const {
  static const auto next = Next(&Notification::WaitForNotificationWithTimeout);
  const bool notified = (this->*next)(timeout);
  if (notified) Acquire(this);
  return notified;
}

bool Notification::WaitForNotificationWithDeadline(absl::Time deadline) const {
  static const auto next = Next(&Notification::WaitForNotificationWithDeadline);
  const bool notified = (this->*next)(deadline);
  if (notified) Acquire(this);
  return notified;
}

bool BlockingCounter::DecrementCount() {
  static const auto next = Next(&BlockingCounter::DecrementCount);
  Release(this);
  return (this->*next)();
}

void BlockingCounter::Wait() {
  static const auto next = Next(&BlockingCounter::Wait);
  (this->*next)();
  Acquire(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
