// SPDX-License-Identifier: Apache-2.0
#include "cli/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "base/temp_dir_testing.h"
#include "base/times.h"
#include "cli/bundle.h"

namespace keymedic::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);
constexpr char kUnlicensed[] =
    "Name: Windows(R), Enterprise edition\n"
    "Description: Windows(R) Operating System, RETAIL channel\n"
    "Partial Product Key: 3V66T\n"
    "License Status: Notification\n"
    "Notification Reason: 0xC004F034.\n";

std::string Zip(const std::vector<ArchiveEntry>& entries) {
  return WriteZip(entries, kNow).value_or("");
}

// A bundle's files of a machine with a retail key.
std::vector<ArchiveEntry> Bundle(const std::string& machine, absl::Time at,
                                 const std::string& folder = "") {
  v1::SupportBundle bundle;
  bundle.set_machine(machine);
  *bundle.mutable_collected_at() = ToTimestamp(at);
  v1::LicensingSection licensing;
  v1::Product& product = *licensing.add_products();
  product.set_name("Windows(R), Enterprise edition");
  product.set_description("Windows(R) Operating System, RETAIL channel");
  product.set_channel("RETAIL");
  product.set_partial_key("3V66T");
  product.set_status(v1::LICENSE_STATUS_NOTIFICATION);
  v1::Section& section = *bundle.add_sections();
  section.set_name("licensing");
  section.set_type("keymedic.v1.LicensingSection");
  section.set_payload(licensing.SerializeAsString());
  // What is beside the sections is not evidence, whatever it says.
  bundle.add_findings()->set_title("event 12293 0x80072338");
  std::vector<ArchiveEntry> files =
      PackBundle(bundle, "slmgr: Error: 0xC004F042", kNow).value_or(std::vector<ArchiveEntry>());
  for (ArchiveEntry& file : files) file.name = folder + file.name;
  return files;
}

class InputsTest : public ::testing::Test {
 protected:
  InputsTest() : directory_(MakeTempDir("inputs")) {}
  ~InputsTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = directory_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  // Codes of the causes, with where the first was seen.
  std::vector<std::string> Diagnose(const std::vector<std::string>& files,
                                    const std::string& input = "", ArchiveBudget budget = {}) {
    std::istringstream in(input);
    kms::CaptureSet set;
    ReadInputs(files, in, budget, set);
    answer_ = set.Diagnose({}, kNow);
    std::vector<std::string> found;
    for (const v1::Finding& finding : answer_.findings()) {
      if (kms::IsProblem(finding)) found.push_back(finding.code() + " " + finding.subject());
    }
    return found;
  }
  std::vector<std::string> Unread(bool asked_for) const {
    std::vector<std::string> unread;
    for (const v1::Unread& one : answer_.unread()) {
      if (one.whole_file() == asked_for) unread.push_back(one.file() + ": " + one.reason());
    }
    return unread;
  }

  const std::string directory_;
  v1::DiagnoseCapturesResponse answer_;
};

TEST_F(InputsTest, CapturesInAnArchiveAreNamedInTheEvidence) {
  const std::string zip =
      Write("case.bin", Zip({{"pc/dlv.txt", kUnlicensed}, {"logo.png", "\x89"}}));
  EXPECT_THAT(Diagnose({zip}), ElementsAre(HasSubstr("CLIENT_KEY_NOT_GVLK")));
  EXPECT_THAT(answer_.findings(0).evidence(0).source(), HasSubstr("case.bin:pc/dlv.txt"));
  EXPECT_THAT(Unread(true), IsEmpty()) << "what lies beside evidence is no failure";
  EXPECT_THAT(Unread(false), ElementsAre(HasSubstr("case.bin:logo.png")));
}

TEST_F(InputsTest, AnArchiveOnStandardInputAndInAnother) {
  const std::string inner = Zip({{"dlv.txt", kUnlicensed}});
  EXPECT_THAT(Diagnose({"-"}, Zip({{"inner.zip", inner}})),
              ElementsAre(HasSubstr("CLIENT_KEY_NOT_GVLK")));
  const std::string deep = Zip({{"middle.zip", Zip({{"inner.zip", inner}})}});
  EXPECT_THAT(Diagnose({"-"}, deep), IsEmpty());
  EXPECT_THAT(Unread(false),
              ::testing::Contains(HasSubstr("-:middle.zip:inner.zip: an archive in an archive")));
  EXPECT_THAT(Unread(true), ElementsAre(HasSubstr("nothing below it")));
}

