// SPDX-License-Identifier: Apache-2.0
//
// Lists of what was seen, newest first, that grow by pieces which may overlap. Internal to kms.
#ifndef KEYMEDIC_KMS_NEWEST_FIRST_H_
#define KEYMEDIC_KMS_NEWEST_FIRST_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "google/protobuf/timestamp.pb.h"

namespace keymedic::kms {

inline bool IsLater(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return std::pair(a.seconds(), a.nanos()) > std::pair(b.seconds(), b.nanos());
}

// Whether `a` is not older than `b`. What has no time is newer than what came before it without a
// time, and never displaces what has one.
template <typename A, typename B>
bool Displaces(bool a_timed, const A& a, bool b_timed, const B& b) {
  if (!b_timed) return true;
  return a_timed && !IsLater(b, a);
}

// Brings `batch` (oldest first) into `list` (newest first). Items without a time keep the order of
// the batch, also towards those that `list` holds already; so the same batch again changes nothing.
//   same(a, b): both tell of one thing.   update(known, seen): adds to `known` what `seen` tells.
template <typename T, typename Same, typename Update>
void MergeNewestFirst(std::vector<T> batch, std::vector<T>& list, Same same, Update update) {
  std::vector<T> waiting;        // older than the next one that is known, or newer than all
  std::optional<size_t> newest;  // where the last one of the batch stands
  for (T& item : batch) {
    const auto is_it = [&](const T& other) { return same(other, item); };
    auto known = std::find_if(list.begin(), list.end(), is_it);
    if (known != list.end()) {
      update(*known, item);
      newest = known - list.begin();
      list.insert(known + 1, std::make_move_iterator(waiting.rbegin()),
                  std::make_move_iterator(waiting.rend()));
      waiting.clear();
      continue;
    }
    if (newest) {
      list.insert(list.begin() + *newest, std::move(item));
      continue;
    }
    auto again = std::find_if(waiting.begin(), waiting.end(), is_it);
    if (again != waiting.end()) {
      update(*again, item);
      std::rotate(again, again + 1, waiting.end());
    } else {
      waiting.push_back(std::move(item));
    }
  }
  list.insert(list.begin(), std::make_move_iterator(waiting.rbegin()),
              std::make_move_iterator(waiting.rend()));
  std::stable_sort(list.begin(), list.end(), [](const T& a, const T& b) {
    if (!a.has_at() || !b.has_at()) return a.has_at() && !b.has_at();
    return IsLater(a.at(), b.at());
  });
}

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_NEWEST_FIRST_H_
