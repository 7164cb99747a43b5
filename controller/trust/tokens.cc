// SPDX-License-Identifier: Apache-2.0
#include "controller/trust/tokens.h"

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "controller/store/page.h"
#include "controller/trust/identity.h"
#include "keymedic/rows/v1/rows.pb.h"

namespace keymedic::controller {
namespace {

using rows::v1::TokenRow;

constexpr uint32_t kMaxUses = 1'000'000;
constexpr absl::Duration kDefaultLifetime = absl::Hours(24);
constexpr absl::Duration kMaxLifetime = absl::Hours(24 * 365);

v1::Token ToToken(const TokenRow& row) {
  v1::Token token;
  token.set_name(absl::StrCat("tokens/", row.id()));
  token.set_id(row.id());
  token.set_uses_left(row.uses_left());
  token.set_uses_total(row.uses_total());
  *token.mutable_expires_at() = row.expires_at();
  *token.mutable_created_at() = row.created_at();
  token.set_created_by(row.created_by());
  token.set_revoked(row.revoked());
  *token.mutable_labels() = row.labels();
  return token;
}

struct StoredToken {
  std::string bytes;  // as stored: what a change expects to find
  TokenRow row;
};

absl::StatusOr<std::optional<StoredToken>> Read(Store& store, absl::string_view id) {
  KM_ASSIGN_OR_RETURN(auto bytes, store.Get(Table::kTokens, id));
  if (!bytes) return std::nullopt;
  StoredToken stored{.bytes = *std::move(bytes)};
  if (!stored.row.ParseFromString(stored.bytes)) {
    return absl::DataLossError(
        absl::StrCat("token ", id, " is damaged in the store; revoke it and create another"));
  }
  return stored;
}

absl::Status CheckUsable(const std::optional<StoredToken>& stored, const JoinToken& token,
                         absl::Time now) {
  // Compared also when there is none: how long it takes tells nothing.
  const std::string expected = stored ? stored->row.secret_sha256() : std::string(32, '\0');
  if (!ConstantTimeEqual(expected, Sha256(token.secret)) || !stored) {
    return absl::UnauthenticatedError(
        "this join token is not known here; create one with `keymedic tokens create` at this "
        "controller");
  }
  const TokenRow& row = stored->row;
  const absl::string_view remedy = "; create another with `keymedic tokens create`";
  if (row.revoked()) {
    return absl::FailedPreconditionError(
        absl::StrCat("join token ", row.id(), " was revoked", remedy));
  }
  if (const absl::Time expires = FromTimestamp(row.expires_at()); now >= expires) {
    return absl::FailedPreconditionError(
        absl::StrCat("join token ", row.id(), " expired at ",
                     absl::FormatTime(absl::RFC3339_sec, expires, absl::UTCTimeZone()), remedy));
  }
  if (row.uses_left() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("join token ", row.id(), " is used up (", row.uses_total(), " uses)", remedy));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::CreateTokenResponse> Tokens::Create(const v1::CreateTokenRequest& request,
                                                       absl::string_view created_by) {
  const uint32_t uses = request.uses() == 0 ? 1 : request.uses();
  if (uses > kMaxUses) {
    return absl::InvalidArgumentError(
        absl::StrCat("uses: ", uses, " is more than ", kMaxUses, "; make several tokens"));
  }
  const absl::Duration lifetime =
      request.has_lifetime() ? FromDuration(request.lifetime()) : kDefaultLifetime;
  if (lifetime <= absl::ZeroDuration() || lifetime > kMaxLifetime) {
    return absl::InvalidArgumentError(absl::StrCat("lifetime: ", absl::FormatDuration(lifetime),
                                                   " is not between 1 second and 365 days"));
  }
  JoinToken token{.secret = absl::BytesToHexString(random_.Bytes(16)), .ca_sha256 = ca_sha256_};
  // A repeated request finds the token of the first one, whose secret nobody can show again.
  token.id = request.request_id().empty()
                 ? absl::BytesToHexString(random_.Bytes(5))
                 : Sha256Hex(absl::StrCat(created_by, "\n", request.request_id())).substr(0, 10);
  const absl::Time now = clock_.Now();
  TokenRow row;
  row.set_id(token.id);
  row.set_secret_sha256(Sha256(token.secret));
  row.set_uses_left(uses);
  row.set_uses_total(uses);
  *row.mutable_expires_at() = ToTimestamp(now + lifetime);
  *row.mutable_created_at() = ToTimestamp(now);
  row.set_created_by(std::string(created_by));
  *row.mutable_labels() = request.labels();
  const absl::Status status = store_.Commit({{.table = Table::kTokens,
                                              .key = row.id(),
                                              .value = row.SerializeAsString(),
                                              .expected = std::optional<std::string>()}});
  if (absl::IsAborted(status)) {
    return absl::AlreadyExistsError(
        absl::StrCat("this request already made tokens/", row.id(),
                     ", whose secret was shown once; revoke it and ask with a new request_id"));
  }
  KM_RETURN_IF_ERROR(status);
  v1::CreateTokenResponse response;
  *response.mutable_token() = ToToken(row);
  response.set_secret(token.ToString());
  return response;
}

absl::StatusOr<v1::ListTokensResponse> Tokens::List(const v1::ListTokensRequest& request) {
  KM_ASSIGN_OR_RETURN(const Page page, ReadPage(store_, Table::kTokens, "", request.page_token(),
                                                request.page_size()));
  v1::ListTokensResponse response;
  response.set_next_page_token(page.next_page_token);
  for (const Row& stored : page.rows) {
    TokenRow row;
    if (!row.ParseFromString(stored.value)) {
      return absl::DataLossError(absl::StrCat("token ", stored.key, " is damaged in the store"));
    }
    *response.add_tokens() = ToToken(row);
  }
  return response;
}

absl::StatusOr<v1::Token> Tokens::Revoke(absl::string_view name) {
  const absl::string_view id = absl::StripPrefix(name, "tokens/");
  while (true) {
    KM_ASSIGN_OR_RETURN(auto stored, Read(store_, id));
    if (!stored) {
      return absl::NotFoundError(
          absl::StrCat("tokens/", id, " does not exist; `keymedic tokens list` shows what does"));
    }
    if (stored->row.revoked()) return ToToken(stored->row);
    TokenRow row = stored->row;
    row.set_revoked(true);
    const absl::Status status = store_.Commit({{.table = Table::kTokens,
                                                .key = row.id(),
                                                .value = row.SerializeAsString(),
                                                .expected = std::optional(stored->bytes)}});
    if (status.ok()) return ToToken(row);
    if (!absl::IsAborted(status)) return status;
  }
}

absl::StatusOr<std::map<std::string, std::string>> Tokens::Check(const JoinToken& token) {
  KM_ASSIGN_OR_RETURN(auto stored, Read(store_, token.id));
  KM_RETURN_IF_ERROR(CheckUsable(stored, token, clock_.Now()));
  return std::map<std::string, std::string>(stored->row.labels().begin(),
                                            stored->row.labels().end());
}

absl::Status Tokens::Redeem(const JoinToken& token, const Batch& also) {
  // Each round that is aborted means that somebody else got a use: it ends at the latest when none
  // is left.
  while (true) {
    KM_ASSIGN_OR_RETURN(auto stored, Read(store_, token.id));
    KM_RETURN_IF_ERROR(CheckUsable(stored, token, clock_.Now()));
    TokenRow row = stored->row;
    row.set_uses_left(row.uses_left() - 1);
    Batch batch = also;
    batch.push_back({.table = Table::kTokens,
                     .key = row.id(),
                     .value = row.SerializeAsString(),
                     .expected = std::optional(std::move(stored->bytes))});
    const absl::Status status = store_.Commit(std::move(batch));
    if (!absl::IsAborted(status)) return status;
  }
}

}  // namespace keymedic::controller
