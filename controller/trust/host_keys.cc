// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/host_keys.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/aes_gcm.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "controller/store/page.h"
#include "keymedic/rows/v1/rows.pb.h"

namespace keymedic::controller {
namespace {

using rows::v1::HostKeyRow;

constexpr char kPrefix[] = "host-keys/";
constexpr char kInstallsHostKey[] = "ensure_host_key";
constexpr uint64_t kMostBytes = 1024;  // of the data key's file

std::string NameOf(absl::string_view machine_id) { return absl::StrCat(kPrefix, machine_id); }

v1::HostKey ToHostKey(absl::string_view name, const HostKeyRow& row) {
  v1::HostKey key;
  key.set_name(std::string(name));
  key.set_machine_id(std::string(absl::StripPrefix(name, kPrefix)));
  key.set_partial_key(row.partial_key());
  key.set_set_by(row.set_by());
  *key.mutable_set_at() = row.set_at();
  return key;
}

absl::StatusOr<HostKeyRow> ParseRow(absl::string_view name, const std::string& bytes) {
  HostKeyRow row;
  if (row.ParseFromString(bytes)) return row;
  return absl::DataLossError(
      absl::StrCat(name, " is damaged in the store; set it again: `keymedic host-keys set --host ",
                   absl::StripPrefix(name, kPrefix), "`"));
}

absl::StatusOr<HostKeyRow> Read(Store& store, absl::string_view machine_id) {
  KM_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                      store.Get(Table::kSecrets, NameOf(machine_id)));
  if (bytes) return ParseRow(NameOf(machine_id), *bytes);
  return absl::NotFoundError(absl::StrCat("no host key is stored for machines/", machine_id,
                                          "; `keymedic host-keys set --host ", machine_id,
                                          "` stores one"));
}

auto Wiped(std::string& secret) {
  return absl::Cleanup([&secret] { OPENSSL_cleanse(secret.data(), secret.size()); });
}

}  // namespace

absl::StatusOr<std::string> HostKeys::ReadDataKey() const {
  absl::StatusOr<std::string> text = ReadFile(data_key_path_, kMostBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        data_key_path_, " is not there, and without it no stored host key can be read; restore it ",
        "from a backup, or remove all host keys (`keymedic host-keys list`) and set them again"));
  }
  KM_RETURN_IF_ERROR(text.status());
  const auto wipe = Wiped(*text);
  const absl::string_view hex = absl::StripAsciiWhitespace(*text);
  if (hex.size() == 2 * aes_gcm::kKeyBytes &&
      std::all_of(hex.begin(), hex.end(), [](char c) { return absl::ascii_isxdigit(c); })) {
    return absl::HexStringToBytes(hex);
  }
  return absl::DataLossError(absl::StrCat(data_key_path_, " does not hold a data key (",
                                          2 * aes_gcm::kKeyBytes,
                                          " hexadecimal digits); restore it from a backup"));
}

absl::StatusOr<std::string> HostKeys::ReadOrMakeDataKey() {
  std::lock_guard lock(making_);
  absl::StatusOr<std::string> key = ReadDataKey();
  if (!absl::IsFailedPrecondition(key.status())) return key;
  // Another key in its place would make the restored one useless for what is set from now on.
  KM_ASSIGN_OR_RETURN(const std::vector<Row> rows, store_.Scan(Table::kSecrets, kPrefix, "", 1));
  if (!rows.empty()) return key;
  key = random_.Bytes(aes_gcm::kKeyBytes);
  std::string text = absl::StrCat(absl::BytesToHexString(*key), "\n");
  const auto wipe = Wiped(text);
  KM_RETURN_IF_ERROR(WriteFileAtomically(data_key_path_, text, 0600));
  return key;
}

absl::StatusOr<v1::HostKey> HostKeys::Set(absl::string_view machine_id, const ProductKey& key,
                                          absl::string_view set_by) {
  KM_ASSIGN_OR_RETURN(std::string data_key, ReadOrMakeDataKey());
  const auto wipe = Wiped(data_key);
  const std::string name = NameOf(machine_id);
  HostKeyRow row;
  KM_ASSIGN_OR_RETURN(*row.mutable_sealed(), aes_gcm::Seal(data_key, key.reveal(), name, random_));
  row.set_partial_key(key.partial());
  row.set_set_by(std::string(set_by));
  *row.mutable_set_at() = ToTimestamp(clock_.Now());
  KM_RETURN_IF_ERROR(
      store_.Commit({{.table = Table::kSecrets, .key = name, .value = row.SerializeAsString()}}));
  return ToHostKey(name, row);
}

absl::StatusOr<v1::HostKey> HostKeys::Remove(absl::string_view machine_id) {
  absl::StatusOr<HostKeyRow> row = Read(store_, machine_id);
  if (absl::IsDataLoss(row.status())) row = HostKeyRow();  // that is how one gets rid of it
  KM_RETURN_IF_ERROR(row.status());
  KM_RETURN_IF_ERROR(store_.Commit({Removal(machine_id)}));
  return ToHostKey(NameOf(machine_id), *row);
}

Write HostKeys::Removal(absl::string_view machine_id) {
  return {.table = Table::kSecrets, .key = NameOf(machine_id)};
}

absl::StatusOr<v1::ListHostKeysResponse> HostKeys::List(const v1::ListHostKeysRequest& request) {
  KM_ASSIGN_OR_RETURN(const Page page, ReadPage(store_, Table::kSecrets, kPrefix,
                                                request.page_token(), request.page_size()));
  v1::ListHostKeysResponse response;
  response.set_next_page_token(page.next_page_token);
  for (const Row& stored : page.rows) {
    KM_ASSIGN_OR_RETURN(const HostKeyRow row, ParseRow(stored.key, stored.value));
    *response.add_host_keys() = ToHostKey(stored.key, row);
  }
  return response;
}

absl::StatusOr<ProductKey> HostKeys::Find(absl::string_view machine_id) {
  KM_ASSIGN_OR_RETURN(const HostKeyRow row, Read(store_, machine_id));
  KM_ASSIGN_OR_RETURN(std::string data_key, ReadDataKey());
  const auto wipe = Wiped(data_key);
  absl::StatusOr<std::string> text = aes_gcm::Open(data_key, row.sealed(), NameOf(machine_id));
  if (!text.ok()) {
    return absl::DataLossError(absl::StrCat(
        NameOf(machine_id), " does not open with ", data_key_path_, " (", text.status().message(),
        "); restore the database and that file from one backup, or set the key again: ",
        "`keymedic host-keys set --host ", machine_id, "`"));
  }
  const auto wipe_text = Wiped(*text);
  return ProductKey::Parse(*text);
}

absl::StatusOr<std::map<std::string, std::string>> HostKeys::SecretsFor(
    absl::string_view machine_id, absl::string_view action) {
  std::map<std::string, std::string> secrets;
  if (action != kInstallsHostKey) return secrets;
  KM_ASSIGN_OR_RETURN(const ProductKey key, Find(machine_id));
  secrets["key"] = key.reveal();
  return secrets;
}

}  // namespace keymedic::controller
