// SPDX-License-Identifier: Apache-2.0
//
// How lists are cut into pages. Pure but for the store's Scan; any thread.
#ifndef KEYMEDIC_CONTROLLER_STORE_PAGE_H_
#define KEYMEDIC_CONTROLLER_STORE_PAGE_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "controller/store/store.h"

namespace keymedic::controller {

// What a request's page_size comes to: 100 if it says nothing, never over 1000.
inline size_t PageSize(int32_t asked) {
  return asked <= 0 ? 100 : std::min<size_t>(static_cast<size_t>(asked), 1000);
}

struct Page {
  std::vector<Row> rows;
  std::string next_page_token;  // empty: it is the last
};

// The rows of a table in the order of their keys; a page's token is the last key before it.
inline absl::StatusOr<Page> ReadPage(Store& store, Table table, absl::string_view prefix,
                                     absl::string_view page_token, int32_t page_size) {
  const size_t size = PageSize(page_size);
  Page page;
  KM_ASSIGN_OR_RETURN(page.rows, store.Scan(table, prefix, page_token, size + 1));
  if (page.rows.size() > size) {
    page.rows.pop_back();
    page.next_page_token = page.rows.back().key;
  }
  return page;
}

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_STORE_PAGE_H_
