// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/machine_values.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace keymedic::systems {
namespace {

constexpr uint32_t kFirstWindows11 = 22000;

// Parts of the two names, in lower case: a manufacturer that makes nothing else, or a product.
struct Hypervisor {
  const char* manufacturer;
  const char* product;
};
constexpr Hypervisor kHypervisors[] = {
    {"vmware", ""},
    {"innotek", ""},
    {"qemu", ""},
    {"xen", ""},
    {"parallels", ""},
    {"bochs", ""},
    {"bhyve", ""},
    {"openstack", ""},
    {"nutanix", ""},
    {"ovirt", ""},
    {"alibaba", ""},
    {"digitalocean", ""},
    {"amazon ec2", ""},
    {"microsoft", "virtual"},
    {"google", "compute engine"},
    {"red hat", "kvm"},
    {"red hat", "rhev"},
    {"red hat", "openstack"},
    {"hetzner", "vserver"},
    {"", "virtualbox"},
    {"", "vmware"},
    {"", "kvm"},
    {"", "hvm domu"},
    {"", "bochs"},
    {"", "openstack"},
};

}  // namespace

std::optional<bool> IsVirtual(absl::string_view manufacturer, absl::string_view product) {
  if (manufacturer.empty() && product.empty()) return std::nullopt;
  const std::string maker = absl::AsciiStrToLower(manufacturer);
  const std::string model = absl::AsciiStrToLower(product);
  if (absl::EndsWith(model, ".metal")) return false;  // a cloud's machine without a hypervisor
  for (const Hypervisor& known : kHypervisors) {
    if (absl::StrContains(maker, known.manufacturer) && absl::StrContains(model, known.product)) {
      return true;
    }
  }
  return false;
}

std::string CaptionOf(std::string product_name, uint32_t build, bool is_server) {
  absl::string_view rest = product_name;
  if (is_server || build < kFirstWindows11 || !absl::ConsumePrefix(&rest, "Windows 10")) {
    return product_name;
  }
  return "Windows 11" + std::string(rest);
}

TimeSource TimeSourceOf(absl::string_view type, absl::string_view ntp_server) {
  TimeSource source;
  const bool all = absl::EqualsIgnoreCase(type, "AllSync");
  source.domain = all || absl::EqualsIgnoreCase(type, "NT5DS");
  if (!all && !absl::EqualsIgnoreCase(type, "NTP")) return source;
  for (const absl::string_view server : absl::StrSplit(ntp_server, ' ', absl::SkipWhitespace())) {
    source.servers.emplace_back(server.substr(0, server.find(',')));
  }
  return source;
}

int32_t SkewBucket(absl::Duration ahead) {
  return static_cast<int32_t>(std::lround(absl::ToDoubleMinutes(ahead) / 5) * 5);
}

}  // namespace keymedic::systems
