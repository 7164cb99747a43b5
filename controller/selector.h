// SPDX-License-Identifier: Apache-2.0
//
// Which machines, and which of their findings, a text such as
//   finding=CLIENT_KEY_NOT_GVLK and site=berlin
// names. One small language for list filters and for plans; docs/selectors.md tells it to people.
//
// A value: copy it, keep it. Const calls from any thread.
// Errors: kInvalidArgument with the column, what was found there and, for a slip of the pen, what
// was probably meant. An empty text is an error and never stands for everything; `all` does.
#ifndef KEYMEDIC_CONTROLLER_SELECTOR_H_
#define KEYMEDIC_CONTROLLER_SELECTOR_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controller/fleet/fleet_port.h"
#include "keymedic/v1/finding.pb.h"

namespace keymedic::controller {

class Selector {
 public:
  static absl::StatusOr<Selector> Parse(absl::string_view text);

  // `finding=X` holds when one of the findings is X or follows from X.
  bool Matches(const FleetPort::MachineInfo& machine,
               const std::vector<v1::Finding>& findings_of_machine) const;

  // Does a term speak of this very finding, by its code, its cause's code or its severity (and is
  // not negated)? Such a finding is meant even if it is only a notice.
  bool Names(const v1::Finding& finding) const;

  // kInvalidArgument for the first label that a term speaks of and that is not `known`: a slip
  // there selects nothing, and behind `not` or != everything.
  absl::Status CheckLabels(const std::set<std::string>& known) const;

  struct Node;

 private:
  explicit Selector(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
  std::shared_ptr<const Node> root_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_SELECTOR_H_
