// SPDX-License-Identifier: Apache-2.0
//
// SELECT columns FROM class [WHERE column op literal AND ...], with =, <>, !=, IS [NOT] NULL. Pure.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_WQL_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_WQL_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/windows/doubles/wmi_model.h"

namespace keymedic::doubles {

struct Query {
  struct Condition {
    std::string column;
    bool equal = true;
    Value literal;
  };
  std::vector<std::string> columns;  // empty: all
  std::string class_name;
  std::vector<Condition> conditions;
};

bool ParseQuery(absl::string_view text, Query& query);

// Columns of the class that the query names all exist.
bool Fits(const Query& query, const Class& definition);
bool Matches(const Query& query, const Values& row);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_WQL_H_
