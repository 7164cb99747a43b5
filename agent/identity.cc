// SPDX-License-Identifier: Apache-2.0
#include "agent/identity.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/status_file.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/x509.h"

namespace keymedic::agent {
namespace {

namespace fs = std::filesystem;

constexpr char kKey[] = "agent.key";
constexpr char kCertificate[] = "agent.crt";
constexpr char kAuthority[] = "ca.crt";

std::string Path(const std::string& state_dir, const std::string& file) {
  return absl::StrCat(state_dir, "/", file);
}
std::string Next(const std::string& state_dir, const std::string& file) {
  return absl::StrCat(state_dir, "/", file, ".next");
}
bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(NativePath(path), error);
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(NativePath(from), NativePath(to), error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot rename ", from, " to ", to, ": ",
                                               error.message(),
                                               "; check the directory's permissions and its disk"));
  }
  return absl::OkStatus();
}

absl::Status Remove(const std::string& path) {
  std::error_code error;
  fs::remove(NativePath(path), error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot remove ", path, ": ", error.message(),
                                               "; check the directory's permissions"));
  }
  return absl::OkStatus();
}

// Key first, authority last: Repair tells by what is left how far this got.
absl::Status Promote(const std::string& dir) {
  for (const char* file : {kKey, kCertificate, kAuthority}) {
    if (Exists(Next(dir, file))) KM_RETURN_IF_ERROR(Rename(Next(dir, file), Path(dir, file)));
  }
  return absl::OkStatus();
}

absl::Status RemoveNext(const std::string& dir) {
  for (const char* file : {kCertificate, kAuthority, kKey}) {
    KM_RETURN_IF_ERROR(Remove(Next(dir, file)));
  }
  return absl::OkStatus();
}

// The certificate comes last: without it the rest is no credential.
absl::Status WriteNext(const std::string& dir, const Credential& next) {
  KM_RETURN_IF_ERROR(WriteFileAtomically(Next(dir, kKey), next.key_pem, 0600));
  KM_RETURN_IF_ERROR(WriteFileAtomically(Next(dir, kAuthority), next.ca_pem, 0600));
  return WriteFileAtomically(Next(dir, kCertificate), next.certificate_pem, 0600);
}

absl::Status Repair(const std::string& dir) {
  const bool key = Exists(Next(dir, kKey));
  const bool certificate = Exists(Next(dir, kCertificate));
  if (key && certificate) return absl::OkStatus();  // whole, not yet tried
  if (key) return RemoveNext(dir);                  // writing was cut off
  return Promote(dir);                              // taking its place was cut off
}

absl::StatusOr<std::string> ReadTrimmed(const std::string& path) {
  KM_ASSIGN_OR_RETURN(std::string text, ReadFile(path, 4096));
  absl::StripAsciiWhitespace(&text);
  if (text.empty()) return absl::NotFoundError(absl::StrCat(path, " is empty"));
  return text;
}

absl::StatusOr<Credential> ReadCredential(const std::string& key, const std::string& certificate,
                                          const std::string& authority) {
  KM_ASSIGN_OR_RETURN(std::string key_pem, ReadFile(key, 1 << 20));
  KM_ASSIGN_OR_RETURN(std::string certificate_pem, ReadFile(certificate, 1 << 20));
  KM_ASSIGN_OR_RETURN(std::string ca_pem, ReadFile(authority, 1 << 20));
  auto credential =
      MakeCredential(std::move(key_pem), std::move(certificate_pem), std::move(ca_pem));
  if (!credential.ok()) return Annotate(credential.status(), absl::StrCat(certificate, ", ", key));
  return credential;
}

absl::StatusOr<Credential> ReadCurrent(const std::string& dir) {
  return ReadCredential(Path(dir, kKey), Path(dir, kCertificate), Path(dir, kAuthority));
}

std::optional<Credential> ReadNext(const std::string& dir) {
  auto next = ReadCredential(Next(dir, kKey), Next(dir, kCertificate), Next(dir, kAuthority));
  if (!next.ok()) return std::nullopt;
  return *std::move(next);
}

}  // namespace

