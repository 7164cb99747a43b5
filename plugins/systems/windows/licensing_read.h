// SPDX-License-Identifier: Apache-2.0
//
// Rows of the licensing classes as sections, field by field. A property that this Windows lacks
// leaves its field unset; one that it has and that is null is known to be empty. Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSING_READ_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSING_READ_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "plugins/systems/windows/license_values.h"
#include "plugins/systems/windows/licensing.h"

namespace keymedic::systems {

inline constexpr char kServiceClass[] = "SoftwareLicensingService";
inline constexpr char kProductClass[] = "SoftwareLicensingProduct";

// What is read of each class for what; the instance's key is always among it.
const std::vector<std::string>& ServiceColumns();
const std::vector<std::string>& ServiceClientColumns();
const std::vector<std::string>& ServiceHostColumns();
const std::vector<std::string>& ServiceOverrideColumns();
const std::vector<std::string>& ProductColumns();
const std::vector<std::string>& ProductClientColumns();
const std::vector<std::string>& ProductHostColumns();
const std::vector<std::string>& ProductKeyColumns();

// A number of things: 0xFFFFFFFF is how Windows says that it does not know.
std::optional<int64_t> CountOf(std::optional<int64_t> number);

std::string ChannelOfRow(const WmiRow& product);
// The one that Windows itself is licensed by; null if there is none.
const WmiRow* PrimaryRow(const std::vector<WmiRow>& products);
// The one that makes this machine a KMS host, Windows' before others; null if there is none.
const WmiRow* HostRow(const std::vector<WmiRow>& products);
bool IsHost(const WmiRow& service, const WmiRow* host_product);

void FillProduct(const WmiRow& row, absl::Time now, ExpiryMemory& memory, v1::Product& product);
// `product` may be null.
v1::KmsClientSection MakeClient(const WmiRow& service, const WmiRow* product);
v1::KmsHostSection MakeHost(const WmiRow& service, const WmiRow* product);
void FillLog(const ChannelState& log, absl::Time now, v1::KmsHostSection& host);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSING_READ_H_