TEST_F(InputsTest, ADirectoryIsReadWithAllBelow) {
  Write("captures/b/dlv.txt", kUnlicensed);
  Write("captures/a.zip", Zip({{"readme", "hello"}}));
  EXPECT_THAT(Diagnose({directory_ + "/captures"}), ElementsAre(HasSubstr("CLIENT_KEY_NOT_GVLK")));
  EXPECT_THAT(Unread(true), IsEmpty());
  Write("empty/nothing.txt", "nothing");
  EXPECT_THAT(Diagnose({directory_ + "/empty"}), IsEmpty());
  EXPECT_THAT(Unread(true), ElementsAre(HasSubstr("nothing below it is licensing evidence")));
}

TEST_F(InputsTest, BundlesAreReadAsStateAndJoinOneEstate) {
  const std::string one = Write("1.zip", Zip(Bundle("pc-017", kNow)));
  std::vector<ArchiveEntry> both = Bundle("pc-018", kNow, "b/");
  for (ArchiveEntry& file : Bundle("pc-019", kNow, "a/")) both.push_back(std::move(file));
  const std::string two = Write("2.zip", Zip(both));
  EXPECT_THAT(Diagnose({one, two}), ::testing::UnorderedElementsAre("CLIENT_KEY_NOT_GVLK pc-017",
                                                                    "CLIENT_KEY_NOT_GVLK pc-018",
                                                                    "CLIENT_KEY_NOT_GVLK pc-019"));
  EXPECT_THAT(answer_.unread(), IsEmpty()) << answer_.DebugString();
  EXPECT_THAT(answer_.findings(0).evidence(0).source(), HasSubstr(".zip"));
}

TEST_F(InputsTest, AnUnpackedBundleIsABundle) {
  for (const ArchiveEntry& file : Bundle("pc-017", kNow)) Write("x/" + file.name, file.content);
  EXPECT_THAT(Diagnose({directory_ + "/x"}), ElementsAre("CLIENT_KEY_NOT_GVLK pc-017"));
}

TEST_F(InputsTest, OfTwoBundlesOfOneMachineTheNewerCounts) {
  const std::string old = Write("old.zip", Zip(Bundle("pc-017", kNow - absl::Hours(48))));
  const std::string young = Write("new.zip", Zip(Bundle("PC-017", kNow)));
  for (const auto& order : {std::vector{old, young}, std::vector{young, old}}) {
    EXPECT_EQ(Diagnose(order).size(), 1u);
    EXPECT_THAT(answer_.findings(0).evidence(0).source(), HasSubstr("new.zip"));
    EXPECT_THAT(Unread(false), ElementsAre(HasSubstr("old.zip: an older state of machine")));
  }
}

TEST_F(InputsTest, OneCompressedFileIsThatFile) {
  // "nothing of interest", by gzip.
  const std::string gzip = absl::HexStringToBytes(
      "1f8b08000000000002ffcbcb2fc9c8cc4b57c84f53c8"
      "cc2b492d4a2d2ee1020006b388fd14000000");
  Diagnose({Write("notes.gz", gzip)});
  EXPECT_THAT(Unread(true), ElementsAre(HasSubstr("notes.gz: nothing in it is licensing")));
}

TEST_F(InputsTest, WhatCannotBeReadIsNamed) {
  const std::string bomb = Write("bomb.zip", Zip({{"x.txt", std::string(4 << 20, 'x')}}));
  Diagnose({bomb, directory_ + "/missing.zip", Write("broken.zip", std::string("PK\x03\x04zzz"))},
           "", {.ratio_from = 1 << 20});
  EXPECT_THAT(Unread(true),
              ElementsAre(HasSubstr("bomb.zip: x.txt unfolds to more than"),
                          HasSubstr("missing.zip"), HasSubstr("broken.zip: a damaged archive")));
}

}  // namespace
}  // namespace keymedic::cli
