// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/authority.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace keymedic::controller {
namespace {

constexpr absl::Duration kYear = absl::Hours(24 * 365);
// Clocks differ a little; a certificate is good a little before it was made.
constexpr absl::Duration kBackdate = absl::Minutes(10);
constexpr int kPublic = 0644, kSecret = 0600;

std::string Join(const std::string& directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

}  // namespace

absl::Time IssuedAt(const x509::Info& certificate) { return certificate.not_before + kBackdate; }

absl::Status InitializeAuthority(const std::string& directory,
                                 const std::vector<std::string>& names, absl::Time now) {
  if (names.empty()) {
    return absl::InvalidArgumentError(
        "the controller needs a name: give --name with the host name or address that agents use");
  }
  for (absl::string_view file :
       {"ca.key", "ca.crt", "server.key", "server.crt", "admin.key", "admin.crt"}) {
    std::error_code error;
    if (std::filesystem::exists(Join(directory, file), error)) {
      return absl::AlreadyExistsError(
          absl::StrCat(Join(directory, file), " is already there; an estate's authority is never ",
                       "overwritten. Choose another --data-dir, or remove it if you mean it"));
    }
  }
  KM_RETURN_IF_ERROR(MakeDirectories(directory));
  Authority authority;
  KM_ASSIGN_OR_RETURN(authority.ca_key_pem_, x509::GenerateKeyPem());
  KM_ASSIGN_OR_RETURN(authority.ca_pem_,
                      x509::MakeCaPem(authority.ca_key_pem_, "KeyMedic estate authority",
                                      now - kBackdate, now + 10 * kYear));
  KM_ASSIGN_OR_RETURN(authority.server_.key_pem, x509::GenerateKeyPem());
  KM_ASSIGN_OR_RETURN(std::string leaf, x509::SignKeyPem(authority.server_.key_pem,
                                                         {.common_name = names.front(),
                                                          .uri = kControllerUri,
                                                          .dns_names = names,
                                                          .not_before = now - kBackdate,
                                                          .not_after = now + 2 * kYear,
                                                          .server = true},
                                                         authority.ca_pem_, authority.ca_key_pem_));
  KM_ASSIGN_OR_RETURN(KeyAndCertificate admin,
                      authority.IssueOperator(Role::kAdmin, "admin", now, kYear));

  const auto write = [&](absl::string_view name, const std::string& content, int mode) {
    return WriteFileAtomically(Join(directory, name), content, mode);
  };
  KM_RETURN_IF_ERROR(write("ca.key", authority.ca_key_pem_, kSecret));
  KM_RETURN_IF_ERROR(write("ca.crt", authority.ca_pem_, kPublic));
  KM_RETURN_IF_ERROR(write("server.key", authority.server_.key_pem, kSecret));
  KM_RETURN_IF_ERROR(write("server.crt", absl::StrCat(leaf, authority.ca_pem_), kPublic));
  KM_RETURN_IF_ERROR(write("admin.key", admin.key_pem, kSecret));
  return write("admin.crt", admin.certificate_pem, kPublic);
}

absl::StatusOr<Authority> Authority::Load(const std::string& directory) {
  Authority authority;
  const auto read = [&](absl::string_view name) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> content = ReadFile(Join(directory, name));
    if (absl::IsNotFound(content.status())) {
      return absl::NotFoundError(absl::StrCat(Join(directory, name),
                                              " is not there; run `keymedic-controller init ",
                                              "--data-dir ", directory, " --name HOST` first"));
    }
    return content;
  };
  KM_ASSIGN_OR_RETURN(authority.ca_pem_, read("ca.crt"));
  KM_ASSIGN_OR_RETURN(authority.ca_key_pem_, read("ca.key"));
  KM_ASSIGN_OR_RETURN(authority.server_.key_pem, read("server.key"));
  KM_ASSIGN_OR_RETURN(authority.server_.certificate_pem, read("server.crt"));
  if (!x509::KeyMatches(authority.ca_key_pem_, authority.ca_pem_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, ": ca.key does not belong to ca.crt; restore both from the same backup"));
  }
  if (!x509::KeyMatches(authority.server_.key_pem, authority.server_.certificate_pem)) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, ": server.key does not belong to server.crt; restore both from one backup"));
  }
  KM_ASSIGN_OR_RETURN(x509::Info info, x509::Inspect(authority.ca_pem_));
  authority.ca_sha256_ = info.fingerprint_sha256;
  return authority;
}

absl::StatusOr<std::string> Authority::IssueMachine(absl::string_view csr_pem,
                                                    absl::string_view machine_id, absl::Time now,
                                                    absl::Duration lifetime) const {
  return x509::SignCsrPem(csr_pem,
                          {.common_name = std::string(machine_id),
                           .uri = MachineUri(machine_id),
                           .not_before = now - kBackdate,
                           .not_after = now + lifetime},
                          ca_pem_, ca_key_pem_);
}

absl::StatusOr<KeyAndCertificate> Authority::IssueOperator(Role role, absl::string_view name,
                                                           absl::Time now,
                                                           absl::Duration lifetime) const {
  if (!IsValidId(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("operator name \"", name, "\": use 1 to 64 letters, digits, '.', '_' or '-'"));
  }
  KeyAndCertificate issued;
  KM_ASSIGN_OR_RETURN(issued.key_pem, x509::GenerateKeyPem());
  KM_ASSIGN_OR_RETURN(issued.certificate_pem, x509::SignKeyPem(issued.key_pem,
                                                               {.common_name = std::string(name),
                                                                .uri = OperatorUri(role, name),
                                                                .not_before = now - kBackdate,
                                                                .not_after = now + lifetime},
                                                               ca_pem_, ca_key_pem_));
  return issued;
}

}  // namespace keymedic::controller