bool Credential::NeedsRenewal(absl::Time now) const {
  return now >= not_before + (not_after - not_before) * 2 / 3;
}

absl::StatusOr<Credential> MakeCredential(std::string key_pem, std::string certificate_pem,
                                          std::string ca_pem) {
  auto info = x509::Inspect(certificate_pem);
  if (!info.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("not a certificate: ", info.status().message()));
  }
  if (auto authority = x509::Inspect(ca_pem); !authority.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a certificate authority: ", authority.status().message()));
  }
  if (!x509::KeyMatches(key_pem, certificate_pem)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the certificate ", info->serial, " does not belong to the key beside it"));
  }
  return Credential{std::move(key_pem), std::move(certificate_pem), std::move(ca_pem),
                    info->not_before, info->not_after};
}

absl::StatusOr<Identity> Identity::Load(const std::string& state_dir) {
  if (!Exists(Path(state_dir, kCertificate)) && !Exists(Next(state_dir, kCertificate))) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this machine is not enrolled (no ", Path(state_dir, kCertificate),
        "); run: keymedic-agent enroll --controller HOST:PORT --token-file FILE --state-dir ",
        state_dir));
  }
  KM_RETURN_IF_ERROR(Repair(state_dir));
  // The old one is gone or damaged and the new one is whole.
  if (!ReadCurrent(state_dir).ok() && ReadNext(state_dir)) KM_RETURN_IF_ERROR(Promote(state_dir));
  return Read(state_dir);
}

absl::StatusOr<Identity> Identity::Read(const std::string& state_dir) {
  Identity identity;
  identity.state_dir_ = state_dir;
  KM_ASSIGN_OR_RETURN(identity.machine_id_, ReadTrimmed(Path(state_dir, "machine_id")));
  KM_ASSIGN_OR_RETURN(identity.controller_, ReadTrimmed(Path(state_dir, "controller")));
  auto current = ReadCurrent(state_dir);
  if (!current.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(current.status().message(),
                     "; enrol this machine again: keymedic-agent enroll --state-dir ", state_dir));
  }
  identity.current_ = *std::move(current);
  identity.next_ = ReadNext(state_dir);
  return identity;
}

absl::Status Identity::StoreNext(Credential next) {
  KM_RETURN_IF_ERROR(RemoveNext(state_dir_));
  KM_RETURN_IF_ERROR(WriteNext(state_dir_, next));
  next_ = std::move(next);
  return absl::OkStatus();
}

absl::Status Identity::PromoteNext() {
  if (!next_) return absl::OkStatus();
  KM_RETURN_IF_ERROR(Promote(state_dir_));
  current_ = *std::move(next_);
  next_.reset();
  return absl::OkStatus();
}

absl::Status Identity::DiscardNext() {
  next_.reset();
  return RemoveNext(state_dir_);
}

absl::StatusOr<std::string> ReadOrProposeMachineId(const std::string& state_dir, Random& random) {
  auto stored = ReadTrimmed(Path(state_dir, "machine_id"));
  if (absl::IsNotFound(stored.status())) return random.Uuid();
  return stored;
}

absl::Status StoreEnrolment(const std::string& state_dir, const std::string& machine_id,
                            const std::string& controller, const Credential& credential) {
  KM_RETURN_IF_ERROR(Remove(StatusFile(state_dir)));  // what another controller said
  KM_RETURN_IF_ERROR(RemoveNext(state_dir));
  KM_RETURN_IF_ERROR(WriteFileAtomically(Path(state_dir, "machine_id"), machine_id + "\n", 0600));
  KM_RETURN_IF_ERROR(WriteFileAtomically(Path(state_dir, "controller"), controller + "\n", 0600));
  KM_RETURN_IF_ERROR(WriteNext(state_dir, credential));
  return Promote(state_dir);
}

}  // namespace keymedic::agent
