// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "plugins/systems/portable/portable.h"

namespace keymedic::systems {
namespace {

class PortableNames final : public Names {
 public:
  explicit PortableNames(ResolverOptions options) : resolver_(std::move(options)) {}
  absl::StatusOr<std::vector<std::string>> SearchSuffixes() override {
    return resolver_.SearchSuffixes();
  }
  v1::SrvAnswer LookupSrv(absl::string_view name) override { return resolver_.LookupSrv(name); }

 private:
  Resolver resolver_;
};

}  // namespace

std::unique_ptr<Names> MakePortableNames(ResolverOptions options) {
  return std::make_unique<PortableNames>(std::move(options));
}

}  // namespace keymedic::systems
