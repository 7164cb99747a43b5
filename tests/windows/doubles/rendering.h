// SPDX-License-Identifier: Apache-2.0
//
// An event as the array of values that EvtRender fills a caller's buffer with: the values, then the
// texts that they point to.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_RENDERING_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_RENDERING_H_

#include <windows.h>
#include <winevt.h>

#include <string>
#include <vector>

#include "keymedic/v1/event.pb.h"

namespace keymedic::doubles {

class Rendering {
 public:
  static Rendering System(const v1::EventRecord& event);
  static Rendering User(const v1::EventRecord& event);

  DWORD bytes() const;
  DWORD count() const { return static_cast<DWORD>(values_.size()); }
  // `buffer` holds at least bytes().
  void CopyTo(void* buffer) const;

 private:
  struct Item {
    EVT_VARIANT value{};
    std::wstring text;  // of a string
  };
  static Item Text(const std::string& utf8);
  std::vector<Item> values_;
};

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_RENDERING_H_
