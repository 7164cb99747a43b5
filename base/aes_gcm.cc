// SPDX-License-Identifier: Apache-2.0
#include "base/aes_gcm.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::aes_gcm {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
int Length(absl::string_view text) { return static_cast<int>(text.size()); }

absl::Status CheckKey(absl::string_view key) {
  if (key.size() == kKeyBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("an AES-256 key has ", kKeyBytes, " bytes, this one has ", key.size()));
}

}  // namespace

absl::StatusOr<std::string> Seal(absl::string_view key, absl::string_view text,
                                 absl::string_view context, Random& random) {
  KM_RETURN_IF_ERROR(CheckKey(key));
  std::string sealed = random.Bytes(kNonceBytes);
  sealed.resize(kNonceBytes + text.size() + kTagBytes);
  unsigned char* const hidden = Bytes(sealed) + kNonceBytes;
  const Context cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  const bool done =
      cipher != nullptr &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key), Bytes(sealed)) ==
          1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &length, Bytes(context), Length(context)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), hidden, &length, Bytes(text), Length(text)) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), hidden + length, &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, hidden + text.size()) == 1;
  if (!done) return absl::InternalError("the cryptographic library refuses AES-256-GCM");
  return sealed;
}

absl::StatusOr<std::string> Open(absl::string_view key, absl::string_view sealed,
                                 absl::string_view context) {
  KM_RETURN_IF_ERROR(CheckKey(key));
  const absl::Status damaged = absl::DataLossError(
      "sealed with another key or for another place, or changed since it was sealed");
  if (sealed.size() < kNonceBytes + kTagBytes) return damaged;
  const absl::string_view hidden =
      sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string text(hidden.size(), '\0');
  const Context cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  const bool opened =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key), Bytes(sealed)) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, Bytes(context), Length(context)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), Bytes(text), &length, Bytes(hidden), Length(hidden)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), Bytes(text) + length, &length) == 1;
  if (opened) return text;
  OPENSSL_cleanse(text.data(), text.size());  // it was there before its tag was looked at
  return damaged;
}

}  // namespace keymedic::aes_gcm
