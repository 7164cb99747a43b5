// SPDX-License-Identifier: Apache-2.0
//
// The keys that KMS hosts are given (CSVLK). A key is for one machine, by the id in its
// certificate: a name is only what a machine says of itself, and would let another one ask for the
// key. In the store it is encrypted (base/aes_gcm.h) with the data key, a file beside ca.key that
// is made, with mode 0600, when the first key is set. What shows is the last five characters.
//
// Threads: any. The data key is read anew at each use and kept nowhere.
// Errors: the store's and the file's own; kNotFound (no key for that machine), kFailedPrecondition
// (the data key is gone), kDataLoss (it is damaged, or a row does not open with it). The message
// names the file and what to do.
#ifndef KEYMEDIC_CONTROLLER_TRUST_HOST_KEYS_H_
#define KEYMEDIC_CONTROLLER_TRUST_HOST_KEYS_H_

#include <map>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/product_key.h"
#include "base/random.h"
#include "controller/store/store.h"
#include "keymedic/v1/host_key_service.pb.h"

namespace keymedic::controller {

class HostKeys {
 public:
  // In the data directory.
  static constexpr char kDataKeyFile[] = "secrets.key";

  HostKeys(Store& store, const Clock& clock, Random& random, std::string data_key_path)
      : store_(store), clock_(clock), random_(random), data_key_path_(std::move(data_key_path)) {}

  // Replaces the one that is there. Answers leave out `host`, which the fleet knows.
  absl::StatusOr<v1::HostKey> Set(absl::string_view machine_id, const ProductKey& key,
                                  absl::string_view set_by);
  absl::StatusOr<v1::HostKey> Remove(absl::string_view machine_id);
  // What else is to be written when the machine itself is removed; whether or not it has a key.
  static Write Removal(absl::string_view machine_id);
  // Needs no data key.
  absl::StatusOr<v1::ListHostKeysResponse> List(const v1::ListHostKeysRequest& request);
  absl::StatusOr<ProductKey> Find(absl::string_view machine_id);

  // What a command of this action needs on this machine beside its parameters; of most: nothing.
  absl::StatusOr<std::map<std::string, std::string>> SecretsFor(absl::string_view machine_id,
                                                                absl::string_view action);

 private:
  absl::StatusOr<std::string> ReadDataKey() const;
  absl::StatusOr<std::string> ReadOrMakeDataKey();

  Store& store_;
  const Clock& clock_;
  Random& random_;
  const std::string data_key_path_;
  std::mutex making_;  // of the data key
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_TRUST_HOST_KEYS_H_
