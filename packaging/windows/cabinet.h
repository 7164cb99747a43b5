// SPDX-License-Identifier: Apache-2.0
//
// A cabinet as Windows Installer takes it: one folder, compressed with LZX. The same files make the
// same cabinet, down to the instant that they carry. Pure; any thread.
#ifndef KEYMEDIC_PACKAGING_WINDOWS_CABINET_H_
#define KEYMEDIC_PACKAGING_WINDOWS_CABINET_H_

#include <string>
#include <vector>

namespace keymedic::installer {

struct CabinetFile {
  std::string name;
  std::string content;
};

// At least one file; together less than 2 GiB.
std::string MakeCabinet(const std::vector<CabinetFile>& files);

}  // namespace keymedic::installer

#endif  // KEYMEDIC_PACKAGING_WINDOWS_CABINET_H_
