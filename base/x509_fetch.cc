// SPDX-License-Identifier: Apache-2.0
//
// FetchPinnedCaPem. It connects by itself: OpenSSL's connect BIO never sees on Windows that nobody
// listens, and turns in a circle without looking at the time.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/await_connected.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "base/x509.h"

namespace keymedic::x509 {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using AddressesPtr = std::unique_ptr<BIO_ADDRINFO, Freer<BIO_ADDRINFO_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;

// AF_UNSPEC and SOCK_STREAM, which are the same on every system.
constexpr int kAnyFamily = 0;
constexpr int kStream = 1;

absl::Status Unreachable(const std::string& target, bool in_time) {
  ERR_clear_error();
  return absl::UnavailableError(
      absl::StrCat("cannot reach a controller at ", target, in_time ? "" : " in time",
                   "; check the address, that the controller runs, and that the port is open"));
}

AddressesPtr Resolve(const std::string& target) {
  char* host = nullptr;
  char* port = nullptr;
  const absl::Cleanup free = [&] {
    OPENSSL_free(host);
    OPENSSL_free(port);
  };
  BIO_ADDRINFO* found = nullptr;
  if (BIO_parse_hostserv(target.c_str(), &host, &port, BIO_PARSE_PRIO_HOST) == 1) {
    BIO_lookup(host, port, BIO_LOOKUP_CLIENT, kAnyFamily, kStream, &found);
  }
  return AddressesPtr(found);
}

// Null: nobody there, or not in time.
BioPtr ConnectTo(const BIO_ADDRINFO* address, absl::Time deadline) {
  const int socket =
      BIO_socket(BIO_ADDRINFO_family(address), kStream, BIO_ADDRINFO_protocol(address), 0);
  if (socket < 0) return nullptr;
  BioPtr bio(BIO_new_socket(socket, BIO_CLOSE));
  if (BIO_connect(socket, BIO_ADDRINFO_address(address), BIO_SOCK_NONBLOCK) == 1) return bio;
  if (BIO_sock_should_retry(-1) == 0 || !AwaitConnected(socket, deadline) ||
      BIO_sock_error(socket) != 0) {
    return nullptr;
  }
  return bio;
}

BioPtr Connect(const std::string& target, absl::Time deadline) {
  const AddressesPtr addresses = Resolve(target);
  for (const BIO_ADDRINFO* a = addresses.get(); a != nullptr; a = BIO_ADDRINFO_next(a)) {
    if (BioPtr bio = ConnectTo(a, deadline)) return bio;
  }
  return nullptr;
}

std::string ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

// The one of the server's certificates that is wanted.
absl::StatusOr<std::string> Find(const STACK_OF(X509) * chain, absl::string_view sha256_hex) {
  const std::string wanted = absl::AsciiStrToLower(sha256_hex);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    std::string pem = ToPem(sk_X509_value(chain, i));
    KM_ASSIGN_OR_RETURN(const Info info, Inspect(pem));
    if (ConstantTimeEqual(info.fingerprint_sha256, wanted)) return pem;
  }
  return absl::NotFoundError("no such certificate");
}

}  // namespace

absl::StatusOr<std::string> FetchPinnedCaPem(absl::string_view host_port,
                                             absl::string_view sha256_hex, absl::Duration timeout) {
  BIO_sock_init();  // Windows asks for it
  ERR_clear_error();
  const std::string target(host_port);
  const absl::Time deadline = absl::Now() + timeout;
  BioPtr socket = Connect(target, deadline);
  if (socket == nullptr) return Unreachable(target, absl::Now() < deadline);

  const ContextPtr context(SSL_CTX_new(TLS_client_method()));
  // Trust comes from the fingerprint below.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  // gRPC servers speak HTTP/2 only, and say so by ALPN.
  SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
  const BioPtr tls(BIO_push(BIO_new_ssl(context.get(), /*client=*/1), socket.release()));
  while (BIO_do_handshake(tls.get()) <= 0) {
    const bool in_time = absl::Now() < deadline;
    if (!BIO_should_retry(tls.get()) || !in_time) return Unreachable(target, in_time);
    BIO_wait(tls.get(), absl::ToTimeT(deadline) + 1, 50);
  }
  SSL* ssl = nullptr;
  BIO_get_ssl(tls.get(), &ssl);
  auto found = Find(SSL_get_peer_cert_chain(ssl), sha256_hex);
  if (found.ok()) return found;
  return absl::PermissionDeniedError(absl::StrCat(
      "the server at ", target, " does not show the certificate authority that the token names; ",
      "this is another controller, or somebody stands between: check the address, or make a new "
      "token"));
}

}  // namespace keymedic::x509
