// SPDX-License-Identifier: Apache-2.0
//
// A product key that cannot be printed. It has no stream operator and no conversion to a string;
// what people may see is partial(), the last five characters. The one way to the whole key is
// reveal(), which only a licensing system calls, at the moment it installs the key, and the
// controller's store of host keys, to seal it and to send it to its host.
#ifndef KEYMEDIC_BASE_PRODUCT_KEY_H_
#define KEYMEDIC_BASE_PRODUCT_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic {

class ProductKey {
 public:
  // Accepts XXXXX-XXXXX-XXXXX-XXXXX-XXXXX in any case. The error never repeats the text.
  static absl::StatusOr<ProductKey> Parse(absl::string_view text);

  ProductKey(const ProductKey&) = default;
  ProductKey& operator=(const ProductKey&) = default;
  ~ProductKey();  // overwrites the key

  std::string partial() const { return key_.substr(key_.size() - 5); }
  const std::string& reveal() const { return key_; }

 private:
  explicit ProductKey(std::string key) : key_(std::move(key)) {}
  std::string key_;
};

// Replaces everything in `text` that has the shape of a product key by "XXXXX-…-" and its last five
// characters. For text that others wrote: error messages, captures, logs.
std::string RedactProductKeys(absl::string_view text);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_PRODUCT_KEY_H_
