// SPDX-License-Identifier: Apache-2.0
//
// lzx-cab OUT.cab NAME=FILE...: a cabinet of these files, in this order. For build-msi, which runs
// it where the package is made.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "packaging/windows/cabinet.h"

namespace keymedic::installer {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "lzx-cab: %s\n", what.c_str());
  std::exit(1);
}

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  if (!in || !(content << in.rdbuf())) Die(path + ": cannot be read, or is empty");
  return content.str();
}

int Main(int argc, char** argv) {
  if (argc < 3) Die("usage: lzx-cab OUT.cab NAME=FILE...");
  std::vector<CabinetFile> files;
  for (int i = 2; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    if (equals == std::string::npos) Die(argument + ": write NAME=FILE");
    files.push_back({argument.substr(0, equals), Read(argument.substr(equals + 1))});
  }
  std::ofstream out(argv[1], std::ios::binary);
  out << MakeCabinet(files) << std::flush;
  if (!out) Die(std::string(argv[1]) + ": cannot be written");
  return 0;
}

}  // namespace
}  // namespace keymedic::installer

int main(int argc, char** argv) { return keymedic::installer::Main(argc, argv); }
